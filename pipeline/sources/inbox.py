"""The inbox: a folder or an ``s3://`` prefix where others put complete dumps (docs/how-to/deliver_dumps.md).

Files are looked at and read, never moved, altered or deleted.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import ConfigurationError, PipelineError, SourceError, SourceUnavailableError, quoted
from pipeline.settings import load_settings, variable
from pipeline.sources import staging
from pipeline.sources.naming import looks_like_reviews, safe_name, without_secrets
from pipeline.sources.s3 import ADVICE, checked_location, file_system
from pipeline.sources.staging import FoundFile

log = logging.getLogger(__name__)

DONE_ENDING = ".done"
"""``Reviews.csv.done`` says that ``Reviews.csv`` is complete."""
CLOCK_SKEW_SECONDS = 3600.0
"""A modification time farther ahead than clocks differ was set on purpose, which programs do once a copy is whole."""
HEAD_BYTES = 64
_TEMPORARY_STARTS = (".", "_", "~", "#")
_TEMPORARY_ENDINGS = (
    "~", "#", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".swp", ".aria2",
)  # fmt: skip


@dataclass(frozen=True)
class InboxFile:
    """A file of the inbox, as one look found it.

    Attributes:
        name: Its name in the inbox, as it is there: show it through ``shown`` or ``safe_name``.
        bytes: Its size.
        modified: When it was last written to, in UTC.
        complete: It has a marker, or stood still for a while: it may be read.
        marked: A file ``<name>.done``, not older than itself, lies beside it.
        etag: What the object store calls this version; ``None`` in a folder.
    """

    name: str
    bytes: int
    modified: datetime
    complete: bool
    marked: bool = False
    etag: str | None = None

    @property
    def version(self) -> tuple[str, int, datetime, str | None]:
        """What differs between two looks if the file was written to in between."""
        return self.name, self.bytes, self.modified, self.etag


@dataclass(frozen=True)
class InboxListing:
    """What one look into the inbox found.

    Attributes:
        files: What may be dumps, by modification time and name.
        passed_over: What lies there besides, each with the reason, ready to be shown.
    """

    files: tuple[InboxFile, ...]
    passed_over: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A regular file or an object."""

    name: str
    bytes: int
    modified: datetime
    etag: str | None


def list_inbox(url: str) -> tuple[InboxFile, ...]:
    """Look into the inbox once, and log what is passed over.

    Args:
        url: A folder or ``s3://bucket/prefix/``.

    Returns:
        What may be dumps, by modification time and name. Hidden, temporary and partial names are left out.

    Raises:
        SourceError: The inbox is not there or may not be read.
        SourceUnavailableError: The object store cannot be reached.
    """
    look = scan_inbox(url)
    for reason in look.passed_over:
        log.warning("inbox: %s", reason)
    return look.files


def scan_inbox(url: str) -> InboxListing:
    """Look into the inbox once; as :func:`list_inbox`, but tell what is passed over instead of logging it."""
    passed_over: list[str] = []
    with _failures_told(url):
        entries = _objects(url) if _is_remote(url) else _folder_entries(_folder(url), passed_over)
        names = {entry.name: entry for entry in entries}
        now, settle = datetime.now(UTC), load_settings().inbox_settle_seconds
        files = []
        for entry in entries:
            if entry.name.endswith(DONE_ENDING) or _is_temporary(entry.name):
                continue
            if not looks_like_reviews(entry.name) and not (
                entry.name.lower().endswith(".txt") and _begins_as_reviews(url, entry)
            ):
                passed_over.append(f"{quoted(entry.name)} is passed over: by its name it is no dump of reviews")
                continue
            marker = names.get(entry.name + DONE_ENDING)
            # An older marker tells of the file that this one has replaced.
            marked = marker is not None and marker.modified >= entry.modified
            age = (now - entry.modified).total_seconds()
            complete = marked or age >= settle or age < -CLOCK_SKEW_SECONDS
            files.append(InboxFile(entry.name, entry.bytes, entry.modified, complete, marked, entry.etag))
    return InboxListing(tuple(sorted(files, key=lambda file: (file.modified, file.name))), tuple(passed_over))


