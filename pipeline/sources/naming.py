"""Names from outside, made safe to store, log and show."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

NAME_BYTES = 120
"""Longest safe name in UTF-8 bytes; file systems stop at 255 and the store adds a prefix."""

_PARTIAL_ENDINGS = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")
_PACKED_ENDINGS = (".gz", ".gzip", ".zip")
_REVIEW_ENDINGS = (".csv", ".tsv", ".psv", ".jsonl", ".ndjson", ".json", ".parquet")
_SNAP_FIRST_WORDS = (b"product/productId:", b"\xef\xbb\xbfproduct/productId:")


def safe_name(name: str) -> str:
    """Return a file name of letters, digits, ``.``, ``_`` and ``-`` that says what ``name`` said.

    Path separators, control characters, newlines and bytes that are no text become ``_``; leading dots
    are dropped, so that nothing is hidden or climbs out of its folder.

    Args:
        name: A file name, or the last segment of a URL's path.
    """
    text = unicodedata.normalize("NFC", name)
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in text).lstrip(".")
    stem, dot, ending = kept.rpartition(".")
    if len(kept.encode()) > NAME_BYTES:
        tail = (dot + ending).encode()[-20:].decode(errors="ignore") if dot else ""
        kept = (stem or ending).encode()[: NAME_BYTES - len(tail.encode())].decode(errors="ignore") + tail
    return kept or "dump"


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names with a number put before the ending where one occurs again (``a.csv``, ``a-2.csv``)."""
    taken: set[str] = set()
    unique = []
    for name in names:
        stem, dot, ending = name.partition(".")
        candidate, number = name, 1
        while candidate in taken:
            number += 1
            candidate = f"{stem}-{number}{dot}{ending}"
        taken.add(candidate)
        unique.append(candidate)
    return unique


def without_secrets(url: str) -> str:
    """Return a URL without user name, password, query and fragment: what may be logged and recorded.

    Args:
        url: Any text that was given as a URL; what cannot be taken apart is shown as its scheme alone.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    path = "".join(c if c.isprintable() else "_" for c in parts.path)
    return f"{parts.scheme}://{host}{port}{path}"


def name_in_url(url: str) -> str:
    """Return the file name at the end of a URL's path, decoded; empty where there is none."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return unquote(path.rstrip("/").rpartition("/")[2])


def looks_like_reviews(name: str, head: bytes | None = None) -> bool:
    """Return whether a file that nobody named in person, in a folder or a zip, is taken for a dump.

    Hidden, temporary and foreign files (README, licenses, databases, checksums) are not.

    Args:
        name: Its file name without folders.
        head: Its first bytes where they are at hand; a ``.txt`` file counts only if it begins as SNAP's do.
    """
    lower = name.lower()
    if lower.startswith((".", "_")) or lower.endswith(_PARTIAL_ENDINGS):
        return False
    for ending in _PACKED_ENDINGS:
        if lower.endswith(ending):
            lower = lower.removesuffix(ending)
            # SNAP offers its text only as .txt.gz; a packed README would be strange.
            return lower.endswith((*_REVIEW_ENDINGS, ".txt")) or "." not in lower
    if lower.endswith(".txt"):
        return head is not None and head.startswith(_SNAP_FIRST_WORDS)
    return lower.endswith(_REVIEW_ENDINGS)
