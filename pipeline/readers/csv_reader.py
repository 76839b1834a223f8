"""CSV with exact line numbers; a broken record does not affect the records after it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, TextIO

from pipeline.errors import ConfigurationError, SourceError, quoted
from pipeline.readers.columns import resolve_columns
from pipeline.readers.lines import (
    CHUNK_CHARACTERS,
    CHUNK_ROWS,
    LINE_CHARACTERS,
    RECORD_CHARACTERS,
    Lines,
    RecordTooLongError,
)
from pipeline.readers.ratings import parse_rating
from pipeline.readers.schema import REQUIRED_COLUMNS
from pipeline.readers.values import Chunk

DELIMITERS = (",", ";", "\t", "|")
SNIFFED_CHARACTERS = 128 * 1024
SNIFFED_RECORDS = 50
RESYNC_LINES = 1_000
"""In how many lines of a broken record the start of a valid one is searched."""


def check_delimiter(delimiter: str | None) -> None:
    """Refuse a delimiter that cannot separate fields.

    Raises:
        ConfigurationError: It is a quote or a line end.
    """
    if delimiter is not None and delimiter in '"\r\n\0':
        raise ConfigurationError(
            f"Delimiter (delimiter): {quoted(delimiter)} cannot separate fields. "
            "Use a comma, semicolon, tab or bar, or leave it empty to detect it."
        )


def sniff_delimiter(sample: str, mapping: Mapping[str, str]) -> str:
    """Return the delimiter with which the first records are most similar to a table of reviews.

    Each of ``DELIMITERS`` is tried on the first ``SNIFFED_RECORDS`` records. The criteria, in this order, are how many
    required columns the header has, the share of records as wide as the header, and the width of the header.

    Args:
        sample: The first characters of the dump.
        mapping: The column mapping of the user.
    """

    def fit(delimiter: str) -> tuple[int, float, int]:
        reader = csv.reader(iter(sample.splitlines(keepends=True)), delimiter=delimiter)
        try:
            records = [record for record in itertools.islice(reader, SNIFFED_RECORDS) if record]
        except csv.Error:
            return 0, 0.0, 0
        if not records or len(records[0]) == 1:
            return 0, 0.0, 0
        header, *rest = records
        try:
            positions = resolve_columns(header, mapping, "", require=False)
        except SourceError:
            positions = {}
        # The last record may be cut.
        rest = rest[:-1] or rest
        same_width = sum(len(record) == len(header) for record in rest) / len(rest) if rest else 0.0
        return sum(ours in positions for ours in REQUIRED_COLUMNS), same_width, len(header)

    return max(DELIMITERS, key=fit)


class CsvReader:
    """The records of a CSV file, in chunks.

    Fields are separated by one character and quoted with ``"``, which is doubled inside a field (RFC 4180). Quotes
    inside an unquoted field are text. Empty lines are not records.
    """

    def __init__(
        self,
        stream: TextIO,
        name: str,
        delimiter: str,
        mapping: Mapping[str, str],
        *,
        required: Sequence[str] = REQUIRED_COLUMNS,
    ) -> None:
        """Read the header of text opened with ``newline=""``; the file must have the required columns.

        Raises:
            SourceError: There is no header, or a required column is missing.
        """
        self._lines = Lines(stream)
        self._delimiter = delimiter
        header: list[str] = []
        with _field_limit():
            reader = csv.reader(self._lines, delimiter=delimiter)
            try:
                header = next((record for record in reader if record), [])
            except (csv.Error, RecordTooLongError) as error:
                raise SourceError(
                    f"{quoted(name)}: the first line, which should name the columns, cannot be read as CSV ({error})."
                ) from None
        if not header:
            raise SourceError(
                f"{quoted(name)} has only empty lines; expected a line with column names and then reviews."
            )
        self._lines.next_record()
        self._width = len(header)
        self._positions = resolve_columns(header, mapping, name, required=required)
        self.columns = {ours: header[position].strip() for ours, position in self._positions.items()}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every record, valid or broken, in the order of the file."""
        lines = self._lines
        reader = csv.reader(lines, delimiter=self._delimiter)
        chunk, records = Chunk(), list[list[Any]]()
        while True:
            with _field_limit():
                problem = self._read_valid(reader, chunk, records)
                if problem is not None:
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
        lines, recent, width = self._lines, self._lines.recent, self._width
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
                    records.append(record)
                    starts.append(lines.first)
                    raws.append("".join(recent))
                    lines.next_record()
                if len(records) >= CHUNK_ROWS or lines.characters >= CHUNK_CHARACTERS:
                    return None
        except csv.Error as error:
            return f"Not CSV: {error}"
        except RecordTooLongError:
            return f"A quote opens and does not close within {RECORD_CHARACTERS:,} characters"
        return None

    def _add_broken(self, problem: str, chunk: Chunk, records: list[list[Any]]) -> None:
        """Add the current record as found, and put back its lines from the first valid record in it."""
        lines = self._lines
        lines.put_back(len(lines.recent) - self._valid_from())
        chunk.unparseable[len(records)] = problem
        records.append([None] * self._width)
        chunk.lines.append(lines.first)
        chunk.raws.append("".join(lines.recent))
        lines.next_record()

    def _problem(self, record: list[str]) -> str | None:
        """Return what is wrong with a record that is not a single line of the right width; ``None`` if it is valid."""
        lines = self._lines
        if lines.overlong:
            return f"A line is longer than {LINE_CHARACTERS:,} characters"
        if lines.ended:
            return "A quote opens and does not close before the end of the file, which may be cut short"
        if len(record) != self._width:
            return f"{len(record)} fields, expected {self._width}"
        # A stray quote can join the lines of two records into one record of the right width.
        try:
            for _ in csv.reader(iter(lines.recent), delimiter=self._delimiter, strict=True):
                pass
        except csv.Error:
            if self._valid_from() < len(lines.recent):
                return "A quote opens and does not close within the record"
        return None

    def _valid_from(self) -> int:
        """Return how many lines of the current record precede the first line that begins a valid record."""
        recent = self._lines.recent
        score = self._positions["score"]
        for start in range(1, min(len(recent), RESYNC_LINES)):
            try:
                record = next(csv.reader(itertools.islice(recent, start, None), delimiter=self._delimiter), [])
            except csv.Error:
                continue
            if len(record) == self._width and parse_rating(record[score]) is not None:
                return start
        return len(recent)


@contextmanager
def _field_limit() -> Iterator[None]:
    """Allow fields as long as a line. The limit belongs to the process, so it is restored afterwards."""
    before = csv.field_size_limit(LINE_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)
