"""Metrics of the tasks, through Airflow's own statistics: to the backends that its ``[metrics]`` section names.

All are gauges: tasks are short-lived processes, so a counter would restart at 1 in each. A gauge that holds a time says
how long ago something happened, and ``changes()`` of it how often.

Tags come from short fixed lists. They never contain free text, paths, parameters or run names (cardinality). A metric
never fails a task: an error is logged. docs/how-to/monitor.md lists every metric with its unit and meaning.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec

from airflow.sdk import get_current_context
from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

from pipeline.run_state import RunState
from pipeline.store import ArtifactReference
from pipeline.workflow import default_store

if TYPE_CHECKING:
    from pipeline.evaluation import EvaluationSummary
    from pipeline.promotion import ChampionChange
    from pipeline.training.records import DeviceRecord
    from pipeline.workflow import RunResult

log = logging.getLogger(__name__)

Json = dict[str, Any]
Parameters = ParamSpec("Parameters")

BACKENDS = ("otel_on", "statsd_on", "statsd_datadog_enabled")
"""The switches of ``[metrics]``; if none is on, no task reads the store for a metric."""


@dataclass(frozen=True)
class Metric:
    """A gauge with the names of its tags; Airflow adds ``[metrics] otel_prefix`` (``airflow``) to its name."""

    name: str
    tags: tuple[str, ...] = ()


ROWS = Metric("review_sentiment.rows", ("stage", "fate"))
STAGE_SECONDS = Metric("review_sentiment.stage.seconds", ("stage", "how", "direction"))
DUMP_LANDED_AT = Metric("review_sentiment.dump.landed_at")
DEVICE_GPU = Metric("review_sentiment.device.gpu")
SCORE = Metric("review_sentiment.score", ("model", "measure"))
CHALLENGE = Metric("review_sentiment.challenge", ("side", "measure"))
GATE_DECIDED_AT = Metric("review_sentiment.gate.decided_at", ("decision",))
CHAMPION_SINCE = Metric("review_sentiment.champion.since")
REPORT_PUBLISHED_AT = Metric("review_sentiment.report.published_at", ("outcome",))
REPORT_SECONDS = Metric("review_sentiment.report.seconds")
SCORING_RATE = Metric("review_sentiment.scoring.rows_per_second")
FREED_BYTES = Metric("review_sentiment.clean_up.freed_bytes")
FAILED_AT = Metric("review_sentiment.failed_at", ("dag_id", "task_id", "error"))

MEASURES = ("balanced_accuracy", "accuracy", "roc_auc", "pr_auc", "negative_pr_auc", "calibration_error")
"""Of ``evaluation.Scores``; ``negative_recall`` joins them."""
COMPARED_MEASURES = ("balanced_accuracy", "accuracy", "negative_recall")


def never_fail(record: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Do nothing if no backend is on, and log errors instead of raising them."""

    @functools.wraps(record)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            if any(conf.getboolean("metrics", switch, fallback=False) for switch in BACKENDS):
                record(*args, **kwargs)
        except Exception:
            log.warning("Not every metric of this task was recorded; the task itself is not affected.", exc_info=True)

    return guarded


@never_fail
def record_stage(reference: ArtifactReference, direction: str | None = None) -> None:
    """Record rows and seconds of a stage's artifact, and whether this task computed it."""
    manifest = default_store().manifest(reference)
    began = get_current_context()["ti"].start_date
    tags = {"stage": manifest.stage, "how": "computed" if began and manifest.started_at >= began else "reused"}
    _set(STAGE_SECONDS, manifest.seconds, **tags, **({"direction": direction} if direction else {}))
    if manifest.rows is not None:
        _record_rows(manifest.stage, rows_in=manifest.rows.rows_in, kept=manifest.rows.kept)


@never_fail
def record_fetch(state: RunState) -> None:
    """Record when the raw files first came into the store."""
    _set(DUMP_LANDED_AT, default_store().manifest(state["fetch"]).started_at.timestamp())


@never_fail
def record_device(device: DeviceRecord) -> None:
    """Record whether the run trains on a GPU."""
    _set(DEVICE_GPU, float(device.kind == "gpu"))


