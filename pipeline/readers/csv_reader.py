"""CSV with exact line numbers; a broken record does not affect the records after it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

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
from pipeline.readers.schema import REQUIRED_COLUMNS
from pipeline.readers.values import Chunk

RESYNC_LINES = 1_000
"""In how many lines of a broken record the start of a valid one is searched."""
_CUT_SHORT = "A quote opens and does not close before the end of the file, which may be cut short"
_NOT_CLOSED = "A quote opens and does not close within the record"


class CsvReader:
    """The records of a CSV file, in chunks.

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
        self.columns = {ours: header[position].strip() for ours, position in self._positions.items()}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every record, valid or broken, in the order of the file."""
        lines = self._lines
        reader = self._dialect.reader(lines)
        chunk, records = Chunk(), list[list[Any]]()
        while True:
            with long_fields():
                problem = self._read_valid(reader, chunk, records)
                if problem is not None and not self._add_recovered(chunk, records):
                    self._add_broken(problem, chunk, records)
            full = len(records) >= CHUNK_ROWS or lines.characters >= CHUNK_CHARACTERS
            finished = problem is None and not full
            if records and (full or finished):
                for ours, position in self._positions.items():
                    chunk.values[ours] = list(map(itemgetter(position), records))
                yield chunk
                chunk, records = Chunk(), []
                lines.characters = 0
            if finished:
                return

    def _read_valid(self, reader: Iterator[list[str]], chunk: Chunk, records: list[list[Any]]) -> str | None:
        """Add valid records until the chunk is full, the file ends, or a record is broken.

        Returns:
            What is wrong with the current record; ``None`` if it is valid.
        """
        lines, recent, width = self._lines, self._lines.recent, self._shape.width
        starts, raws = chunk.lines, chunk.raws
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
                    self._add(record, chunk, records)
                if len(records) >= CHUNK_ROWS or lines.characters >= CHUNK_CHARACTERS:
                    return None
        except csv.Error as error:
            if lines.ended:
                return _CUT_SHORT
            return f"Not CSV: {error}" if len(recent) == 1 else _NOT_CLOSED
        except RecordTooLongError:
            return f"A quote opens and does not close within {RECORD_CHARACTERS:,} characters"
        return None

    def _add(self, record: list[Any], chunk: Chunk, records: list[list[Any]]) -> None:
        lines = self._lines
        records.append(record)
        chunk.lines.append(lines.first)
        chunk.raws.append("".join(lines.recent))
        lines.next_record()

    def _add_recovered(self, chunk: Chunk, records: list[list[Any]]) -> bool:
        """Add the current record if it can be read in another way; return whether it was."""
        lines = self._lines
        record = None
        if any("\r" in line.rstrip("\r\n") for line in lines.recent):
            record = self._with_carriage_returns()
        if record is None and not lines.overlong and self._dialect.escape is None:
            record = self._first_line_alone()
        if record is None:
            return False
        self._add(record, chunk, records)
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

    def _add_broken(self, problem: str, chunk: Chunk, records: list[list[Any]]) -> None:
        """Add the current record as found, and put back its lines from the first valid record in it."""
        lines = self._lines
        lines.put_back(len(lines.recent) - self._valid_from())
        chunk.unparseable[len(records)] = problem
        self._add([None] * self._shape.width, chunk, records)

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
