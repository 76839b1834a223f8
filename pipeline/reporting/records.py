"""Records of the report: the evidence of a run, and the contents from which every format is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from pipeline.behavioral_tests.records import BehavioralTestsSummary
from pipeline.cleaning.records import CleanSummary
from pipeline.dataset.records import Window
from pipeline.encoding.records import EncodingSummary, VocabularySummary
from pipeline.evaluation.records import BaselinesSummary, ComparisonSummary, EvaluationSummary, ModelCost
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

RunOutcome = Literal["accepted", "rejected", "inconclusive", "stopped", "undecided"]
"""``stopped``: the run ended before its acceptance check. ``undecided``: it has not reached that check yet."""


WarningCode = Literal[
    "collapsed_model",
    "diverged_model",
    "below_baseline",
    "failed_behavior",
    "violated_guarantee",
    "data_leakage",
    "vocabulary_leakage",
    "unmasked_padding",
    "small_test_split",
    "one_seed",
    "differing_splits",
    "calibration",
    "threshold",
    "drift",
    "quarantine",
    "device",
    "export",
    "note",
]


class ReportWarning(Record):
    """A reason to doubt the figures of a run."""

    code: WarningCode
    serious: bool = False
    """Whether the figures must not be used as they are."""
    title: str
    text: str


Status = Literal["good", "bad", "unknown"]
"""What an answer means for the use of the model; ``unknown`` if the figures do not settle it."""


class SummaryQuestion(Record):
    """A question of the first screen with its answer."""

    question: str
    answer: str
    """A few words."""
    evidence: str
    """The figures behind the answer, with their intervals."""
    status: Status


class SummaryQuestions(Record):
    """The questions of the first screen in their order; ``None`` for those that a run did not reach."""

    usable: SummaryQuestion
    better_than_majority: SummaryQuestion | None
    better_than_tfidf: SummaryQuestion | None
    better_than_other_variant: SummaryQuestion | None
    better_than_champion: SummaryQuestion | None
    data: SummaryQuestion
    weaknesses: SummaryQuestion | None

    @property
    def answered(self) -> tuple[SummaryQuestion, ...]:
        """Every question with an answer."""
        found = (getattr(self, name) for name in type(self).model_fields)
        return tuple(question for question in found if question is not None)


class FunnelStage(Record):
    """One step of the row funnel."""

    title: str
    reason: str | None
    """Why rows were excluded; ``None`` for the first step."""
    excluded: int
    rows_left: int


class QuarantinedRow(Record):
    """An example of a row that broke a row rule."""

    reason: str
    file: str
    line: int
    detail: str
    raw: str
    """The record as found, cut; untrusted input."""


class VariantReport(Record):
    """The summaries of one trained model."""

    name: str
    title: str
    trained: TrainSummary | None
    evaluated: EvaluationSummary | None
    exported: ExportSummary | None
    behavioral_tests: BehavioralTestsSummary | None = None


class ArticleFigures(Record):
    """The results of one model in the article (docs/explanation/replicated_experiment.md)."""

    direction: Literal["uni", "bi"]
    accuracy: float
    negative_precision: float
    negative_recall: float
    negative_f1: float
    seconds_per_epoch: float


class ArticleComparison(Record):
    """The results of the article, and sentences that compare them with this run."""

    test_rows: int
    """Rows of the article's test set."""
    majority_accuracy: float
    """Share of positive reviews in the article's test set, which is the accuracy of the majority class."""
    figures: tuple[ArticleFigures, ...]
    explanation: tuple[str, ...]


class StageAccount(Record):
    """Provenance of one artifact, from its manifest."""

    role: str
    stage: str
    stage_version: int
    key: str
    started_at: datetime
    seconds: float
    rows: RowAccount | None
    bytes: int
    """Size of all its files."""
    peak_memory_bytes: int
    machine: str
    python: str


class Setting(Record):
    """One parameter of the run."""

    section: str
    name: str
    title: str
    value: str
    """As JSON."""
    profile_value: str
    """Value in the profile, as JSON."""

    @property
    def differs(self) -> bool:
        """Whether the run sets another value than its profile."""
        return self.value != self.profile_value


