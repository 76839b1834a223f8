"""The figures against scikit-learn, SciPy and brute force."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from pipeline.evaluation import metrics
from pipeline.evaluation.calibration import bin_starts
from pipeline.evaluation.resampling import NAMES, CountedFigures, RankedCounts, resampled_figures
from pipeline.statistics import label_entropy

THOROUGH = settings(deadline=None, max_examples=60, derandomize=True)


@st.composite
def judged_rows(draw, *, both_classes: bool = True):
    """Labels and probabilities, with many ties."""
    labels = draw(st.lists(st.integers(0, 1), min_size=2, max_size=40))
    if both_classes:
        labels[:2] = [0, 1]
    levels = st.sampled_from([0.0, 0.1, 0.3, 0.49999997, 0.5, 0.7, 0.95, 1.0])
    probabilities = draw(st.lists(levels | st.floats(0, 1, width=32), min_size=len(labels), max_size=len(labels)))
    return np.array(labels, dtype=np.int8), np.array(probabilities, dtype=np.float64)


def many_rows(rows: int = 400, seed: int = 5):
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.8).astype(np.int8)
    probabilities = 1 / (1 + np.exp(-(random.normal(size=rows) + 1.5 * labels)))
    return labels, probabilities.round(2)


@given(judged_rows(both_classes=False), st.floats(0, 1))
@THOROUGH
def test_what_is_resampled_is_what_scikit_learn_measures(rows, threshold):
    labels, probabilities = rows
    ranked = RankedCounts.of(labels, probabilities)
    counted = CountedFigures(ranked.probability, threshold, bin_starts(ranked))(ranked.negative, ranked.positive)
    measured = metrics.figures(labels, probabilities, threshold)
    for name in NAMES:
        assert getattr(counted, name) == pytest.approx(getattr(measured, name), abs=1e-12), name


@given(judged_rows(), st.integers(0, 1000))
@THOROUGH
def test_a_resamples_figures_are_those_of_its_rows(rows, seed):
    labels, probabilities = rows
    ranked = RankedCounts.of(labels, probabilities)
    drawn = np.random.default_rng(seed).integers(0, len(labels), len(labels))
    drawn_labels, drawn_probabilities = labels[drawn], probabilities[drawn]
    negative, positive = (
        np.array([((drawn_probabilities == p) & (drawn_labels == value)).sum() for p in ranked.probability])
        for value in (0, 1)
    )
    counted = CountedFigures(ranked.probability, 0.5, bin_starts(ranked))(negative, positive)
    measured = metrics.figures(drawn_labels, drawn_probabilities, 0.5)
    # The bins are those of the test part: a resample's own would fall elsewhere.
    for name in set(NAMES) - {"calibration_error"}:
        assert getattr(counted, name) == pytest.approx(getattr(measured, name), abs=1e-12), name


def test_the_number_of_threads_does_not_change_the_intervals(monkeypatch):
    labels, probabilities = many_rows()
    ranked = RankedCounts.of(labels, probabilities)
    two = resampled_figures(ranked, 0.5, bin_starts(ranked), 130)
    monkeypatch.setattr("pipeline.evaluation.resampling.THREADS", 1)
    one = resampled_figures(ranked, 0.5, bin_starts(ranked), 130)
    assert all(np.array_equal(one[name], two[name]) for name in NAMES)


def test_the_confusion_matrix_counts_rows_by_truth_and_call():
    labels, probabilities = many_rows()
    matrix = metrics.confusion_matrix(labels, probabilities, 0.6)
    assert [
        [matrix.true_negative, matrix.false_positive],
        [matrix.false_negative, matrix.true_positive],
    ] == reference.confusion_matrix(labels, probabilities >= 0.6, labels=[0, 1]).tolist()


def test_nineteen_of_twenty_intervals_hold_the_truth():
    # Two normal scores two standard deviations apart: the area is Φ(2/√2), the recalls at the middle Φ(1).
    random = np.random.default_rng(11)
    area, recall = stats.norm.cdf(2 / np.sqrt(2)), stats.norm.cdf(1)
    held = {"roc_auc": 0, "balanced_accuracy": 0}
    for _ in range(200):
        labels = np.repeat(np.array([0, 1], dtype=np.int8), (80, 220))
        probabilities = stats.norm.cdf(random.normal(size=300) + 2 * labels - 1)
        got = metrics.scores(labels, probabilities, 0.5, 300)
        held["roc_auc"] += got.roc_auc.low <= area <= got.roc_auc.high
        held["balanced_accuracy"] += got.balanced_accuracy.low <= recall <= got.balanced_accuracy.high
    # Of 200, 95 % are 190 ± 3; the percentile method is a little narrow on so few rows.
    assert {name: 180 <= count <= 198 for name, count in held.items()} == dict.fromkeys(held, True), held


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.83, 1.0])
def test_a_constant_model_has_defined_figures_and_makes_no_noise(probability):
    labels = np.array([1] * 83 + [0] * 17, dtype=np.int8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = metrics.scores(labels, np.full(100, probability), 0.5, 100)
    assert (got.roc_auc.low, got.roc_auc.value, got.roc_auc.high) == (0.5, 0.5, 0.5)
    assert (got.balanced_accuracy.low, got.balanced_accuracy.high) == (0.5, 0.5)
    assert (got.matthews.low, got.matthews.value, got.matthews.high) == (0, 0, 0)
    assert got.probability_spread == 0
    silent = got.positive if probability < 0.5 else got.negative
    assert (silent.precision.value, silent.recall.value, silent.f1.value) == (0, 0, 0)
    assert np.isfinite(got.log_loss.value)


def test_one_class_alone_has_defined_figures():
    got = metrics.scores(np.ones(5, dtype=np.int8), np.array([0.1, 0.6, 0.7, 0.8, 0.9]), 0.5, 100)
    assert got.accuracy.value == 0.8
    assert got.roc_auc.value == 0.5
    assert got.balanced_accuracy.value == 0.4
    assert got.negative_pr_auc.value == 0


@given(judged_rows())
@THOROUGH
def test_no_threshold_has_a_better_balanced_accuracy_and_none_as_good_is_nearer_to_a_half(rows):
    labels, probabilities = rows

    def quality(threshold: float) -> float:
        return metrics.balanced_accuracy(metrics.confusion_matrix(labels, probabilities, threshold))

    chosen = metrics.best_threshold(labels, probabilities)
    assert 0 <= chosen <= 1
    ends = np.unique(np.concatenate([[0.0], probabilities, [1.0]]))
    midpoints = (ends[1:] + ends[:-1]) / 2
    for candidate in [0.5, *midpoints, *probabilities]:
        assert quality(candidate) <= quality(chosen) + 1e-12
    for candidate in [0.5, *midpoints]:
        if quality(candidate) == pytest.approx(quality(chosen), abs=1e-12):
            assert abs(chosen - 0.5) <= abs(candidate - 0.5) + 1e-15


def test_the_threshold_is_a_midpoint_between_the_classes():
    labels = np.array([0, 0, 1, 1], dtype=np.int8)
    assert metrics.best_threshold(labels, np.array([0.6, 0.7, 0.9, 0.95])) == pytest.approx(0.8)


def test_neighboring_probabilities_are_still_parted():
    low = np.float64(0.7)
    high = np.nextafter(low, 1)
    chosen = metrics.best_threshold(np.array([0, 1], dtype=np.int8), np.array([low, high]))
    assert low < chosen <= high


def test_a_constant_model_keeps_a_half():
    assert metrics.best_threshold(np.array([0, 1, 1], dtype=np.int8), np.full(3, 0.83)) == 0.5


def test_intervals_agree_with_scipys_stratified_bootstrap():
    labels, probabilities = many_rows()
    threshold = 0.6
    positive, negative = probabilities[labels == 1], probabilities[labels == 0]

    def accuracy(positive, negative, axis=-1):
        hits = (positive >= threshold).sum(axis) + (negative < threshold).sum(axis)
        return hits / (positive.shape[axis] + negative.shape[axis])

    def balanced(positive, negative, axis=-1):
        return ((positive >= threshold).mean(axis) + (negative < threshold).mean(axis)) / 2

    def area(positive, negative, axis=-1):
        above = positive[..., :, None] > negative[..., None, :]
        level = positive[..., :, None] == negative[..., None, :]
        return (above + level / 2).mean((-1, -2))

    got = metrics.scores(labels, probabilities, threshold, 20_000)
    for figure, statistic, resamples in (
        (got.accuracy, accuracy, 20_000),
        (got.balanced_accuracy, balanced, 20_000),
        (got.roc_auc, area, 2_000),
    ):
        expected = stats.bootstrap(
            (positive, negative),
            statistic,
            n_resamples=resamples,
            batch=200,
            method="percentile",
            rng=np.random.default_rng(3),
        ).confidence_interval
        width = expected.high - expected.low
        assert figure.low == pytest.approx(expected.low, abs=0.06 * width)
        assert figure.high == pytest.approx(expected.high, abs=0.06 * width)


@given(judged_rows(both_classes=False))
@THOROUGH
def test_intervals_lie_in_bounds_and_are_the_same_each_time(rows):
    labels, probabilities = rows
    first, second = (metrics.scores(labels, probabilities, 0.5, 200) for _ in range(2))
    assert first == second
    for figure in (first.accuracy, first.balanced_accuracy, first.roc_auc):
        assert 0 <= figure.low <= figure.high <= 1


@given(judged_rows())
@THOROUGH
def test_swapping_the_classes_mirrors_the_figures(rows):
    labels, probabilities = rows
    # Powers of two are mirrored without rounding.
    probabilities = np.round(probabilities * 64) / 64
    here, mirrored = (
        metrics.figures(*given, 0.5) for given in ((labels, probabilities), (1 - labels, 1 - probabilities))
    )
    assert here.roc_auc == pytest.approx(mirrored.roc_auc)
    assert here.negative_pr_auc == pytest.approx(mirrored.pr_auc)
    assert here.brier_score == pytest.approx(mirrored.brier_score)
    assert here.log_loss == pytest.approx(mirrored.log_loss)


def test_log_loss_of_the_share_is_the_label_entropy():
    labels = np.array([1] * 83 + [0] * 17, dtype=np.int8)
    assert metrics.figures(labels, np.full(100, 0.83), 0.5).log_loss == pytest.approx(label_entropy(labels))
    assert label_entropy(labels) == pytest.approx(stats.entropy([0.83, 0.17]))
