"""Opening raw files: plain, compressed or in a zip archive, recognized by their bytes and unpacked within bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal, Protocol

from pipeline.errors import SourceError, quoted
from pipeline.readers.sniffing import (
    HEAD_BYTES,
    PARQUET_MAGIC,
    READ_FORMATS,
    ZIP_MAGICS,
    compression_of,
    refuse_foreign,
)
from pipeline.sources.naming import HEAD_BYTES as SNAP_HEAD_BYTES
from pipeline.sources.naming import is_dump_name, safe_name, without_compression

MAX_UNPACKED_BYTES = 64 * 2**30
"""Maximum unpacked size of one file; the full Amazon data set has 0.3 GB."""
MAX_RATIO = 250
"""Maximum ratio of unpacked to packed size: review text reaches 3 to 10, a zip bomb 1,000."""
FREE_BYTES = 16 * 2**20
"""Unpacked size up to which the ratio is not limited."""
MAX_ZIP_ENTRIES = 10_000
BUFFER_BYTES = 256 * 1024
WINDOW_BYTES = 128 * 2**20
"""Maximum memory of a decompressor; the highest ordinary levels of xz and zstd need 65 and 8 MiB."""
PACKED_BYTES = 2048
"""How much of a zstd file is unpacked at a time: its blocks of 4 bytes can hold 128 KiB, so this is at most 64 MiB."""
_EXCEL_MEMBER = "xl/workbook.xml"
_OTHER_WORKBOOKS = {"xl/workbook.bin": "a binary Excel workbook (.xlsb)", "content.xml": "an OpenDocument file (.ods)"}


@dataclass(frozen=True)
class Member:
    """One readable file: a raw file itself, or a file inside a zip archive.

    Attributes:
        name: Its name in the column ``file``: ``Reviews.csv`` or ``archive.zip/Reviews.csv``.
        path: The raw file.
        compression: ``gzip``, ``bzip2``, ``xz``, ``zstd``, ``zip``, ``zip, gzip`` (and so on) or ``None``.
        kind: ``parquet``, ``excel`` or ``text``.
        open: Opens the unpacked bytes. Reading raises ``SourceError`` if they are damaged.
    """

    name: str
    path: Path
    compression: str | None
    kind: Literal["text", "parquet", "excel"]
    open: Callable[[], BinaryIO]


def members(path: Path, name: str, *, encoding_known: bool = False) -> list[Member]:
    """Return the readable files in a raw file, sorted by name, after checking the first bytes of each.

    Args:
        path: The raw file.
        name: Its name for messages and for the column ``file``.
        encoding_known: As for ``refuse_foreign``.

    Raises:
        SourceError: The file is not a dump, is damaged at its start, or is a zip archive that is unsafe to unpack.
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
    """Return a file that may be compressed; refuse it if its unpacked bytes are not a dump."""
    with open_packed() as stream:
        head = stream.read(HEAD_BYTES)
    compression = outer
    opened = open_packed
    if packed := compression_of(head):
        compression = (*outer, packed)

        def opened() -> BinaryIO:
            raw = open_packed()
            unpacked = _UnpackedBytes(_DECOMPRESSORS[packed](raw), name, packed, packed_bytes, also_close=raw)
            return io.BufferedReader(unpacked, BUFFER_BYTES)

        with opened() as stream:
            head = stream.read(HEAD_BYTES)
    refuse_foreign(head, name, encoding_known=encoding_known)
    if compression and (compression_of(head) or head.startswith(ZIP_MAGICS)):
        raise SourceError(f"{quoted(name)} is an archive inside an archive. Unpack it once and give the inner file.")
    is_parquet = head.startswith(PARQUET_MAGIC)
    if is_parquet and compression:
        raise SourceError(
            f"{quoted(name)} is Parquet inside {' and '.join(compression)}. Parquet has its own compression: "
            "unpack the archive and give the Parquet file."
        )
    return Member(name, path, ", ".join(compression) or None, "parquet" if is_parquet else "text", opened)


def _zip_members(path: Path, name: str, *, encoding_known: bool) -> list[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{quoted(name)} begins as a zip archive but cannot be opened ({error}): it is damaged or was cut short. "
            "Download it again."
        ) from None
    if len(entries) > MAX_ZIP_ENTRIES:
        raise SourceError(
            f"{quoted(name)} contains {len(entries):,} files; at most {MAX_ZIP_ENTRIES:,} are read from one archive."
        )
    for entry in entries:
        _refuse_unsafe(entry, name)
    names = {entry.filename for entry in entries}
    if _EXCEL_MEMBER in names:
        return [Member(name, path, None, "excel", lambda: path.open("rb"))]
    for member, kind in _OTHER_WORKBOOKS.items():
        if member in names:
            raise SourceError(f"{quoted(name)} is {kind}, which is not read. Save the sheet as CSV or .xlsx.")
    chosen = sorted((entry for entry in entries if _is_candidate(entry, path)), key=lambda entry: entry.filename)
    # Kaggle packs a CSV together with a database and checksums. Only files of one kind belong to the dump.
    for endings in ((".csv", ".tsv", ".psv"), (".jsonl", ".ndjson", ".json")):
        same_kind = [entry for entry in chosen if without_compression(entry.filename.lower()).endswith(endings)]
        if same_kind:
            chosen = same_kind
            break
    if not chosen:
        listed = ", ".join(quoted(entry.filename, 40) for entry in entries[:10]) or "nothing"
        raise SourceError(f"{quoted(name)} does not contain a dump of reviews, but: {listed}. Expected {READ_FORMATS}.")
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
            f"{quoted(name)} contains a file named {quoted(inside)}, which points outside the archive. "
            "Archives with such names are not read: pack the dump again, or give the CSV itself."
        )
    if entry.flag_bits & 0x1:
        raise SourceError(
            f"{quoted(name)}: {quoted(inside)} is encrypted. Unpack it with its password and give the file itself."
        )
    _check_unpacked_size(f"{name}/{inside}", entry.file_size, max(entry.compress_size, 1))


