"""The text of a dump: its encoding and line ends, detected, or as the user names them.

Without a byte-order mark and a named encoding, every line is decoded alone, so that one odd byte, or another file
appended to the first, does not decide the encoding of all others.
"""

from __future__ import annotations

import codecs
import io
import re
import string
from collections.abc import Callable
from typing import BinaryIO, Protocol

from pipeline.errors import ConfigurationError, SourceError, quoted

_UNREADABLE_CONTROLS = "\x81\x83\x8a\x8c-\x90\x9a\x9c-\x9f"
UNREADABLE = f"[{_UNREADABLE_CONTROLS}\ufffd]"
"""A character that stands for another one inside a word: U+FFFD, or a control character.

The control characters are those whose byte is a letter of windows-1252 or undefined there. The others stand for
punctuation, which cleaning replaces.
"""
ENCODINGS = ("utf-8", "windows-1252", "mixed")
"""How a line was read; a ``mixed`` line is UTF-8 with some bytes of windows-1252."""

BLOCK_BYTES = 256 * 1024
"""How many bytes are decoded at once."""
_START_BYTES = 256 * 1024
_LONGEST_BYTES = 4 * 1024 * 1024
"""A line with more bytes is decoded in pieces: ``LINE_CHARACTERS`` of four bytes each."""
_CHARACTER_BYTES = 4
_FIRST_BITS, _CONTINUATION = 0b1100_0000, 0b1000_0000
"""The bits by which UTF-8 marks the bytes of a character after its first."""
# UTF-32 before UTF-16: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UTF8_CONTROLS = re.compile(b"\xc2[" + _UNREADABLE_CONTROLS.encode("latin-1") + b"]")
_UNREADABLE = re.compile(UNREADABLE)
_ASCII_LETTERS = string.ascii_letters.encode()
_FEW_BYTES = 8
"""A line with no more bytes outside ASCII may be a name or a row of signs."""
_REPAIR = "review-sentiment.windows-1252"
_REPLACEMENT = "\ufffd"
_UTF8_REPLACEMENT = _REPLACEMENT.encode()
_LATIN_STARTS = (b"\xc2", b"\xc3")
"""First bytes of the characters from U+0080 to U+00FF in UTF-8; in windows-1252 they are rare letters."""


class Text(Protocol):
    """Decoded text that is read once, line by line.

    Attributes:
        lines: Lines decoded so far by encoding, one of ``ENCODINGS``; empty if one encoding was named or marked.
        unreadable: Characters decoded so far that match ``UNREADABLE``.
        foreign_lines: Lines decoded so far that are neither UTF-8 nor windows-1252, as most of their letters show.
        line_ends: The characters that end a line.
    """

    lines: dict[str, int]
    unreadable: int
    foreign_lines: int
    line_ends: str

    @property
    def encoding(self) -> str:
        """The encoding of the text read so far."""

    def readline(self, limit: int, /) -> str:
        """Return a line, or its next ``limit`` characters; empty at the end."""

    def read(self, size: int, /) -> str:
        """Return about ``size`` characters; empty at the end."""

    @property
    def between_blocks(self) -> bool:
        """Whether the next lines are still bytes."""

    def undecoded(self, size: int, /) -> bytes:
        """Return the next lines between blocks, about ``size`` bytes; empty at the end.

        They are not read by this: :meth:`skip` them, or read them as text.
        """

    def skip(self, size: int, lines: int, /) -> None:
        """Continue after so many bytes and lines of the undecoded lines, which must be valid UTF-8."""

    def close(self) -> None:
        """Close the bytes below."""


def check_encoding(name: str | None) -> None:
    """Refuse a name that is not a text encoding, before anything is read.

    Raises:
        ConfigurationError: Python does not know such a text encoding.
    """
    if name is None:
        return
    try:
        b"a".decode(name, errors="replace")
    except (LookupError, ValueError) as error:
        raise ConfigurationError(
            f"Text encoding (encoding): {quoted(name)} is not one that Python knows ({error}). "
            "Use e.g. utf-8, cp1252, latin-1, utf-16, or leave it empty to detect it."
        ) from None


