"""What the report is made of: one frozen object, from which the page, the JSON and the message all come."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from pipeline.behavioral_tests.records import BehavioralTestsSummary
from pipeline.cleaning.records import CleanSummary
from pipeline.dataset.records import Window
from pipeline.encoding.records import EncodingSummary, VocabularySummary
from pipeline.evaluation.records import BaselinesSummary, ComparisonSummary, EvaluationSummary
from pipeline.evaluation.rules import MAJORITY, TFIDF
from pipeline.profiling.records import ProfileSummary
from pipeline.promotion.records import AcceptanceResult, GateDecision, HeadToHeadSummary
from pipeline.readers.records import IngestSummary
from pipeline.reporting.formatting import visible
from pipeline.sources.records import FetchSummary
from pipeline.splitting.records import LeakageSummary, SplitSummary
from pipeline.store import Record, RowAccount
from pipeline.training.records import DeviceRecord, ExportSummary, TrainSummary
from pipeline.validation.records import ExpectationResult, ValidationSummary

SCHEMA_VERSION = 3
"""Raised when a field of report.json changes its meaning or goes away."""

Outcome = Literal["accepted", "rejected", "inconclusive", "stopped", "undecided"]
"""``stopped``: the run ended before its acceptance check. ``undecided``: it has not come to that check yet."""


class ReportWarning(Record):
    """Something that a reader must know before trusting the figures."""

    kind: Literal[
        "collapsed_model",
        "diverged_model",
        "below_baseline",
        "failed_behavior",
        "broken_promise",
        "leak",
        "vocabulary_leakage",
        "unmasked_padding",
        "small_test_part",
        "one_seed",
        "differing_parts",
        "calibration",
        "threshold",
        "drift",
        "quarantine",
        "device",
        "export",
        "note",
    ]
    serious: bool
    """Whether the figures must not be used as they stand."""
    title: str
    text: str


Tone = Literal["good", "bad", "unknown"]
"""How an answer strikes someone who wants to use the model; ``unknown`` where the figures do not settle it."""


class Answer(Record):
    """A question that a reader comes with, answered in plain words."""

    question: str
    answer: str
    """In a word or a few."""
    sentence: str
    """The figures behind it, with their intervals."""
    tone: Tone


class Answers(Record):
    """The first screen's questions; those that a run has not come to are ``None``."""

    trust: Answer
    """May I trust this model?"""
    against_majority: Answer | None
    """Is it better than doing nothing?"""
    against_word_counts: Answer | None
    """Is it better than counting words?"""
    against_other_variant: Answer | None
    """Is it better than the other way of training it?"""
    against_champion: Answer | None
    """Is it better than the model in service?"""
    data: Answer
    """On what data?"""
    weakness: Answer | None
    """Where does it fail?"""

    @property
    def given(self) -> tuple[Answer, ...]:
        """Every answer that there is, in the order of the page."""
        found = (getattr(self, name) for name in type(self).model_fields)
        return tuple(answer for answer in found if answer is not None)


class FunnelStage(Record):
    """One step of the way of the rows: from the dump to clean reviews, or on to the three parts."""

    title: str
    reason: str | None
    """The named reason for which rows left here; ``None`` where none do."""
    excluded: int
    rows_left: int


class QuarantinedRow(Record):
    """A row that broke a rule, as an example."""

    reason: str
    file: str
    line: int
    detail: str
    raw: str
    """The record as found, cut; hostile input."""


class VariantReport(Record):
    """Everything about one trained model."""

    name: str
    title: str
    trained: TrainSummary | None
    evaluated: EvaluationSummary | None
    exported: ExportSummary | None
    behavioral_tests: BehavioralTestsSummary | None = None


class ArticleFigures(Record):
    """What the article reports of one of its models (docs/explanation/replicated_experiment.md)."""

    direction: Literal["uni", "bi"]
    accuracy: float
    negative_precision: float
    negative_recall: float
    negative_f1: float
    seconds_per_epoch: float


class ArticleComparison(Record):
    """The article's figures beside ours, for a run of the profile ``article``."""

    test_rows: int
    """Of the article's test part."""
    majority_accuracy: float
    """Share of positive reviews in the article's test part: what "always positive" scores there."""
    figures: tuple[ArticleFigures, ...]
    explanation: tuple[str, ...]
    """What the figures hide, in sentences made from this run's own figures."""


class StageAccount(Record):
    """The provenance of one artifact, from its manifest."""

    role: str
    stage: str
    stage_version: int
    key: str
    started_at: datetime
    seconds: float
    rows: RowAccount | None
    bytes: int
    """Of all its files."""
    peak_memory_bytes: int
    machine: str
    python: str


class Setting(Record):
    """One knob of the run."""

    section: str
    name: str
    title: str
    value: str
    """As JSON."""
    profile_value: str
    """What the profile alone would say, as JSON."""

    @property
    def differs(self) -> bool:
        """Whether the run departs from its profile."""
        return self.value != self.profile_value


