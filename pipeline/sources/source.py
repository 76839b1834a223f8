"""What every source of dumps implements and returns, and how files are read and copied within bounds."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pipeline.errors import SourceError, quoted
from pipeline.sources.records import KnownVersion

BLOCK_BYTES = 1024 * 1024
MAX_DUMP_BYTES = 32 * 2**30
"""Maximum size of one dump; the full Amazon data set has 0.3 GB."""


@dataclass(frozen=True)
class FoundFile:
    """A local file with the bytes of a dump.

    Attributes:
        path: Where the file is now.
        name: Its name at the source.
        origin: Where it came from, without credentials, query or absolute folders.
        staged: Whether it is in the staging folder, so that it may be moved instead of copied.
        demo: Whether it is the generated demo dump.
        unattended: Whether it was found in the inbox, so that no user named it.
        in_inbox: Whether it is in the inbox, where others may replace it by a link, which is not followed.
        version: Its version at the server; ``None`` if the source does not name versions.
    """

    path: Path
    name: str
    origin: str
    staged: bool = False
    demo: bool = False
    unattended: bool = False
    in_inbox: bool = False
    version: KnownVersion | None = None


@dataclass(frozen=True)
class InboxFile:
    """A file of the inbox, as one scan found it.

    Attributes:
        name: Its name as it is in the inbox; display it with ``quoted`` or ``safe_name``.
        bytes: Its size.
        modified: When it was last written to, in UTC.
        complete: Whether it may be read: it has a marker, or has been unchanged for a while.
        marked: Whether there is a file ``<name>.done`` that is not older.
        etag: The version in the object store; ``None`` in a folder.
    """

    name: str
    bytes: int
    modified: datetime
    complete: bool = False
    marked: bool = False
    etag: str | None = None

    @property
    def version(self) -> tuple[str, int, datetime, str | None]:
        """What differs between two scans if the file was written to in between."""
        return self.name, self.bytes, self.modified, self.etag


@dataclass(frozen=True)
class SeenFiles:
    """What earlier runs fetched, so that it is not fetched again.

    Attributes:
        received: SHA-256 of every file received before. Inbox files with these bytes are skipped.
        accepted: SHA-256 of the files that were accepted for training. Named dumps with these bytes are skipped.
        unchanged: Whether an inbox file was received before, by its name, size and time, without reading it.
        versions: The versions that http(s) servers and Kaggle named last, by origin.
    """

    received: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    unchanged: Callable[[InboxFile], bool] = lambda _: False
    versions: Mapping[str, KnownVersion] = field(default_factory=dict)


Source: TypeAlias = Callable[[str, Path, SeenFiles], list[FoundFile]]
"""Returns the new files of a dump, downloaded into an empty staging folder if they are not local.

It raises ``SourceError`` if the dump does not exist, cannot be fetched or is too large, and ``SourceUnavailableError``
if the source cannot be reached at the moment.
"""


def scheme_of(dump: str) -> str:
    """Return the scheme of a URL in lower case; empty for a path or a keyword."""
    scheme, separator, _ = dump.partition("://")
    return scheme.lower() if separator else ""


def local_path(location: str) -> str:
    """Return a path without the scheme ``file://``, and anything else unchanged."""
    return location.partition("://")[2] if scheme_of(location) == "file" else location


def open_regular(path: Path, name: str, *, follow_links: bool = True) -> BinaryIO:
    """Open a file for reading if it is a regular file: reading a pipe or a device might never end.

    Raises:
        SourceError: It is not a regular file, does not exist or may not be read.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would block before it is recognized.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0))
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(f"{quoted(name)} cannot be opened: {reason}. Check the path and its permissions.") from None
    stream = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        stream.close()
        raise SourceError(
            f"{quoted(name)} is not a regular file (a pipe, a device or a socket). Give a file or a folder."
        )
    return stream


def read_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Return the bytes of a stream in blocks of ``BLOCK_BYTES``."""
    return iter(partial(stream.read, BLOCK_BYTES), b"")


def hash_blocks(blocks: Iterable[bytes], name: str, *, copy_to: Path | None = None) -> tuple[int, str]:
    """Return the size in bytes and the SHA-256 of the bytes of a dump.

    Args:
        blocks: Its bytes.
        name: Its name, for messages.
        copy_to: A file that the bytes are written to.

    Raises:
        SourceError: It is larger than ``MAX_DUMP_BYTES``.
    """
    digest, size = hashlib.sha256(), 0
    with nullcontext() if copy_to is None else copy_to.open("wb") as sink:
        for block in blocks:
            size += len(block)
            check_size(name, size)
            digest.update(block)
            if sink is not None:
                sink.write(block)
    return size, digest.hexdigest()


def check_size(name: str, size: int | None) -> None:
    """Raise ``SourceError`` if a dump is larger than ``MAX_DUMP_BYTES``; ``None`` is an unknown size."""
    if size is not None and size > MAX_DUMP_BYTES:
        raise SourceError(
            f"{quoted(name)} has {size:,} bytes or more; a dump may have {MAX_DUMP_BYTES:,}. "
            "Split it into several files."
        )
