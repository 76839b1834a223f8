"""JSON lines: one JSON object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import HELPFULNESS, resolve_columns
from pipeline.readers.lines import LINE_CHARACTERS, Lines, read_chunks
from pipeline.readers.schema import REQUIRED_COLUMNS, TEXT_COLUMNS
from pipeline.readers.values import Chunk

MAX_KEYS = 1_000
"""Maximum number of different keys in a file; with more, its objects are not rows of a table."""
_TOO_LONG = f"The line is longer than {LINE_CHARACTERS:,} characters"


class JsonLinesReader:
    """The objects of a JSON lines file, in chunks.

    Objects may lack keys, and a key may first occur later in the file. Empty lines are not records.
    """

    def __init__(
        self, stream: TextIO, name: str, mapping: Mapping[str, str], *, required: Sequence[str] = REQUIRED_COLUMNS
    ) -> None:
        """Prepare to read text opened with ``newline=""``; the file must have the required columns."""
        self._lines = Lines(stream)
        self._name = name
        self._mapping = mapping
        self._required = required
        self._keys: dict[str, None] = {}
        self.columns: dict[str, str] = {}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every record, valid or broken, in the order of the file.

        Raises:
            SourceError: No object of the first chunk has a text, or none has a score.
        """
        return read_chunks(self._lines, self._objects(), self._fill)

    def _objects(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        lines = self._lines
        for line in lines:
            if line.strip():
                found = _TOO_LONG if lines.overlong else _parsed(line)
                if isinstance(found, str):
                    yield {}, found
                else:
                    if not found.keys() <= self._keys.keys():
                        self._add_keys(found)
                    yield found, None
            lines.next_record()

    def _add_keys(self, found: Mapping[str, Any]) -> None:
        self._keys.update(dict.fromkeys(found))
        if len(self._keys) > MAX_KEYS:
            raise SourceError(
                f"{quoted(self._name)}, line {self._lines.number:,}: the objects have more than {MAX_KEYS:,} different "
                "keys so far, so they are not rows of one table. Expected one review per line with the same keys."
            )
        names = list(self._keys)
        for ours, position in resolve_columns(names, self._mapping, self._name, require=False).items():
            self.columns.setdefault(ours, names[position])

    def _fill(self, chunk: Chunk, objects: list[dict[str, Any]]) -> None:
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


def _plain_value(value: Any, ours: str) -> str | int | float:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return "/".join(str(part) for part in value)
    if isinstance(value, bool) or ours in TEXT_COLUMNS:
        return str(value)
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
