"""Dumps on this machine: a file, or a folder of shards."""

from __future__ import annotations

import difflib
import logging
from functools import partial
from pathlib import Path

from pipeline.errors import SourceError, quoted
from pipeline.sources.naming import HEAD_BYTES, READ_ENDINGS, is_dump_name
from pipeline.sources.source import FoundFile, SeenFiles, local_path, open_regular

log = logging.getLogger(__name__)

_WHERE = " Paths are resolved on the machine that runs the task."


def find_local(dump: str, _folder: Path, _seen: SeenFiles) -> list[FoundFile]:
    """Return a file, or the shards directly in a folder, sorted by name; ``~`` is expanded.

    Hidden, temporary and other files of a folder are skipped. A link that points outside the folder is refused: a user
    who may put files into a folder should not choose which other files of this machine are read.
    """
    location = local_path(dump)
    try:
        path = Path(location).expanduser()
        if path.is_dir():
            return _shards(path)
        if path.exists() or path.is_symlink():
            return [FoundFile(path, path.name, path.name)]
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"The dump {quoted(location, 200)} cannot be looked up: {type(error).__name__}.") from None
    raise SourceError(f"The dump {quoted(location, 200)} does not exist.{_suggestion(path)}")


def _shards(folder: Path) -> list[FoundFile]:
    name = folder.name or folder.resolve().name
    resolved = folder.resolve()
    shards, skipped = [], []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() or not is_dump_name(entry.name, partial(_read_head, entry)):
            skipped.append(entry.name + ("/" if entry.is_dir() else ""))
            continue
        if not entry.resolve().is_relative_to(resolved):
            raise SourceError(
                f"{quoted(entry.name)} in the folder {quoted(name)} is a link that points outside the folder, and is "
                "not read. Copy the file there, or give its own path as the dump."
            )
        shards.append(FoundFile(entry, entry.name, f"{name}/{entry.name}"))
    listed = ", ".join(quoted(other, 40) for other in skipped[:10])
    if not shards:
        raise SourceError(
            f"The folder {quoted(name)} does not contain a dump of reviews. Expected {READ_ENDINGS}; "
            f"found {listed or 'nothing'}. A file with another ending can be given by its own path."
        )
    if skipped:
        log.warning("%s: skipped, because they are not dumps of reviews: %s", quoted(name), listed)
    return shards


def _read_head(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with open_regular(path, path.name) as stream:
        return stream.read(HEAD_BYTES)


def _suggestion(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else None
    except OSError:
        names = None
    if names is None:
        return f" Neither does its folder {quoted(path.parent, 120)}.{_WHERE}"
    close = difflib.get_close_matches(path.name, names, 1, 0.6)
    return f" Did you mean {quoted(close[0])}?" if close else _WHERE
