"""The store: same question, same answer; whole or not at all; nothing lost to a kill."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import ArtifactError
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace
from pipeline.store.files import exclusive_lock
from tests.unit.store.factories import Figure, Question, produce

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["folder", "object store"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "store"))
    return ArtifactStore(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")


def test_an_artifact_holds_its_files_figures_and_account(any_store: ArtifactStore) -> None:
    reference = produce(any_store, 7)
    manifest = any_store.manifest(reference)
    assert (any_store.folder(reference) / "sub" / "numbers.txt").read_text() == "7"
    assert any_store.summary(reference, Figure).value == 7
    assert manifest.params == {"number": 7}
    assert manifest.rows == RowAccount(rows_in=3, kept=2, excluded={"odd": 1})
    assert set(manifest.files) == {"sub/numbers.txt", "summary.json"}
    assert manifest.reference == reference


def test_the_same_question_is_never_computed_twice(any_store: ArtifactStore) -> None:
    built: list[int] = []
    first = produce(any_store, built=built)
    assert produce(any_store, built=built) == first
    assert built == [1]


def test_another_question_or_stage_version_is_another_artifact(any_store: ArtifactStore) -> None:
    keys = {produce(any_store, 1).key, produce(any_store, 2).key, produce(any_store, 1, version=2).key}
    assert len(keys) == 3


def test_what_would_be_reused_can_be_asked_for(any_store: ArtifactStore) -> None:
    assert any_store.find(Stage("double"), inputs={}, params=Question(number=5)) is None
    reference = produce(any_store, 5)
    assert any_store.find(Stage("double"), inputs={}, params=Question(number=5)) == reference


def test_a_failed_stage_leaves_nothing_to_see(store: ArtifactStore) -> None:
    def build(work: Workspace) -> Outcome:
        (work.folder / "half").write_text("half")
        raise RuntimeError("broken off")

    with pytest.raises(RuntimeError):
        store.produce(Stage("double"), inputs={}, params=Question(), build=build)
    left = [path for path in Path(store.url).rglob("*") if path.is_file()]
    assert left == []
    assert produce(store) is not None


def test_a_kill_leaves_nothing_visible_and_durable_work_is_found_again(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from pipeline.store import ArtifactStore, Outcome, Stage
        from tests.unit.store.factories import Figure, Question

        def build(work):
            work.checkpoint_dir.mkdir(parents=True, exist_ok=True)
            marker = work.checkpoint_dir / "checkpoint"
            if not marker.exists():
                marker.write_text("epoch 3")
                (work.folder / "half").write_text("half")
                os.kill(os.getpid(), signal.SIGKILL)
            return Outcome(Figure(value=len(marker.read_text())))

        store = ArtifactStore(sys.argv[1])
        print(store.summary(store.produce(Stage("train"), inputs={}, params=Question(), build=build), Figure).value)
    """)
    command = [sys.executable, "-c", program, str(tmp_path)]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("artifacts/*/*"))
    resumed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert resumed.stdout.strip() == "7"
    assert not list((tmp_path / "resumable").glob("train/*"))


def test_of_two_processes_with_the_same_key_one_computes_and_the_other_waits(store: ArtifactStore) -> None:
    built: list[int] = []
    both_inside = threading.Barrier(2)

    def attempt() -> ArtifactReference:
        both_inside.wait(timeout=30)
        return produce(store, built=built)

    with ThreadPoolExecutor(2) as pool:
        first, second = (future.result() for future in [pool.submit(attempt), pool.submit(attempt)])
    assert first == second
    assert built == [1]


def test_a_missing_or_foreign_artifact_says_what_to_do(store: ArtifactStore) -> None:
    nowhere = ArtifactReference(stage="double", key="0" * 32)
    with pytest.raises(ArtifactError, match="holds no complete artifact double/000000000000"):
        store.folder(nowhere)
    reference = produce(store)
    (store.folder(reference) / "summary.json").write_text('{"worth": 1}')
    with pytest.raises(ArtifactError, match="written by another version"):
        store.summary(reference, Figure)


