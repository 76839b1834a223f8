"""Which encoding a text dump is in, found by decoding all of it once."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.errors import ConfigurationError, SourceError, quoted

_BLOCK_BYTES = 1024 * 1024
# Longest mark first: the one of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TextEncoding:
    """How a dump's bytes become text.

    Attributes:
        name: Python's name of the encoding.
        errors: ``strict``, or ``replace`` for UTF-8 in which a few bytes are broken.
        broken_bytes: How many places are then read as U+FFFD.
    """

    name: str
    errors: str = "strict"
    broken_bytes: int = 0


def check_encoding(name: str | None) -> None:
    """Refuse a name that is no text encoding, before anything is read.

    Raises:
        ConfigurationError: Python knows no such text encoding.
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


def detect_encoding(open_bytes: Callable[[], BinaryIO], name: str, asked: str | None) -> TextEncoding:
    """Return the encoding of a dump after decoding the whole of it in blocks.

    A byte-order mark decides. Otherwise UTF-8 if all of it decodes; UTF-8 with replacements if valid
    multi-byte characters outnumber the broken places (a dump with a few damaged bytes is not another
    encoding); else cp1252, or latin-1 where bytes occur that cp1252 leaves undefined.

    Args:
        open_bytes: Opens the unpacked bytes from their start.
        name: The file's name, for messages.
        asked: The encoding that the user named; it is held to.

    Raises:
        SourceError: The bytes do not decode in the encoding that was named or marked, or are damaged.
    """
    with open_bytes() as stream:
        start = stream.read(4)
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    if asked is not None:
        # A mark is not text: Python's utf-8 would hand it over as the first character of the header.
        is_utf8 = codecs.lookup(asked).name == "utf-8"
        encoding = "utf-8-sig" if is_utf8 and marked == "utf-8-sig" else asked
        _require(open_bytes, name, encoding, f"the encoding {quoted(asked)} that was asked for")
        return TextEncoding(encoding)
    if marked in {"utf-16", "utf-32"}:
        _require(open_bytes, name, marked, f"{marked}, which its byte-order mark announces")
        return TextEncoding(marked)
    utf8 = marked or "utf-8"
    if _first_error(open_bytes, utf8) is None:
        return TextEncoding(utf8)
    broken, valid = _count_utf8(open_bytes)
    if marked or valid > broken:
        return TextEncoding(utf8, "replace", broken)
    return TextEncoding("cp1252" if _first_error(open_bytes, "cp1252") is None else "latin-1")


def _first_error(open_bytes: Callable[[], BinaryIO], encoding: str) -> int | None:
    """Return the line (from 1) of the first byte that does not decode, or ``None``."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 0
    with open_bytes() as stream:
        while block := stream.read(_BLOCK_BYTES):
            try:
                decoder.decode(block)
            except UnicodeError as error:
                before = block[: error.start] if isinstance(error, UnicodeDecodeError) else block
                return lines + before.count(b"\n") + 1
            lines += block.count(b"\n")
        try:
            decoder.decode(b"", final=True)
        except UnicodeError:
            return lines + 1
    return None


def _require(open_bytes: Callable[[], BinaryIO], name: str, encoding: str, expected: str) -> None:
    line = _first_error(open_bytes, encoding)
    if line is not None:
        raise SourceError(
            f"{quoted(name)}, line {line:,}: the bytes are not valid in {expected}. "
            "Leave the parameter Text encoding (encoding) empty to have it detected, or name another one."
        )


def _count_utf8(open_bytes: Callable[[], BinaryIO]) -> tuple[int, int]:
    """Return how many places are broken UTF-8, and how many characters beyond ASCII are sound."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    broken = valid = 0
    with open_bytes() as stream:
        while True:
            block = stream.read(_BLOCK_BYTES)
            text = decoder.decode(block, final=not block)
            beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
            replaced = max(text.count("\ufffd") - block.count(b"\xef\xbf\xbd"), 0)
            broken += replaced
            valid += beyond_ascii - replaced
            if not block:
                return broken, valid
