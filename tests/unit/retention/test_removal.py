"""What was planned goes, whole; what was turned to in the meantime stays, with all that it was made of."""

from __future__ import annotations

import fcntl
import json
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.retention import clean_up, plan_clean_up, result_as_text
from pipeline.retention.inventory import RetentionError
from pipeline.store import ArtifactStore
from tests.unit.retention.factories import (
    NOW,
    OLD,
    POLICY,
    changed,
    cleaned_up,
    everything,
    home,
    last_used,
    left,
    made,
    plan,
    published,
    record,
    serve,
)


def test_the_old_goes_and_the_rest_stays_whole(any_store: ArtifactStore) -> None:
    raw, gone = made(any_store, "raw"), made(any_store, "gone")
    model = made(any_store, "model", raw)
    serve(any_store, model)
    judged = made(any_store, "judged", gone)
    old = published(any_store, "old", judged)
    new = published(any_store, "new", raw, when=NOW - timedelta(days=60))

    found = plan(any_store)
    result = clean_up(any_store, found)

    assert left(any_store) == {raw, model, new}
    assert set(result.artifacts) == {gone, judged, old}
    assert result.reports == ("old",)
    assert result.bytes == found.figures().bytes > 0
    assert result.skipped == ()
    assert not [name for name in everything(any_store) if gone.key in name or "reports/old" in name]
    assert "Removed 3 artifacts, 1 report and 0 leftovers" in result_as_text(result)


def test_doing_it_again_changes_nothing(any_store: ArtifactStore) -> None:
    made(any_store, "old")
    serve(any_store, made(any_store, "model"))
    published(any_store, "run")
    found = plan(any_store)
    clean_up(any_store, found)
    before = everything(any_store)
    assert clean_up(any_store, found).bytes == 0
    assert plan(any_store).figures().bytes == 0
    assert everything(any_store) == before


def test_what_was_removed_is_made_anew_when_it_is_asked_for(any_store: ArtifactStore) -> None:
    reference = made(any_store, "old")
    assert cleaned_up(any_store) == set()
    assert made(any_store, "old") == reference
    assert left(any_store) == {reference}
    assert (any_store.folder(reference) / "sub" / "one.txt").read_text(encoding="utf-8") == "old"


def test_a_remote_artifacts_local_copy_goes_too(tmp_path: Path) -> None:
    store = ArtifactStore("memory://local-copy", cache=tmp_path / "cache")
    copy = store.folder(made(store, "old"))
    cleaned_up(store)
    assert not copy.exists()


def test_latest_never_dangles(any_store: ArtifactStore) -> None:
    published(any_store, "one")
    published(any_store, "two", when=OLD + timedelta(days=1))
    cleaned_up(any_store)
    latest = json.loads((any_store.root / "reports" / "latest.json").read_bytes())
    assert (any_store.root / latest["folder"] / "report.html").exists()
    assert not (any_store.root / "reports" / "one").exists()


def test_a_report_that_is_published_again_meanwhile_stays(any_store: ArtifactStore) -> None:
    first = published(any_store, "one")
    published(any_store, "two", when=OLD + timedelta(days=1))
    found = plan(any_store)
    published(any_store, "one")
    changed(any_store, any_store.root / "reports" / "one", NOW)
    result = clean_up(any_store, found)
    assert (any_store.root / "reports" / "one" / "report.html").exists()
    assert first in left(any_store)
    assert {skipped.name for skipped in result.skipped} == {"reports/one", str(first)}


def test_an_artifact_made_meanwhile_keeps_what_it_was_made_of(any_store: ArtifactStore) -> None:
    raw, other = made(any_store, "raw"), made(any_store, "other")
    cleaned = made(any_store, "cleaned", raw)
    found = plan(any_store)
    assert len(found.artifacts) == 3
    # Its own date is old, and nobody marked its inputs: only that the plan did not know it can save them.
    new = made(any_store, "new", cleaned)
    result = clean_up(any_store, found)
    assert left(any_store) == {raw, cleaned, new}
    assert result.artifacts == (other,)


