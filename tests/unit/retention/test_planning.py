"""Plans: what would be removed, what stays, and that planning changes nothing."""

from __future__ import annotations

import fcntl
import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import ArtifactError, ConfigurationError
from pipeline.retention import RetentionPolicy, figures_as_text, policy_from
from pipeline.retention.inventory import RetentionError
from pipeline.store import ArtifactStore
from pipeline.store.artifacts import MANIFEST
from tests.unit.retention.factories import (
    NOW,
    OLD,
    POLICY,
    changed,
    everything,
    home,
    last_used,
    made,
    plan,
    published,
    record,
    serve,
)

DAY = timedelta(days=1)


def going(store: ArtifactStore, policy: RetentionPolicy = POLICY) -> list[object]:
    return [artifact.reference for artifact in plan(store, policy).artifacts]


def test_an_empty_store_has_nothing_to_clean_up(any_store: ArtifactStore) -> None:
    figures = plan(any_store).figures()
    assert (figures.artifacts, figures.reports, figures.orphans, figures.bytes) == (0, 0, 0, 0)
    assert "To remove: 0 artifacts, 0 reports, 0 leftovers" in figures_as_text(figures)


def test_what_nothing_reaches_goes_after_what_was_made_of_it(any_store: ArtifactStore) -> None:
    first = made(any_store, "first")
    second = made(any_store, "second", first)
    third = made(any_store, "third", first, second)
    assert going(any_store) == [third, second, first]


def test_a_plan_counts_files_and_bytes_by_stage(any_store: ArtifactStore) -> None:
    made(any_store, "a", stage="clean", texts={"x": "12345"})
    made(any_store, "b", stage="clean", texts={"x": "12345"})
    made(any_store, "c", stage="fetch", texts={"x": "1" * 1000})
    figures = plan(any_store).figures()
    assert list(figures.artifacts_by_stage.items()) == [("fetch", 1), ("clean", 2)]
    summary = len("{}\n")
    assert figures.bytes_by_stage == {"fetch": 1000 + summary, "clean": 2 * (5 + summary)}
    assert figures.bytes == sum(figures.bytes_by_stage.values())
    assert json.loads(figures.model_dump_json())["artifacts"] == 3


def test_planning_changes_nothing(any_store: ArtifactStore) -> None:
    made(any_store, "old")
    serve(any_store, made(any_store, "model"))
    published(any_store, "run", made(any_store, "judged"))
    before = everything(any_store)
    plan(any_store)
    assert everything(any_store) == before


def test_champions_of_the_last_changes_stay_with_all_that_they_were_made_of(any_store: ArtifactStore) -> None:
    models = []
    for name in ("one", "two", "three", "four"):
        models.append((fetched := made(any_store, f"raw {name}"), made(any_store, name, fetched)))
        serve(any_store, models[-1][1])
    # Two changes are kept; of the other two nothing is.
    assert set(going(any_store)) == {*models[0], *models[1]}
    kept = plan(any_store).kept
    assert kept == dict.fromkeys((*models[2], *models[3]), "champion")


def test_the_model_before_the_champion_stays_however_many_changes_ago_it_served(any_store: ArtifactStore) -> None:
    before, present = made(any_store, "before"), made(any_store, "present")
    older = made(any_store, "older")
    for model in (older, before, present):
        serve(any_store, model)
    # Serving again is a change too: the last two changes name one model.
    path = any_store.root / "champions"
    text = (path / "000003.json").read_text(encoding="utf-8")
    record(any_store, "champions/000004.json", text.replace('"number": 3', '"number": 4'))
    assert going(any_store) == [older]


@pytest.mark.parametrize(
    "place", ["collection/batches/x.json", "champions/notes/x.json", "predictions/run/published.json", "new/kind.json"]
)
@pytest.mark.parametrize("as_text", [False, True])
def test_whatever_a_record_names_stays(any_store: ArtifactStore, place: str, as_text: bool) -> None:
    raw = made(any_store, "raw")
    named, other = made(any_store, "named", raw), made(any_store, "other")
    name = f"{named.stage}/{named.key}" if as_text else named.model_dump()
    record(any_store, place, {"deep": [{"in": name, "number": 3}]})
    assert going(any_store) == [other]
    assert set(plan(any_store).kept.values()) == {"record"}


