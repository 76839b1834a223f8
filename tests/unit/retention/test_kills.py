"""A kill between any two steps leaves every artifact whole or absent, and the next clean-up ends the work."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from pipeline.retention import clean_up
from pipeline.retention.records import CleanUpPlan
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.files import files_below
from tests.unit.retention.factories import OLD, everything, left, made, plan, published, serve


class Killed(BaseException):
    """Nothing after it has an effect, as after SIGKILL: not even what stands in ``finally``."""


STAYING = ("raw", "cleaned", "model", "new")


def die(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Let the process end, as far as the store can see, before the change with a given number."""
    done = 0

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            reads = change.__name__ == "_open" and (named.get("mode") or [*arguments, "", "", ""][2]) == "rb"
            if not reads:
                if done >= before:
                    raise Killed
                done += 1
            return change(*arguments, **named)

        return counting

    for name in ("rename", "replace", "unlink", "rmdir", "mkdir", "utime", "link"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    for name in ("rm_file", "pipe_file", "_open"):
        monkeypatch.setattr(MemoryFileSystem, name, counted(getattr(MemoryFileSystem, name)))


def age(folder: Path) -> None:
    """Let a folder of this machine be an old one."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (OLD.timestamp(), OLD.timestamp()))


def filled(store: ArtifactStore) -> dict[str, ArtifactReference]:
    """Return the artifacts of a store in which two reports, a champion and a leftover lie."""
    raw, cleaned = (first := made(store, "raw")), made(store, "cleaned", first)
    model, other = made(store, "model", cleaned), made(store, "other", raw)
    serve(store, model)
    old = published(store, "old", other, cleaned)
    new = published(store, "new", model, when=OLD + timedelta(days=1))
    orphan = store.local / "resumable" / "train" / ("0" * 32)
    orphan.mkdir(parents=True)
    (orphan / "checkpoint").write_text("epoch 3")
    age(orphan)
    if not store.is_folder:
        store.folder(other)
    return {"raw": raw, "cleaned": cleaned, "model": model, "other": other, "old": old, "new": new}


@pytest.mark.parametrize("kind", ["folder", "object store"])
def test_a_kill_between_any_two_steps(kind: str, tmp_path: Path) -> None:
    original = empty(kind, tmp_path / "original")
    references = filled(original)
    found = plan(original)
    killed_before, ended = 0, False
    while not ended:
        store = empty(kind, tmp_path / str(killed_before))
        copy(original, store)
        ended = killed(store, found, killed_before)
        whole_or_absent(store, references)
        ended_by_another(store, references)
        if not store.is_folder:
            # Each listing of this kind of store goes through all that any of them holds.
            store.root.fs.rm(store.root.path, recursive=True)
        killed_before += 1
    # Three artifacts, a report and a leftover take at least so many steps.
    assert killed_before > 20


def empty(kind: str, place: Path) -> ArtifactStore:
    if kind == "folder":
        return ArtifactStore(str(place))
    return ArtifactStore(f"memory://{uuid.uuid4().hex}", cache=place)


def copy(original: ArtifactStore, store: ArtifactStore) -> None:
    """Copy a store with the age of each file."""
    shutil.copytree(original.local, store.local)
    if not original.is_folder:
        files = MemoryFileSystem.store
        for path, file in list(files.items()):
            if path.startswith(original.root.path):
                there = store.root.path + path.removeprefix(original.root.path)
                files[there] = MemoryFile(original.root.fs, there, file.getvalue())
                files[there].modified = file.modified


def killed(store: ArtifactStore, found: CleanUpPlan, before: int) -> bool:
    """Clean up until the change with that number; return whether there was none, so that it came to its end."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        die(monkeypatch, before)
        try:
            clean_up(store, found)
        except Killed:
            return False
    return True


def whole_or_absent(store: ArtifactStore, references: dict[str, ArtifactReference]) -> None:
    """Each artifact is whole or absent, has what it was made of, and no report or checkpoint is half there."""
    there = left(store)
    assert {references[name] for name in STAYING} <= there <= set(references.values())
    for reference in there:
        assert set(store.manifest(reference).inputs.values()) <= there
    reports = store.root / "reports"
    for folder in ("old", "new"):
        if folder == "new" or (reports / folder / "report.html").exists():
            names = {file.name for file in files_below(reports / folder)}
            assert names == {"report.html", "report.json", "report.md", "model_card.md", "run.json"}
    checkpoint = store.local / "resumable" / "train" / ("0" * 32)
    assert not checkpoint.exists() or (checkpoint / "checkpoint").read_text() == "epoch 3"


def ended_by_another(store: ArtifactStore, references: dict[str, ArtifactReference]) -> None:
    """Another clean-up ends the work, once what the killed one left has grown old."""
    for place in store.local.glob("in_progress/*"):
        age(place)
    clean_up(store, plan(store))
    assert left(store) == {references[name] for name in STAYING}
    names = [*everything(store), *(path.relative_to(store.local).as_posix() for path in store.local.rglob("*"))]
    assert not [name for name in names if name.startswith(("reports/old", "in_progress/", "resumable/train/"))]
    assert not [name for name in names if references["other"].key in name and not name.startswith("locks/")]
