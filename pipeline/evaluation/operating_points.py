"""Thresholds for stated goals: chosen on the validation part, shown on both."""

from __future__ import annotations

import numpy as np

from pipeline.config import EvaluationConfig
from pipeline.evaluation import metrics
from pipeline.evaluation.predictions import PartPredictions, Predictions
from pipeline.evaluation.records import ConfusionMatrix, OperatingPoint, ThresholdScores
from pipeline.evaluation.resampling import HALF, RankedCounts
from pipeline.statistics import share_of

RECALL_GOALS = (0.8, 0.9, 0.95)
"""Shares of the negative reviews to find that every report shows, in addition to the configured one."""
ROUNDING = 1e-9
"""What a share times a number of rows may be off in floating point: 0.55 · 100 is 55.00000000000001."""


def threshold_for(validation: PartPredictions, config: EvaluationConfig) -> tuple[float, str]:
    """Return the threshold that the run asked for and, in words, where it comes from."""
    if config.threshold == "half":
        return HALF, "0.5, as configured"
    rows = f"{len(validation.rows):,} validation reviews"
    if len(np.unique(validation.labels)) < 2:  # noqa: PLR2004 - two classes
        return HALF, f"0.5: the {rows} are all of one class, so that none can be chosen"
    if config.threshold == "negative_recall":
        goal = config.negative_recall_goal
        threshold = threshold_for_negative_recall(validation, goal)
        found = _scores(validation, threshold).negative_recall
        if found < goal - ROUNDING:
            return threshold, (
                f"finds {_percent(round(found, 3))} of the negative reviews among {rows}; {_percent(goal)} cannot be "
                "found, since the others have a probability of 1"
            )
        return threshold, f"finds {_percent(goal)} of the negative reviews among {rows}"
    return metrics.best_threshold(validation.labels, validation.probabilities), f"best balanced accuracy on {rows}"


def threshold_for_negative_recall(validation: PartPredictions, goal: float) -> float:
    """Return the lowest threshold that finds a share of the negative reviews, so with the fewest false alarms.

    It lies midway between the last probability that must be called negative and the next one.

    Args:
        validation: Rows of both classes.
        goal: Share of the negative rows, 0–1, that must lie below the threshold.
    """
    ranked = RankedCounts.of(validation.labels, validation.probabilities)
    found = np.cumsum(ranked.negative)
    # In whole rows, so that 9 of 10 are enough for 0.9 whatever the rounding.
    needed = int(np.ceil(goal * found[-1] - ROUNDING))
    last = int(np.searchsorted(found, needed))
    low = float(ranked.probability[last])
    above = float(ranked.probability[last + 1]) if last + 1 < len(ranked.probability) else 1.0
    middle = (low + above) / 2
    # Where two neighbors are so close that their midpoint is the lower one, only the upper one parts them; from a
    # probability of 1 nothing but a threshold beyond it would, which a share cannot be.
    return middle if middle > low else above


def operating_points(
    predictions: Predictions, threshold: float, config: EvaluationConfig
) -> tuple[OperatingPoint, ...]:
    """Return thresholds for the usual goals with what they give, by rising threshold.

    Args:
        predictions: Of the validation and the test part.
        threshold: The one that the run asked for; its goal is marked as chosen.
        config: Which goal that is.
    """
    validation = predictions.validation
    goals: dict[str, tuple[str, float]] = {"half": ("Probability one half", HALF)}
    if len(np.unique(validation.labels)) == 2:  # noqa: PLR2004 - two classes
        best = metrics.best_threshold(validation.labels, validation.probabilities)
        goals["balanced_accuracy"] = ("Best balanced accuracy", best)
        for goal in sorted({*RECALL_GOALS, config.negative_recall_goal}):
            goals[_recall_goal(goal)] = (
                f"Find {_percent(goal)} of the negative reviews",
                threshold_for_negative_recall(validation, goal),
            )
    asked = _recall_goal(config.negative_recall_goal) if config.threshold == "negative_recall" else config.threshold
    # Without two classes on validation there is but one half, whatever was asked for.
    asked = asked if asked in goals else "half"
    goals[asked] = (goals[asked][0], threshold)
    points = [
        OperatingPoint(
            goal=goal,
            title=title,
            threshold=value,
            chosen=goal == asked,
            validation=_scores(validation, value),
            test=_scores(predictions.test, value),
        )
        for goal, (title, value) in goals.items()
    ]
    return tuple(sorted(points, key=lambda point: (point.threshold, point.goal)))


def _scores(part: PartPredictions, threshold: float) -> ThresholdScores:
    matrix = metrics.confusion_matrix(part.labels, part.probabilities, threshold)
    called_negative = matrix.true_negative + matrix.false_negative
    called_positive = matrix.true_positive + matrix.false_positive
    rows = called_negative + called_positive
    return ThresholdScores(
        accuracy=(matrix.true_negative + matrix.true_positive) / rows,
        balanced_accuracy=metrics.balanced_accuracy(matrix),
        negative_precision=share_of(matrix.true_negative, called_negative),
        negative_recall=_negative_recall(matrix),
        positive_precision=share_of(matrix.true_positive, called_positive),
        positive_recall=share_of(matrix.true_positive, matrix.true_positive + matrix.false_negative),
        called_positive_share=called_positive / rows,
    )


def _negative_recall(matrix: ConfusionMatrix) -> float:
    return share_of(matrix.true_negative, matrix.true_negative + matrix.false_positive)


def _recall_goal(goal: float) -> str:
    return f"negative_recall_{100 * goal:g}"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
