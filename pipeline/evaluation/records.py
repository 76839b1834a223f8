"""What a model's evaluation holds; report.json is made of these."""

from __future__ import annotations

from typing import Literal

from pipeline.store import Record


class ClassScores(Record):
    """Scores of one class."""

    precision: float
    recall: float
    f1: float
    rows: int


class ConfusionMatrix(Record):
    """Rows by true and predicted class at the threshold."""

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


class Interval(Record):
    """A figure with its 95 % bootstrap interval (percentile method, rows resampled within each class)."""

    value: float
    low: float
    high: float


class Scores(Record):
    """A model on the test part. Probabilities are of the positive class."""

    rows: int
    accuracy: Interval
    balanced_accuracy: Interval
    roc_auc: Interval
    pr_auc: float
    """Area under precision–recall for the positive class (average precision)."""
    negative_pr_auc: float
    """The same for the negative class, the rare one."""
    matthews: float
    log_loss: float
    negative: ClassScores
    positive: ClassScores
    confusion: ConfusionMatrix
    predicted_positive_share: float
    probability_spread: float
    """Standard deviation of the probabilities: zero for a model that says the same of every review."""


class Mistake(Record):
    """A test review that the model gets wrong, most confident first."""

    row: int
    label: int
    probability: float
    text: str
    """The raw review, cut to 600 characters; hostile input."""


class EvaluationSummary(Record):
    """One model judged."""

    model: str
    kind: Literal["variant", "baseline"]
    title: str
    threshold: float
    threshold_source: str
    scores: Scores
    validation_balanced_accuracy: float
    no_better_than_majority: bool
    """By the rule in docs/evaluation.md: the balanced accuracy's interval does not clear 0.51."""
    warnings: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    unusable_probabilities: int = 0
    """Validation and test rows whose probability was no number of 0–1; they are scored as 0.5."""


class WordWeight(Record):
    """A word, or two words in a row, and what it adds to the log-odds of a positive review."""

    term: str
    weight: float
    """Coefficient of the logistic regression on the term's TF-IDF value; below zero speaks for negative."""


class BaselinesSummary(Record):
    """The two baselines, judged like the models."""

    evaluations: tuple[EvaluationSummary, ...]
    positive_terms: tuple[WordWeight, ...] = ()
    """The terms that speak most for a positive review, strongest first."""
    negative_terms: tuple[WordWeight, ...] = ()
    """The terms that speak most for a negative review, strongest first."""
    terms: int = 0
    """Terms that the TF-IDF model knows."""
    inverse_regularisation: float | None = None
    """The logistic regression's C, chosen on the validation part."""


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
    shown: bool
    """Whether the interval of the balanced accuracy's difference leaves out zero."""
    sentence: str


class ComparisonSummary(Record):
    """The pairs of models worth comparing."""

    comparisons: tuple[Comparison, ...]

    def between(self, first: str, second: str) -> Comparison | None:
        """Return the comparison of ``first`` with ``second``, or ``None`` where it was not made."""
        return next((pair for pair in self.comparisons if (pair.first, pair.second) == (first, second)), None)