def settled(before: Sequence[InboxFile], now: Sequence[InboxFile]) -> tuple[InboxFile, ...]:
    """Return the files that are whole beyond doubt: marked, or complete and unchanged since the look before.

    Args:
        before: What the look before found.
        now: What this look found.
    """
    unchanged = {file.version for file in before}
    return tuple(file for file in now if file.marked or (file.complete and file.version in unchanged))


def inbox_digest(url: str, file: InboxFile) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits.

    Args:
        url: The inbox.
        file: As a look found it.

    Raises:
        SourceUnavailableError: It vanished or changed since then, or while it was read.
        SourceError: It may not be read, or is larger than ``staging.MAX_DUMP_BYTES``.
    """
    with _failures_told(url), _opened(url, file) as source:
        size, digest = staging.copied(source, None, file.name)
        _require_same(file, size)
    return digest


def fetch_inbox(url: str, files: Sequence[InboxFile], folder: Path) -> list[FoundFile]:
    """Return files of the inbox as dumps that were found.

    Args:
        url: The inbox.
        files: As a look found them.
        folder: Where objects are downloaded to. Files of a folder stay where they are.

    Raises:
        SourceUnavailableError: One of them vanished or changed since the look.
        SourceError: One of them may not be read, or is larger than ``staging.MAX_DUMP_BYTES``.
    """
    found = []
    with _failures_told(url):
        for number, file in enumerate(files):
            origin = f"inbox/{safe_name(file.name)}"
            if not _is_remote(url):
                with _opened(url, file):
                    pass
                found.append(FoundFile(_path(url, file), file.name, origin))
                continue
            target = folder / f"inbox-{number}"
            with _opened(url, file) as source:
                size, _ = staging.copied(source, target, file.name)
            _require_same(file, size)
            found.append(FoundFile(target, file.name, origin, fetched=True))
    return found


def _is_temporary(name: str) -> bool:
    return name.startswith(_TEMPORARY_STARTS) or name.lower().endswith(_TEMPORARY_ENDINGS)


def _is_remote(url: str) -> bool:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() == "file":
        return False
    if scheme.lower() != "s3":
        raise ConfigurationError(
            f"{variable('inbox')} is {quoted(without_secrets(url), 200)}; expected a folder or s3://bucket/prefix/."
        )
    return True


def _folder(url: str) -> Path:
    path = url.partition("://")[2] if "://" in url else url
    return Path(path).expanduser().resolve()


def _path(url: str, file: InboxFile) -> Path:
    """Return where a file of a folder really lies: itself, or what a link within the inbox leads to."""
    path = (_folder(url) / file.name).resolve()
    if path.parent != _folder(url):
        raise SourceUnavailableError(f"{quoted(file.name)} in the inbox has become a link that leads out of it.")
    return path


def _folder_entries(folder: Path, passed_over: list[str]) -> list[_Entry]:
    entries = []
    for path in folder.iterdir():
        if _is_temporary(path.name):
            continue
        try:
            if path.is_symlink() and path.resolve().parent != folder:
                passed_over.append(f"{quoted(path.name)} is passed over: it is a link that leads out of the inbox")
                continue
            status = path.stat()
        except (FileNotFoundError, RuntimeError):
            # Gone between the two questions, or a link that leads nowhere.
            continue
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            passed_over.append(f"{quoted(path.name)} is passed over: it is {what}")
            continue
        if not os.access(path, os.R_OK):
            whose = f"uid {os.geteuid()}" if hasattr(os, "geteuid") else "this process's user"
            passed_over.append(f"{quoted(path.name)} is passed over: {whose} may not read it")
            continue
        entries.append(_Entry(path.name, status.st_size, _time(status), None))
    return entries


def _time(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _objects(url: str) -> list[_Entry]:
    key = checked_location(url).rstrip("/") + "/"
    files = file_system()
    try:
        found = files.ls(key.rstrip("/"), detail=True)
    except FileNotFoundError:
        # An empty prefix does not exist; an empty inbox is no mistake, a missing bucket is one.
        if not files.exists(key.partition("/")[0]):
            raise
        found = []
    return [
        _Entry(entry["name"].rpartition("/")[2], entry["size"], entry["LastModified"].astimezone(UTC), _etag(entry))
        for entry in found
        if entry["type"] == "file" and entry["name"].startswith(key) and entry["name"] != key
    ]


def _etag(entry: dict[str, Any]) -> str | None:
    found = entry.get("ETag")
    return found.strip('"') if isinstance(found, str) and found else None


def _begins_as_reviews(url: str, entry: _Entry) -> bool:
    return _head_is_reviews(url, InboxFile(entry.name, entry.bytes, entry.modified, complete=False, etag=entry.etag))


@lru_cache(maxsize=4096)
def _head_is_reviews(url: str, file: InboxFile) -> bool:
    """Look at a ``.txt`` file's first bytes, once for each version of it."""
    try:
        with _opened(url, file) as source:
            return looks_like_reviews(file.name, source.read(HEAD_BYTES))
    except SourceError:
        return False


