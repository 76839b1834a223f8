"""Names from outside: safe to store, log and show, and recognized as dumps of reviews."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from urllib.parse import unquote, urlsplit

MAX_NAME_BYTES = 120
"""Maximum length of a safe name in UTF-8 bytes; file systems allow 255, and the store adds a prefix."""
HEAD_BYTES = 64
"""How much of a ``.txt`` file is read to recognize the SNAP format."""

_PARTIAL_ENDINGS = (".tmp", ".part", ".partial", ".crdownload", ".download", ".swp", "~")
_COMPRESSED_ENDINGS = (".gz", ".gzip", ".bz2", ".xz", ".zst", ".zip")
_REVIEW_ENDINGS = (".csv", ".tsv", ".psv", ".jsonl", ".ndjson", ".json", ".parquet", ".xlsx")
READ_ENDINGS = ".csv, .tsv, .jsonl, .ndjson, .json, .parquet or .xlsx, plain, .gz, .bz2, .xz, .zst or .zip"
"""The endings of dumps in words, for messages."""
_SNAP_FIRST_WORDS = (b"product/productId:", b"\xef\xbb\xbfproduct/productId:")


def safe_name(name: str) -> str:
    """Return a readable file name that consists of letters, digits, ``.``, ``_`` and ``-``.

    Path separators, control characters, newlines and undecodable bytes become ``_``. Leading dots are dropped, so that
    the file is not hidden and cannot leave its folder.

    Args:
        name: A file name, or the last segment of the path of a URL.
    """
    text = unicodedata.normalize("NFC", name)
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in text).lstrip(".")
    stem, dot, ending = kept.rpartition(".")
    if len(kept.encode()) > MAX_NAME_BYTES:
        tail = (dot + ending).encode()[-20:].decode(errors="ignore") if dot else ""
        kept = (stem or ending).encode()[: MAX_NAME_BYTES - len(tail.encode())].decode(errors="ignore") + tail
    return kept or "dump"


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names, with a number before the ending of repeated ones (``a.csv``, ``a-2.csv``)."""
    unique: dict[str, None] = {}
    for name in names:
        stem, dot, ending = name.partition(".")
        candidate, number = name, 1
        while candidate in unique:
            number += 1
            candidate = f"{stem}-{number}{dot}{ending}"
        unique[candidate] = None
    return list(unique)


def without_secrets(url: str) -> str:
    """Return a URL without user name, password, query and fragment, for logs and records.

    If it cannot be parsed, only its scheme is returned. Text without a scheme is returned unchanged.
    """
    if "://" not in url:
        return url
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
    """Return the decoded file name at the end of the path of a URL; empty if there is none."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return unquote(path.rstrip("/").rpartition("/")[2])


def is_dump_name(name: str, read_head: Callable[[], bytes] | None = None) -> bool:
    """Return whether a file in a folder or an archive is read as a dump of reviews.

    Hidden, temporary and other files (README, licenses, databases, checksums) are not.

    Args:
        name: Its file name without folders.
        read_head: Returns its first ``HEAD_BYTES`` bytes. Only called for a ``.txt`` file, which counts only if it
            begins as SNAP files do.
    """
    lower = name.lower()
    if lower.startswith((".", "_")) or lower.endswith(_PARTIAL_ENDINGS):
        return False
    inner = without_compression(lower)
    if inner != lower:
        # SNAP offers its text only as .txt.gz; a compressed README would be unusual.
        return inner.endswith((*_REVIEW_ENDINGS, ".txt")) or "." not in inner
    if lower.endswith(".txt"):
        return read_head is not None and read_head().startswith(_SNAP_FIRST_WORDS)
    return lower.endswith(_REVIEW_ENDINGS)


def without_compression(name: str) -> str:
    """Return a name in lower case without the ending of a compression."""
    ending = next((ending for ending in _COMPRESSED_ENDINGS if name.endswith(ending)), "")
    return name.removesuffix(ending)
