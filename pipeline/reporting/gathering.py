"""Gather everything that the report shows from the store: read once, frozen, and the same for every format."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pipeline.behavioral_tests.records import BehavioralTestsSummary
from pipeline.cleaning.records import CleanSummary
from pipeline.config import DriftConfig, RunConfig
from pipeline.dataset.drift import enforce_drift_limits
from pipeline.dataset.merging import MERGE, read_window
from pipeline.encoding.records import EncodingSummary, VocabularySummary
from pipeline.errors import DriftError
from pipeline.evaluation.records import BaselinesSummary, ComparisonSummary, EvaluationSummary
from pipeline.evaluation.rules import MAJORITY, best_first
from pipeline.profiling.records import ProfileSummary
from pipeline.profiling.stage import PREVIOUS
from pipeline.promotion.records import AcceptanceResult, GateDecision, HeadToHeadSummary
from pipeline.readers.records import IngestSummary
from pipeline.reporting.answers import answers
from pipeline.reporting.article import article_comparison
from pipeline.reporting.funnel import funnel, window_funnel
from pipeline.reporting.records import (
    Outcome,
    QuarantinedRow,
    ReportContents,
    Setting,
    StageAccount,
    VariantReport,
)
from pipeline.reporting.warnings import warnings
from pipeline.run_state import RunState, VariantState
from pipeline.sources.records import FetchSummary
from pipeline.splitting.records import LeakageSummary, SplitSummary
from pipeline.store import ArtifactReference, ArtifactStore, Manifest, Record
from pipeline.training.records import ExportSummary, TrainSummary
from pipeline.validation.records import ExpectationResult, ValidationSummary

QUARANTINE_FILE = "quarantine.parquet"
MOST_REASONS = 5
ROWS_PER_REASON = 3
BATCH_ROWS = 4_096
RAW_LIMIT = 300
"""Characters of a quarantined record that the report shows."""

COMMAND = ("review-sentiment", "run")

SummaryType = TypeVar("SummaryType", bound=Record)


def gather(state: RunState, config: RunConfig, store: ArtifactStore, run_name: str = "") -> ReportContents:
    """Read everything that the report shows of a run.

    Args:
        state: What the run has produced.
        config: What the run was told.
        store: Where the artifacts lie.
        run_name: The run's name; hostile input.

    Raises:
        ArtifactError: One of the artifacts is missing or was written in another schema.
    """

    def read(reference: ArtifactReference | None, kind: type[SummaryType]) -> SummaryType | None:
        return None if reference is None else store.summary(reference, kind)

    fetch = store.summary(state["fetch"], FetchSummary)
    ingest = read(state.get("ingest"), IngestSummary)
    validation_raw = read(state.get("validate_raw"), ValidationSummary)
    clean = read(state.get("clean"), CleanSummary)
    validation_clean = read(state.get("validate_clean"), ValidationSummary)
    data_profile = read(state.get("profile"), ProfileSummary)
    split = read(state.get("split"), SplitSummary)
    leaks = read(state.get("check_leakage"), LeakageSummary)
    variants = tuple(_variant(variant, config, store) for variant in state.variants)
    best = _best(variants)
    baselines = read(state.get("baselines"), BaselinesSummary)
    comparison = read(state.get("compare"), ComparisonSummary)
    acceptance = read(state.get("check_acceptance"), AcceptanceResult)
    gate = read(state.get("gate"), GateDecision)
    challenge = read(state.get("compare_to_champion"), HeadToHeadSummary)
    # A run on its own dumps alone merges nothing: its clean reviews stand for the window.
    merged = state.get("build_dataset") if state.is_merged else None
    window = None if merged is None else read_window(merged, store)
    manifests = {
        role: store.manifest(reference)
        for role, reference in state.inputs().items()
        if role != "build_dataset" or merged is not None
    }
    split_rows = manifests["split"].rows if "split" in manifests else None
    split_set_aside = split_rows.excluded if split_rows is not None else {}
    broken = tuple(
        expectation
        for validation in (validation_raw, validation_clean)
        if validation is not None
        for expectation in validation.contract.failed
    )
    drifted = _drift(state.refusal, state.get("profile"), config.drift, store)
    outcome, headline, next_step = _outcome(state.refusal, broken, drifted, acceptance)
    made_at = max(manifest.started_at for manifest in manifests.values())
    warned = warnings(
        config,
        demo=fetch.demo,
        ingest=ingest,
        validation=validation_raw,
        clean=clean,
        data_profile=data_profile,
        split=split,
        leaks=leaks,
        device=state.device,
        variants=variants,
        comparison=comparison,
        best=best,
    )
    return ReportContents(
        run_name=run_name,
        profile=config.profile,
        demo=fetch.demo,
        made_at=made_at,
        outcome=outcome,
        headline=headline,
        refusal=state.refusal,
        broken_expectations=broken,
        next_step=next_step,
        warnings=warned,
        answers=answers(
            outcome=outcome,
            made_at=made_at,
            fetch=fetch,
            ingest=ingest,
            clean=clean,
            data_profile=data_profile,
            best=next((variant for variant in variants if variant.name == best), None),
            majority=_judged(baselines, MAJORITY),
            variants=variants,
            comparison=comparison,
            acceptance=acceptance,
            gate=gate,
            challenge=challenge,
            window=window,
            warnings=warned,
        ),
        best_variant=best,
        fetch=fetch,
        ingest=ingest,
        validation_raw=validation_raw,
        clean=clean,
        validation_clean=validation_clean,
        split=split,
        leaks=leaks,
        vocabulary=read(state.get("fit_vocabulary"), VocabularySummary),
        encoding=read(state.get("encode"), EncodingSummary),
        device=state.device,
        baselines=baselines,
        variants=variants,
        comparison=comparison,
        acceptance=acceptance,
        article=article_comparison(config, variants),
        funnel=funnel(ingest, validation_raw, clean, split if window is None else None, split_set_aside),
        quarantined_rows=tuple(_quarantined_rows(state.get("validate_raw"), store)),
        stages=tuple(_account(role, manifest) for role, manifest in manifests.items()),
        libraries={name: version for manifest in manifests.values() for name, version in manifest.libraries.items()},
        settings=tuple(_settings(config)),
        total_seconds=round(sum(manifest.seconds for manifest in manifests.values()), 3),
        peak_memory_bytes=max(manifest.peak_memory_bytes for manifest in manifests.values()),
        reproduce=reproduce_command(config),
        data_profile=data_profile,
        baseline_behavioral_tests=read(state.get("run_baseline_behavioral_tests"), BehavioralTestsSummary),
        gate=gate,
        challenge=challenge,
        window=window,
        window_funnel=window_funnel(window, split, split_set_aside),
        earlier_is_window="profile" in manifests and _against_window(manifests["profile"]),
    )


def reproduce_command(config: RunConfig) -> str:
    """Return the command line that runs a workflow with this configuration, quoted for a POSIX shell."""
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
        return [flag, *(f"{ours}={theirs}" for ours, theirs in value.items())]
    if isinstance(value, list):
        return [flag, *map(str, value)]
    return [flag, str(value)]


def _against_window(profiled: Manifest) -> bool:
    """Return whether a profile is held against the reviews of several dumps."""
    earlier = profiled.inputs.get(f"{PREVIOUS}clean")
    return earlier is not None and earlier.stage == MERGE.name


@dataclass(frozen=True)
class _Drift:
    """What a dump was refused for that lies too far from the champion's.

    Attributes:
        head: What it is about.
        findings: Each figure beyond its limit.
        advice: What to do about it, without repetitions.
    """

    head: str
    findings: tuple[str, ...]
    advice: tuple[str, ...]


def _drift(
    refusal: str | None, profiled: ArtifactReference | None, limits: DriftConfig, store: ArtifactStore
) -> _Drift | None:
    """Return what a refusal by drift says; ``None`` where something else stopped the run."""
    if refusal is None or profiled is None:
        return None
    try:
        enforce_drift_limits(profiled, limits, store)
    except DriftError as error:
        # Only this very message is taken to pieces: any other may look like it.
        if str(error) != refusal:
            return None
    else:
        return None
    head, *lines = refusal.splitlines()
    found = [line.removeprefix("- ").partition(" Next: ") for line in lines if line.startswith("- ")]
    return _Drift(
        head=head.removesuffix(":"),
        findings=tuple(finding.removesuffix(".") for finding, _, _ in found),
        advice=tuple(dict.fromkeys(advice[:1].upper() + advice[1:] for _, _, advice in found if advice)),
    )


def _outcome(
    refusal: str | None,
    broken: tuple[ExpectationResult, ...],
    drifted: _Drift | None,
    acceptance: AcceptanceResult | None,
) -> tuple[Outcome, str, str | None]:
    if refusal is not None:
        if drifted is not None and not broken:
            headline = f"Training was refused. {drifted.head}: {'. '.join(drifted.findings)}."
            return "stopped", headline, " ".join(drifted.advice)
        if broken:
            clauses = "; ".join(
                f"{expectation.title}: {expectation.observed}, expected {expectation.expected}"
                for expectation in broken
            )
            headline = f"Training was refused, for the data break their contract. {clauses}."
        else:
            headline = "The run stopped before its acceptance: " + refusal.strip().partition("\n")[0]
        advice = " ".join(dict.fromkeys(expectation.advice for expectation in broken if expectation.advice))
        return "stopped", headline, advice or "Mend what the message names and run again; finished stages are reused."
    if acceptance is None:
        return "undecided", "This run has no verdict (yet): the figures below are what it has come to.", None
    return acceptance.decision, acceptance.sentence, None


def _variant(state: VariantState, config: RunConfig, store: ArtifactStore) -> VariantReport:
    def read(stage: str, kind: type[SummaryType]) -> SummaryType | None:
        reference = state.get(stage)
        return None if reference is None else store.summary(reference, kind)

    evaluated = read("evaluate", EvaluationSummary)
    titles = {variant.name: variant.title for variant in config.variants}
    return VariantReport(
        name=state.name,
        title=evaluated.title if evaluated is not None else titles.get(state.name, state.name),
        trained=store.summary(state["train"], TrainSummary),
        evaluated=evaluated,
        exported=read("export", ExportSummary),
        behavioral_tests=read("run_behavioral_tests", BehavioralTestsSummary),
    )


def _judged(baselines: BaselinesSummary | None, model: str) -> EvaluationSummary | None:
    found = baselines.evaluations if baselines is not None else ()
    return next((evaluation for evaluation in found if evaluation.model == model), None)


def _best(variants: tuple[VariantReport, ...]) -> str | None:
    ranked = best_first(variant.evaluated for variant in variants if variant.evaluated is not None)
    return ranked[0].model if ranked else None


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
    chosen = sorted(reasons, key=lambda reason: (-reasons[reason], reason))[:MOST_REASONS]
    found: dict[str, list[QuarantinedRow]] = {reason: [] for reason in chosen}
    wanted = {reason: min(ROWS_PER_REASON, reasons[reason]) for reason in chosen}
    # A refused dump may be in quarantine as a whole: read only as far as the examples reach.
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
    raw = row["raw"] or ""
    return QuarantinedRow(
        reason=row["reason"],
        file=row["file"],
        line=row["line"],
        detail=row["detail"] or "",
        raw=raw if len(raw) <= RAW_LIMIT else raw[: RAW_LIMIT - 1] + "…",
    )


def _account(role: str, manifest: Manifest) -> StageAccount:
    return StageAccount(
        role=role,
        stage=manifest.stage,
        stage_version=manifest.stage_version,
        key=manifest.key,
        started_at=manifest.started_at,
        seconds=manifest.seconds,
        rows=manifest.rows,
        bytes=sum(file.bytes for file in manifest.files.values()),
        peak_memory_bytes=manifest.peak_memory_bytes,
        machine=manifest.machine,
        python=manifest.python,
    )


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
