"""Opening what was fetched: plain files, gzip and zip, told apart by their bytes, unpacked within bounds."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from pipeline.errors import SourceError, quoted
from pipeline.readers.sniffing import GZIP_MAGIC, HEAD_BYTES, PARQUET_MAGIC, ZIP_MAGICS, refuse_foreign
from pipeline.sources.naming import looks_like_reviews, safe_name

MAX_UNPACKED_BYTES = 64 * 2**30
"""Largest unpacked size of one file; the full Amazon data set has 0.3 GB."""
MAX_RATIO = 250
"""Most unpacked bytes per packed byte: review text packs 3 to 10 times, a zip bomb 1,000 times."""
FREE_BYTES = 16 * 2**20
"""Unpacked size up to which the ratio does not matter."""
MAX_ZIP_ENTRIES = 10_000


@dataclass(frozen=True)
class Member:
    """One readable file: a fetched file itself, or a file inside a fetched zip.

    Attributes:
        name: What the column ``file`` shows: ``Reviews.csv`` or ``archive.zip/Reviews.csv``.
        path: The fetched file.
        compression: ``gzip``, ``zip``, ``zip, gzip`` or ``None``.
        is_parquet: Whether its bytes begin as Parquet does.
        open: Opens the unpacked bytes from their start. Reading raises ``SourceError`` where they are damaged.
    """

    name: str
    path: Path
    compression: str | None
    is_parquet: bool
    open: Callable[[], BinaryIO]


def members(path: Path, name: str, *, encoding_known: bool = False) -> list[Member]:
    """Return the readable files in a fetched file, in the order of their names, after checking each one's head.

    Args:
        path: The fetched file.
        name: Its name for messages and for the column ``file``.
        encoding_known: As for ``refuse_foreign``.

    Raises:
        SourceError: The file is no dump, is damaged at its start, or is a zip that must not be unpacked.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    refuse_foreign(head, name, encoding_known=encoding_known)
    if head.startswith(ZIP_MAGICS):
        return _zip_members(path, name, encoding_known=encoding_known)
    return [_member(path, name, (), lambda: path.open("rb"), path.stat().st_size, encoding_known=encoding_known)]


def _member(
    path: Path,
    name: str,
    outer: tuple[str, ...],
    open_packed: Callable[[], BinaryIO],
    packed_bytes: int,
    *,
    encoding_known: bool,
) -> Member:
    """Describe a file that may itself be gzip, and refuse it if its unpacked head is foreign."""
    with open_packed() as stream:
        head = stream.read(HEAD_BYTES)
    compression = outer
    opened = open_packed
    if head.startswith(GZIP_MAGIC):
        compression = (*outer, "gzip")

        def opened() -> BinaryIO:
            raw = open_packed()
            return _unpacking(gzip.GzipFile(fileobj=raw), name, "gzip", packed_bytes, also_close=raw)

        with opened() as stream:
            head = stream.read(HEAD_BYTES)
    refuse_foreign(head, name, encoding_known=encoding_known)
    if compression and head.startswith((GZIP_MAGIC, *ZIP_MAGICS)):
        raise SourceError(f"{quoted(name)} holds an archive inside an archive. Unpack it once and give the inner file.")
    is_parquet = head.startswith(PARQUET_MAGIC)
    if is_parquet and compression:
        raise SourceError(
            f"{quoted(name)} holds Parquet inside {' and '.join(compression)}. Parquet is compressed by itself: "
            "unpack the archive and give the Parquet file."
        )
    return Member(name, path, ", ".join(compression) or None, is_parquet, opened)


def _zip_members(path: Path, name: str, *, encoding_known: bool) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{quoted(name)} begins as a zip but cannot be opened ({error}): it is damaged or was "
            "cut short. Download it again."
        ) from None
    if len(entries) > MAX_ZIP_ENTRIES:
        raise SourceError(
            f"{quoted(name)} holds {len(entries):,} files; at most {MAX_ZIP_ENTRIES:,} are read from one zip."
        )
    for entry in entries:
        _refuse_unsafe(entry, name)
    chosen = sorted((entry for entry in entries if _is_candidate(entry, path)), key=lambda entry: entry.filename)
    # Kaggle packs the CSV beside a database and checksums; one kind of file is one dump.
    for endings in ((".csv", ".tsv", ".psv"), (".jsonl", ".ndjson", ".json")):
        same_kind = [entry for entry in chosen if entry.filename.lower().removesuffix(".gz").endswith(endings)]
        if same_kind:
            chosen = same_kind
            break
    if not chosen:
        listed = ", ".join(quoted(entry.filename, 40) for entry in entries[:10]) or "nothing"
        raise SourceError(
            f"{quoted(name)} holds no dump of reviews (CSV, JSON lines or SNAP text). It holds: {listed}."
        )
    return [
        _member(
            path,
            f"{name}/{'/'.join(safe_name(part) for part in PurePosixPath(entry.filename).parts)}",
            ("zip",),
            _zip_opener(path, entry, name),
            max(entry.compress_size, 1),
            encoding_known=encoding_known,
        )
        for entry in chosen
    ]


