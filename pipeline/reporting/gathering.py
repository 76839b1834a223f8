"""Load a run's summaries from the store, and derive from them everything that the report shows."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pipeline.behavioral_tests.records import BehavioralTestsSummary
from pipeline.cleaning.records import CleanSummary
from pipeline.config import RunConfig
from pipeline.dataset.drift import HEADLINE, DriftFinding, drift_message, find_drift
from pipeline.dataset.merging import MERGE, read_window
from pipeline.encoding.records import EncodingSummary, VocabularySummary
from pipeline.errors import shortened
from pipeline.evaluation.records import BaselinesSummary, ComparisonSummary, EvaluationSummary, ModelCost
from pipeline.evaluation.rules import best_first
from pipeline.profiling.records import ProfileSummary
from pipeline.profiling.stage import PREVIOUS
from pipeline.promotion.records import AcceptanceResult, GateDecision, HeadToHeadSummary
from pipeline.readers.records import IngestSummary
from pipeline.reporting.article import compare_with_article
from pipeline.reporting.funnel import funnel, window_funnel
from pipeline.reporting.records import (
    QuarantinedRow,
    ReportContents,
    RunEvidence,
    RunOutcome,
    Setting,
    StageAccount,
    VariantReport,
)
from pipeline.reporting.summary_questions import answer_summary_questions
from pipeline.reporting.warnings import find_warnings
from pipeline.run_state import RunState, VariantState
from pipeline.sources.records import FetchSummary
from pipeline.splitting.records import LeakageSummary, SplitSummary
from pipeline.store import ArtifactReference, ArtifactStore, Manifest, Record
from pipeline.training.prediction import MODEL_FILE
from pipeline.training.records import ExportSummary, PredictSummary, TrainSummary
from pipeline.validation.records import ExpectationResult, ValidationSummary

QUARANTINE_FILE = "quarantine.parquet"
MAX_REASONS = 5
ROWS_PER_REASON = 3
BATCH_ROWS = 4_096
RAW_LIMIT = 300
"""Characters of a quarantined record that the report shows."""
RERUN = "Fix the problem above and run again; completed stages are reused."

COMMAND = ("review-sentiment", "run")

SummaryType = TypeVar("SummaryType", bound=Record)


def gather(state: RunState, config: RunConfig, store: ArtifactStore, run_name: str = "") -> ReportContents:
    """Return everything that the report shows of a run.

    Args:
        state: The artifacts of the run.
        config: The configuration of the run.
        store: The artifact store.
        run_name: The run's name; untrusted input.

    Raises:
        ArtifactError: An artifact is missing or has another schema.
    """
    manifests = {
        role: store.manifest(reference)
        for role, reference in state.inputs().items()
        # Without a training window, the data set is the clean reviews of the run.
        if role != "build_dataset" or state.is_merged
    }
    evidence = load_evidence(state, config, manifests, store)
    drift = find_drift(evidence.data_profile.comparison if evidence.data_profile else None, config.drift)
    broken = tuple(
        expectation
        for validation in (evidence.validation_raw, evidence.validation_clean)
        if validation is not None
        for expectation in validation.contract.failed
    )
    outcome, headline, next_step = _outcome(evidence, broken, drift)
    made_at = max(stage.started_at for stage in evidence.stages)
    warnings = find_warnings(evidence, config)
    return ReportContents(
        **{name: getattr(evidence, name) for name in RunEvidence.model_fields},
        run_name=run_name,
        profile=config.profile,
        demo=evidence.fetch.demo,
        made_at=made_at,
        outcome=outcome,
        headline=headline,
        broken_expectations=broken,
        next_step=next_step,
        warnings=warnings,
        summary_questions=answer_summary_questions(evidence, outcome, warnings, made_at),
        article=compare_with_article(config, evidence.variants),
        funnel=funnel(evidence),
        window_funnel=window_funnel(evidence),
        quarantined_rows=tuple(_quarantined_rows(state.get("validate_raw"), store)),
        settings=tuple(_settings(config)),
        total_seconds=round(sum(stage.seconds for stage in evidence.stages), 3),
        peak_memory_bytes=max(stage.peak_memory_bytes for stage in evidence.stages),
        reproduce=reproduce_command(config),
    )


def load_evidence(
    state: RunState, config: RunConfig, manifests: Mapping[str, Manifest], store: ArtifactStore
) -> RunEvidence:
    """Return the summaries of a run's artifacts.

    Args:
        state: The artifacts of the run.
        config: The configuration of the run.
        manifests: The manifests of the artifacts by role.
        store: The artifact store.

    Raises:
        ArtifactError: An artifact is missing or has another schema.
    """

    def read(stages: RunState | VariantState, stage: str, kind: type[SummaryType]) -> SummaryType | None:
        reference = stages.get(stage)
        return None if reference is None else store.summary(reference, kind)

    titles = {variant.name: variant.title for variant in config.variants}
    variants = []
    for variant in state.variants:
        evaluated = read(variant, "evaluate", EvaluationSummary)
        variants.append(
            VariantReport(
                name=variant.name,
                title=evaluated.title if evaluated is not None else titles.get(variant.name, variant.name),
                trained=read(variant, "train", TrainSummary),
                evaluated=evaluated,
                exported=read(variant, "export", ExportSummary),
                behavioral_tests=read(variant, "run_behavioral_tests", BehavioralTestsSummary),
            )
        )
    baselines = read(state, "baselines", BaselinesSummary)
    costs = [cost for variant in state.variants for cost in _cost(variant, store)]
    ranked = best_first(variant.evaluated for variant in variants if variant.evaluated is not None)
    return RunEvidence(
        refusal=state.refusal,
        best_variant=ranked[0].model if ranked else None,
        fetch=store.summary(state["fetch"], FetchSummary),
        ingest=read(state, "ingest", IngestSummary),
        validation_raw=read(state, "validate_raw", ValidationSummary),
        clean=read(state, "clean", CleanSummary),
        validation_clean=read(state, "validate_clean", ValidationSummary),
        data_profile=read(state, "profile", ProfileSummary),
        split=read(state, "split", SplitSummary),
        leaks=read(state, "check_leakage", LeakageSummary),
        vocabulary=read(state, "fit_vocabulary", VocabularySummary),
        encoding=read(state, "encode", EncodingSummary),
        device=state.device,
        variants=tuple(variants),
        baselines=baselines,
        costs=(*costs, *(baselines.costs if baselines is not None else ())),
        baseline_behavioral_tests=read(state, "run_baseline_behavioral_tests", BehavioralTestsSummary),
        comparison=read(state, "compare", ComparisonSummary),
        acceptance=read(state, "check_acceptance", AcceptanceResult),
        gate=read(state, "gate", GateDecision),
        challenge=read(state, "compare_to_champion", HeadToHeadSummary),
        window=read_window(state["build_dataset"], store) if state.is_merged else None,
        earlier_is_window="profile" in manifests and _against_window(manifests["profile"]),
        stages=tuple(_account(role, manifest) for role, manifest in manifests.items()),
        libraries={name: version for manifest in manifests.values() for name, version in manifest.libraries.items()},
    )


def _cost(variant: VariantState, store: ArtifactStore) -> Iterator[ModelCost]:
    """Yield what a variant costs, if it is trained; a resumed training counts from where it was resumed."""
    trained, predicted = variant.get("train"), variant.get("predict")
    if trained is None:
        return
    scored = None if predicted is None else store.summary(predicted, PredictSummary)
    file = store.manifest(trained).files.get(MODEL_FILE)
    yield ModelCost(
        model=variant.name,
        training_seconds=store.summary(trained, TrainSummary).seconds,
        scoring_rate=scored.rows / scored.seconds if scored is not None and scored.seconds else None,
        model_bytes=None if file is None else file.bytes,
    )


def reproduce_command(config: RunConfig) -> str:
    """Return the command that runs a configuration, quoted for a POSIX shell."""
    words = [*COMMAND, "--profile", config.profile]
    for name, value in config.differences().items():
        words += _option(f"--{name.replace('_', '-')}", value)
    return shlex.join(words)


def _option(flag: str, value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    if isinstance(value, dict):
        return [flag, *(f"{name}={column}" for name, column in value.items())]
    if isinstance(value, list):
        return [flag, *map(str, value)]
    return [flag, str(value)]


def _against_window(profiled: Manifest) -> bool:
    """Return whether a profile compares with the reviews of several dumps."""
    earlier = profiled.inputs.get(f"{PREVIOUS}clean")
    return earlier is not None and earlier.stage == MERGE.name


def _outcome(
    evidence: RunEvidence, broken: tuple[ExpectationResult, ...], drift: tuple[DriftFinding, ...]
) -> tuple[RunOutcome, str, str | None]:
    """Return how the run ended, in one sentence, and what to do next."""
    refusal, acceptance = evidence.refusal, evidence.acceptance
    if refusal is not None and broken:
        results = "; ".join(f"{one.title}: observed {one.observed}, expected {one.expected}" for one in broken)
        advice = " ".join(dict.fromkeys(one.advice for one in broken if one.advice))
        return "stopped", f"Training was refused because the data violate the contract. {results}.", advice or RERUN
    if refusal is not None and drift and refusal == drift_message(drift):
        figures = ". ".join(finding.figure for finding in drift)
        advice = " ".join(dict.fromkeys(finding.advice for finding in drift))
        return "stopped", f"Training was refused. {HEADLINE}: {figures}.", advice
    if refusal is not None:
        first_line = refusal.strip().partition("\n")[0]
        return "stopped", f"The run stopped before its acceptance check: {first_line}", RERUN
    if acceptance is None:
        return "undecided", "The run has not reached its acceptance check. The report shows the results so far.", None
    return acceptance.decision, acceptance.sentence, None


def _quarantined_rows(reference: ArtifactReference | None, store: ArtifactStore) -> Iterator[QuarantinedRow]:
    """Yield the first rows of the most frequent reasons."""
    if reference is None:
        return
    path = store.folder(reference) / QUARANTINE_FILE
    if not path.exists():
        return
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    reasons: Counter[str] = Counter(file.read(columns=["reason"]).column("reason").to_pylist())
    chosen = sorted(reasons, key=lambda reason: (-reasons[reason], reason))[:MAX_REASONS]
    found: dict[str, list[QuarantinedRow]] = {reason: [] for reason in chosen}
    wanted = {reason: min(ROWS_PER_REASON, reasons[reason]) for reason in chosen}
    # A refused dump may be in quarantine as a whole, so stop reading after the last example.
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=["file", "line", "reason", "detail", "raw"]):
        for row in batch.to_pylist():
            examples = found.get(row["reason"])
            if examples is not None and len(examples) < ROWS_PER_REASON:
                examples.append(_quarantined_row(row))
        if all(len(found[reason]) == wanted[reason] for reason in chosen):
            break
    for reason in chosen:
        yield from found[reason]


def _quarantined_row(row: Mapping[str, Any]) -> QuarantinedRow:
    detail, raw = row["detail"] or "", shortened(row["raw"] or "", RAW_LIMIT)
    return QuarantinedRow(reason=row["reason"], file=row["file"], line=row["line"], detail=detail, raw=raw)


def _account(role: str, manifest: Manifest) -> StageAccount:
    same = StageAccount.model_fields.keys() & Manifest.model_fields.keys()
    size = sum(file.bytes for file in manifest.files.values())
    return StageAccount(role=role, bytes=size, **{name: getattr(manifest, name) for name in same})


def _settings(config: RunConfig) -> Iterator[Setting]:
    values, standard = config.flat(), RunConfig.from_flat({"profile": config.profile}).flat()
    for section, name, field in RunConfig.fields():
        yield Setting(
            section=section,
            name=name,
            title=field.title or name,
            value=json.dumps(values[name], ensure_ascii=False),
            profile_value=json.dumps(standard[name], ensure_ascii=False),
        )
