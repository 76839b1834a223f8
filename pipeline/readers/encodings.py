"""The encoding of a text dump, detected by decoding all of it."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.errors import ConfigurationError, SourceError, quoted

_BLOCK_BYTES = 1024 * 1024
# UTF-32 before UTF-16: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class TextEncoding:
    """How the bytes of a dump are decoded.

    Attributes:
        name: The name of the encoding in Python.
        errors: ``strict``, or ``replace`` for UTF-8 with a few invalid bytes.
        invalid_places: How many places are read as U+FFFD.
    """

    name: str
    errors: str = "strict"
    invalid_places: int = 0


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


def detect_encoding(open_bytes: Callable[[], BinaryIO], name: str, requested: str | None) -> TextEncoding:
    """Return the encoding of a dump, decoded completely in blocks.

    A byte-order mark decides. Otherwise the encoding is UTF-8 if all bytes are valid; UTF-8 with replacements if there
    are more valid multi-byte characters than invalid places (a few damaged bytes do not mean another encoding); else
    cp1252, or latin-1 if there are bytes that cp1252 does not define.

    Args:
        open_bytes: Opens the unpacked bytes from their start.
        name: The name of the file, for messages.
        requested: The encoding that the user named; no other is tried.

    Raises:
        SourceError: The bytes are not valid in the encoding that was named or marked, or are damaged.
    """
    with open_bytes() as stream:
        start = stream.read(4)
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    if requested is not None:
        # With the codec utf-8, the mark would become the first character of the header.
        is_utf8 = codecs.lookup(requested).name == "utf-8"
        encoding = "utf-8-sig" if is_utf8 and marked == "utf-8-sig" else requested
        _require(open_bytes, name, encoding, f"the requested encoding {quoted(requested)}")
        return TextEncoding(encoding)
    if marked in {"utf-16", "utf-32"}:
        _require(open_bytes, name, marked, f"{marked}, the encoding of its byte-order mark")
        return TextEncoding(marked)
    utf8 = marked or "utf-8"
    if _first_error(open_bytes, utf8) is None:
        return TextEncoding(utf8)
    invalid, valid = _count_utf8(open_bytes)
    if marked or valid > invalid:
        return TextEncoding(utf8, "replace", invalid)
    return TextEncoding("cp1252" if _first_error(open_bytes, "cp1252") is None else "latin-1")


def _first_error(open_bytes: Callable[[], BinaryIO], encoding: str) -> int | None:
    """Return the line (from 1) of the first invalid byte; ``None`` if all bytes are valid."""
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
    """Return the number of invalid places and of valid characters outside ASCII in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    invalid = valid = 0
    with open_bytes() as stream:
        while True:
            block = stream.read(_BLOCK_BYTES)
            text = decoder.decode(block, final=not block)
            non_ascii = len(text) - len(text.encode("ascii", "ignore"))
            replaced = max(text.count("\ufffd") - block.count(b"\xef\xbf\xbd"), 0)
            invalid += replaced
            valid += non_ascii - replaced
            if not block:
                return invalid, valid