@never_fail
def record_scores(state: RunState) -> None:
    """Record the scores of the baselines and of the best variant of each direction, chosen on the validation split."""
    from pipeline.evaluation import BaselinesSummary, EvaluationSummary

    store = default_store()
    best: dict[str, EvaluationSummary] = {}
    for variant in state.variants:
        evaluated = store.summary(variant["evaluate"], EvaluationSummary)
        known = best.get(variant.direction)
        if known is None or evaluated.validation_balanced_accuracy > known.validation_balanced_accuracy:
            best[variant.direction] = evaluated
    baselines = {one.model: one for one in store.summary(state["baselines"], BaselinesSummary).evaluations}
    for name, judged in {**best, **baselines}.items():
        _record_scores(name, judged)


@never_fail
def record_head_to_head(state: RunState) -> None:
    """Record the head-to-head evaluation of challenger and champion."""
    from pipeline.promotion.records import HeadToHeadSummary

    reference = state.get("compare_to_champion")
    if reference is None:
        return
    compared = default_store().summary(reference, HeadToHeadSummary).challenger_test
    if compared.rows:
        for measure in COMPARED_MEASURES:
            _set(CHALLENGE, getattr(compared.challenger, measure), side="challenger", measure=measure)
            _set(CHALLENGE, getattr(compared.champion, measure), side="champion", measure=measure)


@never_fail
def record_gate(state: RunState) -> None:
    """Record the gate's decision, and the champion, whose metrics may be from long ago."""
    from pipeline.promotion import GateDecision
    from pipeline.promotion.champions import champion

    store, gate_result = default_store(), state["gate"]
    decided = store.summary(gate_result, GateDecision).decision
    _set(GATE_DECIDED_AT, store.manifest(gate_result).started_at.timestamp(), decision=decided)
    if (present := champion(store)) is not None:
        record_champion(present)


@never_fail
def record_champion(change: ChampionChange) -> None:
    """Record the champion: since when, and its scores."""
    from pipeline.evaluation import EvaluationSummary

    _set(CHAMPION_SINCE, change.changed_at.timestamp())
    _record_scores("champion", default_store().summary(change.model.evaluated, EvaluationSummary))


@never_fail
def record_report(result: RunResult) -> None:
    """Record a published report and the time since the run was due."""
    context = get_current_context()
    _set(REPORT_PUBLISHED_AT, time.time(), outcome="judged" if result.refusal is None else "refused")
    due = getattr(context["dag_run"], "run_after", None)
    # A report that is published again later does not measure the run.
    if due is not None and context["ti"].try_number == 1:
        _set(REPORT_SECONDS, (datetime.now(UTC) - due).total_seconds())


@never_fail
def record_scoring(shards: Sequence[ArtifactReference]) -> None:
    """Record rows and throughput of a scored dump."""
    store = default_store()
    manifests = [store.manifest(shard) for shard in shards]
    accounts = [manifest.rows for manifest in manifests if manifest.rows is not None]
    rows_in, kept = sum(account.rows_in for account in accounts), sum(account.kept for account in accounts)
    _record_rows("score", rows_in=rows_in, kept=kept)
    if seconds := sum(manifest.seconds for manifest in manifests):
        _set(SCORING_RATE, kept / seconds)


@never_fail
def record_clean_up(freed_bytes: int) -> None:
    """Record the bytes that a clean-up freed."""
    _set(FREED_BYTES, freed_bytes)


@never_fail
def record_failure(context: Mapping[str, Any]) -> None:
    """Record that a task failed after its last retry: an ``on_failure_callback`` of every task.

    A task whose process was killed cannot record it; Airflow's scheduler counts those.
    """
    instance = context["ti"]
    error = type(context.get("exception")).__name__
    _set(FAILED_AT, time.time(), dag_id=instance.dag_id, task_id=instance.task_id, error=error)


def _record_scores(name: str, judged: EvaluationSummary) -> None:
    for measure in MEASURES:
        _set(SCORE, getattr(judged.scores, measure).value, model=name, measure=measure)
    _set(SCORE, judged.scores.negative.recall.value, model=name, measure="negative_recall")


def _record_rows(stage: str, *, rows_in: int, kept: int) -> None:
    for fate, rows in (("in", rows_in), ("kept", kept), ("excluded", rows_in - kept)):
        _set(ROWS, rows, stage=stage, fate=fate)


def _set(metric: Metric, value: float, **tags: str) -> None:
    stats.gauge(metric.name, float(value), tags=tags)