def test_a_record_that_is_called_like_an_artifact_keeps_it(any_store: ArtifactStore) -> None:
    fetched = made(any_store, "fetched", stage="fetch")
    record(any_store, f"collection/batches/{fetched.key}.json", {"schema_version": 1})
    assert going(any_store) == []


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, '{"fetched": "\\ud800'])
def test_a_record_that_cannot_be_read_stops_everything(any_store: ArtifactStore, text: str) -> None:
    made(any_store, "old")
    record(any_store, "collection/batches/x.json", text)
    with pytest.raises(RetentionError, match="nothing is removed"):
        plan(any_store)


def test_a_damaged_change_of_the_champion_stops_everything(any_store: ArtifactStore) -> None:
    serve(any_store, made(any_store, "model"))
    record(any_store, "champions/000002.json", "{}")
    with pytest.raises(ArtifactError, match=r"000002\.json is damaged"):
        plan(any_store)


def test_reports_stay_by_number_and_by_age(any_store: ArtifactStore) -> None:
    inputs = {name: made(any_store, f"of {name}") for name in ("oldest", "old", "young", "youngest")}
    ages = {"oldest": 100, "old": 40, "young": 20, "youngest": 10}
    artifacts = {name: published(any_store, name, inputs[name], when=NOW - days * DAY) for name, days in ages.items()}
    last = plan(any_store, RetentionPolicy(keep_reports=1, keep_days=30))
    assert [report.folder for report in last.reports] == ["oldest", "old"]
    assert last.kept_reports == ("youngest", "young")
    gone = {artifact.reference for artifact in last.artifacts}
    assert gone == {artifacts["oldest"], inputs["oldest"], artifacts["old"], inputs["old"]}
    three = plan(any_store, RetentionPolicy(keep_reports=3, keep_days=0))
    assert [report.folder for report in three.reports] == ["oldest"]


def test_the_latest_report_stays_however_old_it_was_made(any_store: ArtifactStore) -> None:
    published(any_store, "new", when=NOW - 50 * DAY)
    published(any_store, "published again", when=NOW - 90 * DAY)
    assert plan(any_store).reports == ()
    assert len(going(any_store)) == 0


def test_of_a_runs_reports_the_published_one_stays(any_store: ArtifactStore) -> None:
    first = published(any_store, "manual__2026-11-23T05:33:00+00:00", made(any_store, "a"), when=OLD)
    second = published(any_store, "manual__2026-11-23T05:33:00+00:00", made(any_store, "b"), when=OLD + DAY)
    assert first in going(any_store)
    assert second not in going(any_store)


def test_a_report_whose_record_is_damaged_stays_and_is_named(any_store: ArtifactStore) -> None:
    judged = made(any_store, "judged")
    published(any_store, "damaged", judged, when=NOW - 90 * DAY)
    published(any_store, "newest", when=NOW - 80 * DAY)
    (any_store.root / "reports" / "damaged" / "run.json").write_text("{", encoding="utf-8")
    changed(any_store, any_store.root / "reports" / "damaged", OLD)
    found = plan(any_store)
    assert found.reports == ()
    assert "run.json of the report 'damaged'" in found.unreadable[0]
    assert going(any_store) == []


def test_the_grace_period_keeps_what_a_run_may_be_working_with(any_store: ArtifactStore) -> None:
    raw = made(any_store, "raw")
    young = made(any_store, "young", raw, when=NOW - 40 * DAY / 24)
    old = made(any_store, "old", when=NOW - 60 * DAY / 24)
    assert going(any_store) == [old]
    assert plan(any_store).kept == {
        raw: "in_use",
        young: "in_use",
    }


def test_an_artifact_that_a_run_has_just_reused_stays(any_store: ArtifactStore) -> None:
    reused, other = made(any_store, "reused"), made(any_store, "other")
    made(any_store, "reused", when=NOW)
    assert going(any_store) == [other]
    assert reused not in going(any_store)


