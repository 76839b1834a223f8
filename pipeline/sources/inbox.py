"""The inbox: a folder or an ``s3://`` prefix where others put complete dumps (docs/how-to/deliver_dumps.md).

Files of the inbox are listed and read, never moved, changed or deleted.
"""

from __future__ import annotations

import difflib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pipeline.config import INBOX_DUMP, INBOX_FILE
from pipeline.errors import ConfigurationError, PipelineError, SourceError, SourceUnavailableError, quoted
from pipeline.settings import load_settings, variable
from pipeline.sources.naming import HEAD_BYTES, is_dump_name, safe_name, without_secrets
from pipeline.sources.s3 import ADVICE, bucket_and_key, open_object_store
from pipeline.sources.source import FoundFile, InboxFile, SeenFiles, hash_blocks, local_path, read_blocks, scheme_of

log = logging.getLogger(__name__)

DONE_ENDING = ".done"
"""``Reviews.csv.done`` marks ``Reviews.csv`` as complete."""
CLOCK_SKEW_SECONDS = 3600.0
"""A modification time further in the future was set on purpose, as programs do when a copy is complete."""
MAX_NAMED = 10
"""Files of the inbox that an error names."""
_TEMPORARY_STARTS = (".", "_", "~", "#")
_TEMPORARY_ENDINGS = (
    "~", "#", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".swp", ".aria2",
)  # fmt: skip


SkipReason = Literal["not_reviews", "outside_link", "folder", "not_regular", "no_permission"]
_SKIP_TEXTS: dict[SkipReason, str] = {
    "not_reviews": "its name is not that of a dump of reviews",
    "outside_link": "it is a link that points outside the inbox",
    "folder": "it is a folder",
    "not_regular": "it is not a regular file",
    "no_permission": "the user of this process may not read it",
}


@dataclass(frozen=True)
class SkippedFile:
    """An entry of the inbox that is not read."""

    name: str
    reason: SkipReason

    def __str__(self) -> str:
        """Return a sentence for logs and pages."""
        return f"{quoted(self.name)} is skipped: {_SKIP_TEXTS[self.reason]}"


@dataclass(frozen=True)
class InboxListing:
    """What one scan of the inbox found. Hidden, temporary and partial files are left out."""

    files: tuple[InboxFile, ...]
    skipped: tuple[SkippedFile, ...]


def fetch_new_files(_dump: str, folder: Path, seen: SeenFiles) -> list[FoundFile]:
    """Return the complete files of the inbox that were not seen before.

    Objects are downloaded, files of a folder stay where they are.
    """
    url = _inbox_url(INBOX_DUMP)
    listing = scan_inbox(url)
    for skipped in listing.skipped:
        log.warning("inbox: %s", skipped)
    return fetch_inbox(url, [file for file in listing.files if file.complete and not seen.unchanged(file)], folder)


def fetch_named_file(dump: str, folder: Path, _seen: SeenFiles) -> list[FoundFile]:
    """Return the file of the inbox that ``inbox:NAME`` names.

    Raises:
        SourceError: There is none; the message lists the files of the inbox.
        SourceUnavailableError: It is still being written.
    """
    url, name = _inbox_url(dump), dump.removeprefix(INBOX_FILE)
    listing = scan_inbox(url)
    file = next((file for file in listing.files if file.name == name), None)
    if file is None:
        raise _not_in_inbox(url, name, listing)
    if not file.complete:
        raise SourceUnavailableError(
            f"{quoted(name)} in the inbox may still be incomplete: it was written to less than "
            f"{load_settings().inbox_settle_seconds:g} seconds ago. Wait, or add {quoted(name + DONE_ENDING)}."
        )
    # Not unattended: a file that a user names must be readable.
    return [replace(found, unattended=False) for found in fetch_inbox(url, [file], folder)]


def _inbox_url(dump: str) -> str:
    url = load_settings().inbox
    if url is None:
        raise SourceError(
            f"The dump {quoted(dump)} needs an inbox, but {variable('inbox')} is not set. Set it to a folder or "
            "an s3:// prefix for the process that runs this step, or name a dump."
        )
    return url


def _not_in_inbox(url: str, name: str, listing: InboxListing) -> SourceError:
    """Return an error that names the newest files of the inbox."""
    skipped = next((f" {found}." for found in listing.skipped if found.name == name), "")
    newest = [file.name for file in reversed(listing.files)]
    close = difflib.get_close_matches(name, newest, 1)
    hint = f" Did you mean {quoted(INBOX_FILE + close[0])}?" if close else ""
    more = f" and {len(newest) - MAX_NAMED} more" if len(newest) > MAX_NAMED else ""
    held = f"It has {', '.join(map(quoted, newest[:MAX_NAMED]))}{more}." if newest else "It has no dump of reviews."
    where = quoted(without_secrets(url), 200)
    return SourceError(f"The inbox {where} has no dump {quoted(name)}.{skipped}{hint} {held}")


