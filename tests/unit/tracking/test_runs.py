"""Runs in MLflow: exactly one per variant, also after interruptions."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.cleaning.records import CleanSummary
from pipeline.config import RunConfig
from pipeline.evaluation import EvaluationSummary
from pipeline.promotion import GateDecision
from pipeline.run_state import RunState
from pipeline.sources.records import FetchedFile, FetchSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage
from pipeline.tracking import TrackedRun, track_run
from pipeline.tracking.records import TrackingError
from tests.factories import place, replaced
from tests.unit.tracking.factories import BEST, RUN_NAME, Example, client_of

HOSTILE = "'; DROP TABLE runs; -- ../../ \x1b[31m \u202e`"


def track(example: Example, **changes: Any) -> TrackedRun:
    return track_run(
        changes.get("state", example.state),
        changes.get("config", example.config),
        changes.get("run_name", RUN_NAME),
        example.store,
    )


def runs_of(example: Example) -> dict[str, Any]:
    client = client_of(example)
    experiment = client.get_experiment_by_name("review_sentiment")
    runs = client.search_runs([experiment.experiment_id])
    by_variant = {run.data.tags["review_sentiment.variant"]: run for run in runs}
    assert len(by_variant) == len(runs)
    return by_variant


def models_of(example: Example) -> list[Any]:
    client = client_of(example)
    return client.search_logged_models([client.get_experiment_by_name("review_sentiment").experiment_id])


def evaluated_again(example: Example, variant: str) -> RunState:
    """Return the run with another evaluation of a variant, as after a change of its code."""
    changed = []
    for found in example.state.variants:
        if found.name == variant:
            evaluation = example.store.summary(found["evaluate"], EvaluationSummary)
            again = place(example.store, "evaluate", evaluation.model_copy(update={"threshold": 0.123}), label="again")
            changed.append(replaced(found, {"evaluate": again}))
        else:
            changed.append(found)
    return example.state.model_copy(update={"variants": tuple(changed)})


def test_each_variant_has_a_run_with_its_content(example: Example) -> None:
    tracked = track(example)

    runs = runs_of(example)
    assert sorted(runs) == sorted(variant.name for variant in example.config.variants)
    assert (tracked.logged, tracked.best) == (4, BEST)
    assert {variant.name: variant.run_id for variant in tracked.variants} == {
        name: run.info.run_id for name, run in runs.items()
    }
    best = runs[BEST]
    assert best.info.status == "FINISHED"
    assert best.info.run_name == f"{BEST} of {RUN_NAME}"
    evaluation = example.store.summary(example.state.variants[-1]["evaluate"], EvaluationSummary)
    accuracy = evaluation.scores.balanced_accuracy
    metrics = best.data.metrics
    assert metrics["test/balanced_accuracy"] == accuracy.value
    assert (metrics["test/balanced_accuracy_low"], metrics["test/balanced_accuracy_high"]) == (
        accuracy.low,
        accuracy.high,
    )
    assert {"test/roc_auc", "test/negative_recall", "test/calibration_error", "threshold"} <= set(metrics)
    params = best.data.params
    assert (params["direction"], params["seed"], params["epochs"], params["profile"]) == ("bi", "2", "8", "default")
    tags = {name.removeprefix("review_sentiment."): value for name, value in best.data.tags.items()}
    assert (tags["run_name"], tags["variant"], tags["demo"], tags["acceptance"]) == (
        RUN_NAME,
        BEST,
        "false",
        "accepted",
    )
    assert tags["report"].endswith("/report.html")


def test_epochs_are_steps(example: Example) -> None:
    tracked = track(example)

    history = client_of(example).get_metric_history(tracked.variants[0].run_id, "validation/loss")
    assert [(point.step, point.value) for point in history] == [
        (1, 0.338),
        (2, 0.259),
        (3, 0.231),
        (4, 0.248),
        (5, 0.271),
    ]


def test_only_the_best_variant_has_report_and_model(example: Example) -> None:
    tracked = track(example)

    client = client_of(example)
    for name, run in runs_of(example).items():
        files = {file.path for file in client.list_artifacts(run.info.run_id, "report")}
        outputs = [output.model_id for output in run.outputs.model_outputs] if run.outputs else []
        if name == BEST:
            assert files == {f"report/{file}" for file in ("report.html", "report.json", "report.md", "model_card.md")}
            assert outputs == [tracked.model_id]
        else:
            assert not files
            assert not outputs
            assert "review_sentiment.acceptance" not in run.data.tags


def test_repeating_adds_nothing(example: Example) -> None:
    first = track(example)
    again = track(example)

    assert again == first.model_copy(update={"logged": 0})
    assert len(models_of(example)) == 1


def test_the_best_variant_has_the_window_and_the_gate_decision(example: Example) -> None:
    store = example.store
    cleaned = [place_cleaned(store, name) for name in ("first.csv", "second.csv")]
    merged = store.produce(
        Stage("merge"),
        inputs={f"cleaned {number}": reference for number, reference in enumerate(cleaned)},
        params=None,
        build=lambda _: Outcome(store.summary(cleaned[0], CleanSummary)),
    )
    gate_result = place(
        store,
        "gate",
        GateDecision(
            decision="kept",
            rules=(),
            challenger=example.promote().model,
            replacing=1,
            champion_title="the <b>champion</b>",
            first=False,
        ),
        # The example's own decision stands under the usual label.
        label="kept",
    )
    track(
        example,
        state=replaced(example.state, {"build_dataset": merged, "gate": gate_result}),
    )

    tags = runs_of(example)[BEST].data.tags
    assert tags["review_sentiment.data"] == f"2 files: {digest('first.csv')} {digest('second.csv')}"
    assert (tags["review_sentiment.acceptance"], tags["review_sentiment.gate"]) == ("accepted", "kept")
    assert "stays in production" in tags["mlflow.note.content"]
    assert "<b>" not in tags["mlflow.note.content"]
    assert "review_sentiment.gate" not in runs_of(example)["uni-seed1"].data.tags


def digest(name: str) -> str:
    return f"{name[0]}" * 8


def place_cleaned(store: ArtifactStore, name: str) -> ArtifactReference:
    """Place clean reviews of one raw file, with the way from one to the other."""
    file = FetchedFile(name=name, path="raw/0", origin=name, bytes=1, sha256=digest(name))
    fetched = place(store, "fetch", FetchSummary(files=(file,), demo=False), label=name)
    summary = CleanSummary(
        normalization="default", summary_joined=True, stop_words_sha256="", steps=(), positive=1, negative=1, notes=()
    )
    return store.produce(Stage("clean"), inputs={"fetched": fetched}, params=None, build=lambda _: Outcome(summary))


def test_the_same_training_in_another_run_has_its_own_run(example: Example) -> None:
    first = track(example)
    second = track(example, run_name="another run")

    assert not {variant.run_id for variant in first.variants} & {variant.run_id for variant in second.variants}
    assert second.model_id == first.model_id


def test_a_run_whose_content_changed_is_replaced(example: Example) -> None:
    first = {variant.name: variant.run_id for variant in track(example).variants}
    tracked = track(example, state=evaluated_again(example, "uni-seed1"))

    again = {variant.name: variant.run_id for variant in tracked.variants}
    assert [name for name in first if first[name] != again[name]] == ["uni-seed1"]
    assert runs_of(example)["uni-seed1"].data.metrics["threshold"] == 0.123


class Killed(BaseException):
    """The end of the process."""


def killing(monkeypatch: pytest.MonkeyPatch, at: int) -> Callable[[], int]:
    """Let the task die right after its ``at``-th writing call; returns what counts the calls."""
    from mlflow import MlflowClient

    calls = 0

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            result = original(*args, **kwargs)
            calls += 1
            if calls == at:
                raise Killed
            return result

        return call

    for name in (
        "create_experiment",
        "create_run",
        "log_batch",
        "log_artifacts",
        "create_logged_model",
        "log_model_artifacts",
        "finalize_logged_model",
        "log_outputs",
        "set_terminated",
    ):
        monkeypatch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
    return lambda: calls


def test_a_killed_and_repeated_task_leaves_one_run_per_variant(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = example.state.model_copy(update={"variants": example.state.variants[-2:]})
    deaths = 0
    for at in range(1, 12):
        with monkeypatch.context() as patch:
            killing(patch, at)
            try:
                track(example, state=two)
            except Killed:
                deaths += 1
    tracked = track(example, state=two)

    assert deaths >= 6
    runs = runs_of(example)
    assert set(runs) == {variant.name for variant in two.variants}
    best = runs[BEST]
    assert all(run.info.status == "FINISHED" for run in runs.values())
    assert [output.model_id for output in best.outputs.model_outputs] == [tracked.model_id]
    ready = [model.model_id for model in models_of(example) if str(model.status) == "READY"]
    assert ready == [tracked.model_id]
    history = client_of(example).get_metric_history(best.info.run_id, "validation/loss")
    assert [point.step for point in history] == [1, 2, 3, 4, 5]


def test_hostile_names_and_logins_in_addresses_do_no_harm(example: Example) -> None:
    config = RunConfig.from_flat({**example.config.flat(), "dumps": ["https://anna:s3cret@host/reviews.csv?key=t0ken"]})
    track(example, run_name=HOSTILE, config=config)
    again = track(example, run_name=HOSTILE, config=config)

    assert again.logged == 0
    run = runs_of(example)[BEST]
    assert "\x1b" not in run.data.tags["review_sentiment.run_name"]
    assert "s3cret" not in str(run.to_dictionary())
    assert "t0ken" not in str(run.to_dictionary())
    assert run.data.params["dumps"] == '["https://host/reviews.csv"]'


def test_a_run_without_models_leaves_nothing(example: Example) -> None:
    tracked = track(example, state=example.state.model_copy(update={"variants": (), "refusal": "The data are bad."}))

    assert tracked.variants == ()
    assert runs_of(example) == {}


def test_tracking_leaves_process_and_log_as_they_were(
    example: Example, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    environment, threads = dict(os.environ), set(threading.enumerate())
    caplog.set_level(logging.INFO)
    handlers = {name: list(logging.getLogger(name).handlers) for name in ("alembic", "sqlalchemy.engine", "mlflow")}

    track(example)

    assert dict(os.environ) == environment
    # MLflow keeps a folder's pool of copying threads, idle, for as long as the process lives.
    new = {thread for thread in set(threading.enumerate()) - threads if not thread.name.startswith("Mlflow")}
    assert new == set()
    assert {name: list(logging.getLogger(name).handlers) for name in handlers} == handlers
    assert {record.name for record in caplog.records} <= {"pipeline.tracking.runs", "pipeline.store.artifacts"}
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_tracking_can_be_turned_off(plain: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEW_SENTIMENT_TRACKING", "off")

    assert track(plain) == TrackedRun(address=None)
    assert not (plain.store.root / "mlflow.db").exists()


def test_a_moved_store_is_named(example: Example) -> None:
    track(example)
    moved = example.store.root.parent / "elsewhere"
    example.store.root.rename(moved)
    there = ArtifactStore(str(moved))

    with pytest.raises(TrackingError, match="The store was moved"):
        track_run(example.state, example.config, RUN_NAME, there)
    assert not example.store.root.exists()
