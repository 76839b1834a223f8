"""A run of this project in MLflow: one MLflow run per variant, read from the store."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import RunConfig, TrainingConfig
from pipeline.evaluation import EvaluationSummary
from pipeline.promotion import AcceptanceResult, GateDecision
from pipeline.reporting.formatting import markdown, visible
from pipeline.reporting.publishing import DATA, MESSAGE, MODEL_CARD, PAGE, REPORTS
from pipeline.run_state import RunState, VariantState
from pipeline.sources.records import FetchSummary
from pipeline.statistics import Interval
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.store.run_names import safe_run_name
from pipeline.tracking.address import redact_logins
from pipeline.tracking.connection import TAG, Connection, connected
from pipeline.tracking.models import log_model
from pipeline.tracking.records import TrackedRun, TrackedVariant
from pipeline.training.records import EpochRecord, TrainSummary

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

LAYOUT = 1
"""Increased when this code logs other content: runs are then logged again when their task is repeated."""
KEY_TAG = f"{TAG}.key"
DIGEST_TAG = f"{TAG}.digest"
FINISHED = "FINISHED"
REPORT_FOLDER = "report"
MAX_VALUE_CHARACTERS = 5_000
"""Characters of a tag or parameter; MLflow allows 6,000 in a parameter and 8,000 in a tag."""
BATCH_PARAMS, BATCH_METRICS = 100, 1_000
"""Maximum number in one request (MLflow's REST interface)."""
MILLISECONDS = 1_000


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric.

    ``at`` is in milliseconds since 1970; ``step`` is the epoch, 0 for a metric of the whole training.
    """

    name: str
    value: float
    at: int
    step: int


@dataclass(frozen=True)
class RunContent:
    """The content of one variant's MLflow run; the same store always gives the same.

    ``files`` are those in ``report/``; times are milliseconds since 1970.
    """

    key: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: tuple[MetricPoint, ...]
    files: dict[str, bytes]
    started: int
    ended: int

    @property
    def digest(self) -> str:
        """Digest of the content; a repetition with the same digest has nothing to log."""
        content = [
            LAYOUT,
            self.name,
            self.tags,
            self.params,
            [asdict(metric) for metric in self.metrics],
            {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()},
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def track_run(state: RunState, config: RunConfig, run_name: str, store: ArtifactStore) -> TrackedRun:
    """Log a finished run: one run in MLflow for each variant, with report and model for the best one.

    Can be repeated at any time: a complete run is kept, an interrupted one is completed, and one whose content has
    changed is replaced.

    Args:
        state: The run's artifacts.
        config: The run's configuration.
        run_name: The run's name; control characters are made visible.
        store: Holds the artifacts and the published report.

    Raises:
        TrackingUnavailableError: MLflow is unreachable.
        TrackingError: MLflow refuses a request.
        ArtifactError: An artifact is missing.
    """
    with connected(store) as connection:
        if connection is None:
            return TrackedRun(address=None)
        best, decided = _decision(state, store)
        common = _common_tags(state, config, run_name, store, best)
        tracked, logged, model_id = [], 0, None
        for variant in state.variants:
            is_best, exported = variant.name == best, variant.get("export")
            content = _content_of(variant, config, run_name, store, common=common, decided=decided if is_best else None)
            run = _find_or_create_run(connection, content)
            if run.info.status != FINISHED:
                _log(connection, run, content)
            if is_best and exported is not None:
                model_id = _with_model(connection, run, exported, store)
            if run.info.status != FINISHED:
                # Last, so that a finished run is complete.
                connection.client.set_terminated(run.info.run_id, FINISHED, end_time=content.ended)
                logged += 1
            tracked.append(TrackedVariant(name=variant.name, run_id=run.info.run_id))
        log.info("MLflow at %s: %d variants of this run, %d of them new.", connection.address, len(tracked), logged)
        return TrackedRun(
            address=connection.address,
            experiment_id=connection.experiment_id,
            variants=tuple(tracked),
            best=best,
            model_id=model_id,
            logged=logged,
        )


def run_key(trained: ArtifactReference, run_name: str) -> str:
    """Return the key of a variant's run in MLflow: the trained artifact's key and the run's name."""
    return f"{trained.key}/{safe_run_name(run_name)}"


def find_runs(connection: Connection, key: str) -> list[Run]:
    """Return the runs with a key, finished ones first; several exist only if two tasks ran at once."""
    found = connection.client.search_runs([connection.experiment_id], f"tags.`{KEY_TAG}` = '{key}'")
    return sorted(found, key=lambda run: (run.info.status != FINISHED, run.info.run_id))


def _find_or_create_run(connection: Connection, content: RunContent) -> Run:
    """Return the variant's run in MLflow, created if needed; other runs with its key are deleted."""
    client = connection.client
    found = find_runs(connection, content.key)
    kept = next((run for run in found if run.data.tags.get(DIGEST_TAG) == content.digest), None)
    for run in found:
        if run is not kept:
            log.info("MLflow's run %s of %s is replaced: its content differs.", run.info.run_id, content.name)
            client.delete_run(run.info.run_id)
    if kept is not None:
        return kept
    tags = {**content.tags, KEY_TAG: content.key, DIGEST_TAG: content.digest, **_commit()}
    return client.create_run(connection.experiment_id, start_time=content.started, tags=tags, run_name=content.name)


def _log(connection: Connection, run: Run, content: RunContent) -> None:
    """Log parameters, metrics and files; values that exist are overwritten with the same."""
    from mlflow.entities import Metric, Param

    client, run_id = connection.client, run.info.run_id
    params = [Param(name, value) for name, value in content.params.items()]
    for start in range(0, len(params), BATCH_PARAMS):
        client.log_batch(run_id, params=params[start : start + BATCH_PARAMS], synchronous=True)
    metrics = [Metric(metric.name, metric.value, metric.at, metric.step) for metric in content.metrics]
    for start in range(0, len(metrics), BATCH_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH_METRICS], synchronous=True)
    if content.files:
        with tempfile.TemporaryDirectory(prefix="mlflow-report-") as scratch:
            for name, data in content.files.items():
                (Path(scratch) / name).write_bytes(data)
            client.log_artifacts(run_id, scratch, REPORT_FOLDER)