def test_an_artifact_of_which_another_is_being_made_stays(any_store: ArtifactStore) -> None:
    needed = made(any_store, "needed")
    seen = []

    def build(work: object) -> object:
        seen.extend(going(any_store))
        raise RuntimeError("killed")

    from pipeline.store import Stage

    with pytest.raises(RuntimeError, match="killed"):
        any_store.produce(Stage("slow"), inputs={"needed": needed}, params=None, build=build)  # type: ignore[arg-type]
    assert seen == []


def test_an_unreadable_manifest_keeps_its_artifact_and_what_it_still_names(any_store: ArtifactStore) -> None:
    raw = made(any_store, "raw")
    damaged, other = made(any_store, "damaged", raw), made(any_store, "other")
    path = home(any_store, damaged) / MANIFEST
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    last_used(any_store, damaged, OLD)
    found = plan(any_store)
    assert [artifact.reference for artifact in found.artifacts] == [other]
    assert str(damaged) in found.unreadable[0]
    assert "Unreadable, kept" in figures_as_text(found.figures())


def test_a_manifest_in_another_artifacts_place_keeps_it(any_store: ArtifactStore) -> None:
    one, two = made(any_store, "one"), made(any_store, "two")
    (home(any_store, one) / MANIFEST).write_bytes((home(any_store, two) / MANIFEST).read_bytes())
    last_used(any_store, one, OLD)
    assert going(any_store) == []
    assert "is that of" in plan(any_store).unreadable[0]


def test_a_manifest_that_may_not_be_read_stops_everything(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(store, "old")

    def refuse(*_: object) -> object:
        raise PermissionError("not yours")

    monkeypatch.setattr(ArtifactStore, "manifest", refuse)
    with pytest.raises(RetentionError, match="nothing is removed"):
        plan(store)


def test_leftovers_of_killed_runs_go_when_they_are_old(store: ArtifactStore) -> None:
    key = "0" * 32
    for place, age in (
        ("in_progress/train-old", OLD),
        ("in_progress/train-new", NOW),
        (f"resumable/train/{key}", OLD),
        (f"resumable/train/{'1' * 32}", NOW),
    ):
        folder = Path(store.url) / place
        folder.mkdir(parents=True)
        (folder / "checkpoint").write_text("12345")
        changed(store, store.root / place, age)
    orphans = plan(store).orphans
    assert [orphan.place for orphan in orphans] == ["in_progress/train-old", f"resumable/train/{key}"]
    assert [orphan.bytes for orphan in orphans] == [5, 5]


def test_a_checkpoint_whose_lock_is_held_is_no_leftover(store: ArtifactStore) -> None:
    key = "0" * 32
    folder = Path(store.url) / "resumable" / "train" / key
    folder.mkdir(parents=True)
    changed(store, store.root / "resumable" / "train" / key, OLD)
    lock = Path(store.url) / "locks" / f"train-{key}"
    lock.parent.mkdir()
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert plan(store).orphans == ()
    assert len(plan(store).orphans) == 1


def test_mlflow_and_what_is_not_ours_is_left_alone(store: ArtifactStore) -> None:
    made(store, "old")
    for place in ("mlflow-artifacts/1/model.json", "mlflow.db", "artifacts/work/my own notes/x", ".hidden/x.json"):
        record(store, place, "{ not JSON")
    (Path(store.url) / "artifacts" / "work" / ("a" * 32)).symlink_to("/etc")
    assert len(going(store)) == 1


@pytest.mark.parametrize("bad", [{"keep_reports": 0}, {"keep_changes": 0}, {"grace_hours": 0}, {"keep_days": -1}])
def test_a_policy_always_keeps_something(bad: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        RetentionPolicy.model_validate(bad)


@pytest.mark.parametrize("wrong", [{"keep_report": 3}, {"grace_hours": 1}, {"keep_days": "many"}, {"keep_reports": 0}])
def test_a_wrong_parameter_is_named(wrong: dict[str, object]) -> None:
    assert policy_from({"keep_reports": "3"}) == RetentionPolicy(keep_reports=3)
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        policy_from(wrong)