@contextmanager
def _opened(url: str, file: InboxFile) -> Iterator[BinaryIO]:
    """Open a file or an object for reading, and make sure at both ends that it is what the look found."""
    if _is_remote(url):
        files = file_system()
        key = f"{checked_location(url).rstrip('/')}/{file.name}"
        try:
            info = files.info(key)
            if _etag(info) != file.etag or info["size"] != file.bytes:
                raise _changed(file)
            with files.open(key, "rb") as source:
                yield source
        except FileNotFoundError:
            raise _vanished(file) from None
        except OSError as error:
            # s3fs asks for each block under the version that it opened.
            if type(error).__name__ == "FileExpired":
                raise _changed(file) from None
            raise
        return
    try:
        # What is no link now must not become one before it is open. Not blocking, as it may be a pipe.
        handle = os.open(_path(url, file), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise _vanished(file) from None
    with os.fdopen(handle, "rb") as source:
        _require_unchanged(source, file)
        yield source
        _require_unchanged(source, file)


def _require_unchanged(source: BinaryIO, file: InboxFile) -> None:
    status = os.fstat(source.fileno())
    if not stat.S_ISREG(status.st_mode) or (status.st_size, _time(status)) != (file.bytes, file.modified):
        raise _changed(file)


def _require_same(file: InboxFile, size: int) -> None:
    if size != file.bytes:
        raise _changed(file)


def _changed(file: InboxFile) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"{quoted(file.name)} in the inbox changed while it was read: it is still being written. It is taken once it "
        "stands still. Upload under a name that ends in .part and rename at the end, or put "
        f"{quoted(file.name + DONE_ENDING)} beside it once it is whole."
    )


def _vanished(file: InboxFile) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"{quoted(file.name)} vanished from the inbox before it was read. Put it back, or run again without it."
    )


@contextmanager
def _failures_told(url: str) -> Iterator[None]:
    """Turn what a file system or an object store raises into an error that says what to do."""
    where = quoted(without_secrets(url) if "://" in url else url, 200)
    try:
        yield
    except PipelineError:
        raise
    except FileNotFoundError:
        raise SourceError(
            f"The inbox {where} does not exist. Make it, or correct {variable('inbox')}. "
            + (ADVICE if _is_remote(url) else "It is looked up on the machine that runs this process")
            + "."
        ) from None
    except NotADirectoryError:
        raise SourceError(f"The inbox {where} is no folder. Correct {variable('inbox')}.") from None
    except PermissionError as error:
        what = f" ({quoted(Path(error.filename).name)})" if isinstance(error.filename, str) else ""
        raise SourceError(
            f"The inbox {where} may not be read{what}. "
            + (f"{ADVICE}." if _is_remote(url) else "Give this process's user the right to read it.")
        ) from None
    except Exception as error:
        if not _is_remote(url) and not isinstance(error, OSError):
            raise
        raise SourceUnavailableError(
            f"The inbox {where} cannot be read ({type(error).__name__}: {quoted(error, 200)})."
            + (f" {ADVICE}." if _is_remote(url) else "")
        ) from None