@pytest.mark.parametrize("bad", [{"stage": "../x", "key": "0" * 32}, {"stage": "x", "key": "../../etc"}])
def test_a_reference_cannot_leave_the_store(bad: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ArtifactReference.model_validate(bad)


def test_a_remote_artifact_is_fetched_once(tmp_path: Path) -> None:
    store = ArtifactStore(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache")
    reference = produce(store)
    first = store.folder(reference)
    (first / "mark").write_text("still the same folder")
    assert (store.folder(reference) / "mark").exists()


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    kept=st.integers(0, 50), gone=st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), error=st.integers(-3, 3)
)
def test_rows_that_vanish_are_refused(kept: int, gone: dict[str, int], error: int) -> None:
    rows_in = kept + sum(gone.values()) + error
    if error == 0:
        assert RowAccount(rows_in=rows_in, kept=kept, excluded=gone).rows_in == rows_in
    else:
        with pytest.raises(ValidationError):
            RowAccount(rows_in=rows_in, kept=kept, excluded=gone)


def age(store: ArtifactStore, reference: ArtifactReference) -> datetime:
    """Let an artifact have been used last an hour ago; return when that was."""
    then = datetime.now(UTC) - timedelta(hours=1)
    home = store.root / "artifacts" / reference.stage / reference.key
    if store.is_folder:
        os.utime(str(home / "manifest.json"), (then.timestamp(), then.timestamp()))
    else:
        for path in home.fs.find(home.path):
            home.fs.store[path].modified = then
    found = store.last_used(reference)
    assert found is not None
    assert abs(found - then) < timedelta(seconds=1)
    return found


def test_artifacts_are_listed_and_what_is_none_is_not(any_store: ArtifactStore) -> None:
    assert any_store.artifacts() == ()
    references = {produce(any_store, number) for number in (1, 2)}
    (any_store.root / "artifacts" / "double" / "notes.txt").write_text("mine")
    assert set(any_store.artifacts()) == references


def test_reuse_marks_an_artifact_as_used_and_so_does_making_another_of_it(any_store: ArtifactStore) -> None:
    reference = produce(any_store)
    before = age(any_store, reference)
    produce(any_store)
    reused = any_store.last_used(reference)
    assert reused is not None
    assert reused > before
    before = age(any_store, reference)
    seen = []

    def build(_: Workspace) -> Outcome:
        seen.append(any_store.last_used(reference))
        return Outcome(Figure(value=1))

    any_store.produce(Stage("next"), inputs={"of": reference}, params=None, build=build)
    assert seen[0] is not None
    assert seen[0] > before


def test_an_artifact_is_removed_unless_it_was_used_since(any_store: ArtifactStore) -> None:
    reference, other = produce(any_store, 1), produce(any_store, 2)
    copy = any_store.folder(reference)
    before = age(any_store, reference)
    produce(any_store, 1)
    assert not any_store.remove(reference, last_used=before)
    assert any_store.has(reference)
    assert any_store.remove(reference, last_used=age(any_store, reference))
    assert any_store.artifacts() == (other,)
    assert any_store.last_used(reference) is None
    assert not copy.exists()
    assert not any_store.remove(reference, last_used=before)
    assert produce(any_store, 1) == reference


def test_an_artifact_that_is_being_made_is_known_and_not_removed(any_store: ArtifactStore) -> None:
    reference = produce(any_store)
    before = age(any_store, reference)
    lock = any_store.local / "locks" / f"double-{reference.key}"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert any_store.being_produced() == {reference}
        assert not any_store.remove(reference, last_used=before)
        assert lock.exists()
    assert any_store.being_produced() == frozenset()
    assert any_store.remove(reference, last_used=before)


def test_a_waiting_process_does_not_lock_a_removed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, waiting, locked, done = tmp_path / "lock", threading.Event(), threading.Event(), threading.Event()
    flock = fcntl.flock

    def signaling_flock(handle: object, operation: int) -> None:
        waiting.set()
        flock(handle, operation)  # type: ignore[arg-type]

    def second() -> None:
        with exclusive_lock(path):
            locked.set()
            done.wait(30)

    thread = threading.Thread(target=second)
    with exclusive_lock(path):
        monkeypatch.setattr(fcntl, "flock", signaling_flock)
        thread.start()
        assert waiting.wait(30)
    assert locked.wait(30)
    with exclusive_lock(path, wait=False) as third:
        assert not third
    done.set()
    thread.join()
    assert not path.exists()