def test_an_artifact_reused_meanwhile_stays_with_what_it_was_made_of(any_store: ArtifactStore) -> None:
    raw, other = made(any_store, "raw"), made(any_store, "other")
    cleaned = made(any_store, "cleaned", raw)
    found = plan(any_store)
    made(any_store, "cleaned", raw, when=NOW)
    clean_up(any_store, found)
    assert left(any_store) == {raw, cleaned}
    assert other not in left(any_store)


def test_a_champion_named_meanwhile_stays(any_store: ArtifactStore) -> None:
    raw = made(any_store, "raw")
    model = made(any_store, "model", raw)
    found = plan(any_store)
    serve(any_store, model)
    clean_up(any_store, found)
    assert left(any_store) == {raw, model}


def test_a_run_that_turns_to_an_artifact_at_the_last_instant_finds_it(
    any_store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look at its age and its going, a run reuses the artifact."""
    raw = made(any_store, "raw")
    cleaned = made(any_store, "cleaned", raw)
    found = plan(any_store)

    import pipeline.store.artifacts as module

    original = module.remove_atomically

    def reused_first(place: object, *arguments: object, **named: object) -> bool:
        if str(place).endswith(cleaned.key):
            last_used(any_store, cleaned, OLD)
            assert any_store._touch_if_present(cleaned)
        return original(place, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "remove_atomically", reused_first)
    result = clean_up(any_store, found)
    assert left(any_store) == {raw, cleaned}
    assert result.artifacts == ()
    assert {skipped.name for skipped in result.skipped} == {str(raw), str(cleaned)}


def test_an_artifact_that_cannot_be_removed_is_named_and_keeps_its_inputs(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = made(store, "raw")
    stuck, other = made(store, "stuck", raw), made(store, "other")
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == stuck.key:
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    found = plan(store)
    monkeypatch.setattr(Path, "rename", refuse)
    result = clean_up(store, found)
    assert left(store) == {raw, stuck}
    assert result.artifacts == (other,)
    assert "Permission denied" in result_as_text(result)
    assert not list((Path(store.url) / "in_progress").iterdir())


def test_a_record_that_cannot_be_read_by_now_stops_everything(any_store: ArtifactStore) -> None:
    old = made(any_store, "old")
    found = plan(any_store)
    record(any_store, "collection/batches/x.json", "{")
    with pytest.raises(RetentionError):
        clean_up(any_store, found)
    assert left(any_store) == {old}


def test_leftovers_go_unless_a_run_goes_on_with_them(store: ArtifactStore) -> None:
    places = [f"resumable/train/{digit * 32}" for digit in "012"] + ["in_progress/train-x"]
    for place in places:
        (Path(store.url) / place).mkdir(parents=True)
        (Path(store.url) / place / "checkpoint").write_text("12345")
        changed(store, store.root / place, OLD)
    found = plan(store)
    (Path(store.url) / places[1] / "checkpoint").write_text("another epoch")
    lock = Path(store.url) / "locks" / f"train-{'2' * 32}"
    lock.parent.mkdir()
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        result = clean_up(store, found)
    assert result.orphans == (places[3], places[0])
    assert {skipped.name for skipped in result.skipped} == {places[1], places[2]}
    assert (Path(store.url) / places[1] / "checkpoint").read_text() == "another epoch"
    assert sorted(path.name for path in (Path(store.url) / "in_progress").iterdir()) == []


def test_half_an_upload_goes_when_it_is_old(any_store: ArtifactStore) -> None:
    """An object store keeps what a killed run had uploaded before the manifest."""
    reference, young = made(any_store, "half"), made(any_store, "young")
    for half, when in ((reference, OLD), (young, NOW)):
        (home(any_store, half) / "manifest.json").unlink()
        changed(any_store, home(any_store, half), when)
    cleaned_up(any_store)
    assert any_store.artifacts() == (young,)


def test_the_latest_moment_counts_not_the_first(any_store: ArtifactStore) -> None:
    """A plan may wait: what is removed is what it named, not what has grown old since."""
    gone, later = made(any_store, "gone"), made(any_store, "later", when=NOW - timedelta(hours=47))
    found = plan_clean_up(any_store, POLICY, NOW)
    clean_up(any_store, found)
    assert left(any_store) == {later}
    assert gone not in left(any_store)
