"""The clean-up on S3 itself, whose listings are remembered and whose dates are to the second."""

from __future__ import annotations

import fcntl
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.retention import RetentionPolicy, clean_up, plan_clean_up
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from tests.s3_server import S3Server
from tests.unit.retention.factories import NOW, Asked, Nothing, left, record, serve

LATER = NOW + timedelta(days=100)
"""S3 lets nobody set an object's date, so the clock goes forward."""


@pytest.fixture
def s3_store(s3: S3Server, tmp_path: Path) -> ArtifactStore:
    """A store in a bucket of an S3 server of this test alone."""
    return ArtifactStore(f"s3://{s3.make_bucket()}/reviews", cache=tmp_path / "cache")


def produced(store: ArtifactStore, name: str, *inputs: ArtifactReference) -> ArtifactReference:
    def build(work: Workspace) -> Outcome:
        (work.folder / "sub").mkdir()
        (work.folder / "sub" / "a [*].txt").write_text(name)
        return Outcome(Nothing())

    return store.produce(
        Stage("work"), inputs={str(n): one for n, one in enumerate(inputs)}, params=Asked(run_name=name), build=build
    )


def test_on_s3_the_unreachable_goes_and_the_rest_stays(s3_store: ArtifactStore) -> None:
    raw, gone = produced(s3_store, "raw"), produced(s3_store, "gone")
    also_gone = produced(s3_store, "also gone", gone)
    model, named = produced(s3_store, "model", raw), produced(s3_store, "named")
    serve(s3_store, model)
    record(s3_store, "collection/batches/x.json", named.model_dump())

    assert plan_clean_up(s3_store, RetentionPolicy(), NOW).artifacts == ()
    found = plan_clean_up(s3_store, RetentionPolicy(), LATER)
    assert [artifact.reference for artifact in found.artifacts] == [also_gone, gone]
    meanwhile = produced(s3_store, "meanwhile")
    result = clean_up(s3_store, found)

    assert result.artifacts == (also_gone, gone)
    assert left(s3_store) == {raw, model, named, meanwhile}
    assert not [path for path in s3_store.root.fs.find(s3_store.root.path) if gone.key in path]


def test_on_s3_another_process_sees_what_went(s3_store: ArtifactStore) -> None:
    """A listing that this process remembers must not hide what another has written or removed."""
    gone = produced(s3_store, "gone")
    list((s3_store.root / "artifacts" / "work").iterdir())
    other = type(s3_store.root.fs)(skip_instance_cache=True)
    base = f"{s3_store.root.path}/artifacts/work/{gone.key}"
    found = plan_clean_up(s3_store, RetentionPolicy(), LATER)
    other.rm(base, recursive=True)
    assert clean_up(s3_store, found).artifacts == ()
    assert s3_store.artifacts() == ()


def test_on_s3_old_checkpoints_are_removed_unless_a_run_resumes(s3_store: ArtifactStore) -> None:
    old, resumed = (f"resumable/train/{digit * 32}" for digit in "01")
    for place in (old, resumed):
        (s3_store.root / place / "checkpoint").write_bytes(b"12345")
    assert plan_clean_up(s3_store, RetentionPolicy(), NOW).orphans == ()
    found = plan_clean_up(s3_store, RetentionPolicy(), LATER)
    assert [(orphan.place, orphan.remote, orphan.bytes) for orphan in found.orphans] == [
        (old, True, 5),
        (resumed, True, 5),
    ]
    lock = s3_store.local / "locks" / f"train-{'1' * 32}"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        result = clean_up(s3_store, found)
    assert result.orphans == (old,)
    assert [skipped.name for skipped in result.skipped] == [resumed]
    assert not (s3_store.root / old / "checkpoint").exists()
    assert (s3_store.root / resumed / "checkpoint").exists()
