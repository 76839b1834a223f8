"""The dialect of a CSV file: delimiter, quotes, escapes and lines above the header, detected from its first lines."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from pipeline.errors import ConfigurationError, SourceError, quoted
from pipeline.readers.columns import resolve_columns
from pipeline.readers.lines import LINE_CHARACTERS
from pipeline.readers.ratings import parse_rating

DELIMITERS = (",", ";", "\t", "|")
SNIFFED_CHARACTERS = 128 * 1024
"""How much of a file the dialect is detected from."""
SNIFFED_RECORDS = 50
TITLE_LINES = 20
"""How many lines may precede the header: the title and the filters of an exported report."""
USUAL_SHARE = 0.9
"""Share of records from which something is the habit of a file."""
CARRIAGE_RETURN = "\udc0d"
"""Stands for a carriage return inside a line, which the module csv refuses. No decoded text contains it."""
NARROW_WIDTH, NARROW_LINES = 3, 5
"""In tables up to this width, every line of a short text must look like a record before it is taken for one."""
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
"""The first line that Excel reads and writes to name the delimiter."""


@dataclass(frozen=True)
class Dialect:
    """How the records of a CSV file are written.

    Attributes:
        delimiter: The character between fields.
        quote: The character around fields that contain delimiters or line ends; ``None`` if quotes are text.
        escape: The character before a quote inside a field; ``None`` if the quote is doubled.
        quotes_fields: Whether fields are known to be quoted, so that a quote that never closes means a cut field.
        always_quotes_text: Whether (nearly) every text is quoted.
        skipped_lines: Lines before the header.
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    quotes_fields: bool = True
    always_quotes_text: bool = False
    skipped_lines: int = 0

    @property
    def quotes(self) -> str:
        """What quotes mean, in words."""
        if self.quote is None:
            return "quotes are text"
        return f"fields are quoted with {self.quote}" + (f", escaped with {self.escape}" if self.escape else "")

    @property
    def title(self) -> str:
        """The dialect in words."""
        return f"the delimiter {quoted(self.delimiter)}, where {self.quotes}"

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> Iterator[list[str]]:
        """Return the records of lines; ``strict`` raises ``csv.Error`` for text after a closing quote."""
        if self.quote is None:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, escapechar=self.escape, strict=strict)


@dataclass(frozen=True)
class Shape:
    """What a sound record of a file looks like.

    Attributes:
        width: Number of fields.
        score: Position of the score, if there is one.
        text: Position of the text.
    """

    width: int
    score: int | None
    text: int

    def fits(self, record: Sequence[str]) -> bool:
        """Return whether a record has the right number of fields, and a score where one belongs."""
        return len(record) == self.width and (self.score is None or parse_rating(record[self.score]) is not None)


