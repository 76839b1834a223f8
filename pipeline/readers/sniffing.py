"""Recognizing a file by its first bytes, and refusing files that cannot contain reviews."""

from __future__ import annotations

import re

from pipeline.errors import SourceError, quoted

HEAD_BYTES = 64 * 1024
"""How much of a file is read to recognize it."""

_COMPRESSIONS = (
    ("gzip", re.compile(rb"\x1f\x8b")),
    # The digits of pi, or of its square root, begin every block: "BZh" alone may begin a text.
    ("bzip2", re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")),
    ("xz", re.compile(rb"\xfd7zXZ\x00")),
    # A frame, or a frame that is skipped, as pzstd writes them.
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")),
)
READ_FORMATS = "CSV, JSON lines, JSON, Parquet, Excel (.xlsx) or SNAP text, plain, .gz, .bz2, .xz, .zst or .zip"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
PARQUET_MAGIC = b"PAR1"

# First bytes of formats that users give by mistake (the magic numbers of file(1)).
_FOREIGN = (
    (b"\x7fELF", "a Linux program"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a Java class or macOS program"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1", "an Arrow file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or encrypted Excel or Word file (save the sheet as CSV)"),
    (b"{\\rtf", "a Rich Text document (save it as CSV)"),
)
_WORD_BYTES = 3
_TAR_MAGIC_OFFSET = 257
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TEXT_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_HTML = re.compile(rb"\s*<(!doctype\s+html|html|head|body|!--|\?xml)", re.IGNORECASE)
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v\x1a\x1b")) + b"\x7f"
_CONTROL_SHARE = 0.02
"""Maximum share of control bytes in text: random bytes have 11 %, damaged text has a few NULs."""


def refuse_foreign(head: bytes, name: str, *, encoding_known: bool = False) -> None:
    """Refuse a file whose first bytes show that it does not contain reviews.

    Args:
        head: The first ``HEAD_BYTES`` of the file, or all of it.
        name: The name of the file, for the message.
        encoding_known: Whether the user named the text encoding, so that zero bytes may belong to the text.

    Raises:
        SourceError: The file is empty, a Git LFS pointer, an HTML page or binary; the message says which.
    """
    if not head:
        raise SourceError(f"{quoted(name)} is empty (0 bytes). Check the download, or download it again.")
    if head.startswith(b"version https://git-lfs.github.com/spec/"):
        size = re.search(rb"^size (\d{1,18})\s*$", head, re.MULTILINE)
        real = f" to a file of {int(size[1]):,} bytes" if size else ""
        raise SourceError(
            f"{quoted(name)} is not a dump but a Git LFS pointer{real}. Run `git lfs pull` where it was cloned, or "
            "download the file from its source."
        )
    if compression_of(head) or head.startswith((PARQUET_MAGIC, *ZIP_MAGICS)):
        return
    foreign = _foreign_kind(head)
    if foreign is None and not encoding_known and not head.startswith(_TEXT_BOMS):
        control = len(head) - len(head.translate(None, _CONTROL))
        if control > _CONTROL_SHARE * len(head):
            foreign = "a binary file (or UTF-16 text without a byte-order mark: then name its encoding)"
    if foreign is not None:
        raise SourceError(f"{quoted(name)} is {foreign}, not a dump of reviews. Expected {READ_FORMATS}.")
    if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise SourceError(
            f"{quoted(name)} is an HTML or XML page, not a dump of reviews: often a login or error page saved under "
            "the name of the dump. Open the address in a browser, sign in if asked, and download the file itself."
        )


def compression_of(head: bytes) -> str | None:
    """Return the compression of a file by its first bytes, if it has one that is read."""
    return next((name for name, magic in _COMPRESSIONS if magic.match(head)), None)


def _foreign_kind(head: bytes) -> str | None:
    for magic, kind in _FOREIGN:
        # "MZ" and "ORC" can begin a word of a header line; the formats contain zero bytes, text does not.
        if head.startswith(magic) and (len(magic) > _WORD_BYTES or b"\x00" in head or not head.isascii()):
            return kind
    if head[_TAR_MAGIC_OFFSET : _TAR_MAGIC_OFFSET + 5] == b"ustar":
        return "a tar archive (unpack it first)"
    if _PICKLE.match(head):
        return "a Python pickle, which is never opened because it can run code"
    return None
