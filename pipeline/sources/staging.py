"""A dump that was found or fetched, before it is fetched."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import SourceError, quoted
from pipeline.sources.records import KnownVersion

BLOCK_BYTES = 1024 * 1024
MAX_DUMP_BYTES = 32 * 2**30
"""Largest single dump; the full Amazon data set has 0.3 GB."""


@dataclass(frozen=True)
class FoundFile:
    """A local file with a dump's bytes.

    Attributes:
        path: Where it lies now.
        name: Its name at its source.
        origin: Where it came from, without credentials, query or absolute folders.
        fetched: It lies in the staging folder and may be moved, not copied.
        demo: It is the generated demo dump.
        unattended: It was found in the inbox, and nobody named it.
        version: What to ask its server for next time; ``None`` where the server told nothing, or there is none.
    """

    path: Path
    name: str
    origin: str
    fetched: bool = False
    demo: bool = False
    unattended: bool = False
    version: KnownVersion | None = None


@dataclass(frozen=True)
class NotModified:
    """The answer of a source that holds nothing new.

    Attributes:
        origin: Where it was looked for, without credentials or query.
        version: The version that is still the newest.
    """

    origin: str
    version: KnownVersion


def open_regular(path: Path, name: str, *, follow_links: bool = True) -> BinaryIO:
    """Open a file for reading if it is a regular one: a pipe or a device would never end.

    Raises:
        SourceError: It is not, is gone or may not be read.
    """
    try:
        # Not blocking, so that a named pipe cannot hold the workflow up before it is recognized.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0))
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(f"{quoted(name)} cannot be opened: {reason}. Check the path and who may read it.") from None
    stream = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        stream.close()
        raise SourceError(
            f"{quoted(name)} is not a regular file (a pipe, a device or a socket). Give a file or a folder."
        )
    return stream


def copied(source: BinaryIO, target: Path | None, name: str) -> tuple[int, str]:
    """Read a stream to its end and return its size in bytes and its SHA-256.

    Args:
        source: Any stream of bytes.
        target: Where the bytes are kept; ``None`` only reads them.
        name: For messages.

    Raises:
        SourceError: It is larger than ``MAX_DUMP_BYTES`` or cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    sink = target.open("wb") if target is not None else None
    try:
        while block := source.read(BLOCK_BYTES):
            size += len(block)
            if size > MAX_DUMP_BYTES:
                raise SourceError(too_large(name, size))
            digest.update(block)
            if sink is not None:
                sink.write(block)
    finally:
        if sink is not None:
            sink.close()
    return size, digest.hexdigest()


def too_large(name: str, size: int) -> str:
    """Return the message for a dump beyond the limit."""
    return f"{quoted(name)} has {size:,} bytes or more; a dump may have {MAX_DUMP_BYTES:,}. Cut it into several files."