def decode(data: bytes) -> str:
    """Return bytes as UTF-8 if they are valid, otherwise as :func:`decode_damaged` does."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return decode_damaged(data)[0]


def decode_damaged(data: bytes) -> tuple[str, str]:
    """Return bytes that are not valid UTF-8 as text, and whether they are ``windows-1252`` or ``mixed``.

    Bytes with fewer valid characters outside ASCII than invalid bytes are windows-1252. In others, an invalid byte is
    read as windows-1252 (a field of another encoding), and a character that is cut off as U+FFFD.
    """
    valid = data.decode("utf-8", "ignore")
    valid_characters = len(valid) - len(valid.encode("ascii", "ignore"))
    invalid_bytes = len(data) - len(valid.encode())
    if valid_characters < invalid_bytes:
        return data.decode("cp1252", _REPAIR), "windows-1252"
    return data.decode("utf-8", _REPAIR), "mixed"


def _repaired(error: UnicodeError) -> tuple[str, int]:
    """Read an invalid byte as browsers do: windows-1252, whose five undefined bytes are control characters.

    In UTF-8, the start of a character without its end is U+FFFD. Source: WHATWG Encoding Standard, index windows-1252.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data = error.object[error.start : error.end]
    if error.encoding == "utf-8" and (len(data) > 1 or data in _LATIN_STARTS):
        return _REPLACEMENT, error.end
    character = data.decode("cp1252", "ignore") or data.decode("latin-1")
    return character, error.end


codecs.register_error(_REPAIR, _repaired)


def open_text(open_bytes: Callable[[], BinaryIO], name: str, requested: str | None) -> Text:
    r"""Open the text of a dump.

    Lines end with ``\n``. If a single ``\r`` comes before the first ``\n``, they end with ``\r``, ``\n`` or ``\r\n``.

    Args:
        open_bytes: Opens the unpacked bytes from their start.
        name: The name of the file, for messages.
        requested: The encoding that the user named; no other is tried.

    Raises:
        SourceError: The bytes are not valid in the encoding that was named or marked, or are damaged.
    """
    with open_bytes() as stream:
        start = stream.read(_START_BYTES)
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    if requested is None and marked is None:
        return _LineByLine(open_bytes(), newline=_newline(start.decode("latin-1")))
    if requested is None:
        encoding, expected = str(marked), f"{marked}, the encoding of its byte-order mark"
    else:
        encoding, expected = requested, f"the requested encoding {quoted(requested)}"
        if start.startswith(codecs.BOM_UTF8) and codecs.lookup(requested).name == "utf-8":
            # With the codec utf-8, the mark would become the first character of the header.
            encoding = "utf-8-sig"
    errors = _REPAIR if codecs.lookup(encoding).name == "cp1252" else "strict"
    _require(open_bytes, name, encoding, errors, expected)
    head = codecs.getincrementaldecoder(encoding)(errors).decode(start)
    return _OneEncoding(open_bytes(), encoding, errors, newline=_newline(head))


def _newline(head: str) -> str:
    r"""Return ``newline`` of ``io.TextIOWrapper``: a lone ``\r`` after the first ``\n`` belongs to a text."""
    first, end, _ = head.partition("\n")
    return "" if "\r" in (first[:-1] if end else first) else "\n"


class _OneEncoding(io.TextIOWrapper):
    """Text in one encoding; its bytes were checked before."""

    def __init__(self, stream: BinaryIO, encoding: str, errors: str, *, newline: str) -> None:
        super().__init__(stream, encoding, errors, newline=newline)
        self.lines: dict[str, int] = {}
        self.unreadable = 0
        self.foreign_lines = 0
        self.line_ends = newline or "\r\n"

        self.between_blocks = False

    def undecoded(self, size: int, /) -> bytes:
        raise NotImplementedError

    def skip(self, size: int, lines: int, /) -> None:
        raise NotImplementedError


