"""Files below a place of the store: how they are found, written whole, and removed at once for every reader."""

from __future__ import annotations

import contextlib
import errno
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
    """One file below a place.

    Attributes:
        name: Its path below that place, with ``/`` between the parts.
        bytes: Its size.
        changed_at: When it was last written, or touched.
    """

    name: str
    bytes: int
    changed_at: datetime


def files_below(place: UPath) -> Iterator[StoredFile]:
    """Yield every file below a folder or an object store's prefix; links are neither followed nor named.

    A place that is not there has none.
    """
    if _is_local(place):
        home = Path(str(place))
        for path in sorted(home.rglob("*")):
            try:
                status = path.lstat()
            except FileNotFoundError:
                # A run may be at work while we look.
                continue
            if path.is_file() and not path.is_symlink():
                changed = datetime.fromtimestamp(status.st_mtime, UTC)
                yield StoredFile(path.relative_to(home).as_posix(), status.st_size, changed)
        return
    files = place.fs
    # What another process has written since we last looked.
    files.invalidate_cache()
    prefix = place.path.rstrip("/") + "/"
    for path, found in sorted(files.find(place.path, detail=True).items()):
        yield StoredFile(path.removeprefix(prefix), int(found["size"]), files.modified(path))


def read_within(place: UPath, *parts: str) -> bytes:
    """Return the bytes of a regular file below a place of the store, reached without following a link.

    Whoever may write into the store could otherwise lay a link there, and let a process that may read more than they
    may hand its secrets out.

    Args:
        place: A folder or an object store's prefix.
        parts: The way from there: folders, and the file's name at the end.

    Raises:
        OSError: There is no such file, or a link, a folder or a device stands on the way.
    """
    if not _is_local(place):
        return bytes(place.joinpath(*parts).read_bytes())
    *folders, name = parts
    if not all(part and part not in {".", ".."} and "/" not in part for part in parts):
        raise FileNotFoundError(errno.ENOENT, "not a way below this place", "/".join(parts))
    folder = os.open(str(place), os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        # Opening a pipe would wait for somebody to write.
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise FileNotFoundError(errno.ENOENT, "no regular file", name)
        return stream.read()


def changed_at(file: UPath) -> datetime | None:
    """Return when a file was last written or touched, or ``None`` if it is not there."""
    try:
        if _is_local(file):
            return datetime.fromtimestamp(Path(str(file)).stat().st_mtime, UTC)
        file.fs.invalidate_cache()
        changed: datetime = file.fs.modified(file.path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return changed


def entries(place: UPath) -> list[UPath]:
    """Return what lies directly below a place as it is now; a place that is not there has nothing."""
    forget_listing(place)
    try:
        return list(place.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def forget_listing(place: UPath) -> None:
    """Let the next look at a place be a new one.

    fsspec remembers listings for as long as the process lives; a server would show the first state for ever.
    """
    if not _is_local(place):
        place.fs.invalidate_cache(place.path)


def write_whole(target: UPath, content: bytes) -> None:
    """Write a small file so that a reader finds the old one, the new one, or none."""
    if not _is_local(target):
        target.write_bytes(content)
        return
    path = Path(str(target))
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path.parent, content) as aside:
        aside.replace(path)


@contextlib.contextmanager
def written_aside(folder: Path, content: bytes) -> Iterator[Path]:
    """Yield a synced file with this content, under a hidden name that nobody reads; at the end it is gone.

    Whoever asked for it renames it into place, or links it to where it belongs.
    """
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


def vanish(home: UPath, sign: str, spare: Callable[[UPath], bool], *, in_progress: Path) -> bool:
    """Remove a folder, at once for every reader.

    In a folder store it is renamed aside and then deleted. In an object store the file goes first without which
    readers take the rest for nothing. A kill in between leaves files that nobody reads.

    Args:
        home: The folder or prefix.
        sign: Name of the file that makes the folder count, such as ``manifest.json``.
        spare: Asked once the folder is out of reach, with the place where its files lie by then: whether somebody
            turned to it in the meantime. If so it is put back.
        in_progress: A folder on a folder store's own disk, where nothing is ever read.

    Returns:
        Whether it is gone; ``False`` also if it was gone before.

    Raises:
        OSError: It cannot be moved or deleted.
    """
    if _is_local(home):
        return _vanish_folder(Path(str(home)), spare, in_progress)
    return _vanish_objects(home, sign, spare)


def _vanish_folder(home: Path, spare: Callable[[UPath], bool], in_progress: Path) -> bool:
    in_progress.mkdir(parents=True, exist_ok=True)
    taken = Path(tempfile.mkdtemp(prefix="removed-", dir=in_progress))
    aside = taken / home.name
    try:
        home.rename(aside)
    except OSError as error:
        taken.rmdir()
        if isinstance(error, FileNotFoundError):
            return False
        raise
    if spare(UPath(aside)):
        try:
            aside.rename(home)
        except OSError:
            # Made anew meanwhile: theirs stands. Otherwise what is aside must not be lost.
            if not home.exists():
                raise
        shutil.rmtree(taken)
        return False
    shutil.rmtree(taken)
    return True


def _vanish_objects(home: UPath, sign: str, spare: Callable[[UPath], bool]) -> bool:
    first = home / sign
    try:
        content = first.read_bytes()
    except FileNotFoundError:
        content = None
    if content is not None:
        home.fs.rm_file(first.path)
        if spare(home):
            first.write_bytes(content)
            return False
    elif spare(home):
        return False
    rest = [home / file.name for file in files_below(home)]
    for file in rest:
        # One by one: what takes many names at once reads `*` and `[` in them as patterns.
        file.fs.rm_file(file.path)
    return content is not None or bool(rest)


def _is_local(place: UPath) -> bool:
    return isinstance(place, Path)
