"""Running the stages: a whole run or a part of it, its report, its promotion.

The DAG's tasks and the command line call the same functions.
"""

from __future__ import annotations

import getpass
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from pipeline.errors import ArtifactError, ConfigurationError, ContractViolationError, DataLeakageError, PipelineError
from pipeline.run_state import RunState
from pipeline.settings import load_settings
from pipeline.stages import STAGES, StageSpec, stage
from pipeline.steps import Run
from pipeline.store import ArtifactReference, ArtifactStore, Record

if TYPE_CHECKING:
    from pipeline.promotion import GateDecision
    from pipeline.promotion.champions import ChampionChange

log = logging.getLogger(__name__)

UNKNOWN_USER = "unknown user"


def default_store() -> ArtifactStore:
    """Return the store that ``REVIEW_SENTIMENT_STORE`` names, or the folder ``.store`` in the working directory."""
    return ArtifactStore(load_settings().store)


class RunResult(Record):
    """The end of a run."""

    run_name: str
    report: str
    """Path or URL of the report."""
    refusal: str | None
    """Why the run stopped early, if it did."""


class RunStoppedError(PipelineError):
    """A stage failed or its check stopped the run.

    ``state`` is what the run had produced until then, for its report.
    """

    def __init__(self, cause: PipelineError, state: RunState) -> None:
        """Keep the cause and the state."""
        super().__init__(str(cause))
        self.cause = cause
        self.state = state
        self.exit_status = cause.exit_status


def run_stages(run: Run, *, start: str | None = None, until: str | None = None) -> Iterator[RunState]:
    """Run the stages in order, checks included, and yield the run's state after each.

    Args:
        run: The run.
        start: First stage that may compute anything: the artifacts of earlier stages must be in the store.
        until: Last stage.

    Raises:
        ConfigurationError: There is no such stage, or ``until`` comes before ``start``.
        RunStoppedError: A stage failed or a check stopped the run.
    """
    first = 0 if start is None else STAGES.index(stage(start))
    last = len(STAGES) - 1 if until is None else STAGES.index(stage(until))
    if first > last:
        raise ConfigurationError(f"The stage `{until}` comes before `{start}`; swap --from and --until.")
    reusing = replace(run, store=replace(run.store, reuse_only=True))
    state = RunState()
    try:
        for place, spec in enumerate(STAGES[: last + 1]):
            current = run if place >= first else reusing
            state = spec.execute(current, state)
            yield state
            if spec.check is not None:
                spec.check.enforce(current, state, spec.name)
    except PipelineError as error:
        raise RunStoppedError(error, state) from error


def run_workflow(run: Run, *, start: str | None = None) -> RunResult:
    """Run every stage in this process, publish the report and promote the model if the gate says so.

    Raises:
        PipelineError: The run stopped early. Its report is published if a dump could be read.
    """
    try:
        *_, state = run_stages(run, start=start)
    except RunStoppedError as error:
        if error.state.get("ingest") is not None:
            published = publish_report(run, error.state, stopped_by=str(error))
            log.warning("Report of the stopped run: %s", published.report)
        raise error.cause from error
    result = publish_report(run, state)
    change = promote(run, state, who=user_name())
    if change is not None:
        log.info("The champion is now %s.", change.model.title)
    return result


def publish_report(run: Run, state: RunState, *, stopped_by: str | None = None) -> RunResult:
    """Write and publish the report of a finished, failed or refused run.

    Args:
        run: The run.
        state: What it has produced.
        stopped_by: Message of the error that stopped it, used where no check explains the stop.
    """
    from pipeline.reporting import publish, report

    refusal = _refusal(run, state)
    if refusal is not None:
        _reject_batch(run, state, refusal)
    refusal = refusal or stopped_by
    if refusal is None and state.get("gate") is None:
        made: dict[str, object] = {"preflight": state.device, **state.artifacts}
        missing = next(spec.name for spec in STAGES if isinstance(spec, StageSpec) and made.get(spec.name) is None)
        refusal = f"The run stopped early: the stage `{missing}` has no result. The log of the failed task says why."
    reported = report(state.model_copy(update={"refusal": refusal}), run.config, run.name, run.store)
    return RunResult(run_name=run.name, report=publish(reported, run.name, run.store), refusal=refusal)


