"""The clean-up as a DAG: it looks unless it is told to remove."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConfigurationError
from pipeline.retention import RetentionPolicy
from pipeline.store import ArtifactReference, ArtifactStore
from tests.dags.fresh_airflow import FreshAirflow
from tests.dags.otlp import Collected
from tests.unit.retention.factories import OLD, left, made, record

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagrun import DagRun

CHECKOUT = Path(__file__).resolve().parents[2]
DAG_ID = "clean_up_artifacts"
HEAVY = {"tensorflow", "keras", "pandas", "great_expectations", "mlflow", "sklearn", "nltk", "matplotlib", "pyarrow"}


@pytest.fixture
def old(
    airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ArtifactStore, ArtifactReference, ArtifactReference]:
    """A store of this test alone, with an artifact that the collection names and one that nothing does."""
    monkeypatch.setenv("REVIEW_SENTIMENT_STORE", str(tmp_path / "store"))
    store = ArtifactStore(str(tmp_path / "store"))
    kept, gone = made(store, "kept", when=OLD), made(store, "gone", when=OLD)
    record(store, "collection/batches/x.json", kept.model_dump())
    return store, kept, gone


def run(dag_bag: DagBag, **conf: object) -> tuple[DagRun, dict[str, str]]:
    done = dag_bag.dags[DAG_ID].test(run_conf=conf or None)
    return done, {instance.task_id: str(instance.state) for instance in done.get_task_instances()}


def note(done: DagRun, task_id: str) -> str:
    """Return what a task contributes to the note of its run."""
    from pipeline.airflow.notes import NOTE_KEY

    left = done.get_task_instance(task_id).xcom_pull(task_ids=task_id, key=NOTE_KEY)
    return "" if left is None else left["text"]


def test_as_it_stands_it_looks_only(
    dag_bag: DagBag, old: tuple[ArtifactStore, ArtifactReference, ArtifactReference]
) -> None:
    store, kept, gone = old
    done, states = run(dag_bag)
    assert states == {"plan": "success", "remove": "skipped"}
    assert left(store) == {kept, gone}
    planned = done.get_task_instance("plan").xcom_pull(task_ids="plan")
    assert planned["figures"]["artifacts"] == 1
    assert planned["figures"]["bytes"] > 0
    assert planned["figures"]["kept"] == {"record": 1}
    assert len(json.dumps(planned)) < 4_000
    assert note(done, "plan").startswith("**Dry run**: Nothing was deleted. To remove: 1 artifact, 0 reports")


def test_told_to_remove_it_removes(
    dag_bag: DagBag, collected: Collected, old: tuple[ArtifactStore, ArtifactReference, ArtifactReference]
) -> None:
    store, kept, _ = old
    done, states = run(dag_bag, dry_run=False)
    assert states == {"plan": "success", "remove": "success"}
    assert left(store) == {kept}
    assert note(done, "plan") == ""
    assert note(done, "remove").startswith("**Cleaned up**: Removed 1 artifact, 0 reports")
    told = done.get_task_instance("remove").xcom_pull(task_ids="remove")
    assert told["artifacts"] == 1
    assert collected.value("review_sentiment.clean_up.freed_bytes") == told["bytes"] > 0


def test_a_record_that_cannot_be_read_ends_it_without_a_retry(
    dag_bag: DagBag, old: tuple[ArtifactStore, ArtifactReference, ArtifactReference]
) -> None:
    store, kept, gone = old
    record(store, "collection/batches/x.json", "{")
    done, states = run(dag_bag, dry_run=False)
    assert states == {"plan": "failed", "remove": "upstream_failed"}
    assert done.get_task_instance("plan").try_number == 1
    assert left(store) == {kept, gone}


def test_the_form_is_the_policy(dag_bag: DagBag) -> None:
    from pipeline.airflow.retention_tasks import asked

    params = dag_bag.dags[DAG_ID].params
    assert set(params) == {"dry_run", "keep_reports", "keep_days", "keep_changes"}
    assert asked(params.dump(), None) == (RetentionPolicy(), True)
    assert asked(params.dump(), {"keep_days": 3, "dry_run": False}) == (RetentionPolicy(keep_days=3), False)


@pytest.mark.parametrize(
    "wrong", [{"keep_report": 3}, {"keep_reports": 0}, {"keep_days": "<b>many"}, {"dry_run": "no"}, {"grace_hours": 1}]
)
def test_a_wrong_parameter_is_refused(dag_bag: DagBag, wrong: dict[str, object]) -> None:
    from pipeline.airflow.retention_tasks import asked

    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        asked(dag_bag.dags[DAG_ID].params.dump(), wrong)


def test_it_runs_by_itself_only_where_the_deployment_says_when(
    dag_bag: DagBag, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import CronTriggerTimetable

    from pipeline.airflow.retention_tasks import schedule

    monkeypatch.delenv("REVIEW_SENTIMENT_CLEAN_UP_SCHEDULE", raising=False)
    assert schedule() is None
    for nothing in ("", "none", " none "):
        monkeypatch.setenv("REVIEW_SENTIMENT_CLEAN_UP_SCHEDULE", nothing)
        assert schedule() is None
    monkeypatch.setenv("REVIEW_SENTIMENT_CLEAN_UP_SCHEDULE", "0 5 * * 0")
    assert schedule() == CronTriggerTimetable("0 5 * * 0", timezone="UTC")


def test_a_run_that_the_schedule_starts_removes(
    old: tuple[ArtifactStore, ArtifactReference, ArtifactReference], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.airflow import retention_tasks

    monkeypatch.setattr(retention_tasks.notes, "leave_note", lambda *_: None)
    for kind, looks_only in (("scheduled", False), ("manual", True)):
        started = {"dag_run": SimpleNamespace(run_type=kind, conf={}), "params": {"dry_run": True}}
        monkeypatch.setattr(retention_tasks, "get_current_context", lambda started=started: started)
        assert retention_tasks.plan.function()["dry_run"] is looks_only


def test_parsing_loads_nothing_heavy(fresh_airflow: FreshAirflow) -> None:
    program = (
        f"import json, sys\nimport dags.clean_up_artifacts\nprint(json.dumps(sorted({HEAVY!r} & set(sys.modules))))\n"
    )
    assert json.loads(fresh_airflow.run(program)) == []