def scan_inbox(url: str) -> InboxListing:
    """List the inbox once.

    Args:
        url: A folder or ``s3://bucket/prefix/``.

    Raises:
        SourceError: The inbox does not exist or may not be read.
        SourceUnavailableError: The object store cannot be reached.
    """
    with _translated_errors(url):
        entries, skipped = _inbox(url).scan()
        by_name = {entry.name: entry for entry in entries}
        now, settle = datetime.now(UTC), load_settings().inbox_settle_seconds
        files = []
        for entry in entries:
            if entry.name.endswith(DONE_ENDING) or _is_temporary(entry.name):
                continue
            if not is_dump_name(entry.name, partial(_read_head, url, entry)):
                skipped.append(SkippedFile(entry.name, "not_reviews"))
                continue
            marker = by_name.get(entry.name + DONE_ENDING)
            # An older marker belongs to the file that this one has replaced.
            marked = marker is not None and marker.modified >= entry.modified
            age = (now - entry.modified).total_seconds()
            complete = marked or age >= settle or age < -CLOCK_SKEW_SECONDS
            files.append(replace(entry, complete=complete, marked=marked))
    return InboxListing(tuple(sorted(files, key=lambda file: (file.modified, file.name))), tuple(skipped))


def stable_files(before: Sequence[InboxFile], now: Sequence[InboxFile]) -> tuple[InboxFile, ...]:
    """Return the files that are certainly complete: marked, or complete and unchanged since the scan before."""
    unchanged = {file.version for file in before}
    return tuple(file for file in now if file.marked or (file.complete and file.version in unchanged))


def inbox_digest(url: str, file: InboxFile) -> str:
    """Return the SHA-256 of a file of the inbox in hexadecimal digits.

    Raises:
        SourceUnavailableError: It vanished or changed since the scan.
        SourceError: It may not be read, or is too large.
    """
    with _translated_errors(url), _inbox(url).open(file) as source:
        size, digest = hash_blocks(read_blocks(source), file.name)
        _check_size(file, size)
    return digest


def fetch_inbox(url: str, files: Sequence[InboxFile], folder: Path) -> list[FoundFile]:
    """Return files of the inbox as found files.

    Args:
        url: The inbox.
        files: Files of a scan.
        folder: Where objects are downloaded to. Files of a folder stay where they are.

    Raises:
        SourceUnavailableError: One of them vanished or changed since the scan.
        SourceError: One of them may not be read, or is too large.
    """
    with _translated_errors(url):
        inbox = _inbox(url)
        return [inbox.fetch(file, folder / f"inbox-{number}") for number, file in enumerate(files)]


