"""JSON lines: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import HELPFULNESS, resolve_columns
from pipeline.readers.lines import LINE_CHARACTERS, Lines
from pipeline.readers.schema import REQUIRED_COLUMNS
from pipeline.readers.values import Chunk

CHUNK_ROWS = 8_192
CHUNK_CHARACTERS = 8 * 1024 * 1024
MAX_KEYS = 1_000
"""Distinct keys over all objects from which a file is no table."""


class JsonLinesReader:
    """The objects of a JSON lines file, in chunks.

    Objects may lack keys; a key that first turns up later in the file still counts. Empty lines are no records.
    """

    def __init__(
        self, stream: TextIO, name: str, mapping: Mapping[str, str], *, required: Sequence[str] = REQUIRED_COLUMNS
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            stream: Text opened with ``newline=""``.
            name: The file's name, for messages.
            mapping: The user's column mapping.
            required: Columns that the file may not lack.
        """
        self._lines = Lines(stream)
        self._name = name
        self._mapping = mapping
        self._required = required
        self._keys: dict[str, None] = {}
        self.columns: dict[str, str] = {}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every record, sound or not, in the order of the file.

        Raises:
            SourceError: None of the first ``CHUNK_ROWS`` objects has a text, or none a score.
        """
        objects: list[dict[str, Any] | None] = []
        chunk = Chunk()
        raws: list[str] = []
        for line in self._lines:
            if line.strip():
                found = "" if self._lines.overlong else _parsed(line)
                if self._lines.overlong:
                    found = f"The line is longer than {LINE_CHARACTERS:,} characters"
                if isinstance(found, str):
                    chunk.unparseable[len(objects)] = found
                    objects.append(None)
                else:
                    if not found.keys() <= self._keys.keys():
                        self._learn(found)
                    objects.append(found)
                chunk.lines.append(self._lines.number)
                raws.append(line)
            self._lines.next_record()
            if len(objects) >= CHUNK_ROWS or self._lines.characters >= CHUNK_CHARACTERS:
                yield self._filled(chunk, objects, raws)
                objects, raws, chunk = [], [], Chunk()
                self._lines.characters = 0
        if objects:
            yield self._filled(chunk, objects, raws)

    def _learn(self, found: Mapping[str, Any]) -> None:
        self._keys.update(dict.fromkeys(found))
        if len(self._keys) > MAX_KEYS:
            raise SourceError(
                f"{quoted(self._name)}, line {self._lines.number:,}: the objects have more than "
                f"{MAX_KEYS:,} different keys "
                "so far, so they are not rows of one table. Expected one review per line with the same keys."
            )
        names = list(self._keys)
        for ours, position in resolve_columns(names, self._mapping, self._name, require=False).items():
            self.columns.setdefault(ours, names[position])

    def _filled(self, chunk: Chunk, objects: list[dict[str, Any] | None], raws: list[str]) -> Chunk:
        if self._keys and not all(ours in self.columns for ours in self._required):
            resolve_columns(list(self._keys), self._mapping, self._name, required=self._required)
        for ours, theirs in self.columns.items():
            values: list[Any] = []
            for index, found in enumerate(objects):
                value = None if found is None else found.get(theirs)
                if value is None or type(value) is str:
                    values.append(value)
                elif isinstance(value, list | dict) and not (ours == HELPFULNESS and _is_pair(value)):
                    chunk.unparseable.setdefault(
                        index, f"{ours} is {quoted(type(value).__name__)}, expected a plain value"
                    )
                    values.append(None)
                else:
                    values.append(_plain_value(value, ours))
            chunk.values[ours] = values
        chunk.raws = raws
        return chunk


_TEXTS = frozenset(("product_id", "user_id", "profile_name", "summary", "text"))


def _plain_value(value: Any, ours: str) -> str | int | float:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return "/".join(str(part) for part in value)
    if isinstance(value, bool) or ours in _TEXTS:
        return str(value)
    return value  # type: ignore[no-any-return]


def _is_pair(value: object) -> bool:
    pair = 2
    return isinstance(value, list) and len(value) == pair and all(type(part) in {int, float, str} for part in value)


def _parsed(line: str) -> dict[str, Any] | str:
    """Return a line's object, or in words why there is none."""
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return f"Not JSON: {error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:
        return f"Not JSON that can be read: {str(error) or type(error).__name__}"
    return (
        found
        if isinstance(found, dict)
        else f"A JSON {type(found).__name__}, expected an object with the review's fields"
    )
