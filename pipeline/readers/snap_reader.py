"""SNAP's text format (finefoods.txt.gz): blocks of ``key: value`` lines, one block per review."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TextIO

from pipeline.readers.columns import resolve_columns
from pipeline.readers.lines import LINE_CHARACTERS, RECORD_CHARACTERS, Lines, RecordTooLongError
from pipeline.readers.values import Chunk

FIRST_KEY = "product/productId"
KEYS = (
    FIRST_KEY,
    "product/title",
    "product/price",
    "review/userId",
    "review/profileName",
    "review/helpfulness",
    "review/score",
    "review/time",
    "review/summary",
    "review/text",
)
"""The keys of SNAP's review sets, as its pages list them."""
CHUNK_ROWS = 8_192
CHUNK_CHARACTERS = 8 * 1024 * 1024


class SnapReader:
    """The blocks of a SNAP file, in chunks.

    A block begins with its ``product/productId`` line. A line without a known key belongs to the value before it:
    some profile names of the original hold line ends. Empty lines at a block's end are dropped.
    """

    def __init__(self, stream: TextIO, name: str, mapping: Mapping[str, str]) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            stream: Text opened with ``newline=""``.
            name: The file's name, for messages.
            mapping: The user's column mapping, to SNAP's keys.
        """
        self._lines = Lines(stream)
        positions = resolve_columns(KEYS, {"summary": "review/summary", **mapping}, name)
        self.columns = {ours: KEYS[position] for ours, position in positions.items()}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every block, sound or not, in the order of the file."""
        blocks: list[dict[str, str]] = []
        chunk = Chunk()
        raws: list[str] = []
        for block, problem in self._blocks():
            if problem is not None:
                chunk.unparseable[len(blocks)] = problem
            chunk.lines.append(self._lines.first)
            raws.append("".join(self._lines.recent))
            blocks.append(block if problem is None else {})
            if len(blocks) >= CHUNK_ROWS or self._lines.characters >= CHUNK_CHARACTERS:
                yield self._filled(chunk, blocks, raws)
                blocks, raws, chunk = [], [], Chunk()
                self._lines.characters = 0
        if blocks:
            yield self._filled(chunk, blocks, raws)

    def _filled(self, chunk: Chunk, blocks: list[dict[str, str]], raws: list[str]) -> Chunk:
        chunk.values = {ours: [block.get(key) for block in blocks] for ours, key in self.columns.items()}
        chunk.raws = raws
        return chunk

    def _blocks(self) -> Iterator[tuple[dict[str, str], str | None]]:
        """Yield each block's values by key, and what is wrong with it; its lines are then the recent ones."""
        lines = self._lines
        while True:
            while (line := self._next()) is not None and not line.strip():
                lines.next_record()
            if line is None:
                return
            values: dict[str, str] = {}
            problem = None if line.startswith(FIRST_KEY) else f"The block does not begin with {FIRST_KEY}:"
            key = _take(line, values, None)
            too_long = False
            while True:
                try:
                    line = self._next()
                except RecordTooLongError:
                    too_long = True
                    break
                if line is None:
                    break
                if line.startswith(FIRST_KEY + ":"):
                    lines.hand_back(1)
                    break
                key = _take(line, values, key)
            if key is not None:
                values[key] = values[key].rstrip("\r\n")
            if too_long:
                problem = f"The block is longer than {RECORD_CHARACTERS:,} characters"
            elif lines.overlong:
                problem = f"A line is longer than {LINE_CHARACTERS:,} characters"
            elif problem is None and self.columns["text"] not in values:
                problem = f"The block has no line {self.columns['text']}:"
            yield values, problem
            lines.next_record()

    def _next(self) -> str | None:
        return next(self._lines, None)


def _take(line: str, values: dict[str, str], before: str | None) -> str | None:
    """Put a line's value into ``values`` and return the key that a following line would continue."""
    key, colon, value = line.partition(":")
    if colon and key in KEYS and key not in values:
        if before is not None:
            values[before] = values[before].rstrip("\r\n")
        values[key] = value.removeprefix(" ")
        return key
    if before is not None:
        values[before] += line
    return before
