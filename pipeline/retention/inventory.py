"""What the store holds, as far as a clean-up has to know it: artifacts with their inputs, reports, leftovers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ArtifactError, quoted
from pipeline.retention.records import Stray
from pipeline.store import ArtifactReference, ArtifactStore, Manifest
from pipeline.store.artifacts import MANIFEST
from pipeline.store.files import files_below

if TYPE_CHECKING:
    from upath import UPath

KEY = re.compile(r"(?:[a-z][a-z0-9_]*/)?([0-9a-f]{32})")
"""An artifact's key, alone or as ``stage/KEY``."""
_KEY_ANYWHERE = re.compile(rb"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


class RetentionError(ArtifactError):
    """What must stay cannot be told, so nothing is removed."""


@dataclass(frozen=True)
class FoundArtifact:
    """One artifact.

    Attributes:
        last_used: When it was made or last asked for.
        manifest: Its provenance; ``None`` if it cannot be read, or if there is none.
        keys: Keys of what it was made of.
        problem: Why the manifest cannot be read; ``None`` if it can, or if there is none.
        bytes: Size of its files without the manifest.
    """

    last_used: datetime
    manifest: Manifest | None
    keys: frozenset[str]
    problem: str | None
    bytes: int


@dataclass(frozen=True)
class FoundReport:
    """One folder below ``reports/``.

    Attributes:
        folder: Its name.
        run_name: The run's name, or the folder's where the record cannot be read.
        made_at: When it was made; ``None`` if its record cannot be read.
        changed_at: Latest change of a file in it.
        bytes: Size of its files.
        digests: SHA-256 of its record and page by file name: the artifact with the same bytes is the one published.
        whole: Whether it has a page; one without is a leftover of a publication or of a clean-up that was killed.
        keys: Keys of artifacts that its record names.
        problem: Why the record cannot be read.
    """

    folder: str
    run_name: str
    made_at: datetime | None
    changed_at: datetime
    bytes: int
    digests: dict[str, str]
    whole: bool
    keys: frozenset[str]
    problem: str | None


def found_artifacts(store: ArtifactStore) -> dict[ArtifactReference, FoundArtifact]:
    """Return every artifact of the store."""
    found = {}
    for reference in store.artifacts():
        artifact = _artifact(store, reference)
        if artifact is not None:
            found[reference] = artifact
    return found


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
            return FoundArtifact(last_used, None, frozenset(), None, size)
        return FoundArtifact(last_used, None, _salvaged(home / MANIFEST), str(error), 0)
    except OSError as error:
        raise RetentionError(
            f"{home / MANIFEST} cannot be read ({error}), so what it was made of is unknown, and nothing is removed. "
            "Try again; if it is not the network, give this user the right to read it."
        ) from error
    keys = frozenset(needed.key for needed in manifest.inputs.values())
    return FoundArtifact(last_used, manifest, keys, None, sum(file.bytes for file in manifest.files.values()))


def _salvaged(manifest: UPath) -> frozenset[str]:
    """Return whatever looks like a key in a manifest that cannot be read as one: its inputs are among them."""
    return frozenset(key.decode() for key in _KEY_ANYWHERE.findall(manifest.read_bytes()))


def found_reports(store: ArtifactStore) -> tuple[FoundReport, ...]:
    """Return every folder below ``reports/`` but those that a publication is writing."""
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
        run_name=folder.name if run is None else run.run_name,
        made_at=None if run is None else run.made_at,
        changed_at=max(file.changed_at for file in files.values()),
        bytes=sum(file.bytes for file in files.values()),
        digests=digests,
        whole=PAGE in files,
        keys=keys,
        problem=problem,
    )


def found_strays(store: ArtifactStore, *, before: datetime) -> tuple[Stray, ...]:
    """Return what lies in ``in_progress/`` and ``resumable/`` of this machine, unchanged since ``before``."""
    made = {f"resumable/{reference.stage}/{reference.key}" for reference in store.being_produced()}
    found = []
    for path in _leftovers(store.local):
        place = path.relative_to(store.local).as_posix()
        bytes_, changed_at = _size_and_change(path)
        if place not in made and changed_at < before:
            found.append(Stray(place=place, bytes=bytes_, changed_at=changed_at))
    return tuple(found)


def stray_changed_at(path: Path) -> datetime:
    """Return the latest change of a leftover or of anything in it."""
    return _size_and_change(path)[1]


def _leftovers(local: Path) -> Iterator[Path]:
    for pattern in ("in_progress/*", "resumable/*/*"):
        yield from sorted(local.glob(pattern))


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