class _FolderInbox:
    """An inbox in a folder of this machine."""

    def __init__(self, url: str) -> None:
        self._folder = Path(local_path(url)).expanduser().resolve()

    def scan(self) -> tuple[list[InboxFile], list[SkippedFile]]:
        entries: list[InboxFile] = []
        skipped: list[SkippedFile] = []
        for path in self._folder.iterdir():
            if _is_temporary(path.name):
                continue
            try:
                outside = path.is_symlink() and path.resolve().parent != self._folder
                status = path.lstat() if outside else path.stat()
            except (FileNotFoundError, RuntimeError):
                # Deleted meanwhile, or a broken link.
                continue
            reason: SkipReason | None = "outside_link" if outside else _skip_reason(path, status)
            if reason is None:
                entries.append(InboxFile(path.name, status.st_size, _modified(status)))
            else:
                skipped.append(SkippedFile(path.name, reason))
        return entries, skipped

    @contextmanager
    def open(self, file: InboxFile) -> Iterator[BinaryIO]:
        """Open a file, and check before and after reading that it is still the one that the scan found."""
        try:
            # O_NOFOLLOW: a file must not be replaced by a link meanwhile. O_NONBLOCK: it may have become a pipe.
            handle = os.open(self._path(file), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise _vanished(file) from None
        with os.fdopen(handle, "rb") as source:
            _check_status(file, os.fstat(handle))
            yield source
            _check_status(file, os.fstat(handle))

    def fetch(self, file: InboxFile, _: Path) -> FoundFile:
        with self.open(file):
            return _found(file, self._path(file), staged=False)

    def _path(self, file: InboxFile) -> Path:
        """Return the path of the file itself, or of the file in the inbox that it links to."""
        path = (self._folder / file.name).resolve()
        if path.parent != self._folder:
            raise SourceUnavailableError(
                f"{quoted(file.name)} in the inbox was replaced by a link that points outside the inbox."
            )
        return path


class _BucketInbox:
    """An inbox below a prefix of an object store."""

    def __init__(self, url: str) -> None:
        self._prefix = bucket_and_key(url).rstrip("/")
        self._store = open_object_store()

    def scan(self) -> tuple[list[InboxFile], list[SkippedFile]]:
        try:
            entries = self._store.ls(self._prefix, detail=True)
        except FileNotFoundError:
            # A prefix without objects does not exist. An empty inbox is fine, a missing bucket is not.
            if not self._store.exists(self._prefix.partition("/")[0]):
                raise
            entries = []
        start = self._prefix + "/"
        return [
            InboxFile(
                entry["name"].removeprefix(start),
                entry["size"],
                entry["LastModified"].astimezone(UTC),
                etag=_etag(entry),
            )
            for entry in entries
            if entry["type"] == "file" and entry["name"].startswith(start) and entry["name"] != start
        ], []

    @contextmanager
    def open(self, file: InboxFile) -> Iterator[BinaryIO]:
        """Open an object if it is still the one that the scan found."""
        key = f"{self._prefix}/{file.name}"
        try:
            info = self._store.info(key)
            if _etag(info) != file.etag:
                raise _changed(file)
            _check_size(file, info["size"])
            with self._store.open(key, "rb") as source:
                yield source
        except FileNotFoundError:
            raise _vanished(file) from None
        except OSError as error:
            # s3fs requests each block of the version that it opened.
            if type(error).__name__ == "FileExpired":
                raise _changed(file) from None
            raise

    def fetch(self, file: InboxFile, target: Path) -> FoundFile:
        with self.open(file) as source:
            size, _ = hash_blocks(read_blocks(source), file.name, copy_to=target)
            _check_size(file, size)
        return _found(file, target, staged=True)


def _inbox(url: str) -> _FolderInbox | _BucketInbox:
    scheme = scheme_of(url)
    if scheme in {"", "file"}:
        return _FolderInbox(url)
    if scheme == "s3":
        return _BucketInbox(url)
    raise ConfigurationError(
        f"{variable('inbox')} is {quoted(without_secrets(url), 200)}; expected a folder or s3://bucket/prefix/."
    )


def _skip_reason(path: Path, status: os.stat_result) -> SkipReason | None:
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    if not stat.S_ISREG(status.st_mode):
        return "not_regular"
    return None if os.access(path, os.R_OK) else "no_permission"


def _is_temporary(name: str) -> bool:
    return name.startswith(_TEMPORARY_STARTS) or name.lower().endswith(_TEMPORARY_ENDINGS)


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _etag(entry: dict[str, Any]) -> str | None:
    found = entry.get("ETag")
    return found.strip('"') if isinstance(found, str) and found else None


@lru_cache(maxsize=4096)
def _read_head(url: str, file: InboxFile) -> bytes:
    """Return the first bytes of a file, read once for each of its versions."""
    try:
        with _inbox(url).open(file) as source:
            return source.read(HEAD_BYTES)
    except SourceError:
        return b""


def _found(file: InboxFile, path: Path, *, staged: bool) -> FoundFile:
    return FoundFile(path, file.name, f"inbox/{safe_name(file.name)}", staged=staged, unattended=True, in_inbox=True)


def _check_status(file: InboxFile, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or _modified(status) != file.modified:
        raise _changed(file)
    _check_size(file, status.st_size)


def _check_size(file: InboxFile, size: int) -> None:
    if size != file.bytes:
        raise _changed(file)


def _changed(file: InboxFile) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"{quoted(file.name)} in the inbox changed while it was read: it is still being written. It is read when it "
        "no longer changes. Upload it under a name that ends in .part and rename it at the end, or add "
        f"{quoted(file.name + DONE_ENDING)} when it is complete."
    )


def _vanished(file: InboxFile) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"{quoted(file.name)} vanished from the inbox before it was read. Put it back, or run again without it."
    )


@contextmanager
def _translated_errors(url: str) -> Iterator[None]:
    """Turn errors of a file system or an object store into errors that say what to do."""
    where = quoted(without_secrets(url), 200)
    remote = scheme_of(url) == "s3"
    try:
        yield
    except PipelineError:
        raise
    except FileNotFoundError:
        next_step = ADVICE if remote else "The path is resolved on the machine that runs this process"
        raise SourceError(
            f"The inbox {where} does not exist. Create it, or correct {variable('inbox')}. {next_step}."
        ) from None
    except NotADirectoryError:
        raise SourceError(f"The inbox {where} is not a folder. Correct {variable('inbox')}.") from None
    except PermissionError as error:
        what = f" ({quoted(Path(error.filename).name)})" if isinstance(error.filename, str) else ""
        next_step = ADVICE if remote else "Give the user of this process the permission to read it"
        raise SourceError(f"The inbox {where} may not be read{what}. {next_step}.") from None
    except Exception as error:
        if not remote and not isinstance(error, OSError):
            raise
        raise SourceUnavailableError(
            f"The inbox {where} cannot be read ({type(error).__name__}: {quoted(error, 200)})."
            + (f" {ADVICE}." if remote else "")
        ) from None
