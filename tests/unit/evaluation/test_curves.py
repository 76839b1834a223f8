"""Curves and calibration: what is kept of them is what they were."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from pipeline.evaluation import metrics
from pipeline.evaluation.calibration import BINS, calibration_bins
from pipeline.evaluation.curves import DISTRIBUTION_BINS, MOST_POINTS, curves
from pipeline.evaluation.resampling import RankedCounts

THOROUGH = settings(deadline=None, max_examples=60, derandomize=True)


def drawn(rows: int, shift: float = 0.0, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn with the very probabilities that are given, which are then said ``shift`` too high."""
    random = np.random.default_rng(seed)
    truth = random.uniform(0.05, 0.75, rows)
    return (random.random(rows) < truth).astype(np.int8), truth + shift


def test_probabilities_that_mean_what_they_say_are_calibrated() -> None:
    labels, probabilities = drawn(20_000)
    got = metrics.scores(labels, probabilities, 0.5, 200)
    assert got.calibration_error.value < 0.015
    assert got.calibration_error.low <= got.calibration_error.value <= got.calibration_error.high
    bins = calibration_bins(RankedCounts.of(labels, probabilities))
    assert len(bins) == BINS
    assert all(abs(one.rows - 2_000) <= 1 for one in bins)
    held = [one.positive_share.low <= one.mean_probability <= one.positive_share.high for one in bins]
    assert sum(held) >= BINS - 2


def test_probabilities_that_say_too_much_are_off_by_just_that() -> None:
    labels, probabilities = drawn(20_000, shift=0.2)
    got = metrics.scores(labels, probabilities, 0.5, 200)
    assert got.calibration_error.value == pytest.approx(0.2, abs=0.01)
    assert got.calibration_error.low < 0.2 < got.calibration_error.high
    # Brier: the variance of the labels given the truth, and the square of the shift.
    truth = probabilities - 0.2
    assert got.brier_score.value == pytest.approx((truth * (1 - truth)).mean() + 0.04, abs=0.005)


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.2001, 0.9, 1.0])), min_size=1, max_size=60))
@THOROUGH
def test_every_row_is_in_one_bin_and_rows_of_one_probability_stay_together(rows) -> None:
    labels, probabilities = (np.array(column) for column in zip(*rows, strict=True))
    ranked = RankedCounts.of(labels.astype(np.int8), probabilities.astype(float))
    bins = calibration_bins(ranked)
    assert sum(one.rows for one in bins) == len(rows)
    assert all(one.low <= one.mean_probability <= one.high for one in bins)
    assert all(low.high < high.low for low, high in pairwise(bins))
    error = sum(one.rows * abs(one.mean_probability - one.positive_share.value) for one in bins) / len(rows)
    measured = metrics.figures(labels.astype(np.int8), probabilities.astype(float), 0.5).calibration_error
    assert measured == pytest.approx(error, abs=1e-12)


def test_thinned_curves_keep_their_ends_and_their_area() -> None:
    random = np.random.default_rng(2)
    labels = (random.random(30_000) < 0.83).astype(np.int8)
    probabilities = 1 / (1 + np.exp(-(random.normal(size=30_000) + 2 * labels)))
    got = curves(labels, probabilities)
    for curve in (got.roc, got.negative_precision_recall, got.positive_precision_recall):
        assert 100 < len(curve) <= MOST_POINTS
    x, y = np.array(got.roc).T
    assert (got.roc[0], got.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert np.trapezoid(y, x) == pytest.approx(reference.roc_auc_score(labels, probabilities), abs=1e-3)
    for curve, wanted, score in (
        (got.negative_precision_recall, labels == 0, -probabilities),
        (got.positive_precision_recall, labels == 1, probabilities),
    ):
        recall, precision = np.array(curve).T
        assert recall[-1] == 1
        every_precision, every_recall, _ = reference.precision_recall_curve(wanted, score)
        area = reference.auc(every_recall[:-1], every_precision[:-1])
        assert np.trapezoid(precision, recall) == pytest.approx(area, abs=1e-3)


def test_exact_probabilities_on_few_rows_are_not_called_off() -> None:
    # Ten bins of 20 rows are off by nine points by chance alone; the interval must know that.
    lows = []
    for seed in range(40):
        labels, probabilities = drawn(200, seed=seed)
        got = metrics.scores(labels, probabilities, 0.5, 200).calibration_error
        assert 0 <= got.low <= got.value <= got.high
        lows.append(got.low)
    assert np.mean(np.array(lows) > 0.05) <= 0.05


def test_the_distribution_holds_every_row() -> None:
    labels = np.array([0, 0, 1, 1, 1], dtype=np.int8)
    found = curves(labels, np.array([0.0, 0.05, 0.5, 1.0, 0.999])).distribution
    assert len(found) == DISTRIBUTION_BINS
    assert [(one.low, one.negative) for one in found if one.negative] == [(0.0, 1), (0.05, 1)]
    assert [(one.low, one.positive) for one in found if one.positive] == [(0.5, 1), (0.95, 2)]


def test_one_class_alone_has_what_curves_it_can_have() -> None:
    got = curves(np.ones(3, dtype=np.int8), np.array([0.2, 0.5, 0.9]))
    assert got.roc == ()
    assert got.negative_precision_recall == ()
    assert all(precision == 1 for _, precision in got.positive_precision_recall)
