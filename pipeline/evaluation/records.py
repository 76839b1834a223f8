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
    """A figure with its 95 % bootstrap interval (percentile method)."""

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
    warnings: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


class BaselinesSummary(Record):
    """The two baselines, judged like the models."""

    evaluations: tuple[EvaluationSummary, ...]
