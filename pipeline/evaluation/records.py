"""What a model's evaluation holds; report.json is made of these."""

from __future__ import annotations

from typing import Literal

from pipeline.config import Direction, VariantConfig
from pipeline.statistics import Interval
from pipeline.store import Record

Point = tuple[float, float]


class ClassScores(Record):
    """Scores of one class at the threshold: precision and recall with Wilson's interval, F1 with the bootstrap's."""

    precision: Interval
    recall: Interval
    f1: Interval
    rows: int


class ConfusionMatrix(Record):
    """Rows by true and predicted class at the threshold."""

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


class Scores(Record):
    """A model on the test part. Probabilities are of the positive class.

    Every interval is a 95 % bootstrap interval, rows resampled within each class (percentile method, reversed for the
    calibration error), but for the classes' shares: see ``ClassScores``.
    """

    rows: int
    accuracy: Interval
    balanced_accuracy: Interval
    roc_auc: Interval
    pr_auc: Interval
    """Area under precision–recall for the positive class (average precision)."""
    negative_pr_auc: Interval
    """The same for the negative class, the rare one."""
    matthews: Interval
    log_loss: Interval
    brier_score: Interval
    """Mean squared distance of the probability from the truth, 0 the best (Brier 1950)."""
    calibration_error: Interval
    """Expected calibration error: mean distance of probability and share of positive reviews over the bins of
    ``calibration``, weighted by their rows (Naeini et al. 2015)."""
    negative: ClassScores
    positive: ClassScores
    confusion: ConfusionMatrix
    predicted_positive_share: float
    probability_spread: float
    """Standard deviation of the probabilities: zero for a model that says the same of every review."""


class CalibrationBin(Record):
    """Test rows of like probability: how often those were really positive."""

    low: float
    high: float
    """Smallest and largest probability in the bin."""
    mean_probability: float
    positive_share: Interval
    """Wilson interval."""
    rows: int


class DistributionBin(Record):
    """Test rows of each class whose probability lies in ``[low, high)``; the last bin holds 1 too."""

    low: float
    high: float
    negative: int
    positive: int


class Curves(Record):
    """A model's curves on the test part, thinned to at most 200 points each; both axes 0–1."""

    roc: tuple[Point, ...]
    """Share of the positive reviews called positive over share of the negative ones called positive, from (0, 0)."""
    negative_precision_recall: tuple[Point, ...]
    """Precision over recall of the negative class."""
    positive_precision_recall: tuple[Point, ...]
    calibration: tuple[CalibrationBin, ...]
    distribution: tuple[DistributionBin, ...]


class ThresholdScores(Record):
    """What a threshold gives on one part."""

    accuracy: float
    balanced_accuracy: float
    negative_precision: float
    negative_recall: float
    positive_precision: float
    positive_recall: float
    called_positive_share: float


class OperatingPoint(Record):
    """A threshold chosen on the validation part for a stated goal, and what it gives."""

    goal: str
    """``balanced_accuracy``, ``half``, or ``negative_recall_90`` for at least 90 % of the negative reviews found."""
    title: str
    """The goal in words."""
    threshold: float
    chosen: bool
    """Whether it is the one that the run asked for."""
    validation: ThresholdScores
    test: ThresholdScores


class Slice(Record):
    """Test rows that share a property, and how the model does on them.

    Slices differ in their class mix, so that their accuracies do not compare. ``gap`` does: accuracy minus what the
    model's recalls on the whole test part let expect of this mix of classes.
    """

    dimension: str
    """``stars``, ``length``, ``year``, ``product_reviews``, ``votes``, ``negation``, ``capitals`` or
    ``unknown_words``."""
    dimension_title: str
    label: str
    rows: int
    negative_rows: int
    accuracy: Interval
    """Wilson interval."""
    expected_accuracy: float
    gap: Interval
    """Accuracy minus expected accuracy, with a bootstrap interval; below zero is worse than elsewhere."""
    balanced_accuracy: Interval | None
    """``None`` where one class has too few rows."""
    too_small: bool
    """Whether it holds too few rows to say anything."""


class Mistake(Record):
    """A test review that the model gets wrong, most confident first."""

    row: int
    label: int
    probability: float
    text: str
    """The raw review, cut to 600 characters; hostile input."""
    stars: int | None = None
    summary: str | None = None
    """Its headline; hostile input."""


WarningCode = Literal[
    "unusable_probabilities",
    "no_better_than_majority",
    "few_test_rows",
    "below_majority_share",
    "validation_drop",
    "worse_than_constant",
    "poor_calibration",
]


class VariantIdentity(Record):
    """What distinguishes a trained variant from the others of its run."""

    direction: Direction
    seed: int
    group: str
    """Name without the seed, e.g. ``bi-units64``: variants of one group differ only in their seed."""
    group_title: str

    @classmethod
    def of(cls, variant: VariantConfig) -> VariantIdentity:
        """Return the identity of a configured variant."""
        return cls(direction=variant.direction, seed=variant.seed, group=variant.group, group_title=variant.group_title)