def _with_model(connection: Connection, run: Run, exported: ArtifactReference, store: ArtifactStore) -> str:
    """Log the export if needed and link it to the run; return the model's id."""
    from mlflow.entities import LoggedModelOutput

    model_id = str(log_model(connection, exported, store, run.info.run_id).model_id)
    linked = {output.model_id for output in run.outputs.model_outputs} if run.outputs else set()
    if model_id not in linked:
        connection.client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, step=0)])
    return model_id


def _content_of(
    variant: VariantState,
    config: RunConfig,
    run_name: str,
    store: ArtifactStore,
    *,
    common: dict[str, str],
    decided: dict[str, str] | None,
) -> RunContent:
    """Read the content of a variant's run from the store; ``decided`` are further tags of the best variant."""
    summary = store.summary(variant["train"], TrainSummary)
    started = int(store.manifest(variant["train"]).started_at.timestamp() * MILLISECONDS)
    ended = started + int(summary.seconds * MILLISECONDS)
    tags = {
        **common,
        f"{TAG}.variant": variant.name,
        f"{TAG}.title": summary.variant.title,
        f"{TAG}.trained": variant["train"].key,
        f"{TAG}.device": visible(summary.device.name),
    }
    if (exported := variant.get("export")) is not None:
        tags[f"{TAG}.exported"] = exported.key
    files = {}
    if decided is not None:
        tags |= decided
        files = _report(run_name, store)
    metrics = [
        MetricPoint("training/seconds", summary.seconds, ended, 0),
        MetricPoint("training/weights", summary.weights, ended, 0),
        MetricPoint("training/best_epoch", summary.best_epoch, ended, 0),
    ]
    if (evaluated := variant.get("evaluate")) is not None:
        evaluation = store.summary(evaluated, EvaluationSummary)
        metrics += [MetricPoint(name, value, ended, 0) for name, value in _evaluation_metrics(evaluation).items()]
    metrics = [*_epochs(summary.epochs, started), *metrics]
    return RunContent(
        key=run_key(variant["train"], run_name),
        name=visible(f"{variant.name} of {run_name}")[:MAX_VALUE_CHARACTERS],
        tags={name: value[:MAX_VALUE_CHARACTERS] for name, value in tags.items()},
        params=_params(summary, config),
        # JSON has no NaN or infinity.
        metrics=tuple(metric for metric in metrics if math.isfinite(metric.value)),
        files=files,
        started=started,
        ended=ended,
    )


def _decision(state: RunState, store: ArtifactStore) -> tuple[str | None, dict[str, str]]:
    """Return the best variant and the tags of the decisions about it; ``None`` without an acceptance check."""
    if state.get("check_acceptance") is None:
        return None, {}
    acceptance = store.summary(state["check_acceptance"], AcceptanceResult)
    tags, sentence = {f"{TAG}.acceptance": str(acceptance.decision)}, acceptance.sentence
    if state.get("gate") is not None:
        gate_result = store.summary(state["gate"], GateDecision)
        tags[f"{TAG}.gate"], sentence = gate_result.decision, gate_result.sentence
    # MLflow shows this tag as the run's description.
    return acceptance.best_model, {**tags, "mlflow.note.content": markdown(sentence)}