@contextmanager
def long_fields() -> Iterator[None]:
    """Allow fields as long as a line. The limit belongs to the process, so it is restored afterwards."""
    before = csv.field_size_limit(LINE_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


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


def without_carriage_returns(line: str) -> str:
    """Return a line with ``CARRIAGE_RETURN`` in place of carriage returns that do not end it."""
    text = line.rstrip("\r\n")
    return text.replace("\r", CARRIAGE_RETURN) + line[len(text) :]


class SplitLine(NamedTuple):
    """One line, read without regard to the lines after it.

    Attributes:
        fields: Its fields.
        quoted: Whether each was quoted.
        unclosed: Whether the quote of a field does not close; the field is as found.
    """

    fields: list[str]
    quoted: list[bool]
    unclosed: bool


def split_line(line: str, dialect: Dialect) -> SplitLine:
    """Split one line whose quotes may be wrong.

    A quote closes a field only before a delimiter or the line end, so ``"She said "no" to it"`` is one field.
    """
    pieces = line.rstrip("\r\n").split(dialect.delimiter)
    quote = dialect.quote
    if quote is None or quote not in line:
        return SplitLine(pieces, [False] * len(pieces), unclosed=False)
    closing, nearest = [-1] * len(pieces), -1
    for index in range(len(pieces) - 1, -1, -1):
        nearest = index if pieces[index].endswith(quote) else nearest
        closing[index] = nearest
    found = SplitLine([], [], unclosed=False)
    index = 0
    while index < len(pieces):
        piece, last = pieces[index], -1
        if piece.startswith(quote):
            after = index + (piece == quote)
            last = closing[after] if after < len(pieces) else -1
            found = found._replace(unclosed=found.unclosed or last < 0)
        inside = dialect.delimiter.join(pieces[index : last + 1])[1:-1]
        found.fields.append(piece if last < 0 else inside.replace(quote * 2, quote))
        found.quoted.append(last >= 0)
        index = max(index, last) + 1
    return found


def sniff_dialect(
    lines: Sequence[str], mapping: Mapping[str, str], delimiter: str | None, required: Sequence[str]
) -> Dialect:
    """Return the dialect with which the first lines are most similar to a table of reviews.

    Args:
        lines: The first lines of the file.
        mapping: The column mapping of the user.
        delimiter: The delimiter that the user named.
        required: The columns that the file must have.
    """
    lines = list(map(without_carriage_returns, lines))
    skipped = 0
    if lines and (named := _SEPARATOR_LINE.fullmatch(lines[0])):
        delimiter, skipped = delimiter or named[1], 1
    candidates = [delimiter] if delimiter else DELIMITERS
    with long_fields():
        tables = [_table(lines, skipped, Dialect(candidate), mapping, required) for candidate in candidates]
        table = max(tables, key=lambda found: found.fit)
        if table.shape is None:
            return table.dialect
        return _quoting(lines[table.dialect.skipped_lines :], table.dialect, table.shape)


@dataclass(frozen=True)
class _Table:
    """The first lines, read with one delimiter: required columns found, share of records of its width, and width."""

    dialect: Dialect
    shape: Shape | None = None
    fit: tuple[int, float, int] = (0, 0.0, 0)


def _table(
    lines: Sequence[str], skipped: int, dialect: Dialect, mapping: Mapping[str, str], required: Sequence[str]
) -> _Table:
    """Return the table below the first line that names all required columns, otherwise below the first line."""
    tables = []
    for start in range(skipped, min(len(lines), skipped + TITLE_LINES)):
        if lines[start].strip():
            found = _table_from(lines, replace(dialect, skipped_lines=start), mapping, required)
            if found.fit[0] == len(required):
                return found
            tables.append(found)
    return tables[0] if tables else _Table(dialect)


def _table_from(lines: Sequence[str], dialect: Dialect, mapping: Mapping[str, str], required: Sequence[str]) -> _Table:
    reader = dialect.reader(lines[dialect.skipped_lines :], strict=False)
    try:
        header = next((record for record in reader if record), [])
        rest = [record for record in itertools.islice(reader, SNIFFED_RECORDS) if record]
    except csv.Error:
        return _Table(dialect)
    width = len(header)
    if width <= 1 < len(required) or not header:
        return _Table(dialect)
    try:
        positions = resolve_columns(header, mapping, "", require=False)
    except SourceError:
        positions = {}
    # The last record may be cut.
    rest = rest[:-1] or rest
    same_width = sum(len(record) == width for record in rest) / len(rest) if rest else 0.0
    found = sum(ours in positions for ours in required)
    shape = Shape(width, positions.get("score"), positions["text"]) if "text" in positions else None
    return _Table(dialect, shape, (found, same_width, width))


def _quoting(lines: Sequence[str], dialect: Dialect, shape: Shape) -> Dialect:
    """Return a dialect with the quotes with which most lines below the header are sound records."""
    lines = lines[1:]
    usual = _sound_records(lines, dialect, shape)
    lines = lines[: usual.end]
    text = "".join(lines)
    always = _share_of_quoted_texts(lines, dialect, shape) >= USUAL_SHARE
    dialect = replace(dialect, quotes_fields=always or usual.needing_quotes > usual.unclosed, always_quotes_text=always)
    others = []
    if '"' in text and not dialect.quotes_fields:
        others.append(replace(dialect, quote=None))
    if '\\"' in text:
        others.append(replace(dialect, escape="\\", quotes_fields=True))
    apostrophes = replace(dialect, quote="'", quotes_fields=True)
    if _share_of_quoted_texts(lines, apostrophes, shape) >= USUAL_SHARE:
        others += [apostrophes, *([replace(apostrophes, escape="\\")] if "\\'" in text else [])]
    best, most = dialect, usual.sound
    for other in others:
        sound = _sound_records(lines, other, shape).sound
        if sound > most:
            best, most = other, sound
    return best


def _share_of_quoted_texts(lines: Sequence[str], dialect: Dialect, shape: Shape) -> float:
    """Return the share of lines with a quoted text among those that are sound records on their own."""
    found = [one for line in lines if shape.fits((one := split_line(line, dialect)).fields) and not one.unclosed]
    return sum(one.quoted[shape.text] for one in found) / len(found) if found else 0.0


@dataclass
class _Counted(Iterator[str]):
    """Lines, and how many were read."""

    lines: Sequence[str]
    read: int

    def __next__(self) -> str:
        if self.read >= len(self.lines):
            raise StopIteration
        self.read += 1
        return self.lines[self.read - 1]


@dataclass
class _Sound:
    """Records of the first lines.

    Attributes:
        sound: Sound records.
        needing_quotes: Sound records with a field that could not be written without quotes.
        unclosed: Lines that would be sound records if their quote did not open a field.
        end: The line after the last record that is known to be complete.
    """

    sound: int = 0
    needing_quotes: int = 0
    unclosed: int = 0
    end: int = 0


def _sound_records(lines: Sequence[str], dialect: Dialect, shape: Shape) -> _Sound:
    """Count records; after one that is not sound, reading continues on its second line."""
    found = _Sound(end=len(lines))
    start = 0
    while start < len(lines):
        read = start
        reader = _Counted(lines, start)
        records = dialect.reader(reader, strict=True)
        try:
            for record in records:
                begun, read = read, reader.read
                taken = lines[begun:read]
                if not record:
                    continue
                if not shape.fits(record) or swallows(taken, dialect, shape):
                    read = begun
                    break
                found.sound += 1
                found.needing_quotes += _needs_quotes(record, taken, dialect)
            else:
                return found
        except csv.Error:
            if reader.read == len(lines) and read < len(lines) - 1 and not swallows(lines[read:], dialect, shape):
                found.end = read
                return found
        line = split_line(lines[read], dialect)
        if shape.fits(line.fields):
            found.unclosed += line.unclosed
            # Apostrophes inside a field in apostrophes are rarely doubled.
            found.sound += dialect.quote == "'" and not line.unclosed
        start = read + 1
    return found


def _needs_quotes(record: Sequence[str], lines: Sequence[str], dialect: Dialect) -> bool:
    doubled = dialect.quote is not None and any(dialect.quote * 2 in line for line in lines)
    return any(
        dialect.delimiter in value or "\n" in value or (doubled and str(dialect.quote) in value) for value in record
    )


def swallows(lines: Sequence[str], dialect: Dialect, shape: Shape) -> bool:
    """Return whether the lines of one record are records of their own, joined by quotes that are text.

    The lines inside the quotes count; of two lines, both. Text that only resembles a record is told by its habits: a
    space before it, or no quotes in a file that quotes every text.
    """
    if len(lines) == 1 or dialect.quote is None or shape.score is None:
        return False
    inner = [line for line in lines[1:-1] if line.strip()]
    judged = inner or lines
    sound = sum(_resembles_record(line, dialect, shape) for line in judged)
    strict = not inner or (shape.width <= NARROW_WIDTH and len(inner) < NARROW_LINES)
    return sound == len(judged) if strict else 2 * sound > len(judged)


def _resembles_record(line: str, dialect: Dialect, shape: Shape) -> bool:
    if line.count(dialect.delimiter) < shape.width - 1:
        return False
    found = split_line(line, dialect)
    if not shape.fits(found.fields):
        return False
    as_usual = found.quoted[shape.text] or not dialect.always_quotes_text
    return as_usual and not found.fields[shape.text][:1].isspace()