def _refuse_unsafe(entry: zipfile.ZipInfo, name: str) -> None:
    inside = entry.orig_filename
    parts = inside.replace("\\", "/").split("/")
    if ".." in parts or inside.startswith(("/", "\\")) or inside[1:2] == ":" or "\x00" in inside:
        raise SourceError(
            f"{quoted(name)} holds a file named {quoted(inside)}, which points outside of the archive. "
            "A zip with such names is not read: pack the dump again, or give the CSV itself."
        )
    if entry.flag_bits & 0x1:
        raise SourceError(
            f"{quoted(name)}: {quoted(inside)} is encrypted. Unpack it with its password and give the file itself."
        )
    if entry.file_size > MAX_UNPACKED_BYTES or (
        entry.file_size > FREE_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1)
    ):
        raise SourceError(_too_large(f"{name}/{inside}", entry.file_size, entry.compress_size))


def _is_candidate(entry: zipfile.ZipInfo, path: Path) -> bool:
    parts = PurePosixPath(entry.filename).parts
    if entry.is_dir() or not parts or "__MACOSX" in parts:
        return False
    if parts[-1].lower().endswith(".txt"):
        try:
            with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
                return looks_like_reviews(parts[-1], stream.read(64))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
            return False
    return looks_like_reviews(parts[-1])


def _zip_opener(path: Path, entry: zipfile.ZipInfo, name: str) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        archive = zipfile.ZipFile(path)
        try:
            stream = archive.open(entry)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
            archive.close()
            raise SourceError(f"{quoted(name)}: {quoted(entry.filename)} cannot be unpacked ({error}).") from None
        inside = f"{name}/{entry.filename}"
        return _unpacking(stream, inside, "zip", max(entry.compress_size, 1), also_close=archive)

    return opened


def _unpacking(
    packed: IO[bytes] | gzip.GzipFile,
    name: str,
    compression: str,
    packed_bytes: int,
    also_close: BinaryIO | zipfile.ZipFile,
) -> BinaryIO:
    raw = _Unpacked(packed, name, compression, packed_bytes, also_close)
    return io.BufferedReader(raw, buffer_size=256 * 1024)


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a compressed stream, counted, bounded and with errors that a user understands."""

    def __init__(
        self,
        packed: IO[bytes] | gzip.GzipFile,
        name: str,
        compression: str,
        packed_bytes: int,
        also_close: BinaryIO | zipfile.ZipFile,
    ) -> None:
        super().__init__()
        self._packed = packed
        self._name = name
        self._compression = compression
        self._packed_bytes = packed_bytes
        self._also_close = also_close
        self._bytes = 0
        self._lines = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._packed.read(len(view))
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, RuntimeError) as error:
            cut = isinstance(error, EOFError)
            what = "ends in the middle of its compressed data" if cut else f"is damaged ({error})"
            raise SourceError(
                f"{quoted(self._name)} ({self._compression}) {what}, after line {self._lines:,} "
                f"({self._bytes:,} bytes unpacked). The download was cut short or altered; download it again."
            ) from None
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        if self._bytes > MAX_UNPACKED_BYTES or (
            self._bytes > FREE_BYTES and self._bytes > MAX_RATIO * self._packed_bytes
        ):
            raise SourceError(_too_large(self._name, self._bytes, self._packed_bytes))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._packed.close()
            self._also_close.close()
        super().close()


def _too_large(name: str, unpacked: int, packed: int) -> str:
    return (
        f"{quoted(name)} unpacks to {unpacked:,} bytes or more from {packed:,}; at most "
        f"{MAX_RATIO} times the packed size and "
        f"{MAX_UNPACKED_BYTES:,} bytes are read, as a guard against zip bombs. If it is "
        "genuine, unpack it and give the file itself."
    )
