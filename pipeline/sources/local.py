"""Dumps on this machine: a file, or a folder of shards."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path

from pipeline.errors import SourceError, quoted
from pipeline.sources.naming import looks_like_reviews
from pipeline.sources.staging import FoundFile, open_regular

log = logging.getLogger(__name__)

HEAD_BYTES = 64
_WHERE = " Paths are looked up on the machine that runs the task."


def find_local(given: str) -> list[FoundFile]:
    """Return the file, or the shards directly in the folder in the order of their names.

    Hidden, temporary and foreign files of a folder are passed over. A link that leads out of the folder is refused:
    whoever may put files into an inbox should not choose which other files of this machine are read.

    Args:
        given: A path as the user wrote it, ``~`` allowed.

    Raises:
        SourceError: Nothing is there, or nothing in the folder is a dump.
    """
    try:
        path = Path(given).expanduser()
        if path.is_dir():
            return _shards(path)
        if path.exists() or path.is_symlink():
            return [FoundFile(path, path.name, path.name)]
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"The dump {quoted(given, 200)} cannot be looked up: {type(error).__name__}.") from None
    raise SourceError(f"The dump {quoted(given, 200)} does not exist.{_similar(path)}")


def _shards(folder: Path) -> list[FoundFile]:
    name = folder.name or folder.resolve().name
    inside = folder.resolve()
    shards, passed_over = [], []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() or not _is_candidate(entry):
            passed_over.append(entry.name + ("/" if entry.is_dir() else ""))
            continue
        if not entry.resolve().is_relative_to(inside):
            raise SourceError(
                f"{quoted(entry.name)} in the folder {quoted(name)} is a link that leads out of the "
                "folder, and is not read. "
                "Copy the file there, or give its own path as the dump."
            )
        shards.append(FoundFile(entry, entry.name, f"{name}/{entry.name}"))
    if shards and passed_over:
        others = ", ".join(quoted(other, 40) for other in passed_over[:10])
        log.warning("%s: passed over as no dump of reviews: %s", quoted(name), others)
    if not shards:
        listed = ", ".join(quoted(other, 40) for other in passed_over[:10]) or "nothing"
        raise SourceError(
            f"The folder {quoted(name)} holds no dump of reviews. Expected .csv, .tsv, .jsonl, "
            ".ndjson, .json or .parquet, plain, .gz "
            f"or .zip; found {listed}. A file with another ending can be given by its own path."
        )
    return shards


def _is_candidate(entry: Path) -> bool:
    if looks_like_reviews(entry.name):
        return True
    if entry.suffix.lower() == ".txt" and entry.is_file():
        with open_regular(entry, entry.name) as stream:
            return looks_like_reviews(entry.name, stream.read(HEAD_BYTES))
    return False


def _similar(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else None
    except OSError:
        names = None
    if names is None:
        return f" Neither does its folder {quoted(path.parent, 120)}.{_WHERE}"
    close = difflib.get_close_matches(path.name, names, 1, 0.6)
    return f" Did you mean {quoted(close[0])}?" if close else _WHERE
