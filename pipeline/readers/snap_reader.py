"""The text format of SNAP (finefoods.txt.gz): blocks of ``key: value`` lines, one block per review."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipeline.readers.columns import resolve_columns
from pipeline.readers.encodings import Text
from pipeline.readers.lines import LINE_CHARACTERS, RECORD_CHARACTERS, Lines, RecordTooLongError, read_chunks
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
"""The keys of the SNAP review data sets, as listed on their pages."""


class SnapReader:
    """The blocks of a SNAP file, in chunks.

    A block begins with its ``product/productId`` line. A line without a known key continues the value before it: some
    profile names of the original contain line ends. Empty lines at the end of a block are dropped.
    """

    def __init__(self, text: Text, name: str, mapping: Mapping[str, str]) -> None:
        """Prepare to read a text; the mapping is to SNAP keys."""
        self._lines = Lines(text)
        positions = resolve_columns(KEYS, {"summary": "review/summary", **mapping}, name)
        self.columns = {ours: KEYS[position] for ours, position in positions.items()}

    def chunks(self) -> Iterator[Chunk]:
        """Yield every block, valid or broken, in the order of the file."""
        return read_chunks(self._lines, self._blocks(), self._fill)

    def _fill(self, chunk: Chunk, blocks: list[dict[str, str]]) -> None:
        chunk.values = {ours: [block.get(key) for block in blocks] for ours, key in self.columns.items()}

    def _blocks(self) -> Iterator[tuple[dict[str, str], str | None]]:
        """Yield the values of each block by key, and what is wrong with it."""
        lines = self._lines
        while True:
            while (line := next(lines, None)) is not None and not line.strip():
                lines.next_record()
            if line is None:
                return
            values: dict[str, str] = {}
            problem = None if line.startswith(FIRST_KEY) else f"The block does not begin with {FIRST_KEY}:"
            key = _add_line(line, values, None)
            too_long = False
            while True:
                try:
                    line = next(lines, None)
                except RecordTooLongError:
                    too_long = True
                    break
                if line is None:
                    break
                if line.startswith(FIRST_KEY + ":"):
                    lines.put_back(1)
                    break
                key = _add_line(line, values, key)
            if key is not None:
                values[key] = values[key].rstrip("\r\n")
            if too_long:
                problem = f"The block is longer than {RECORD_CHARACTERS:,} characters"
            elif lines.overlong:
                problem = f"A line is longer than {LINE_CHARACTERS:,} characters"
            elif problem is None and self.columns["text"] not in values:
                problem = f"The block has no line {self.columns['text']}:"
            yield values if problem is None else {}, problem
            lines.next_record()


def _add_line(line: str, values: dict[str, str], before: str | None) -> str | None:
    """Add the value of a line to ``values`` and return the key that the next line could continue."""
    key, colon, value = line.partition(":")
    if colon and key in KEYS and key not in values:
        if before is not None:
            values[before] = values[before].rstrip("\r\n")
        values[key] = value.removeprefix(" ")
        return key
    if before is not None:
        values[before] += line
    return before
