"""Runs that nobody starts: when they come, what they are told, and the step at which a person may be asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ConfigurationError
from pipeline.promotion import GateDecision
from pipeline.store import ArtifactStore
from tests.factories import place, replaced
from tests.unit.reporting.factories import example_run

WHEN = datetime(2026, 11, 2, 4, tzinfo=UTC)


@dataclass
class Run:
    """What is read of Airflow's run."""

    run_type: str
    conf: dict[str, Any] = field(default_factory=dict)
    logical_date: datetime | None = WHEN
    run_id: str = "a-run"


@pytest.fixture
def retraining(airflow_home: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("SOURCES", "RETRAIN_CONFIG", "SCHEDULE", "INBOX"):
        monkeypatch.delenv(f"REVIEW_SENTIMENT_{name}", raising=False)
    from pipeline.airflow import retraining

    return retraining


def test_a_run_by_hand_is_told_by_its_form_alone(retraining, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_SOURCES", "inbox kaggle")
    config = retraining.config_of(Run("manual", {"epochs": 3}), {"dumps": ["a.csv"]})
    assert config.data.dumps == ("a.csv",)
    assert config.dataset.window == "these"
    assert config.training.epochs == 3


@pytest.mark.parametrize("kind", ["scheduled", "asset_triggered", "backfill"])
def test_an_automatic_run_looks_through_the_sources_and_trains_on_all(
    retraining, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_SOURCES", "inbox kaggle")
    # The form's defaults are for people: nobody filled it in.
    config = retraining.config_of(Run(kind), {"dumps": ["demo"], "profile": None})
    assert config.data.dumps == ("inbox", "kaggle")
    assert config.dataset.window == "all"
    assert config.profile == "default"
    assert config.dataset.as_of == (WHEN if kind == "backfill" else None)


def test_the_deployment_sets_what_automatic_runs_do_and_a_backfill_may_differ(
    retraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "retrain.yaml"
    settings.write_text("epochs: 5\nwindow: last\nwindow_dumps: 3\n")
    monkeypatch.setenv("REVIEW_SENTIMENT_RETRAIN_CONFIG", str(settings))
    config = retraining.config_of(Run("backfill", {"epochs": 1}), {})
    assert (config.training.epochs, config.dataset.window, config.dataset.window_dumps) == (1, "last", 3)
    settings.write_text("epoch: 5\n")
    with pytest.raises(ConfigurationError, match="Parameter 'epoch'"):
        retraining.config_of(Run("scheduled"), {})


@pytest.mark.parametrize(
    ("inbox", "cron", "kind"),
    [
        (False, None, "NoneType"),
        (True, None, "AssetOrTimeSchedule"),
        (True, "none", "list"),
        (True, "0 2 * * *", "AssetOrTimeSchedule"),
    ],
)
def test_the_schedule_is_a_new_dump_or_the_week(
    retraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, inbox: bool, cron: str | None, kind: str
) -> None:
    if inbox:
        monkeypatch.setenv("REVIEW_SENTIMENT_INBOX", str(tmp_path))
    if cron:
        monkeypatch.setenv("REVIEW_SENTIMENT_SCHEDULE", cron)
    assert type(retraining.schedule()).__name__ == kind


def test_without_an_inbox_kaggle_is_asked_weekly(retraining, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_SOURCES", "kaggle")
    assert type(retraining.schedule()).__name__ == "CronTriggerTimetable"


def question(
    store: ArtifactStore, answer: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, dict[str, Any], list[Any]]:
    """Return the approval task over a decision, its context, and what it asks."""
    from airflow.providers.standard.operators import hitl

    from pipeline.airflow.approval import ApprovePromotion

    monkeypatch.setenv("REVIEW_SENTIMENT_STORE", store.url)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/prefix/")
    run = example_run(store, champion="The old one")
    decision = store.summary(run.state["gate"], GateDecision).model_copy(update={"decision": answer})
    asked: list[Any] = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **told: asked.append(told))
    state = replaced(run.state, {"gate": place(store, "gate", decision, label=answer)})
    context = {
        "dag_run": Run("manual", {"approval_hours": 2.5}),
        "params": {},
        "task_instance": SimpleNamespace(id="an id"),
    }
    return ApprovePromotion(task_id="approve", state=state.model_dump(mode="json")), context, asked


@pytest.mark.parametrize("answer", ["promoted", "kept", "rejected"])
def test_nobody_is_asked_where_the_gate_is_sure(
    airflow_home: Path, store: ArtifactStore, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, context, asked = question(store, answer, monkeypatch)
    assert task.execute(context) == {}
    assert asked == []


def test_a_person_is_asked_with_the_summary_and_a_time_limit_that_keeps_the_champion(
    airflow_home: Path, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import TaskAwaitingInput

    task, context, asked = question(store, "needs_approval", monkeypatch)
    with pytest.raises(TaskAwaitingInput) as waiting:
        task.execute(context)
    assert waiting.value.timeout == timedelta(hours=2.5)
    [told] = asked
    assert told["defaults"] == ["Reject"]
    assert "The old one" in told["body"]
    assert "[Evaluation report](https://airflow.example/prefix/review-sentiment/runs/a-run/)" in told["body"]
    assert "Balanced accuracy 0.8" in told["subject"]


def test_starting_airflow_sets_nothing_off(dag_bag, monkeypatch: pytest.MonkeyPatch, retraining) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_SOURCES", "kaggle")
    # With a start date in the past Airflow would make up for the last Monday at once.
    assert dag_bag.dags["train_review_sentiment"].start_date is None
    assert retraining.schedule().run_immediately is False