def _is_candidate(entry: zipfile.ZipInfo, path: Path) -> bool:
    parts = PurePosixPath(entry.filename).parts
    if entry.is_dir() or not parts or "__MACOSX" in parts:
        return False

    def read_head() -> bytes:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
                return stream.read(SNAP_HEAD_BYTES)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
            return b""

    return is_dump_name(parts[-1], read_head)


def _zip_opener(path: Path, entry: zipfile.ZipInfo, name: str) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        archive = zipfile.ZipFile(path)
        try:
            stream = archive.open(entry)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
            archive.close()
            raise SourceError(f"{quoted(name)}: {quoted(entry.filename)} cannot be unpacked ({error}).") from None
        packed_bytes = max(entry.compress_size, 1)
        unpacked = _UnpackedBytes(stream, f"{name}/{entry.filename}", "zip", packed_bytes, also_close=archive)
        return io.BufferedReader(unpacked, BUFFER_BYTES)

    return opened


class _Reader(Protocol):
    """Unpacked bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""

    def close(self) -> None:
        """Release the memory."""


class _XzReader:
    """The unpacked bytes of an xz file in bounded memory: its header alone may ask for 4 GiB."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._stream = self._new()
        self._packed = b""

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=WINDOW_BYTES)

    def read(self, size: int, /) -> bytes:
        while True:
            if self._stream.eof:
                # Streams may follow each other, with zero bytes between them.
                self._packed = self._stream.unused_data.lstrip(b"\0") or self._raw.read(BUFFER_BYTES).lstrip(b"\0")
                if not self._packed:
                    return b""
                self._stream = self._new()
            elif not self._packed and self._stream.needs_input:
                self._packed = self._raw.read(BUFFER_BYTES)
                if not self._packed:
                    raise EOFError
            data = self._stream.decompress(self._packed, size)
            self._packed = b""
            if data:
                return data

    def close(self) -> None:
        pass


class _ZstdReader:
    """The unpacked bytes of the frames of a Zstandard file in bounded memory."""

    def __init__(self, raw: BinaryIO) -> None:
        # Imported here: the control plane imports this module, reads no dumps, and has no zstandard.
        import zstandard

        self._zstandard = zstandard
        self._raw = raw
        self._packed = b""
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._waiting = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        while not self._waiting:
            if self._frame is not None and self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
            if not self._packed:
                self._packed = self._raw.read(PACKED_BYTES)
                if not self._packed:
                    if self._frame is not None:
                        raise EOFError
                    return b""
            if self._frame is None:
                self._frame = self._zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()
            try:
                self._waiting = memoryview(self._frame.decompress(self._packed))
            except self._zstandard.ZstdError as error:
                raise ValueError(str(error)) from None
            self._packed = b""
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return bytes(data)

    def close(self) -> None:
        pass


_DECOMPRESSORS: dict[str, Callable[[BinaryIO], _Reader]] = {
    "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
    "bzip2": bz2.BZ2File,
    "xz": _XzReader,
    "zstd": _ZstdReader,
}


@dataclass(eq=False)
class _UnpackedBytes(io.RawIOBase):
    """The unpacked bytes of a compressed stream: counted, bounded, and with errors that a user understands."""

    packed: _Reader
    name: str
    compression: str
    packed_bytes: int
    also_close: BinaryIO | zipfile.ZipFile
    unpacked_bytes: int = 0
    unpacked_lines: int = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self.packed.read(len(view))
        except (
            EOFError,
            OSError,
            ValueError,
            RuntimeError,
            zlib.error,
            lzma.LZMAError,
            zipfile.BadZipFile,
        ) as error:
            if "memory" in str(error).lower():
                raise SourceError(
                    f"{quoted(self.name)} ({self.compression}) needs more than {WINDOW_BYTES:,} bytes of memory to be "
                    f"unpacked ({error}). Unpack it, and give the file itself."
                ) from None
            cut = isinstance(error, EOFError)
            what = "ends in the middle of its compressed data" if cut else f"is damaged ({error})"
            raise SourceError(
                f"{quoted(self.name)} ({self.compression}) {what}, after line {self.unpacked_lines:,} "
                f"({self.unpacked_bytes:,} bytes unpacked). The download was cut short or altered; download it again."
            ) from None
        self.unpacked_bytes += len(data)
        self.unpacked_lines += data.count(b"\n")
        _check_unpacked_size(self.name, self.unpacked_bytes, self.packed_bytes)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self.packed.close()
            self.also_close.close()
        super().close()


def _check_unpacked_size(name: str, unpacked: int, packed: int) -> None:
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > FREE_BYTES and unpacked > MAX_RATIO * packed):
        raise SourceError(
            f"{quoted(name)} unpacks to {unpacked:,} bytes or more from {packed:,}; at most {MAX_RATIO} times the "
            f"packed size and {MAX_UNPACKED_BYTES:,} bytes are read, as a guard against zip bombs. If the file is "
            "genuine, unpack it and give the file itself."
        )
