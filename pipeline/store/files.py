"""Files of the store: listing, atomic writes, atomic removal, and locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from upath import UPath


@dataclass(frozen=True)
class StoredFile:
    """One file below a folder or prefix.

    ``name`` is its path below that folder, with ``/`` between the parts.
    """

    name: str
    bytes: int
    changed_at: datetime


def files_below(place: UPath) -> Iterator[StoredFile]:
    """Yield every file below a folder or a prefix of an object store, without links.

    A missing folder has no files.
    """
    if _is_local(place):
        home = Path(str(place))
        for path in sorted(home.rglob("*")):
            try:
                status = path.lstat()
            except FileNotFoundError:
                # A run may remove files meanwhile.
                continue
            if path.is_file() and not path.is_symlink():
                changed = datetime.fromtimestamp(status.st_mtime, UTC)
                yield StoredFile(path.relative_to(home).as_posix(), status.st_size, changed)
        return
    files = place.fs
    # Other processes may have written since the last listing.
    files.invalidate_cache()
    prefix = place.path.rstrip("/") + "/"
    for path, found in sorted(files.find(place.path, detail=True).items()):
        yield StoredFile(path.removeprefix(prefix), int(found["size"]), files.modified(path))


def read_within(place: UPath, *parts: str) -> bytes:
    """Return the bytes of a regular file below a folder of the store, without following links.

    A user with write access to the store could otherwise place a link there, to read files of a process with more
    rights.

    Args:
        place: A folder or a prefix of an object store.
        parts: Names of the folders below it, and of the file.

    Raises:
        OSError: There is no such file, or the path contains a link or a device.
    """
    if not _is_local(place):
        return bytes(place.joinpath(*parts).read_bytes())
    *folders, name = parts
    if not all(part and part not in {".", ".."} and "/" not in part for part in parts):
        raise FileNotFoundError(errno.ENOENT, "not a path below this folder", "/".join(parts))
    folder = os.open(str(place), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        # Without O_NONBLOCK, opening a pipe would wait for a writer.
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", name)
        return stream.read()


def changed_at(file: UPath) -> datetime | None:
    """Return when a file was last written or touched; ``None`` if it does not exist."""
    try:
        if _is_local(file):
            return datetime.fromtimestamp(Path(str(file)).stat().st_mtime, UTC)
        file.fs.invalidate_cache()
        changed: datetime = file.fs.modified(file.path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return changed


def entries(place: UPath) -> list[UPath]:
    """Return the current entries of a folder or prefix; a missing one has none."""
    forget_listing(place)
    try:
        return list(place.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def forget_listing(place: UPath) -> None:
    """Make the next listing of a place a new one: fsspec caches listings for as long as the process lives."""
    if not _is_local(place):
        place.fs.invalidate_cache(place.path)


def write_whole(target: UPath, content: bytes) -> None:
    """Write a small file so that readers find the old content or the new one, never a part."""
    if not _is_local(target):
        target.write_bytes(content)
        return
    path = Path(str(target))
    path.parent.mkdir(parents=True, exist_ok=True)
    with temp_file(path.parent, content) as written:
        written.replace(path)


@contextlib.contextmanager
def replaced_folder(home: UPath, *, last: str) -> Iterator[Path]:
    """Yield an empty local folder; at the end, its files become the content of a published folder.

    A folder is renamed into place, so that no reader sees part of it. Its hidden name until then is never listed. In an
    object store, a file of a name is written after all others.

    Args:
        home: The published folder, or the prefix of an object store. What it has is replaced.
        last: Name of the file without which readers ignore the rest.
    """
    local = Path(str(home)) if _is_local(home) else None
    if local is not None:
        local.parent.mkdir(parents=True, exist_ok=True)
    parent = None if local is None else local.parent
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=parent, ignore_cleanup_errors=True) as aside:
        written, old = Path(aside) / "new", Path(aside) / "old"
        written.mkdir()
        yield written
        if local is None:
            files = [path for path in written.rglob("*") if path.is_file()]
            for path in sorted(files, key=lambda path: path == written / last):
                with path.open("rb") as source, (home / path.relative_to(written).as_posix()).open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            return
        for path in [*written.rglob("*"), written]:
            sync(path)
        if local.exists():
            local.rename(old)
        try:
            written.rename(local)
        except OSError:
            if old.exists() and not local.exists():
                old.rename(local)
            raise


def sync(path: Path) -> None:
    """Write a file or the entries of a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def temp_file(folder: Path, content: bytes) -> Iterator[Path]:
    """Yield a synced file with this content and a hidden name, to be renamed or linked; at the end it is removed."""
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        Path(name).chmod(0o644)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def remove_atomically(home: UPath, marker: str | None, is_used: Callable[[UPath], bool], *, in_progress: Path) -> bool:
    """Remove a folder, for all readers at once.

    In a folder store, the folder is renamed away and then deleted. In an object store, the marker is deleted first:
    without it, readers ignore the rest. A kill in between leaves files that are never read.

    Args:
        home: The folder or prefix.
        marker: Name of the file without which readers ignore the folder, e.g. ``manifest.json``; ``None`` if there is
            none, so that an object store's files are only deleted one by one.
        is_used: Called with the place of the files once readers cannot find them: whether the folder was used
            meanwhile. If so, it is put back.
        in_progress: Folder on the disk of a folder store, from which nothing is read.

    Returns:
        Whether this call removed it.

    Raises:
        OSError: It cannot be moved or deleted.
    """
    if _is_local(home):
        return _remove_folder(Path(str(home)), is_used, in_progress)
    return _remove_objects(home, marker, is_used)


def _remove_folder(home: Path, is_used: Callable[[UPath], bool], in_progress: Path) -> bool:
    in_progress.mkdir(parents=True, exist_ok=True)
    parent = Path(tempfile.mkdtemp(prefix="removed-", dir=in_progress))
    hidden = parent / home.name
    try:
        home.rename(hidden)
    except FileNotFoundError:
        parent.rmdir()
        return False
    except OSError:
        parent.rmdir()
        raise
    used = is_used(UPath(hidden))
    if used:
        try:
            hidden.rename(home)
        except OSError:
            # Either it was produced again meanwhile, or the hidden files must not be lost.
            if not home.exists():
                raise
    shutil.rmtree(parent)
    return not used


def _remove_objects(home: UPath, marker: str | None, is_used: Callable[[UPath], bool]) -> bool:
    content = None
    if marker is not None:
        with contextlib.suppress(FileNotFoundError):
            content = (home / marker).read_bytes()
            home.fs.rm_file((home / marker).path)
    if is_used(home):
        if marker is not None and content is not None:
            (home / marker).write_bytes(content)
        return False
    rest = [home / file.name for file in files_below(home)]
    for file in rest:
        # One by one: calls with several names take `*` and `[` for patterns.
        file.fs.rm_file(file.path)
    return content is not None or bool(rest)


@contextlib.contextmanager
def exclusive_lock(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock between the processes of this machine; the lock file is removed at the end.

    Yields:
        ``True`` if this process holds the lock; ``False``, only without ``wait``, if another one does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            if not _is_same_file(handle.fileno(), path):
                # The previous holder removed the file while this process waited, so others lock a new one.
                continue
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
            return


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _is_local(place: UPath) -> bool:
    return isinstance(place, Path)
