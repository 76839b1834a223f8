"""The bounds that say "no better than the majority" and which model is best; shared with the acceptance check."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pipeline.evaluation.records import EvaluationSummary, Scores

MAJORITY_BOUND = 0.51
"""Balanced accuracy that the interval's lower end must pass.

Any model with one answer for all has exactly 0.5, whatever the class shares. The hundredth above it keeps out a
model that gives one answer but for a handful of rows: with ten thousand test rows that would be "significant" and
still worthless.
"""

FEW_ROWS = 97
"""Test rows of a class below which its figures are a guess.

With n rows the 95 % half-width of the class's recall is at worst 1.96·0.5/√n. From 97 rows on that is below 0.1, and
the class's half of the balanced accuracy less than 0.05.
"""

SMALL_CLASS_ROWS = 400
"""Test rows of the smaller class below which its recall has a 95 % interval wider than ±0.05 (at 0.5)."""

MAJORITY = "always_majority"
TFIDF = "tfidf_logistic_regression"
NAIVE_BAYES = "nb_svm"
VADER = "vader"


def clears_majority(scores: Scores) -> bool:
    """Return whether a model is shown to do better than one that gives every review the same answer.

    Accuracy takes no part: on uneven classes a threshold chosen for both classes alike may lower it below the
    larger class's share while the model tells the classes apart very well.
    """
    # Written so that a figure which is not a number does not clear the bound.
    return scores.balanced_accuracy.low > MAJORITY_BOUND and scores.balanced_accuracy.value > MAJORITY_BOUND


def best_first(evaluations: Iterable[EvaluationSummary]) -> tuple[EvaluationSummary, ...]:
    """Return models by balanced accuracy on validation, best first, ties by name; the test part takes no part.

    Models with unusable probabilities stand last.
    """

    def place(summary: EvaluationSummary) -> tuple[bool, float, str]:
        figure = summary.validation_balanced_accuracy
        broken = summary.unusable_probabilities > 0 or not math.isfinite(figure)
        return broken, -figure if math.isfinite(figure) else math.inf, summary.model

    return tuple(sorted(evaluations, key=place))
