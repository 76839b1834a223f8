"""What the store holds: artifacts with their inputs, reports, and leftovers of killed runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ArtifactError, quoted
from pipeline.retention.records import FoundArtifact, FoundReport, Orphan
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.artifacts import MANIFEST
from pipeline.store.files import StoredFile, files_below

if TYPE_CHECKING:
    from upath import UPath

KEY = re.compile(r"(?:[a-z][a-z0-9_]*/)?([0-9a-f]{32})")
"""An artifact's key, alone or as ``stage/KEY``."""
_KEY_ANYWHERE = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


class RetentionError(ArtifactError):
    """It is unknown what must stay, so nothing is removed."""


def found_artifacts(store: ArtifactStore) -> dict[ArtifactReference, FoundArtifact]:
    """Return every artifact of the store."""
    found = (_artifact(store, reference) for reference in store.artifacts())
    return {artifact.reference: artifact for artifact in found if artifact is not None}


def _artifact(store: ArtifactStore, reference: ArtifactReference) -> FoundArtifact | None:
    last_used = store.last_used(reference)
    if last_used is None:
        return None
    home = store.root / "artifacts" / reference.stage / reference.key
    try:
        manifest = store.manifest(reference)
        if manifest.reference != reference:
            raise ArtifactError(f"{MANIFEST} of artifact {reference} is that of {manifest.reference}.")
    except (ArtifactError, UnicodeDecodeError) as error:
        if not store.has(reference):
            size = sum(file.bytes for file in files_below(home))
            return FoundArtifact(reference=reference, last_used=last_used, manifest=None, keys=frozenset(), bytes=size)
        # Everything like a key in a damaged manifest, which includes its inputs.
        keys = frozenset(key.decode() for key in _KEY_ANYWHERE.findall((home / MANIFEST).read_bytes()))
        return FoundArtifact(
            reference=reference, last_used=last_used, manifest=None, keys=keys, problem=str(error), bytes=0
        )
    except OSError as error:
        raise RetentionError(
            f"{home / MANIFEST} cannot be read ({error}), so its inputs are unknown, and nothing is removed. Try "
            "again. If the network works, give this user the right to read it."
        ) from error
    return FoundArtifact(
        reference=reference,
        last_used=last_used,
        manifest=manifest,
        keys=frozenset(needed.key for needed in manifest.inputs.values()),
        bytes=sum(file.bytes for file in manifest.files.values()),
    )


def found_reports(store: ArtifactStore) -> tuple[FoundReport, ...]:
    """Return every folder below ``reports/``, except those that are being written."""
    from pipeline.reporting.publishing import REPORTS

    try:
        entries = sorted((store.root / REPORTS).iterdir(), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    folders = [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    found = [_report(folder) for folder in folders if not folder.is_symlink()]
    return tuple(report for report in found if report is not None)


def _report(folder: UPath) -> FoundReport | None:
    from pipeline.reporting.history import PublishedRun
    from pipeline.reporting.publishing import PAGE, RUN

    files = {file.name: file for file in files_below(folder)}
    if not files:
        return None
    digests: dict[str, str] = {}
    run, keys, problem = None, frozenset[str](), None
    try:
        for name in (RUN, PAGE):
            content = (folder / name).read_bytes() if name in files else b""
            digests[name] = hashlib.sha256(content).hexdigest()
            if name == RUN:
                keys = keys_in(json.loads(content))
                run = PublishedRun.model_validate_json(content)
    except (OSError, ValueError, RecursionError) as error:
        problem = f"{RUN} of the report {quoted(folder.name)} cannot be read: {str(error).splitlines()[0]}"
    return FoundReport(
        folder=folder.name,
        made_at=None if run is None else run.made_at,
        changed_at=max(file.changed_at for file in files.values()),
        bytes=sum(file.bytes for file in files.values()),
        digests=digests,
        has_page=PAGE in files,
        keys=keys,
        problem=problem,
    )


def found_orphans(store: ArtifactStore, *, before: datetime) -> tuple[Orphan, ...]:
    """Return the leftovers of killed runs that have not changed since ``before``.

    They are below ``in_progress/`` and ``resumable/`` of this machine, and below ``resumable/`` of an object store.
    """
    running = {f"resumable/{reference.stage}/{reference.key}" for reference in store.being_produced()}
    found = [*_local_leftovers(store.local), *(() if store.is_folder else _remote_checkpoints(store.root))]
    return tuple(orphan for orphan in found if orphan.place not in running and orphan.changed_at < before)


def last_change(place: UPath) -> datetime | None:
    """Return the latest change of a leftover or of anything in it; ``None`` if an object store has no such files."""
    if isinstance(place, Path):
        return _size_and_change(Path(str(place)))[1]
    return max((file.changed_at for file in files_below(place)), default=None)


def _local_leftovers(local: Path) -> Iterator[Orphan]:
    for pattern in ("in_progress/*", "resumable/*/*"):
        for path in sorted(local.glob(pattern)):
            size, changed_at = _size_and_change(path)
            yield Orphan(place=path.relative_to(local).as_posix(), bytes=size, changed_at=changed_at)


def _remote_checkpoints(root: UPath) -> Iterator[Orphan]:
    folders: dict[str, list[StoredFile]] = defaultdict(list)
    for file in files_below(root / "resumable"):
        stage, _, rest = file.name.partition("/")
        folders[f"resumable/{stage}/{rest.partition('/')[0]}"].append(file)
    for place, files in folders.items():
        changed_at = max(file.changed_at for file in files)
        yield Orphan(place=place, remote=True, bytes=sum(file.bytes for file in files), changed_at=changed_at)


def _size_and_change(path: Path) -> tuple[int, datetime]:
    size, changed = 0, 0.0
    below = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    for entry in (path, *below):
        try:
            status = entry.lstat()
        except FileNotFoundError:
            continue
        size += status.st_size if entry.is_symlink() or entry.is_file() else 0
        changed = max(changed, status.st_mtime)
    return size, datetime.fromtimestamp(changed, UTC)


def keys_in(value: object) -> frozenset[str]:
    """Return every string of a JSON value that is an artifact's key, alone or as ``stage/KEY``."""
    found, waiting = set(), [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            match = KEY.fullmatch(item)
            if match:
                found.add(match[1])
        elif isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
    return frozenset(found)