class _LineByLine:
    """Text of which every line is decoded alone; blocks of valid UTF-8 are decoded at once."""

    def __init__(self, stream: BinaryIO, *, newline: str) -> None:
        self._stream = stream
        self._newline = newline
        self._rest = stream.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
        self._block, self._block_characters = io.StringIO(newline=newline), 0
        self._has_utf8 = False
        self.lines = dict.fromkeys(ENCODINGS, 0)
        self.unreadable = 0
        self.foreign_lines = 0
        self.line_ends = newline or "\r\n"

    @property
    def encoding(self) -> str:
        """``utf-8``, ``windows-1252`` or both."""
        if not self.lines["windows-1252"]:
            return "utf-8"
        return "utf-8, windows-1252" if self._has_utf8 else "windows-1252"

    def readline(self, limit: int, /) -> str:
        return self._block.readline(limit) or (self._block.readline(limit) if self._next_block() else "")

    def read(self, size: int, /) -> str:
        pieces, missing = [], size
        while missing > 0 and (
            piece := self._block.read(missing) or (self._next_block() and self._block.read(missing))
        ):
            pieces.append(piece)
            missing -= len(piece)
        return "".join(pieces)

    def close(self) -> None:
        self._stream.close()

    @property
    def between_blocks(self) -> bool:
        return self._block.tell() == self._block_characters

    def undecoded(self, size: int, /) -> bytes:
        end = self._whole_lines(size)
        return self._rest[:end]

    def skip(self, size: int, lines: int, /) -> None:
        self._count_utf8(self._rest[:size], lines)
        self._rest = self._rest[size:]

    def _next_block(self) -> bool:
        """Decode the next whole lines; return whether there are any."""
        end = self._whole_lines(BLOCK_BYTES)
        if not end:
            return False
        data, self._rest = self._rest[:end], self._rest[end:]
        text = self._decoded(data)
        self._block, self._block_characters = io.StringIO(text, newline=self._newline), len(text)
        return True

    def _whole_lines(self, size: int) -> int:
        """Read ahead, and return how many bytes of ``_rest`` are whole lines: about ``size``, or one line."""
        wanted = 0
        while True:
            wanted += size
            if len(self._rest) < wanted:
                self._rest += self._stream.read(wanted - len(self._rest))
                if len(self._rest) < wanted:
                    return len(self._rest)
            end = self._rest.rfind(b"\n", 0, wanted) + 1
            if not end and not self._newline:
                # The last byte may be the first half of a line end.
                end = self._rest.rfind(b"\r", 0, wanted - 1) + 1
            if not end and wanted >= _LONGEST_BYTES:
                end = wanted - 1
                while self._rest[end] & _FIRST_BITS == _CONTINUATION and end > wanted - _CHARACTER_BYTES:
                    end -= 1
            if end:
                return end

    def _decoded(self, data: bytes) -> str:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return "".join(map(self._decoded_line, self._split(data)))
        lines = len(self._split(data)) if not self._newline else data.count(b"\n") + (data[-1:] != b"\n")
        self._count_utf8(data, lines)
        return text

    def _count_utf8(self, data: bytes, lines: int) -> None:
        self.lines["utf-8"] += lines
        if not data.isascii():
            self._has_utf8 = True
            self._count_unreadable(data)

    def _split(self, data: bytes) -> list[bytes]:
        return io.BytesIO(data).readlines() if self._newline else data.splitlines(keepends=True)

    def _decoded_line(self, line: bytes) -> str:
        try:
            text, encoding = line.decode(), "utf-8"
        except UnicodeDecodeError:
            text, encoding = decode_damaged(line)
            self.unreadable += len(_UNREADABLE.findall(text))
            self.foreign_lines += encoding == "windows-1252" and _is_foreign(line)
        else:
            self._count_unreadable(line)
        self._has_utf8 |= encoding != "windows-1252" and not line.isascii()
        self.lines[encoding] += 1
        return text

    def _count_unreadable(self, data: bytes) -> None:
        if _UTF8_REPLACEMENT[:1] in data:
            self.unreadable += data.count(_UTF8_REPLACEMENT)
        if _LATIN_STARTS[0] in data:
            self.unreadable += len(_UTF8_CONTROLS.findall(data))


def _is_foreign(line: bytes) -> bool:
    """Return whether a line has more bytes outside ASCII than letters in it, as no language of windows-1252 has."""
    others = len(line) - len(line.decode("ascii", "ignore"))
    return others > max(len(line) - len(line.translate(None, _ASCII_LETTERS)), _FEW_BYTES)


def _require(open_bytes: Callable[[], BinaryIO], name: str, encoding: str, errors: str, expected: str) -> None:
    """Refuse bytes that are not valid in an encoding; the message names the line of the first invalid byte."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    lines = 0
    with open_bytes() as stream:
        while True:
            block = stream.read(BLOCK_BYTES)
            try:
                decoder.decode(block, final=not block)
            except UnicodeError as error:
                before = block[: error.start] if isinstance(error, UnicodeDecodeError) else block
                line = lines + before.count(b"\n") + 1
                raise SourceError(
                    f"{quoted(name)}, line {line:,}: the bytes are not valid in {expected}. "
                    "Leave the parameter Text encoding (encoding) empty to have it detected, or name another one."
                ) from None
            if not block:
                return
            lines += block.count(b"\n")
