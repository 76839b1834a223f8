"""Thresholds for stated goals, against trying every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import EvaluationConfig
from pipeline.evaluation.operating_points import operating_points, threshold_for, threshold_for_negative_recall
from pipeline.evaluation.predictions import PartPredictions, Predictions, part_predictions

THOROUGH = settings(deadline=None, max_examples=100, derandomize=True)


def part(labels: list[int], probabilities: list[float]) -> PartPredictions:
    return part_predictions(np.arange(len(labels)), np.array(labels, dtype=np.int8), np.array(probabilities))


@st.composite
def parts(draw) -> PartPredictions:
    labels = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=30))]
    level = st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9]) | st.floats(0, 0.9375, width=32)
    return part(labels, draw(st.lists(level, min_size=len(labels), max_size=len(labels))))


@given(parts(), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.999]))
@THOROUGH
def test_the_goal_is_reached_with_the_fewest_false_alarms(validation, goal) -> None:
    chosen = threshold_for_negative_recall(validation, goal)

    def found(threshold: float) -> int:
        return int(((validation.probabilities < threshold) & (validation.labels == 0)).sum())

    def alarms(threshold: float) -> int:
        return int(((validation.probabilities < threshold) & (validation.labels == 1)).sum())

    negatives = int((validation.labels == 0).sum())
    assert 0 <= chosen <= 1
    assert found(chosen) >= goal * negatives - 1e-9
    enough = [t for t in [*validation.probabilities, 1.0] if found(t) >= goal * negatives - 1e-9]
    assert alarms(chosen) == min(alarms(t) for t in enough)


def test_nine_of_ten_are_ninety_per_cent() -> None:
    validation = part([0] * 10 + [1], [*np.linspace(0.05, 0.5, 10), 0.9])
    assert threshold_for_negative_recall(validation, 0.9) == pytest.approx((0.45 + 0.5) / 2)


def test_the_configured_goal_is_marked_and_told() -> None:
    validation = part([0] * 4 + [1] * 4, [0.1, 0.2, 0.3, 0.8, 0.4, 0.6, 0.7, 0.9])
    config = EvaluationConfig(threshold="negative_recall", negative_recall_goal=0.75)
    threshold, source = threshold_for(validation, config)
    assert threshold == pytest.approx(0.35)
    assert source == "finds 75 % of the negative reviews among 8 validation reviews"
    points = operating_points(Predictions(validation=validation, test=validation), threshold, config)
    chosen = next(point for point in points if point.chosen)
    assert (chosen.goal, chosen.threshold) == ("negative_recall_75", threshold)
    assert chosen.test.negative_recall == 0.75
    assert chosen.test.negative_precision == 1
    assert chosen.test.called_positive_share == pytest.approx(5 / 8)
    assert [point.threshold for point in points] == sorted(point.threshold for point in points)
    assert {"half", "balanced_accuracy", "negative_recall_80", "negative_recall_90"} <= {p.goal for p in points}


def test_a_goal_out_of_reach_is_told() -> None:
    validation = part([0, 0, 1], [0.2, 1.0, 0.6])
    threshold, source = threshold_for(validation, EvaluationConfig(threshold="negative_recall"))
    assert threshold == 1
    assert source.startswith("finds 50 % of the negative reviews among 3 validation reviews; 90 % cannot be found")


def test_validation_of_one_class_leaves_a_half_alone() -> None:
    validation = part([1, 1], [0.3, 0.9])
    for goal in ("half", "balanced_accuracy", "negative_recall"):
        config = EvaluationConfig(threshold=goal)
        threshold, _ = threshold_for(validation, config)
        points = operating_points(Predictions(validation=validation, test=part([0], [0.2])), threshold, config)
        assert [(point.goal, point.chosen, point.threshold) for point in points] == [("half", True, 0.5)]