def _refusal(run: Run, state: RunState) -> str | None:
    """Return the message of the first check that stops the run, or ``None``."""
    for spec in STAGES:
        if spec.check is not None and state.get(spec.name) is not None:
            try:
                spec.check.enforce(run, state, spec.name)
            except (ContractViolationError, DataLeakageError) as error:
                return str(error)
    return None


def _reject_batch(run: Run, state: RunState, reason: str) -> None:
    """Record that the run's batch may not be trained on; a batch that was accepted before stays accepted."""
    from pipeline.dataset import batch_of, find_claim, record_batch

    claim = find_claim(run.store, run.name) if run.config.collects else None
    if claim is not None and claim.new and state.get("build_dataset") is None:
        validated = state.get("validate_raw")
        batch = batch_of(claim, run.store, validated_raw=validated, rows=None, refused_because=reason)
        record_batch(run.store, batch)


def gate_decision(run: Run, state: RunState) -> GateDecision:
    """Return the gate's decision."""
    from pipeline.promotion import GateDecision

    return run.store.summary(state["gate"], GateDecision)


def promote(run: Run, state: RunState, *, who: str | None, approved: bool = False) -> ChampionChange | None:
    """Make the challenger the champion if the gate decided so or a user approved it.

    Args:
        run: The run.
        state: With the gate's decision.
        who: The user who forced or approved the promotion, if one did.
        approved: Whether a user who was asked approved it.

    Raises:
        ChampionChangedError: Another run changed the champion meanwhile.
    """
    from pipeline.promotion import promote as promote_challenger

    by_user = gate_decision(run, state).forced or approved
    name = (who or UNKNOWN_USER) if by_user else "the gate"
    return promote_challenger(state["gate"], run.store, run_name=run.name, who=name, approved=approved)


def roll_back_champion(store: ArtifactStore, *, who: str, why: str, run_name: str) -> ChampionChange:
    """Make the previous champion the champion again.

    Raises:
        NoChampionError: There is no previous one.
        ChampionChangedError: Another run changed the champion meanwhile.
    """
    from pipeline.promotion import roll_back

    change = roll_back(store, who=who, why=why, run_name=run_name)
    log.info("The champion is now %s of run %s.", change.model.title, change.model.run_name)
    return change


class LatestReport(Record):
    """The report that was published last (``reports/latest.json``)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_name: str
    folder: str
    """Below the store's root, so that a store may be moved."""
    artifact: str
    """The report's reference, ``report/KEY``."""


def latest_report(store: ArtifactStore) -> LatestReport | None:
    """Return the report that was published last, or ``None``.

    Raises:
        ArtifactError: The record is damaged.
    """
    path = store.root / "reports" / "latest.json"
    if not path.exists():
        return None
    try:
        return LatestReport.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged; the next run replaces it.") from error


def latest_model(store: ArtifactStore) -> str:
    """Return the reference ``export/KEY`` of the best variant of the newest report.

    Raises:
        ArtifactError: There is no report, or its run ended without an evaluated model.
    """
    latest = latest_report(store)
    if latest is None:
        raise ArtifactError(f"The store {store.url} holds no report yet; `review-sentiment run` makes one.")
    name, _, key = latest.artifact.partition("/")
    reported = ArtifactReference(stage=name, key=key)
    best = json.loads((store.folder(reported) / "report.json").read_text(encoding="utf-8")).get("best_variant")
    exported = store.manifest(reported).inputs.get(f"export {best}")
    if exported is None:
        raise ArtifactError(
            f"The newest report, of run {latest.run_name}, is of a run without a model. Name an export of another run."
        )
    return f"{exported.stage}/{exported.key}"


def user_name() -> str:
    """Return the user of this process; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return UNKNOWN_USER
