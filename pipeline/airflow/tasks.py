"""The DAG's tasks, made from the table of stages: each takes states of the run and returns one.

A state holds references of some hundred bytes; data never passes through XCom. Heavy libraries are imported by the
steps, when the task runs.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    TriggerRule,
    XComArg,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from pipeline import workflow
from pipeline.airflow import metrics, notes, notifications
from pipeline.airflow.assets import CHAMPION, CLEAN_REVIEWS, MODEL, REPORT
from pipeline.airflow.links import mapped_task, reporting_task, training_task
from pipeline.airflow.retraining import config_of
from pipeline.airflow.store_login import use_store_connection
from pipeline.errors import NothingNewError
from pipeline.run_state import RunState, VariantState
from pipeline.settings import load_settings
from pipeline.stages import StageSpec, VariantStageSpec
from pipeline.stages import stage as stage_of
from pipeline.statistics import Interval
from pipeline.steps import Run
from pipeline.store import Record
from pipeline.workflow import UNKNOWN_USER, default_store

if TYPE_CHECKING:
    from pipeline.promotion import ChampionChange

log = logging.getLogger(__name__)

Json = dict[str, Any]

STDOUT, STDERR = 1, 2
"""File descriptors."""
SETTINGS = load_settings()
# Every DAG file imports this module: its tasks open an object store with the configured Airflow connection.
use_store_connection()


def log_stderr_as_output(_: object) -> None:
    """Send a task's stderr where its stdout goes, since Airflow logs every line of stderr at the level ERROR.

    TensorFlow and progress bars write harmless lines there; a task's own error is logged as an exception. The file
    descriptor is replaced, because C++ libraries use it, too, and so that a crash loses no line.
    """
    # In `dag.test()` both belong to a terminal or a file; only a task of a server writes to sockets.
    if stat.S_ISSOCK(os.fstat(STDERR).st_mode):
        sys.stderr.flush()
        os.dup2(STDOUT, STDERR)


DEFAULTS: Json = {
    "owner": "review-sentiment",
    "pre_execute": log_stderr_as_output,
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "execution_timeout": timedelta(hours=1),
    "on_failure_callback": [notes.leave_failure_note, metrics.record_failure],
    # A lost connection may come back; a wrong parameter, a bad file or a violated contract will not change.
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(exception="pipeline.errors.SourceUnavailableError", action=RetryAction.RETRY),
            RetryRule(exception="pipeline.errors.PipelineError", action=RetryAction.FAIL),
        ]
    ),
}
GPU_WORKER: Json = {
    "queue": SETTINGS.gpu_queue,
    "pool": SETTINGS.gpu_pool,
    # Airflow rejects a DAG file that names an executor which is not configured.
    **({"executor": SETTINGS.gpu_executor} if SETTINGS.gpu_executor else {}),
}
MLFLOW_RETRY: Json = {
    "retries": 10,
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(hours=1),
}
"""Retries for about five hours while MLflow's server is unreachable."""
VARIANT_LABEL = "variant_title"


class PublishedReport(workflow.RunResult):
    """The result of the task ``publish_report``: the report's place, and the scores of the best model."""

    figures: dict[str, Interval]
    """Balanced accuracy, accuracy, ROC-AUC and negative recall with their 95 % intervals, if known."""

    @property
    def figure_texts(self) -> tuple[str, ...]:
        """The figures as a message shows them."""
        from pipeline.reporting.note import figure_texts

        return figure_texts(self.figures)


class Conclusion(Record):
    """The result of the task ``conclude``, for programs that read it through Airflow's API."""

    decision: str
    """Of the gate: ``promoted``, ``kept``, ``rejected`` or ``needs_approval``."""
    promoted: bool
    """Whether this run made the challenger the champion, by the gate's decision or a user's approval."""
    sentence: str
    """The decision and its reason."""
    challenger: str
    """Title of the best model of the run."""
    champion: str | None
    """Title of the champion that it was compared with; ``None`` if there was none."""
    forced: bool
    demo: bool
    """Whether the reviews are generated."""
    report: str
    """Path or URL of the report."""
    figures: dict[str, Interval]
    """Scores of the challenger; see ``PublishedReport``."""


