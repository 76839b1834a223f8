"""Physical lines with their numbers, of bounded length, that can be handed back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TextIO

LINE_CHARACTERS = 1024 * 1024
"""Longest physical line; the longest review of the full Amazon data set has about 21,000 characters."""
RECORD_CHARACTERS = 4 * LINE_CHARACTERS
"""Longest record over several lines: a quote that is never closed must not swallow the whole file."""


class RecordTooLongError(Exception):
    """The lines taken since the last record are longer than any review can be; reading may go on."""


class Lines(Iterator[str]):
    r"""The lines of a text stream, as a reader of records takes them one by one.

    A line ends with ``\n``, ``\r\n`` or a lone ``\r`` (Python's universal newlines, kept as they are).

    Attributes:
        number: Lines taken so far: the number of the last line, from 1.
        recent: Lines taken since the last record: the record as found.
        overlong: One of them was longer than ``LINE_CHARACTERS`` and is cut.
        ended: The record asked for a line after the last one.
        characters: Characters taken so far, for whoever bounds a batch; may be set to 0.
    """

    def __init__(self, stream: TextIO) -> None:
        """Read from a stream opened with ``newline=""``."""
        self._read = stream.readline
        self._returned: deque[str] = deque()
        self._record_characters = 0
        self.number = 0
        self.recent: list[str] = []
        self.overlong = False
        self.ended = False
        self.characters = 0

    @property
    def first(self) -> int:
        """Number of the line on which the present record starts."""
        return self.number - len(self.recent) + 1

    def __next__(self) -> str:
        """Return the next line.

        Raises:
            StopIteration: There is none.
            RecordTooLongError: The record has taken ``RECORD_CHARACTERS`` already.
        """
        recent = self.recent
        if recent and self._record_characters > RECORD_CHARACTERS:
            raise RecordTooLongError
        line = self._returned.popleft() if self._returned else self._read(LINE_CHARACTERS)
        size = len(line)
        if not size:
            self.ended = True
            raise StopIteration
        if size == LINE_CHARACTERS:
            self.overlong = True
            self._skip_rest()
        self._record_characters = self._record_characters + size if recent else size
        self.characters += size
        self.number += 1
        recent.append(line)
        return line

    def hand_back(self, count: int) -> None:
        """Return the last ``count`` of the recent lines, so that they are taken again."""
        if count:
            self._returned.extendleft(reversed(self.recent[-count:]))
            del self.recent[-count:]
            self.number -= count

    def next_record(self) -> None:
        """Forget the recent lines and what was noticed about them."""
        self.recent.clear()
        self.overlong = self.ended = False

    def _skip_rest(self) -> None:
        while (piece := self._read(LINE_CHARACTERS)) and piece[-1] not in "\r\n":
            pass