class RunEvidence(Record):
    """Everything that a run has produced so far: the summaries of its artifacts, loaded once.

    Every text in it, at any depth, is neutralized on construction: control characters and bidirectional overrides are
    replaced by visible codes (:func:`pipeline.reporting.formatting.visible`), since texts come from outside.
    """

    refusal: str | None
    """The message of the error that stopped the run."""
    best_variant: str | None
    """Name of the best variant on the validation split; the test split does not choose."""
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
    costs: tuple[ModelCost, ...] = ()
    """What each model costs: the trained variants in their order, then the baselines."""
    comparison: ComparisonSummary | None
    acceptance: AcceptanceResult | None
    data_profile: ProfileSummary | None = None
    """Profile of the clean reviews of this run's dump, and their drift against earlier reviews."""
    baseline_behavioral_tests: BehavioralTestsSummary | None = None
    """Behavioral tests of the TF-IDF baseline."""
    gate: GateDecision | None = None
    """Whether the best variant is promoted; ``None`` for a run that did not reach the gate."""
    challenge: HeadToHeadSummary | None = None
    """The best variant and the champion on the same rows; ``None`` if they were not compared."""
    window: Window | None = None
    """The dumps of the training window; ``None`` for a run on its own dump only."""
    earlier_is_window: bool = False
    """Whether ``data_profile`` compares with several earlier dumps; it names only the newest."""
    stages: tuple[StageAccount, ...]
    libraries: dict[str, str]
    """Version by name."""

    @model_validator(mode="before")
    @classmethod
    def _neutral(cls, values: object) -> object:
        return _neutralized(values)

    @property
    def evaluations(self) -> tuple[EvaluationSummary, ...]:
        """Every evaluated model on the same rows: the variants in their order, then the baselines."""
        variants = tuple(variant.evaluated for variant in self.variants if variant.evaluated is not None)
        return variants + (self.baselines.evaluations if self.baselines is not None else ())

    @property
    def best(self) -> VariantReport | None:
        """The variant named by ``best_variant``."""
        return next((variant for variant in self.variants if variant.name == self.best_variant), None)

    @property
    def majority(self) -> EvaluationSummary | None:
        """The majority-class baseline."""
        return self._baseline(MAJORITY)

    @property
    def tfidf(self) -> EvaluationSummary | None:
        """The TF-IDF baseline."""
        return self._baseline(TFIDF)

    @property
    def behavioral_tests(self) -> tuple[BehavioralTestsSummary, ...]:
        """The behavioral tests of each model: the best variant first, the others in their order, then the baseline."""
        variants = sorted(self.variants, key=lambda variant: variant.name != self.best_variant)
        found = (*(variant.behavioral_tests for variant in variants), self.baseline_behavioral_tests)
        return tuple(tests for tests in found if tests is not None)

    def _baseline(self, model: str) -> EvaluationSummary | None:
        found = self.baselines.evaluations if self.baselines is not None else ()
        return next((evaluation for evaluation in found if evaluation.model == model), None)


class ReportContents(RunEvidence):
    """Everything that the report shows."""

    schema_version: Literal[3] = 3
    """Raised when a field of report.json changes its meaning or is removed."""
    run_name: str
    profile: str
    demo: bool
    """Whether the reviews are generated, so that no figure applies to real reviews."""
    made_at: datetime
    """When the newest artifact was started."""
    outcome: RunOutcome
    headline: str
    """The acceptance or the refusal in one sentence."""
    broken_expectations: tuple[ExpectationResult, ...]
    next_step: str | None
    """What to do now, for a run without an accepted model."""
    warnings: tuple[ReportWarning, ...]
    """The serious ones first."""
    summary_questions: SummaryQuestions
    article: ArticleComparison | None
    funnel: tuple[FunnelStage, ...]
    """From this run's dump to the splits, or to its clean reviews if a training window follows."""
    window_funnel: tuple[FunnelStage, ...] = ()
    """From the clean reviews of the training window to the splits; empty without a window."""
    quarantined_rows: tuple[QuarantinedRow, ...]
    """Examples: the first rows of the most frequent reasons."""
    settings: tuple[Setting, ...]
    total_seconds: float
    """Sum of the durations of all stages, including reused ones."""
    peak_memory_bytes: int
    reproduce: str
    """The command that repeats the run."""


class ReportSummary(Record):
    """Summary of the report's own artifact."""

    outcome: RunOutcome
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
