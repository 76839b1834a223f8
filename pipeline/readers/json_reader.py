"""JSON: one object per line, one array of objects, or one of the tables that pandas and others write."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import HELPFULNESS, resolve_columns
from pipeline.readers.encodings import Text
from pipeline.readers.lines import CHUNK_CHARACTERS, CHUNK_ROWS, LINE_CHARACTERS, Lines, read_chunks
from pipeline.readers.schema import RAW_CHARACTERS, REQUIRED_COLUMNS, TEXT_COLUMNS
from pipeline.readers.values import Chunk

MAX_KEYS = 1_000
"""Maximum number of different keys in a file; with more, its objects are not rows of a table."""
_TOO_LONG = f"The line is longer than {LINE_CHARACTERS:,} characters"


MAX_TABLE_CHARACTERS = 256 * 1024 * 1024
"""Maximum size of a JSON table: unlike lines and arrays, it can only be read as a whole."""
_READ_CHARACTERS = 1024 * 1024
_CONVERT = "Convert it to JSON lines, e.g. with pandas: `table.to_json('reviews.jsonl', orient='records', lines=True)`."
_SPACE = re.compile(r"[\s,]*")
# Line ends inside strings are not valid JSON, but clear.
_DECODER = json.JSONDecoder(strict=False)
_TOKEN_CHARACTERS = 16
"""No name, number or escape that is cut off at the end of a part is longer."""

JsonKind = Literal["json_lines", "json"]


def json_kind(lines: Sequence[str], name: str) -> JsonKind | None:
    """Return how a file that begins with these lines is written; ``None`` if it is not JSON.

    Raises:
        SourceError: It is an array of arrays, which names no columns.
    """
    start = "".join(lines).lstrip()
    if start.startswith("["):
        following = start[1:].lstrip()[:1]
        if following == "[":
            raise SourceError(f"{quoted(name)} is a JSON array of arrays, which does not name its columns. {_CONVERT}")
        return "json" if following in {"{", "]"} else None
    if not start.startswith("{"):
        return None
    first, *rest = [line for line in lines if line.strip()]
    if isinstance(_parsed(first), dict):
        return "json_lines" if rest else "json"
    # The object of a first line that is not complete continues; a broken line is followed by others.
    if first.rstrip().endswith("},"):
        return "json"
    several = any(line.startswith("{") for line in rest if line.rstrip() != "{")
    return "json_lines" if several else "json"


class _Objects:
    """The columns of objects, which may lack keys; a key may first occur later in the file."""

    def __init__(self, name: str, mapping: Mapping[str, str], required: Sequence[str]) -> None:
        self._name = name
        self._mapping = mapping
        self._required = required
        self._keys: dict[str, None] = {}
        self.columns: dict[str, str] = {}

    def add_keys(self, found: Mapping[str, Any], place: str) -> None:
        """Add the keys of the next object."""
        if found.keys() <= self._keys.keys():
            return
        self._keys.update(dict.fromkeys(found))
        if len(self._keys) > MAX_KEYS:
            raise SourceError(
                f"{quoted(self._name)}, {place}: the objects have more than {MAX_KEYS:,} different "
                "keys so far, so they are not rows of one table. Expected one review per object with the same keys."
            )
        names = list(self._keys)
        for ours, position in resolve_columns(names, self._mapping, self._name, require=False).items():
            self.columns.setdefault(ours, names[position])

    def fill(self, chunk: Chunk, objects: list[dict[str, Any]]) -> None:
        """Add the values of objects to a chunk."""
        if self._keys and not all(ours in self.columns for ours in self._required):
            resolve_columns(list(self._keys), self._mapping, self._name, required=self._required)
        for ours, theirs in self.columns.items():
            values: list[Any] = []
            for index, found in enumerate(objects):
                value = found.get(theirs)
                if value is None or type(value) is str:
                    values.append(value)
                elif isinstance(value, list | dict) and not (ours == HELPFULNESS and _is_pair(value)):
                    problem = f"{ours} is {quoted(type(value).__name__)}, expected a plain value"
                    chunk.unparseable.setdefault(index, problem)
                    values.append(None)
                else:
                    values.append(_plain_value(value, ours))
            chunk.values[ours] = values


class JsonLinesReader:
    """The objects of a JSON lines file, in chunks. Empty lines are not records."""

    def __init__(
        self, text: Text, name: str, mapping: Mapping[str, str], *, required: Sequence[str] = REQUIRED_COLUMNS
    ) -> None:
        """Prepare to read a text; the file must have the required columns."""
        self._lines = Lines(text)
        self._objects = _Objects(name, mapping, required)
        self.columns = self._objects.columns

    def chunks(self) -> Iterator[Chunk]:
        """Yield every record, valid or broken, in the order of the file.

        Raises:
            SourceError: No object of the first chunk has a text, or none has a score.
        """
        return read_chunks(self._lines, self._records(), self._objects.fill)

    def _records(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        lines = self._lines
        for line in lines:
            if line.strip():
                found = _TOO_LONG if lines.overlong else _parsed(line)
                if isinstance(found, str):
                    yield {}, found
                else:
                    self._objects.add_keys(found, f"line {lines.number:,}")
                    yield found, None
            lines.next_record()


class JsonReader:
    """The objects of a JSON array, of objects that span lines, or of a table; ``line`` is the number of the object.

    An array is read in parts. Tables are those of ``DataFrame.to_json`` (columns, index, split and table), objects of
    lists, and an object with one array of objects, for example ``{"reviews": [{…}, …]}``.
    """

    def __init__(
        self, text: Text, name: str, mapping: Mapping[str, str], *, required: Sequence[str] = REQUIRED_COLUMNS
    ) -> None:
        """Prepare to read a text; the file must have the required columns."""
        self._text = text
        self._name = name
        self._mapping = mapping
        self._required = required
        self._objects = _Objects(name, mapping, required)
        self.columns = self._objects.columns

    def chunks(self) -> Iterator[Chunk]:
        """Yield every object in order.

        Raises:
            SourceError: The JSON is broken, too large for a table, or not a table of reviews.
        """
        chunk, pending, characters = Chunk(), list[dict[str, Any]](), 0
        for number, (found, size) in enumerate(self._values(), start=1):
            problem = None if isinstance(found, dict) else f"A JSON {type(found).__name__}, expected an object"
            if problem is not None:
                chunk.unparseable[len(pending)] = problem
            record = found if isinstance(found, dict) else {}
            self._objects.add_keys(record, f"object {number:,}")
            chunk.lines.append(number)
            chunk.raws.append(json.dumps(found, ensure_ascii=False)[:RAW_CHARACTERS])
            pending.append(record)
            characters += size
            if len(pending) >= CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
                self._objects.fill(chunk, pending)
                yield chunk
                chunk, pending, characters = Chunk(), [], 0
        if pending:
            self._objects.fill(chunk, pending)
            yield chunk

    def _values(self) -> Iterator[tuple[Any, int]]:
        """Yield each object and its size in characters."""
        buffer = _Buffer(self._text, self._name)
        if buffer.next_character() == "[":
            buffer.position += 1
            while (following := buffer.next_character()) and following != "]":
                yield buffer.value(LINE_CHARACTERS)
            if not following:
                raise buffer.broken("the array does not end, so the file may be cut short")
            return
        first, size = buffer.value(MAX_TABLE_CHARACTERS)
        if not buffer.next_character():
            yield from ((record, 0) for record in _rows_of_table(first, self._name, self._mapping, self._required))
            return
        yield first, size
        while buffer.next_character():
            yield buffer.value(LINE_CHARACTERS)


class _Buffer:
    """The characters of a text that were read and not yet parsed."""

    def __init__(self, text: Text, name: str) -> None:
        self._text = text
        self._name = name
        self._characters = ""
        self._values = 0
        self.position = 0

    def next_character(self) -> str:
        """Skip white space and commas; return the next character, empty at the end."""
        while True:
            space = _SPACE.match(self._characters, self.position)
            self.position = self.position if space is None else space.end()
            if self.position < len(self._characters):
                return self._characters[self.position]
            self._characters, self.position = self._text.read(_READ_CHARACTERS), 0
            if not self._characters:
                return ""

    def value(self, most: int) -> tuple[Any, int]:
        """Return the next value and its size, at most ``most`` characters."""
        size = _READ_CHARACTERS
        while True:
            try:
                found, end = _DECODER.raw_decode(self._characters, self.position)
            except json.JSONDecodeError as error:
                rest = self._characters[self.position :]
                cut = error.pos > len(self._characters) - _TOKEN_CHARACTERS or error.msg.startswith("Unterminated")
                more = self._text.read(size) if cut and len(rest) <= most else ""
                if not more:
                    too_long = cut and len(rest) > most
                    raise self.broken(f"it is longer than {most:,} characters" if too_long else error.msg) from None
                self._characters, self.position = rest + more, 0
                # Doubled, so that a long value is not parsed again for each part of it.
                size = len(self._characters)
            except (ValueError, RecursionError) as error:
                raise self.broken(str(error) or type(error).__name__) from None
            else:
                characters, self.position = end - self.position, end
                self._values += 1
                return found, characters

    def broken(self, problem: str) -> SourceError:
        """Return the error about a value that cannot be parsed."""
        return SourceError(
            f"{quoted(self._name)}: JSON value {self._values + 1:,} cannot be read: {problem[:200]}. Values after it "
            f"cannot be found. Repair the file or write it again, best as JSON lines, of which each line stands alone."
        )


def _rows_of_table(
    table: object,
    name: str,
    mapping: Mapping[str, str],
    required: Sequence[str],
) -> list[Any]:
    """Return the rows of a JSON value as objects."""
    if not isinstance(table, dict):
        raise SourceError(f"{quoted(name)} is a JSON {type(table).__name__}; expected objects. {_CONVERT}")
    columns, data = table.get("columns"), table.get("data")
    if isinstance(data, list) and isinstance(columns, list) and all(isinstance(row, list) for row in data):
        if wrong := next((row for row in data if len(row) != len(columns)), None):
            raise SourceError(f"{quoted(name)}: {len(wrong)} values in a row of {len(columns)} columns. {_CONVERT}")
        return [dict(zip(map(str, columns), row, strict=True)) for row in data]
    values = list(table.values())
    lists = [value for value in values if isinstance(value, list)]
    records = [value for value in lists if value and all(isinstance(row, dict) for row in value)]
    if len(records) == 1 and not _has_columns(table, mapping, required):
        return records[0]
    if values and len(lists) == len(values) and len({len(column) for column in lists}) == 1:
        return [dict(zip(table, row, strict=True)) for row in zip(*lists, strict=True)]
    if values and all(isinstance(value, dict) for value in values):
        if _has_columns(values[0], mapping, required) and not _has_columns(table, mapping, required):
            return values
        labels = dict.fromkeys(label for column in values for label in column)
        return [{column: cells.get(label) for column, cells in table.items()} for label in labels]
    return [table]


def _has_columns(found: Mapping[str, Any], mapping: Mapping[str, str], required: Sequence[str]) -> bool:
    positions = resolve_columns(list(found)[:MAX_KEYS], mapping, "", require=False)
    return all(ours in positions for ours in required)


def _plain_value(value: Any, ours: str) -> str | int | float | None:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return "/".join(str(part) for part in value)
    if isinstance(value, bool) or ours in TEXT_COLUMNS:
        return str(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    return value  # type: ignore[no-any-return]


def _is_pair(value: object) -> bool:
    pair = 2
    return isinstance(value, list) and len(value) == pair and all(type(part) in {int, float, str} for part in value)


def _parsed(line: str) -> dict[str, Any] | str:
    """Return the object of a line, or what is wrong with the line."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return f"Not JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return f"Not JSON that can be read: {str(error) or type(error).__name__}"
    if not isinstance(found, dict):
        return f"A JSON {type(found).__name__}, expected an object with the fields of a review"
    return found