def current_run() -> Run:
    """Return the run of the running task: its parameters and the deployment's store."""
    context = get_current_context()
    run = context["dag_run"]
    return Run(config_of(run, context["params"]), default_store(), run.run_id)


def merged(states: Iterable[Json | Sequence[Json] | None]) -> RunState:
    """Return the state that tasks before this one have come to.

    Args:
        states: What they returned: states, the variants of a mapped task, or ``None`` of a task that did not succeed.
    """
    found = []
    for value in states:
        if isinstance(value, dict):
            found.append(_state_of(value))
        elif value is not None:
            # One request for all: iterating over a mapped task's results asks for one after the other.
            found.extend(_state_of(variant) for variant in value[:] if variant is not None)
    return RunState.merge(found)


def _state_of(value: Json) -> RunState:
    """Return the state of a run; that of a variant as the only one of its run."""
    if "variants" in value:
        return RunState.model_validate(value)
    return RunState(variants=(VariantState.model_validate(value),))


def stage(name: str) -> Any:  # noqa: ANN401 - as `@task` itself
    """Return the task of a stage: it takes the states of the tasks before it and returns its own."""
    spec = stage_of(name)

    def run_stage(*states: Json | Sequence[Json] | None) -> Json:
        run, before = current_run(), merged(states)
        try:
            state = spec.execute(run, before)
        except NothingNewError as reason:
            notes.leave_note("skipped", "Nothing new", str(reason))
            raise AirflowSkipException(str(reason)) from None
        _report_progress(spec.name, run, state)
        return state.model_dump(mode="json")

    outlets = [asset for asset, (maker, _) in EVENTS.items() if maker == name]
    return task(**_options(spec), outlets=outlets)(_named(run_stage, spec.name, spec.help))


def variant_stage(name: str) -> Any:  # noqa: ANN401 - as `@task` itself
    """Return the mapped task of a variant's stage: it takes ``variant``, and ``state`` of the run before training."""
    spec = stage_of(name)
    assert isinstance(spec, VariantStageSpec)  # noqa: S101 - a fault of the DAG file

    def run_variant_stage(variant: Json, state: Json) -> Json:
        run, before = current_run(), VariantState.model_validate(variant)
        title = run.variant(before.name).title
        get_current_context()[VARIANT_LABEL] = title  # type: ignore[literal-required]
        done = spec.execute_for(before, run, RunState.model_validate(state))
        metrics.record_stage(done[spec.name], direction=done.direction)
        return done.model_dump(mode="json")

    make = training_task if name == "train" else mapped_task
    options = {**_options(spec), "map_index_template": f"{{{{ {VARIANT_LABEL} }}}}"}
    return make(**options)(_named(run_variant_stage, spec.name, spec.help))


def enforce(name: str) -> Any:  # noqa: ANN401 - as `@task` itself
    """Return the task of the check after a stage: it takes the stage's state and passes it on, or stops the run."""
    spec = stage_of(name)
    check = spec.check
    assert check is not None  # noqa: S101 - a fault of the DAG file

    def enforce_check(state: Json) -> Json:
        check.enforce(current_run(), RunState.model_validate(state), spec.name)
        return state

    return task(task_id=check.name)(_named(enforce_check, check.name, check.help))


@task
def plan_variants(state: Json) -> list[Json]:  # noqa: ARG001 - runs after the preflight
    """List the variants to train: every combination of the swept parameters."""
    return [VariantState.of(variant).model_dump(mode="json") for variant in current_run().config.variants]


def publish_report(states: Sequence[XComArg]) -> XComArg:
    """Return the task that publishes the report; it runs after the tasks of these states, whether they succeed or not.

    It asks for the states itself: Airflow logs an error for each argument whose task did not run.
    """
    published: XComArg = _publish_report(_task_ids(states))
    list(states) >> published
    return published