class ReportContents(Record):
    """Everything that the report shows.

    Every text in it, at any depth, is neutralized on construction: control characters and bidi overrides are
    spelled out (:func:`pipeline.reporting.formatting.visible`), since names, messages and reviews come from outside.
    """

    schema_version: Literal[3] = 3
    run_name: str
    profile: str
    demo: bool
    """Whether the reviews are generated ones; no figure then says anything about a real shop."""
    made_at: datetime
    """When the newest of the artifacts was started."""
    outcome: Outcome
    headline: str
    """The verdict, or the refusal, in one sentence."""
    refusal: str | None
    """The message that stopped the run."""
    broken_expectations: tuple[ExpectationResult, ...]
    next_step: str | None
    """What a person does now, for a run without an accepted model."""
    warnings: tuple[ReportWarning, ...]
    """The serious ones first."""
    answers: Answers
    """What the first screen says."""
    best_variant: str | None
    """Name of the variant that is best on the validation part; the test part does not choose."""

    fetch: FetchSummary
    ingest: IngestSummary | None
    validation_raw: ValidationSummary | None
    clean: CleanSummary | None
    validation_clean: ValidationSummary | None
    split: SplitSummary | None
    leaks: LeakageSummary | None
    vocabulary: VocabularySummary | None
    encoding: EncodingSummary | None
    device: DeviceRecord | None
    baselines: BaselinesSummary | None
    variants: tuple[VariantReport, ...]
    comparison: ComparisonSummary | None
    acceptance: AcceptanceResult | None

    article: ArticleComparison | None
    funnel: tuple[FunnelStage, ...]
    """From the run's own dump to the three parts; to its clean reviews where several dumps were laid together."""
    quarantined_rows: tuple[QuarantinedRow, ...]
    """Examples: the first rows of the most frequent reasons."""
    stages: tuple[StageAccount, ...]
    libraries: dict[str, str]
    settings: tuple[Setting, ...]
    total_seconds: float
    """Sum of the stages' durations; stages that were reused count with what they once took."""
    peak_memory_bytes: int
    reproduce: str
    """The command that runs the same workflow again."""
    data_profile: ProfileSummary | None = None
    """The shape of the run's own clean reviews, and how they differ from earlier ones."""
    baseline_behavioral_tests: BehavioralTestsSummary | None = None
    """The baseline that counts words, behavioral_tests like the variants."""
    gate: GateDecision | None = None
    """Whether the best variant goes into service; ``None`` for a run that did not come to the gate."""
    challenge: HeadToHeadSummary | None = None
    """The best variant and the model in service on the same rows; ``None`` where they were not compared."""
    window: Window | None = None
    """The dumps whose reviews were laid together; ``None`` for a run on its own dumps alone."""
    window_funnel: tuple[FunnelStage, ...] = ()
    """From the clean reviews of the window's dumps to the three parts; empty without a window."""
    earlier_is_window: bool = False
    """Whether the earlier reviews of ``data_profile`` are of several dumps, of which it names the newest alone."""

    @model_validator(mode="before")
    @classmethod
    def _neutral(cls, values: object) -> object:
        return _neutralized(values)

    @property
    def evaluations(self) -> tuple[EvaluationSummary, ...]:
        """Every judged model on the same rows: the variants in their order, then the baselines."""
        variants = tuple(variant.evaluated for variant in self.variants if variant.evaluated is not None)
        return variants + (self.baselines.evaluations if self.baselines is not None else ())

    @property
    def best(self) -> VariantReport | None:
        """The variant named by ``best_variant``."""
        return next((variant for variant in self.variants if variant.name == self.best_variant), None)

    @property
    def majority(self) -> EvaluationSummary | None:
        """The baseline that knows only the share of the labels."""
        return self._baseline(MAJORITY)

    @property
    def word_counts(self) -> EvaluationSummary | None:
        """The baseline that counts words."""
        return self._baseline(TFIDF)

    @property
    def examinations(self) -> tuple[BehavioralTestsSummary, ...]:
        """Every examined model: the best variant first, the others in their order, then the baseline."""
        variants = sorted(self.variants, key=lambda variant: variant.name != self.best_variant)
        found = (*(variant.behavioral_tests for variant in variants), self.baseline_behavioral_tests)
        return tuple(examination for examination in found if examination is not None)

    def _baseline(self, model: str) -> EvaluationSummary | None:
        found = self.baselines.evaluations if self.baselines is not None else ()
        return next((evaluation for evaluation in found if evaluation.model == model), None)


class ReportSummary(Record):
    """What the report's own artifact says of itself."""

    outcome: Outcome
    headline: str
    demo: bool
    warnings: int = Field(ge=0)
    serious_warnings: int = Field(ge=0)


def _neutralized(value: object) -> object:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, BaseModel):
        return _neutralized({name: getattr(value, name) for name in type(value).model_fields})
    if isinstance(value, Mapping):
        return {_neutralized(name): _neutralized(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(_neutralized(item) for item in value)
    return value