class ModelWarning(Record):
    """What a reader must know before trusting the metrics of a model."""

    code: WarningCode
    severity: Literal["serious", "note"]
    """``serious``: the model must not be used as it is."""
    value: float
    bound: float
    """What the value would have to reach, or not to exceed."""


class EvaluationSummary(Record):
    """One evaluated model."""

    model: str
    kind: Literal["variant", "baseline"]
    title: str
    variant: VariantIdentity | None = None
    """``None`` for a baseline."""
    threshold: float
    threshold_source: str
    scores: Scores
    validation_balanced_accuracy: float
    no_better_than_majority: bool
    """By the rule in docs/explanation/evaluation.md: the balanced accuracy's interval does not clear 0.51."""
    warnings: tuple[ModelWarning, ...]
    """The most serious first."""
    mistakes: tuple[Mistake, ...]
    unusable_probabilities: int = 0
    """Validation and test rows whose probability was no number of 0–1; they are scored as 0.5."""
    operating_points: tuple[OperatingPoint, ...] = ()
    """Thresholds for several goals, by rising threshold."""
    curves: Curves | None = None
    slices: tuple[Slice, ...] = ()
    """Worst gap first, slices too small last; none for a baseline."""
    label_entropy: float | None = None
    """Of the test labels, in nats: the log loss of always saying the share of positive reviews."""


class WordWeight(Record):
    """A word, or two words in a row, and what it adds to the log-odds of a positive review."""

    term: str
    weight: float
    """Coefficient of the logistic regression on the term's TF-IDF value; below zero speaks for negative."""


class ModelCost(Record):
    """What a model costs, measured on the machine of its run."""

    model: str
    training_seconds: float
    scoring_rate: float | None = None
    """Reviews per second, from their words (a network: from word ids) to probabilities, without loading the model."""
    model_bytes: int | None = None
    """Size of its file."""


class BaselinesSummary(Record):
    """The baselines, evaluated like the models."""

    evaluations: tuple[EvaluationSummary, ...]
    costs: tuple[ModelCost, ...] = ()
    """In the order of the evaluations, without the majority class; the times differ from run to run."""
    positive_terms: tuple[WordWeight, ...] = ()
    """The terms that speak most for a positive review, strongest first."""
    negative_terms: tuple[WordWeight, ...] = ()
    """The terms that speak most for a negative review, strongest first."""
    terms: int = 0
    """Terms that the TF-IDF model knows."""
    inverse_regularization: float | None = None
    """The logistic regression's C, chosen on the validation part."""
    intercept: float = 0.0
    """The logistic regression's constant; the weights lie in ``linear_model.parquet``."""


class PairedCounts(Record):
    """Rows of one class by which of two models is right."""

    both: int = 0
    only_first: int = 0
    only_second: int = 0
    neither: int = 0

    @property
    def rows(self) -> int:
        """Rows of the class."""
        return self.both + self.only_first + self.only_second + self.neither


class PairedDifferences(Record):
    """First model minus second on the same rows, in shares, with paired 95 % bootstrap intervals."""

    balanced_accuracy: Interval
    accuracy: Interval
    negative_recall: Interval


class Comparison(Record):
    """Two models on the same test rows, each at its own threshold. Differences are first minus second, in shares."""

    first: str
    second: str
    first_title: str
    second_title: str
    rows: int
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    mcnemar_p_value: float
    """Exact two-sided McNemar test of equal accuracy."""
    accuracy_difference: Interval
    balanced_accuracy_difference: Interval
    significant: bool
    """Whether the interval of the difference in balanced accuracy excludes zero and the permutation test agrees
    (p < 0.05)."""


class Spread(Record):
    """A figure over several trainings that differ in their seed alone."""

    mean: float
    standard_deviation: float
    """Of the sample; 0 for one seed."""
    low: float
    high: float
    """Smallest and largest."""


class SeedGroup(Record):
    """Variants that differ in their seed alone."""

    name: str
    """The variant's name without its seed, e.g. ``bi`` or ``bi-units64``."""
    title: str
    seeds: tuple[int, ...]
    accuracy: Spread
    balanced_accuracy: Spread
    roc_auc: Spread


class SuspectedLabel(Record):
    """A test review of which the best model and TF-IDF both are sure that its stars are wrong."""

    row: int
    label: int
    stars: int | None
    probability: float
    """Of the best model."""
    baseline_probability: float
    """Of TF-IDF with logistic regression."""
    text: str
    """The raw review, cut to 600 characters; hostile input."""
    summary: str | None = None
    """Its headline; hostile input."""


class ComparisonSummary(Record):
    """The pairs of models worth comparing, and what models say together."""

    comparisons: tuple[Comparison, ...]
    seed_groups: tuple[SeedGroup, ...] = ()
    suspected_label_rows: int = 0
    """How many reviews are suspected in all."""
    suspected_labels: tuple[SuspectedLabel, ...] = ()
    """The surest of them, surest first."""

    def between(self, first: str, second: str) -> Comparison | None:
        """Return the comparison of ``first`` with ``second``, or ``None`` where it was not made."""
        return next((pair for pair in self.comparisons if (pair.first, pair.second) == (first, second)), None)
