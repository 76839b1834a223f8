"""Sentences about comparisons; every reader of a ``Comparison`` takes its sentence from here."""

from __future__ import annotations

from pipeline.evaluation.records import Comparison
from pipeline.statistics import Interval

SMALLEST_P_VALUE = 0.001
"""Below it a p-value is reported as "p < 0.001"."""


def comparison_sentence(pair: Comparison) -> str:
    """Return which model is better, by how much, and whether the difference is significant."""
    difference = pair.balanced_accuracy_difference
    better, worse = pair.first_title, pair.second_title
    if difference.value < 0:
        better, worse, difference = worse, better, negated(difference)
    if difference.value == 0:
        result = f"{better} and {worse} have equal balanced accuracy"
    else:
        result = f"{better} has {_points(difference.value)} points more balanced accuracy than {worse}"
    disagreements = pair.only_first_right + pair.only_second_right
    if not disagreements:
        return f"{result}; they are right and wrong on the same reviews."
    p_value = "p < 0.001" if pair.mcnemar_p_value < SMALLEST_P_VALUE else f"p = {pair.mcnemar_p_value:.3f}"
    return (
        f"{result} (95 % interval {_points(difference.low)} to {_points(difference.high)}); the difference is "
        f"{'significant' if pair.significant else 'not significant'}. Accuracy: of {disagreements:,} reviews on which "
        f"only one of them is right, {pair.first_title} has {pair.only_first_right:,} and {pair.second_title} "
        f"{pair.only_second_right:,} (McNemar's exact test: {p_value})."
    )


def negated(interval: Interval) -> Interval:
    """Return the interval of the opposite difference."""
    return Interval(value=-interval.value, low=-interval.high, high=-interval.low)


def signed_points(difference: float | None) -> str:
    """Return a difference of shares as signed percentage points: ``+1.8 points``."""
    if difference is None:
        return "not a number"
    return f"{100 * difference:+.1f} points".replace("-", "−").replace("−0.0", "+0.0")


def _points(share: float) -> str:
    text = f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")