@reporting_task(task_id="publish_report", trigger_rule=TriggerRule.ALL_DONE, outlets=[REPORT])
def _publish_report(task_ids: Sequence[str]) -> Json:
    """Publish the report of the run, also when a stage failed or a check stopped it.

    Returns a ``PublishedReport``.
    """
    state = merged(get_current_context()["ti"].xcom_pull(task_ids=task_ids))
    if state.get("ingest") is None:
        raise AirflowSkipException(
            "No dump could be read, so there is nothing to report; see the log of the first failed task."
        )
    result = workflow.publish_report(current_run(), state)
    log.info("Report: %s", result.report)
    _event(REPORT, result.model_dump())
    metrics.record_report(result)
    figures = notes.leave_report_note(result)
    return PublishedReport(**result.model_dump(), figures=figures).model_dump(mode="json")


@task(**MLFLOW_RETRY)
def track(state: Json) -> Json:
    """Record every variant in MLflow: parameters, epochs, scores, the report and the best model."""
    from pipeline.tracking import track_run

    run = current_run()
    return track_run(RunState.model_validate(state), run.config, run.name, run.store).model_dump(mode="json")


@task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, **MLFLOW_RETRY)
def mirror_champion() -> Json:
    """Set MLflow's aliases to the store's champion and the one before."""
    from pipeline import tracking

    return tracking.mirror_champion(default_store()).model_dump(mode="json")


@task(outlets=[CHAMPION])
def promote(state: Json, approval: Json, published: Json) -> Json:
    """Make the challenger the champion if the gate or a user decided so; otherwise the task is skipped."""
    context, run, reached = get_current_context(), current_run(), RunState.model_validate(state)
    by = (approval.get("responded_by_user") or {}).get("name") or context["dag_run"].triggering_user_name
    change = workflow.promote(run, reached, who=by, approved=bool(approval))
    if change is None:
        raise AirflowSkipException(workflow.gate_decision(run, reached).sentence)
    sentence = f"{change.model.title} is the champion now: {change.why}"
    notes.leave_note("promoted", "Promoted", sentence)
    notifications.notify_decision(context, "Promoted", sentence, PublishedReport.model_validate(published).figure_texts)
    return _champion_event(change)


@task(outlets=[CHAMPION])
def roll_back() -> Json:
    """Make the previous champion the champion again, with the user's name and reason."""
    context = get_current_context()
    run = context["dag_run"]
    who = run.triggering_user_name or UNKNOWN_USER
    why = context["params"]["why"]
    change = workflow.roll_back_champion(default_store(), who=who, why=why, run_name=run.run_id)
    sentence = f"{change.model.title} of run {change.model.run_name} is the champion again. {who}: {why}"
    notes.leave_note("done", "Rolled back", sentence)
    return _champion_event(change)


def conclude(decision: XComArg, published: XComArg) -> XComArg:
    """Return the last task. It asks for its arguments itself, like ``publish_report``."""
    concluded: XComArg = _conclude(_task_ids([decision, published]))
    [decision, published] >> concluded
    return concluded


@reporting_task(task_id="conclude", trigger_rule=TriggerRule.NONE_FAILED)
def _conclude(task_ids: Sequence[str]) -> Json:
    """Log the gate's decision; succeeds only if every stage did, for a report is published in any case.

    Returns a ``Conclusion``.
    """
    from pipeline.promotion.champions import champion

    state, published = get_current_context()["ti"].xcom_pull(task_ids=task_ids)
    if state is None:
        raise AirflowSkipException("Nothing was trained, so there is nothing to decide.")
    run = current_run()
    decided, change = workflow.gate_decision(run, RunState.model_validate(state)), champion(run.store)
    report = PublishedReport.model_validate(published)
    log.info("%s Report: %s", decided.sentence, report.report)
    if decided.decision == "rejected":
        notifications.notify_decision(get_current_context(), "Not promoted", decided.sentence, report.figure_texts)
    return Conclusion(
        decision=decided.decision,
        promoted=change is not None and change.run_name == run.name,
        sentence=decided.sentence,
        challenger=decided.challenger.title,
        champion=decided.champion_title,
        forced=decided.forced,
        demo=decided.demo,
        report=report.report,
        figures=report.figures,
    ).model_dump(mode="json")


