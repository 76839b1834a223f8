"""CSV with exact line numbers; a broken record does not affect the records after it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import pyarrow as pa

from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import resolve_columns
from pipeline.readers.dialects import (
    CARRIAGE_RETURN,
    Dialect,
    Shape,
    long_fields,
    split_line,
    swallows,
    without_carriage_returns,
)
from pipeline.readers.encodings import Text
from pipeline.readers.lines import (
    CHUNK_CHARACTERS,
    CHUNK_ROWS,
    LINE_CHARACTERS,
    RECORD_CHARACTERS,
    Lines,
    RecordTooLongError,
)
from pipeline.readers.regular import RegularReader, RegularRecords
from pipeline.readers.schema import REQUIRED_COLUMNS
from pipeline.readers.values import Chunk

FEWEST_BYTES, MOST_BYTES = 256 * 1024, 2 * 1024 * 1024
"""How many bytes are read at once if they are regular: the fewest after an irregular block, then twice as many."""
RESYNC_LINES = 1_000
"""In how many lines of a broken record the start of a valid one is searched."""
_CUT_SHORT = "A quote opens and does not close before the end of the file, which may be cut short"
_NOT_CLOSED = "A quote opens and does not close within the record"


@dataclass
class _Part:
    """Some records of a chunk: those of a regular block, or others with their raw text."""

    records: list[list[Any]] = field(default_factory=list)
    raws: list[str] = field(default_factory=list)
    regular: RegularRecords | None = None

    def column(self, position: int) -> list[Any]:
        """Return the values of one column of ``records``."""
        return list(map(itemgetter(position), self.records))


class CsvReader:
    """The records of a CSV file, in chunks.

    Regular blocks are read at once (:mod:`pipeline.readers.regular`), everything else record by record.

    Fields are separated by one character and quoted, by default with ``"``, which is doubled inside a field (RFC 4180).
    Quotes inside an unquoted field are text. Empty lines are not records.
    """

    def __init__(
        self,
        text: Text,
        name: str,
        dialect: Dialect,
        mapping: Mapping[str, str],
        *,
        required: Sequence[str] = REQUIRED_COLUMNS,
    ) -> None:
        """Read the header of a text; the file must have the required columns.

        Raises:
            SourceError: There is no header, or a required column is missing.
        """
        self._lines = Lines(text)
        self._dialect = dialect
        header: list[str] = []
        with long_fields():
            for _ in range(dialect.skipped_lines):
                next(self._lines, None)
            self._lines.next_record()
            try:
                header = next((record for record in dialect.reader(self._lines, strict=False) if record), [])
            except (csv.Error, RecordTooLongError) as error:
                raise SourceError(
                    f"{quoted(name)}: line {self._lines.first:,}, which should name the columns, cannot be read as CSV "
                    f"({error}) with {dialect.title}. If it is CSV, "
                    "set Delimiter (delimiter), or write the file again with quotes around its fields."
                ) from None
        if not header:
            raise SourceError(
                f"{quoted(name)} has only empty lines; expected a line with column names and then reviews."
            )
        self._lines.next_record()
        try:
            self._positions = resolve_columns(header, mapping, name, required=required)
        except SourceError as error:
            raise SourceError(f"{error} It was read with {dialect.title}.") from None
        self._shape = Shape(len(header), self._positions.get("score"), self._positions["text"])
        self._regular = RegularReader(dialect, self._shape, self._positions)
        self._block_bytes = FEWEST_BYTES
        self.columns = {ours: header[position].strip() for ours, position in self._positions.items()}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every record, valid or broken, in the order of the file."""
        lines = self._lines
        reader = self._dialect.reader(lines)
        chunk, parts = Chunk(), [_Part()]
        while True:
            problem = None
            if regular := self._next_regular(most=CHUNK_ROWS - len(chunk.lines)):
                chunk.lines += (regular.first_lines + lines.number + 1).tolist()
                lines.skip(regular.size, regular.lines, regular.characters)
                parts += _Part(regular=regular), _Part()
            else:
                with long_fields():
                    problem = self._read_valid(reader, chunk, parts[-1])
                    if problem is not None and not self._add_recovered(chunk, parts[-1]):
                        self._add_broken(problem, chunk, parts[-1])
            full = len(chunk.lines) >= CHUNK_ROWS or lines.characters >= CHUNK_CHARACTERS
            finished = problem is None and not full and lines.ended
            if chunk.lines and (full or finished):
                self._fill(chunk, parts)
                yield chunk
                chunk, parts = Chunk(), [_Part()]
                lines.characters = 0
            if finished:
                return

    def _next_regular(self, *, most: int) -> RegularRecords | None:
        """Return the records of the next block, up to ``most``, if it is regular and the chunk has room for it."""
        lines = self._lines
        room = CHUNK_CHARACTERS - lines.characters
        block = lines.undecoded(min(self._block_bytes, room)) if lines.between_blocks else b""
        regular = self._regular.read(block, most=most) if 0 < len(block) < room else None
        self._block_bytes = FEWEST_BYTES if regular is None else min(2 * self._block_bytes, MOST_BYTES)
        return regular

    def _fill(self, chunk: Chunk, parts: Sequence[_Part]) -> None:
        """Add values and raw records to a chunk: as lists, or as Arrow's columns if some records are regular."""
        if len(parts) == 1:
            chunk.values = {ours: parts[0].column(position) for ours, position in self._positions.items()}
            chunk.raws = parts[0].raws
            return
        parts = [part for part in parts if part.regular or part.records]
        for ours, position in self._positions.items():
            columns = [
                part.regular.values[ours] if part.regular else pa.array(part.column(position), pa.string())
                for part in parts
            ]
            chunk.values[ours] = pa.concat_arrays(columns)
        raws = [part.regular.raws if part.regular else pa.array(part.raws, pa.string()) for part in parts]
        chunk.raws = pa.chunked_array(raws)

    def _read_valid(self, reader: Iterator[list[str]], chunk: Chunk, part: _Part) -> str | None:
        """Add valid records until the chunk is full, a block or the file ends, or a record is broken.

        Returns:
            What is wrong with the current record; ``None`` if it is valid.
        """
        lines, recent, width = self._lines, self._lines.recent, self._shape.width
        starts, raws, records = chunk.lines, part.raws, part.records
        try:
            for record in reader:
                if len(record) == width and len(recent) == 1 and not lines.overlong and not lines.ended:
                    records.append(record)
                    starts.append(lines.number)
                    raws.append(recent[0])
                    recent.clear()
                elif not record and not lines.overlong:
                    lines.next_record()
                    continue
                else:
                    problem = self._problem(record)
                    if problem is not None:
                        return problem
                    self._add(record, chunk, part)
                if len(starts) >= CHUNK_ROWS or lines.characters >= CHUNK_CHARACTERS or lines.between_blocks:
                    return None
        except csv.Error as error:
            if lines.ended:
                return _CUT_SHORT
            return f"Not CSV: {error}" if len(recent) == 1 else _NOT_CLOSED
        except RecordTooLongError:
            return f"A quote opens and does not close within {RECORD_CHARACTERS:,} characters"
        return None

    def _add(self, record: list[Any], chunk: Chunk, part: _Part) -> None:
        lines = self._lines
        part.records.append(record)
        chunk.lines.append(lines.first)
        part.raws.append("".join(lines.recent))
        lines.next_record()

    def _add_recovered(self, chunk: Chunk, part: _Part) -> bool:
        """Add the current record if it can be read in another way; return whether it was."""
        lines = self._lines
        record = None
        if any("\r" in line.rstrip("\r\n") for line in lines.recent):
            record = self._with_carriage_returns()
        if record is None and not lines.overlong and self._dialect.escape is None:
            record = self._first_line_alone()
        if record is None:
            return False
        self._add(record, chunk, part)
        return True

    def _with_carriage_returns(self) -> list[str] | None:
        """Return the current record, read again with carriage returns as text."""
        lines = self._lines
        lines.put_back(len(lines.recent))
        try:
            record = next(self._dialect.reader(map(without_carriage_returns, lines)), [])
        except (csv.Error, RecordTooLongError):
            return None
        if self._problem(record) is not None:
            return None
        return [value.replace(CARRIAGE_RETURN, "\r") for value in record]

    def _first_line_alone(self) -> list[str] | None:
        """Return the first line of the current record as a record, if its quotes are text or not doubled."""
        lines, dialect = self._lines, self._dialect
        first = lines.recent[0]
        if dialect.quote is None or dialect.quote not in first:
            return None
        split = split_line(first, dialect)
        candidates = [(split.fields, split.unclosed)]
        lenient = dialect.reader(iter((first, "")), strict=False)
        with suppress(csv.Error):
            candidates.append((next(lenient), lenient.line_num > 1))  # type: ignore[attr-defined]
        candidates.append((first.rstrip("\r\n").split(dialect.delimiter), True))
        for record, unclosed in candidates:
            if self._shape.fits(record) and (not unclosed or self._next_line_is_sound()):
                lines.put_back(len(lines.recent) - 1)
                return record
        return None

    def _next_line_is_sound(self) -> bool:
        """Return whether a record begins on the line after the first, in a file that may be written without quotes."""
        lines = self._lines
        if self._dialect.quotes_fields:
            return False
        if len(lines.recent) == 1 and next(lines, None) is None:
            return False
        return self._shape.fits(split_line(lines.recent[1], self._dialect).fields)

    def _add_broken(self, problem: str, chunk: Chunk, part: _Part) -> None:
        """Add the current record as found, and put back its lines from the first valid record in it."""
        lines = self._lines
        lines.put_back(len(lines.recent) - self._valid_from())
        chunk.unparseable[len(chunk.lines)] = problem
        self._add([None] * self._shape.width, chunk, part)

    def _problem(self, record: list[str]) -> str | None:
        """Return what is wrong with a record that is not a single line of the right width; ``None`` if it is valid."""
        lines = self._lines
        if lines.overlong:
            return f"A line is longer than {LINE_CHARACTERS:,} characters"
        if len(record) != self._shape.width:
            return f"{len(record)} fields, expected {self._shape.width}"
        if swallows(lines.recent, self._dialect, self._shape):
            return _NOT_CLOSED
        return None

    def _valid_from(self) -> int:
        """Return how many lines of the current record precede the first line that begins a valid record."""
        recent = self._lines.recent
        for start in range(1, min(len(recent), RESYNC_LINES)):
            try:
                record = next(self._dialect.reader(itertools.islice(recent, start, None), strict=False), [])
            except csv.Error:
                continue
            if self._shape.fits(record):
                return start
        return len(recent)
