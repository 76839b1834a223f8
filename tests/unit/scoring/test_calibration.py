"""Rescaled probabilities: 0.5 is the threshold, and they mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.calibration import SLOPES, Calibration


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def overconfident(rows=40_000, positive_share=0.85, temperature=2.0):
    """Labels, and probabilities whose logits are ``temperature`` times too large."""
    random = np.random.default_rng(5)
    labels = (random.random(rows) < positive_share).astype(np.int8)
    # Two normal distributions of equal variance: the log-odds are linear, and known.
    evidence = random.normal(np.where(labels == 1, 1.0, -1.0))
    logits = 2 * evidence + np.log(positive_share / (1 - positive_share))
    return labels, sigmoid(temperature * logits).astype(np.float32), logits


def test_probabilities_are_those_of_equally_frequent_classes():
    labels, probabilities, logits = overconfident()
    # The best threshold of right probabilities is the share of positive reviews; these are too extreme.
    threshold = float(sigmoid(2.0 * np.log(0.85 / 0.15)))
    calibration = Calibration.fit(labels, probabilities, threshold)
    found = calibration.apply(probabilities)
    np.testing.assert_allclose(found, sigmoid(logits - np.log(0.85 / 0.15)), atol=0.03)
    weight = np.where(labels == 1, 1 / 0.85, 1 / 0.15)
    for low in (0.1, 0.3, 0.5, 0.7):
        chosen = (found >= low) & (found < low + 0.2)
        assert np.average(labels[chosen], weights=weight[chosen]) == pytest.approx(found[chosen].mean(), abs=0.03)


@given(threshold=st.floats(0.01, 0.99), data=st.data())
def test_both_thresholds_part_the_rows_in_the_same_way(threshold, data):
    values = data.draw(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=40))
    probabilities = np.array(values, np.float32)
    labels = np.arange(len(values)).astype(np.int8) % 2
    calibration = Calibration.fit(labels, probabilities, threshold)
    apart = np.abs(probabilities - threshold) > 1e-5
    after, before = calibration.apply(probabilities) >= 0.5, probabilities >= threshold
    np.testing.assert_array_equal(after[apart], before[apart])


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_thresholds_at_the_ends_stay_finite(threshold):
    labels, probabilities, _ = overconfident(rows=200)
    found = Calibration.fit(labels, probabilities, threshold).apply(probabilities)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found >= 0.5, probabilities >= threshold)


def test_perfectly_separated_rows_have_a_bounded_slope():
    labels, probabilities = np.array([0, 0, 1, 1], np.int8), np.float32([0.1, 0.2, 0.8, 0.9])
    assert Calibration.fit(labels, probabilities, 0.5).slope == pytest.approx(SLOPES[1], rel=1e-3)


def test_one_class_leaves_the_slope():
    calibration = Calibration.fit(np.ones(3, np.int8), np.float32([0.5, 0.6, 0.9]), 0.6)
    assert calibration.slope == 1
    assert calibration.apply(np.float32([0.6])) == pytest.approx(0.5, abs=1e-6)


def test_the_identity_changes_no_bit_and_undo_reverses():
    probabilities = np.float32([0, 1e-9, 0.3, 0.999, 1])
    assert Calibration().apply(probabilities) is probabilities
    calibration = Calibration(slope=1.3, intercept=-1.7)
    np.testing.assert_allclose(calibration.undo(calibration.apply(probabilities)), probabilities, atol=1e-5)