def _task_ids(results: Iterable[XComArg]) -> list[str]:
    return [operator.task_id for result in results for operator, _ in result.iter_references()]


def _options(spec: StageSpec | VariantStageSpec) -> Json:
    return {
        "task_id": spec.name,
        "execution_timeout": timedelta(hours=spec.timeout_hours),
        **(GPU_WORKER if spec.on_gpu else {}),
    }


def _named(function: Callable[..., Json], name: str, documentation: str) -> Callable[..., Json]:
    """Give a task's function the name and the docstring that Airflow shows."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{documentation}."
    return function


def _report_progress(name: str, run: Run, state: RunState) -> None:
    """Emit the metrics and the asset event of a finished stage."""
    for asset, (maker, figures) in EVENTS.items():
        if maker == name:
            _event(asset, figures(run, state))
    if name == "preflight":
        _check_device(run, state)
    elif (reference := state.get(name)) is not None and (name != "build_dataset" or state.is_merged):
        metrics.record_stage(reference)
    if name in STAGE_METRICS:
        STAGE_METRICS[name](state)


def _check_device(run: Run, state: RunState) -> None:
    device = state.device
    assert device is not None  # noqa: S101 - the stage has set it
    if SETTINGS.gpu_queue != "default" and device.kind == "cpu" and run.config.hardware.device != "cpu":
        log.warning(
            "This worker (%s) has no GPU: the models of this run are trained on its CPU, which takes many times "
            "longer. Start a GPU worker, and let no other worker take the queue %r (docs/how-to/deploy.md).",
            socket.gethostname(),
            SETTINGS.gpu_queue,
        )
    metrics.record_device(device)


def _clean_reviews_event(run: Run, state: RunState) -> Json:
    from pipeline.cleaning import CleanSummary

    summary = run.store.summary(state["clean"], CleanSummary)
    return {
        "artifact": str(state["clean"]),
        "positive": summary.positive,
        "negative": summary.negative,
        "normalization": summary.normalization,
    }


def _model_event(run: Run, state: RunState) -> Json:
    from pipeline.evaluation import EvaluationSummary

    acceptance = run.acceptance(state)
    best = next(variant for variant in state.variants if variant.name == acceptance.best_model)
    scores = run.store.summary(best["evaluate"], EvaluationSummary).scores
    return {
        "acceptance": acceptance.decision,
        "sentence": acceptance.sentence,
        "model": acceptance.best_title,
        "balanced_accuracy": round(scores.balanced_accuracy.value, 4),
        "roc_auc": round(scores.roc_auc.value, 4),
        "exported": str(best["export"]),
    }


EVENTS: dict[Asset, tuple[str, Callable[[Run, RunState], Json]]] = {
    CLEAN_REVIEWS: ("clean", _clean_reviews_event),
    MODEL: ("check_acceptance", _model_event),
}
"""Assets with the stage that updates them and the figures of its event."""

STAGE_METRICS: dict[str, Callable[[RunState], None]] = {
    "fetch": metrics.record_fetch,
    "check_acceptance": metrics.record_scores,
    "compare_to_champion": metrics.record_head_to_head,
    "gate": metrics.record_gate,
}
"""Further metrics of a stage, in addition to its rows and seconds."""


def _event(asset: Asset, figures: Json) -> None:
    """Attach figures to the asset's event, for its page in the UI and for DAGs that it triggers."""
    get_current_context()["outlet_events"][asset].extra = figures


def _champion_event(change: ChampionChange) -> Json:
    event = {
        "number": change.number,
        "kind": change.kind,
        "model": change.model.title,
        "run": change.model.run_name,
        "exported": str(change.model.exported),
        "who": change.who,
        "why": change.why,
    }
    _event(CHAMPION, event)
    metrics.record_champion(change)
    return event
