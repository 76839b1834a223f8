"""Physical lines with their numbers, bounded in length, that can be put back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pipeline.readers.encodings import Text
from pipeline.readers.values import Chunk

Record = TypeVar("Record")

LINE_CHARACTERS = 1024 * 1024
"""Maximum length of a physical line; the longest review of the full Amazon data set has about 21,000 characters."""
RECORD_CHARACTERS = 4 * LINE_CHARACTERS
"""Maximum length of a record over several lines: a quote that is never closed must not consume the whole file."""
CHUNK_ROWS = 8_192
CHUNK_CHARACTERS = 8 * 1024 * 1024
"""A chunk of records ends at this many rows or characters."""


class RecordTooLongError(Exception):
    """The current record is longer than any review can be; reading can continue."""


class Lines(Iterator[str]):
    """The lines of a text, their ends unchanged, with the lines of the current record.

    Attributes:
        number: Number of the last line read, from 1.
        recent: Lines of the current record as found.
        overlong: Whether one of them was longer than ``LINE_CHARACTERS`` and is cut.
        ended: Whether the current record needed a line after the last one.
        characters: Characters read since the last chunk; the reader resets it.
    """

    def __init__(self, text: Text) -> None:
        """Read from the start of a text."""
        self._text = text
        self._read = text.readline
        self._ends = text.line_ends
        self._returned: deque[str] = deque()
        self._record_characters = 0
        self.number = 0
        self.recent: list[str] = []
        self.overlong = False
        self.ended = False
        self.characters = 0

    @property
    def first(self) -> int:
        """Number of the line on which the current record starts."""
        return self.number - len(self.recent) + 1

    def __next__(self) -> str:
        """Return the next line.

        Raises:
            StopIteration: There are no more lines.
            RecordTooLongError: The current record has more than ``RECORD_CHARACTERS`` already.
        """
        recent = self.recent
        if recent and self._record_characters > RECORD_CHARACTERS:
            raise RecordTooLongError
        line = self._returned.popleft() if self._returned else self._read(LINE_CHARACTERS)
        size = len(line)
        if not size:
            self.ended = True
            raise StopIteration
        if size == LINE_CHARACTERS and line[-1] not in self._ends:
            self.overlong = True
            while (piece := self._read(LINE_CHARACTERS)) and piece[-1] not in self._ends:
                pass
        self._record_characters = self._record_characters + size if recent else size
        self.characters += size
        self.number += 1
        recent.append(line)
        return line

    def put_back(self, count: int) -> None:
        """Put the last ``count`` lines of the current record back, so that they are read again."""
        if count:
            self._returned.extendleft(reversed(self.recent[-count:]))
            del self.recent[-count:]
            self.number -= count
            self.ended = False

    @property
    def between_blocks(self) -> bool:
        """Whether the next lines are still bytes."""
        return not self._returned and self._text.between_blocks

    def undecoded(self, size: int) -> bytes:
        """Return the next lines between blocks, about ``size`` bytes; empty at the end."""
        return self._text.undecoded(size)

    def skip(self, size: int, lines: int, characters: int) -> None:
        """Continue after whole records of so many bytes, lines and characters at the start of the undecoded lines."""
        self._text.skip(size, lines)
        self.number += lines
        self.characters += characters

    def next_record(self) -> None:
        """Start a new record after the last line read."""
        self.recent.clear()
        self.overlong = self.ended = False


def read_chunks(
    lines: Lines, records: Iterable[tuple[Record, str | None]], fill: Callable[[Chunk, list[Record]], None]
) -> Iterator[Chunk]:
    """Yield records in chunks.

    Args:
        lines: The lines that the records are read from; with each record, its lines are the current ones.
        records: Every record, and what is wrong with it.
        fill: Adds the values of all records to a chunk.
    """
    chunk, pending = Chunk(), list[Record]()
    for record, problem in records:
        if problem is not None:
            chunk.unparseable[len(pending)] = problem
        chunk.lines.append(lines.first)
        chunk.raws.append("".join(lines.recent))
        pending.append(record)
        if len(pending) >= CHUNK_ROWS or lines.characters >= CHUNK_CHARACTERS:
            fill(chunk, pending)
            yield chunk
            chunk, pending = Chunk(), []
            lines.characters = 0
    if pending:
        fill(chunk, pending)
        yield chunk
