r"""Characters that stand for others, as patterns: accents, mojibake, invisible characters and typographic apostrophes.

The patterns are built from Unicode's own tables and from the encodings that damage text, so that a whole kind of damage
is covered, not single examples. Python's ``re`` and RE2 read them alike.

Mojibake is UTF-8 that was decoded as another encoding: U+2019 becomes ``â€™`` in cp1252. Its *depth* is the number of
times that this happened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain

INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
"""Soft hyphen, zero-width and direction signs, variation selectors: the inside of a character class."""
BREAKING = "\u200b\ufeff"
"""Those of ``INVISIBLE`` that some pages put between two words."""
COMBINING = "\u0300-\u036f"
"""Accents as characters of their own (Unicode's form NFD): the inside of a character class."""

APOSTROPHES = "‘’‛`´ʹʻʼʽˈˋˊ′‵＇｀՚׳ꞌ\x91\x92"
"""Signs that are written for an apostrophe; 0x91 and 0x92 are those of cp1252, read as Latin-1."""

_DAMAGED_APOSTROPHES = "‘’‛´ʻʼ′"
_DEEPEST = 3
_FREQUENT_ENCODINGS = ("cp1252", "latin-1")
_OTHER_ENCODINGS = ("mac_roman", "cp1251", "cp437", "cp850")

_LETTERS = tuple(
    chain(
        range(0x00C0, 0x0250),  # Latin letters with accents
        range(0x1E00, 0x1F00),
        range(0x2100, 0x2150),  # letterlike signs
        range(0x24B6, 0x24EA),  # letters in circles
        range(0xFB00, 0xFB07),  # ligatures
        range(0xFF21, 0xFF5B),  # full-width letters
        range(0x1D400, 0x1D6A6),  # mathematical letters, which some writers use as bold or italic
    )
)
"""Code points of blocks that no longer grow, so that each version of Python gives the same rules."""
_WITHOUT_DECOMPOSITION = dict(
    zip("ÆæŒœØøĐđŁłÐðÞþıßĦħ", ("ae", "ae", "oe", "oe", *"ooddlldd", "th", "th", "i", "ss", "h", "h"), strict=True)
)


def one_of(strings: Iterable[str]) -> str:
    """Return an alternation of strings, longest first, so that no one hides a longer one."""
    return "|".join(re.escape(string) for string in sorted(set(strings), key=lambda string: (-len(string), string)))


def letters_by_base() -> dict[str, str]:
    """Return the characters that look like one or two letters of a–z, by these letters (``e`` → ``éÈê…ｅ``)."""
    found: dict[str, str] = {}
    for sign in map(chr, _LETTERS):
        base = _WITHOUT_DECOMPOSITION.get(sign) or "".join(
            part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part)
        )
        if base.isascii() and base.isalpha() and (len(base) == 1 or unicodedata.category(sign).startswith("L")):
            found[base.lower()] = found.get(base.lower(), "") + sign
    return found


def damaged_apostrophes() -> str:
    """Return a pattern of the apostrophe as mojibake: six encodings, and three levels of the two frequent ones."""
    found = {_decoded(sign, encoding) for sign in "‘’" for encoding in _OTHER_ENCODINGS}
    for sign in _DAMAGED_APOSTROPHES:
        level = {sign}
        for _ in range(_DEEPEST):
            level = {_decoded(text, encoding) for text in level for encoding in _FREQUENT_ENCODINGS}
            found |= level
    return one_of(found)


def damaged_letters(letters: str) -> str:
    """Return a pattern of Latin letters as mojibake of cp1252 or Latin-1 (``é`` → ``Ã©``)."""
    latin = [letter for letter in letters if ord(letter) < 0x0180]  # noqa: PLR2004 - two bytes in UTF-8
    return one_of(_decoded(letter, encoding) for letter in latin for encoding in _FREQUENT_ENCODINGS)


def continuation_class() -> str:
    """Return the inside of a character class: the second and later bytes of UTF-8, read as cp1252 or Latin-1."""
    signs = {_decoded_bytes(bytes([byte]), "cp1252") for byte in range(0x80, 0xC0)}
    return "\x80-\xbf" + "".join(sorted(sign for sign in signs if ord(sign) > 0xBF))  # noqa: PLR2004 - beyond Latin-1


def _decoded(text: str, encoding: str) -> str:
    return _decoded_bytes(text.encode(), encoding)


def _decoded_bytes(data: bytes, encoding: str) -> str:
    # Bytes without a character stay control characters, as browsers read them.
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in data)
