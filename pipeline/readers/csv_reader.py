"""CSV with exact line numbers, in which one broken record costs one record."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TextIO

from pipeline.errors import ConfigurationError, SourceError, quoted
from pipeline.readers.columns import resolve_columns
from pipeline.readers.lines import LINE_CHARACTERS, RECORD_CHARACTERS, Lines, RecordTooLongError
from pipeline.readers.schema import REQUIRED_COLUMNS
from pipeline.readers.values import HIGHEST_SCORE, LOWEST_SCORE, Chunk, whole_number

DELIMITERS = (",", ";", "\t", "|")
CHUNK_ROWS = 8_192
CHUNK_CHARACTERS = 8 * 1024 * 1024
SNIFFED_CHARACTERS = 128 * 1024
SNIFFED_RECORDS = 50
_FULL, _END = "full", "end"
RESYNC_TRIES = 1_000
"""At how many lines of a broken record a sound one is looked for."""


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
    """Return the delimiter with which the first records look most like a table of reviews.

    Each of ``DELIMITERS`` is tried on the first ``SNIFFED_RECORDS`` records: first counts how many of the required
    columns the header then has, next the share of records as wide as the header, last its width.

    Args:
        sample: The dump's first characters.
        mapping: The user's column mapping.
    """

    def fit(delimiter: str) -> tuple[int, float, int]:
        reader = csv.reader(iter(sample.splitlines(keepends=True)), delimiter=delimiter)
        try:
            records = [record for record in itertools.islice(reader, SNIFFED_RECORDS) if record]
        except csv.Error:
            return 0, 0.0, 0
        if not records or len(records[0]) == 1:
            return 0, 0.0, 0
        header, rest = records[0], records[1:-1] if len(records) > 2 else records[1:]  # noqa: PLR2004 - the last may be cut
        try:
            positions = resolve_columns(header, mapping, "", require=False)
        except SourceError:
            positions = {}
        alike = sum(len(record) == len(header) for record in rest) / len(rest) if rest else 0.0
        return sum(ours in positions for ours in ("text", "score")), alike, len(header)

    return max(DELIMITERS, key=fit)


@dataclass
class _Gathered:
    """Records on their way into a chunk."""

    records: list[list[Any]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    raws: list[str] = field(default_factory=list)
    unparseable: dict[int, str] = field(default_factory=dict)


class CsvReader:
    """The records of a CSV file, in chunks.

    Fields are separated by one character and quoted with ``"``, doubled inside a field (RFC 4180); quotes inside
    an unquoted field are text. Empty lines are no records.
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
        """Read the header.

        Args:
            stream: Text opened with ``newline=""``.
            name: The file's name, for messages.
            delimiter: The field separator.
            mapping: The user's column mapping.
            required: Columns that the file may not lack.

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
                f"{quoted(name)} holds only empty lines; expected a line with column names and then reviews."
            )
        self._lines.next_record()
        self._width = len(header)
        self._positions = resolve_columns(header, mapping, name, required=required)
        self.columns = {ours: header[position].strip() for ours, position in self._positions.items()}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every record, sound or not, in the order of the file."""
        lines = self._lines
        reader = csv.reader(lines, delimiter=self._delimiter)
        gathered = _Gathered()
        while True:
            with _field_limit():
                found = self._gather(reader, gathered)
                if found not in {_FULL, _END}:
                    self._excluded(found, gathered)
                    if len(gathered.records) < CHUNK_ROWS and lines.characters < CHUNK_CHARACTERS:
                        continue
            if gathered.records:
                yield self._chunk(gathered)
                gathered = _Gathered()
                lines.characters = 0
            if found == _END:
                return

    def _gather(self, reader: Iterator[list[str]], into: _Gathered) -> str:
        """Take sound records until there are enough, one is broken, or the file ends.

        Returns:
            ``_FULL``, ``_END``, or what is wrong with the record whose lines are now the recent ones.
        """
        lines, recent, width = self._lines, self._lines.recent, self._width
        records, starts, raws = into.records, into.starts, into.raws
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
                    return _FULL
        except csv.Error as error:
            return f"Not CSV: {error}"
        except RecordTooLongError:
            return f"A quote opens and does not close within {RECORD_CHARACTERS:,} characters"
        return _END

    def _excluded(self, problem: str, into: _Gathered) -> None:
        """Keep the broken record as found, up to the first of its lines from which a sound one can be read."""
        lines = self._lines
        lines.hand_back(len(lines.recent) - self._sound_from())
        into.unparseable[len(into.records)] = problem
        into.records.append([None] * self._width)
        into.starts.append(lines.first)
        into.raws.append("".join(lines.recent))
        lines.next_record()

    def _chunk(self, gathered: _Gathered) -> Chunk:
        return Chunk(
            lines=gathered.starts,
            values={
                ours: list(map(itemgetter(position), gathered.records)) for ours, position in self._positions.items()
            },
            raws=gathered.raws,
            unparseable=gathered.unparseable,
        )

    def _problem(self, record: list[str]) -> str | None:
        """Return what is wrong with a record that is not simply one line of the right width, or ``None``."""
        lines = self._lines
        if lines.overlong:
            return f"A line is longer than {LINE_CHARACTERS:,} characters"
        if lines.ended:
            return "A quote opens and does not close before the end of the file, which may be cut short"
        if len(record) != self._width:
            return f"{len(record)} fields, expected {self._width}"
        # Over several lines a stray quote can join two records into one of the right width.
        try:
            for _ in csv.reader(iter(lines.recent), delimiter=self._delimiter, strict=True):
                pass
        except csv.Error:
            if self._sound_from() < len(lines.recent):
                return "A quote opens and does not close within the record"
        return None

    def _sound_from(self) -> int:
        """Return how many of the recent lines stand before the first from which a sound record can be read."""
        recent = self._lines.recent
        score = self._positions["score"]
        for start in range(1, min(len(recent), RESYNC_TRIES)):
            try:
                record = next(csv.reader(itertools.islice(recent, start, None), delimiter=self._delimiter), [])
            except csv.Error:
                continue
            if len(record) == self._width:
                value = whole_number(record[score])
                if value is not None and LOWEST_SCORE <= value <= HIGHEST_SCORE:
                    return start
        return len(recent)


class _field_limit:  # noqa: N801 - used as a function
    """Allows fields as long as a line while reading; the limit is the process's, so it is put back."""

    def __enter__(self) -> None:
        self._before = csv.field_size_limit(LINE_CHARACTERS)

    def __exit__(self, *_: object) -> None:
        csv.field_size_limit(self._before)
