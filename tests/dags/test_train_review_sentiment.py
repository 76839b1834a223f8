"""The whole DAG on tiny dumps, in one process, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import MagicMock

import pytest

from pipeline.promotion import GateDecision
from pipeline.run_state import RunState
from pipeline.store import ArtifactReference, ArtifactStore
from tests.dags.otlp import Collected
from tests.factories import reviews, write_csv

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.dagrun import DagRun

TINY = {
    "units": [4],
    "layers": [1],
    "embedding_dim": [8],
    "epochs": 2,
    "batch_size": [64],
    "bootstrap_samples": 100,
    "num_workers": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def finished(dag_bag: DagBag, collected: Collected, tmp_path_factory: pytest.TempPathFactory) -> DagRun:
    """A run over 600 reviews, both directions."""
    dump = write_csv(tmp_path_factory.mktemp("dump") / "Reviews.csv", reviews(600))
    return dag_bag.dags["train_review_sentiment"].test(run_conf={**TINY, "dumps": [str(dump)]})


def states(run: DagRun) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for instance in run.get_task_instances():
        found.setdefault(instance.task_id, set()).add(str(instance.state))
    return found


def test_a_run_over_real_stages_succeeds(finished: DagRun) -> None:
    found = states(finished)
    assert str(finished.state) == "success"
    # Sixty test reviews are too few to put a model into service.
    assert found.pop("promote") == {"skipped"}
    assert set.union(*found.values()) == {"success"}
    assert sum(instance.task_id == "train" for instance in finished.get_task_instances()) == 2


def test_the_report_lies_where_people_look_for_it(finished: DagRun, airflow_home: Path) -> None:
    latest = json.loads((airflow_home / "store" / "reports" / "latest.json").read_text())
    assert latest["run_name"] == finished.run_id
    page = Path(latest["report"]).read_text(encoding="utf-8")
    assert "Unidirectional LSTM, seed 1" in page
    assert "Bidirectional LSTM, seed 1" in page
    assert "demo data" not in page.lower()


def test_xcom_holds_references_not_data(finished: DagRun) -> None:
    for instance in finished.get_task_instances():
        value = instance.xcom_pull(task_ids=instance.task_id)
        assert len(json.dumps(value, default=str)) < 4_000, instance.task_id


def test_programs_read_records_with_numbers(finished: DagRun) -> None:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from pipeline.airflow.tasks import Conclusion, PublishedReport

    with create_session() as session:
        left = session.scalars(select(XComModel.value).where(XComModel.run_id == finished.run_id)).all()
    assert len(left) > 20
    # Airflow writes the class of what is no plain JSON.
    assert [value for value in left if "__classname__" in json.dumps(value)] == []
    ended = {
        task_id: finished.get_task_instance(task_id).xcom_pull(task_ids=task_id)
        for task_id in ("conclude", "publish_report")
    }
    conclusion = Conclusion.model_validate(ended["conclude"])
    published = PublishedReport.model_validate(ended["publish_report"])
    assert conclusion.decision in {"kept", "rejected", "needs_approval"}
    assert not conclusion.promoted
    assert (conclusion.champion, conclusion.report) == (None, published.report)
    assert set(conclusion.figures) == {"balanced_accuracy", "accuracy", "roc_auc", "negative_recall"}
    assert conclusion.figures == published.figures
    assert published.figure_texts[0].startswith("Balanced accuracy ")


def test_the_assets_tell_what_a_run_left_behind(finished: DagRun) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == finished.run_id)).all()
        told = {event.asset.name: event.extra for event in events}
    assert set(told) == {"clean_reviews", "evaluated_model", "evaluation_report"}
    assert told["clean_reviews"]["positive"] > told["clean_reviews"]["negative"] > 0
    assert told["evaluated_model"]["acceptance"] in {"accepted", "rejected", "inconclusive"}
    assert 0 <= told["evaluated_model"]["balanced_accuracy"] <= 1
    assert told["evaluation_report"]["report"].endswith("report.html")


def test_whoever_watches_is_told_the_figures_of_the_run(
    finished: DagRun, collected: Collected, airflow_home: Path
) -> None:
    store = ArtifactStore(str(airflow_home / "store"))

    def left_by(task_id: str) -> ArtifactReference:
        found = finished.get_task_instance(task_id).xcom_pull(task_ids=task_id)
        return RunState.model_validate(found)[task_id]

    cleaned = store.manifest(left_by("clean")).rows
    assert collected.value("review_sentiment.rows", stage="clean", fate="in") == cleaned.rows_in
    assert collected.value("review_sentiment.rows", stage="clean", fate="kept") == cleaned.kept > 0
    assert collected.value("review_sentiment.rows", stage="clean", fate="excluded") == sum(cleaned.excluded.values())
    for direction in ("uni", "bi"):
        seconds = collected.value("review_sentiment.stage.seconds", stage="train", how="computed", direction=direction)
        assert seconds in {store.manifest(made).seconds for made in store.artifacts() if made.stage == "train"}
    assert collected.value("review_sentiment.device.gpu") == 0

    latest = json.loads((airflow_home / "store" / "reports" / "latest.json").read_text())
    report = json.loads((Path(latest["report"]).parent / "report.json").read_text())
    evaluations = [*report["baselines"]["evaluations"], *(variant["evaluated"] for variant in report["variants"])]
    judged = {one["model"].removesuffix("-seed1"): one["scores"] for one in evaluations}
    assert set(judged) == {"uni", "bi", "always_majority", "nb_svm", "vader", "tfidf_logistic_regression"}
    for name, scores in judged.items():
        told = collected.value("review_sentiment.score", model=name, measure="balanced_accuracy")
        assert told == pytest.approx(scores["balanced_accuracy"]["value"])

    decision = store.summary(left_by("gate"), GateDecision).decision
    assert [*collected.of("review_sentiment.gate.decided_at")] == [(("decision", decision),)]
    decided_at = store.manifest(left_by("gate")).started_at.timestamp()
    assert collected.value("review_sentiment.gate.decided_at") == pytest.approx(decided_at)
    assert 0 < collected.value("review_sentiment.report.seconds") < 600
    assert collected.of("review_sentiment.report.published_at", outcome="judged")
    assert not collected.of("review_sentiment.champion.since")


def test_mapped_tasks_bear_the_variants_names(finished: DagRun) -> None:
    titles = {i.rendered_map_index for i in finished.get_task_instances() if i.task_id == "train"}
    assert titles == {"Unidirectional LSTM, seed 1", "Bidirectional LSTM, seed 1"}


def test_a_broken_contract_stops_before_training_and_still_publishes(
    dag_bag: DagBag, collected: Collected, airflow_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MagicMock()
    monkeypatch.setattr("airflow.sdk.api.client.log", client)
    dump = write_csv(tmp_path / "Reviews.csv", reviews(400, lambda _: 5))
    run = dag_bag.dags["train_review_sentiment"].test(run_conf={**TINY, "dumps": [str(dump)]})
    found = states(run)
    assert str(run.state) == "failed"
    assert found["enforce_raw_contract"] == {"failed"}
    assert found["clean"] == found["train"] == {"upstream_failed"}
    assert found["publish_report"] == {"success"}
    assert found["conclude"] == {"upstream_failed"}
    # Results of tasks that did not run are expected to be missing.
    assert "XCom not found" not in [call.args[0] for call in client.error.call_args_list]
    latest = json.loads((airflow_home / "store" / "reports" / "latest.json").read_text())
    assert latest["run_name"] == run.run_id
    assert "negative" in Path(latest["report"]).read_text(encoding="utf-8").lower()
    failed = collected.of("review_sentiment.failed_at", task_id="enforce_raw_contract")
    assert [dict(tags)["error"] for tags in failed] == ["ContractViolationError"]
    assert collected.of("review_sentiment.report.published_at", outcome="refused")


def test_an_unknown_parameter_fails_in_the_first_task_without_a_retry(dag_bag: DagBag) -> None:
    run = dag_bag.dags["train_review_sentiment"].test(run_conf={"epoch": 3})
    first = next(instance for instance in run.get_task_instances() if instance.task_id == "fetch")
    assert str(run.state) == "failed"
    assert str(first.state) == "failed"
    assert first.try_number == 1
