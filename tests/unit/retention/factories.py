"""Stores with artifacts, reports, champions and records of any age."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upath import UPath

from pipeline.promotion.champions import ChampionModel, champion, change_champion
from pipeline.reporting.history import PublishedRun
from pipeline.reporting.publishing import DATA, MESSAGE, MODEL_CARD, PAGE, RUN, publish
from pipeline.retention import RetentionPolicy, clean_up, plan_clean_up
from pipeline.retention.records import CleanUpPlan
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, Stage, Workspace
from pipeline.store.files import files_below
from pipeline.store.run_names import safe_run_name

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=100)
POLICY = RetentionPolicy(keep_reports=1, keep_days=30, keep_changes=2)


class Nothing(Record):
    """An empty summary."""


class Asked(Record):
    """What makes an artifact distinct; a report's has its run's name, like the real one's."""

    run_name: str


def changed(store: ArtifactStore, place: UPath, when: datetime) -> None:
    """Let every file below a place, and the place, have been changed last at that moment."""
    for file in files_below(place):
        path = place / file.name
        if store.is_folder:
            os.utime(str(path), (when.timestamp(), when.timestamp()))
        else:
            path.fs.store[path.path].modified = when
    if store.is_folder:
        for folder in [Path(str(place)), *Path(str(place)).rglob("*")]:
            os.utime(folder, (when.timestamp(), when.timestamp()))


def home(store: ArtifactStore, reference: ArtifactReference) -> UPath:
    return store.root / "artifacts" / reference.stage / reference.key


def made(
    store: ArtifactStore,
    name: str,
    *inputs: ArtifactReference,
    stage: str = "work",
    when: datetime = OLD,
    texts: Mapping[str, str] | None = None,
) -> ArtifactReference:
    """Make an artifact with two files; its inputs keep the age that they have."""
    ages = {needed: store.last_used(needed) for needed in inputs}

    def build(work: Workspace) -> Outcome:
        for file, text in (texts or {"sub/one.txt": name, "two[*].txt": name * 10}).items():
            target = work.folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        return Outcome(Nothing())

    reference = store.produce(
        Stage(stage),
        inputs={f"input {number}": needed for number, needed in enumerate(inputs)},
        params=Asked(run_name=name),
        build=build,
    )
    for needed, age in {**ages, reference: when}.items():
        last_used(store, needed, age)
    return reference


def last_used(store: ArtifactStore, reference: ArtifactReference, when: datetime | None) -> None:
    """Let an artifact have been used last at that moment."""
    if when is not None:
        changed(store, home(store, reference), when)


def published(
    store: ArtifactStore, run_name: str, *inputs: ArtifactReference, when: datetime = OLD
) -> ArtifactReference:
    """Publish a report that was made at a moment; it becomes the latest."""
    run = PublishedRun.model_validate(
        dict.fromkeys(PublishedRun.model_fields)
        | {"schema_version": 1, "run_name": run_name, "made_at": when, "profile": "default", "demo": False}
        | {"outcome": "accepted", "headline": "", "dumps": (), "serious_warnings": 0, "warnings": 0, "folder": ""}
    )
    texts = dict.fromkeys((PAGE, DATA, MESSAGE, MODEL_CARD), f"{run_name} {when}") | {RUN: run.model_dump_json()}
    reported = made(store, run_name, *inputs, stage="report", when=when, texts=texts)
    publish(reported, run_name, store)
    changed(store, store.root / "reports" / safe_run_name(run_name), when)
    return reported


def serve(store: ArtifactStore, exported: ArtifactReference) -> None:
    """Put a model into service."""
    now = champion(store)
    others = ("evaluated", "behavioral_tests", "cleaned", "parts", "fetched", "validated_raw")
    model = ChampionModel.model_validate(
        {"name": "bi", "title": "Bi", "run_name": "r", "demo": False, "exported": exported}
        | dict.fromkeys(others, exported)
    )
    change_champion(
        store,
        model,
        kind="promote",
        replacing=0 if now is None else now.number,
        who="me",
        why="it is better",
        run_name=exported.key,
    )


def record(store: ArtifactStore, place: str, value: object) -> None:
    """Write a JSON record below the store's root."""
    path = store.root / place
    if store.is_folder:
        Path(str(path)).parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def plan(store: ArtifactStore, policy: RetentionPolicy = POLICY) -> CleanUpPlan:
    return plan_clean_up(store, policy, NOW)


def cleaned_up(store: ArtifactStore, policy: RetentionPolicy = POLICY) -> set[ArtifactReference]:
    """Clean up and return what is left."""
    clean_up(store, plan(store, policy))
    return left(store)


def left(store: ArtifactStore) -> set[ArtifactReference]:
    """Return the artifacts that are there, each of them whole."""
    found = set()
    for reference in store.artifacts():
        if store.has(reference):
            manifest = store.manifest(reference)
            places = [home(store, reference)]
            copy = UPath(store.local / "artifacts" / reference.stage / reference.key)
            if (copy / "manifest.json").exists():
                places.append(copy)
            for place in places:
                files = {file.name: file.bytes for file in files_below(place)}
                assert files.keys() - {".used", "manifest.json"} == manifest.files.keys(), place
                assert all(files[name] == file.bytes for name, file in manifest.files.items()), place
            found.add(reference)
    return found


def everything(store: ArtifactStore) -> dict[str, tuple[int, datetime]]:
    """Return every file of the store with its size and its last change."""
    return {file.name: (file.bytes, file.changed_at) for file in files_below(store.root)}