def _common_tags(
    state: RunState, config: RunConfig, run_name: str, store: ArtifactStore, best: str | None
) -> dict[str, str]:
    page = store.root / REPORTS / safe_run_name(run_name) / PAGE
    tags = {
        f"{TAG}.run_name": visible(run_name),
        f"{TAG}.profile": config.profile,
        f"{TAG}.demo": str(store.summary(state["fetch"], FetchSummary).demo).lower(),
        f"{TAG}.data": _data(state, store),
    }
    if best is not None:
        tags[f"{TAG}.best"] = best
    if page.exists():
        tags[f"{TAG}.report"] = visible(str(page))
    return tags


def _data(state: RunState, store: ArtifactStore) -> str:
    """Return the number of raw files that the run trains on and their SHA-256 digests, up to a maximum length."""
    digests: dict[str, None] = {}
    # From the training window's reviews back to the raw files.
    waiting, seen = [state.get("build_dataset") or state.get("clean") or state["fetch"]], set()
    while waiting:
        reference = waiting.pop()
        if reference in seen:
            continue
        seen.add(reference)
        if reference.stage == state["fetch"].stage:
            digests |= dict.fromkeys(file.sha256 for file in store.summary(reference, FetchSummary).files)
        else:
            waiting += store.manifest(reference).inputs.values()
    listed = sorted(digests)[: MAX_VALUE_CHARACTERS // 80]
    rest = len(digests) - len(listed)
    files = "1 file" if len(digests) == 1 else f"{len(digests)} files"
    return f"{files}: {' '.join(listed)}{f' and {rest} more' if rest else ''}"


def _params(summary: TrainSummary, config: RunConfig) -> dict[str, str]:
    """Return the variant's fields, and the run's parameters that differ from its profile."""
    differing = {name: value for name, value in config.differences().items() if name not in TrainingConfig.model_fields}
    own = summary.variant.model_dump(mode="json", exclude={"name"})
    values = {"profile": config.profile, **differing, **own}
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Addresses of dumps may contain a login.
    return visible(redact_logins(text))[:MAX_VALUE_CHARACTERS]


def _epochs(epochs: tuple[EpochRecord, ...], started: int) -> list[MetricPoint]:
    measured, at = [], started
    for epoch in epochs:
        at += int(epoch.seconds * MILLISECONDS)
        for name, value in epoch.model_dump(exclude={"epoch"}).items():
            group, _, rest = name.partition("_")
            grouped = f"validation/{rest}" if group == "validation" else f"training/{name}"
            # `training/seconds` is the duration of the whole training.
            grouped = {"training/seconds": "training/epoch_seconds"}.get(grouped, grouped)
            measured.append(MetricPoint(grouped, value, at, epoch.epoch))
    return measured


def _evaluation_metrics(evaluation: EvaluationSummary) -> dict[str, float]:
    """Return the metrics on the test split, each interval with its ends as ``…_low`` and ``…_high``."""
    scores = evaluation.scores
    metrics: dict[str, float] = {
        "threshold": evaluation.threshold,
        "validation/balanced_accuracy": evaluation.validation_balanced_accuracy,
        "test/rows": scores.rows,
        "test/predicted_positive_share": scores.predicted_positive_share,
    }
    intervals = {name: getattr(scores, name) for name in type(scores).model_fields}
    for label in ("negative", "positive"):
        of_class = getattr(scores, label)
        intervals |= {f"{label}_{name}": getattr(of_class, name) for name in ("precision", "recall", "f1")}
    for name, interval in intervals.items():
        if isinstance(interval, Interval):
            metrics |= {
                f"test/{name}": interval.value,
                f"test/{name}_low": interval.low,
                f"test/{name}_high": interval.high,
            }
    return metrics


def _report(run_name: str, store: ArtifactStore) -> dict[str, bytes]:
    """Return the files of the published report that exist."""
    home = store.root / REPORTS / safe_run_name(run_name)
    return {name: (home / name).read_bytes() for name in (PAGE, DATA, MESSAGE, MODEL_CARD) if (home / name).exists()}


def _commit() -> dict[str, str]:
    """Return the tag in which MLflow shows the code's commit; empty outside a Git checkout."""
    from mlflow.utils.git_utils import get_git_commit

    commit = get_git_commit(str(Path(__file__).resolve().parents[2]))
    return {} if commit is None else {"mlflow.source.git.commit": str(commit)}
