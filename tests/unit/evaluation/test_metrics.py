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
from pipeline.evaluation.metrics import RankedCounts

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


@given(judged_rows(), st.floats(0, 1))
@THOROUGH
def test_every_figure_is_scikit_learns(rows, threshold):
    labels, probabilities = rows
    called = (probabilities >= threshold).astype(int)
    got = metrics.scores(labels, probabilities, threshold, 100)
    assert got.accuracy.value == pytest.approx(reference.accuracy_score(labels, called))
    assert got.balanced_accuracy.value == pytest.approx(reference.balanced_accuracy_score(labels, called))
    assert got.roc_auc.value == pytest.approx(reference.roc_auc_score(labels, probabilities))
    assert got.pr_auc == pytest.approx(reference.average_precision_score(labels, probabilities))
    assert got.negative_pr_auc == pytest.approx(reference.average_precision_score(1 - labels, -probabilities))
    assert got.matthews == pytest.approx(reference.matthews_corrcoef(labels, called))
    clipped = np.clip(probabilities, metrics.CLIP, 1 - metrics.CLIP)
    assert got.log_loss == pytest.approx(reference.log_loss(labels, clipped))
    matrix = got.confusion
    assert [
        [matrix.true_negative, matrix.false_positive],
        [matrix.false_negative, matrix.true_positive],
    ] == reference.confusion_matrix(labels, called, labels=[0, 1]).tolist()
    columns = reference.precision_recall_fscore_support(labels, called, labels=[0, 1], zero_division=0)
    for place, of_class in enumerate((got.negative, got.positive)):
        expected = [column[place] for column in columns]
        assert [of_class.precision, of_class.recall, of_class.f1, of_class.rows] == pytest.approx(expected)
    assert got.predicted_positive_share == pytest.approx(called.mean())


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.83, 1.0])
def test_a_constant_model_has_defined_figures_and_makes_no_noise(probability):
    labels = np.array([1] * 83 + [0] * 17, dtype=np.int8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = metrics.scores(labels, np.full(100, probability), 0.5, 100)
    assert (got.roc_auc.low, got.roc_auc.value, got.roc_auc.high) == (0.5, 0.5, 0.5)
    assert (got.balanced_accuracy.low, got.balanced_accuracy.high) == (0.5, 0.5)
    assert got.matthews == 0
    assert got.probability_spread == 0
    silent = got.positive if probability < 0.5 else got.negative
    assert (silent.precision, silent.recall, silent.f1) == (0, 0, 0)
    assert np.isfinite(got.log_loss)


def test_one_class_alone_has_defined_figures():
    got = metrics.scores(np.ones(5, dtype=np.int8), np.array([0.1, 0.6, 0.7, 0.8, 0.9]), 0.5, 100)
    assert got.accuracy.value == 0.8
    assert got.roc_auc.value == 0.5
    assert got.balanced_accuracy.value == 0.4
    assert got.negative_pr_auc == 0


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


def test_neighbouring_probabilities_are_still_parted():
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
    here, mirrored = RankedCounts.of(labels, probabilities), RankedCounts.of(1 - labels, 1 - probabilities)
    assert metrics.roc_auc(here) == pytest.approx(metrics.roc_auc(mirrored))
    assert metrics.average_precision(here.negative, here.positive) == pytest.approx(
        metrics.average_precision(mirrored.positive[::-1], mirrored.negative[::-1])
    )


def test_log_loss_of_the_share_is_the_label_entropy():
    labels = np.array([1] * 83 + [0] * 17, dtype=np.int8)
    assert metrics.log_loss(labels, np.full(100, 0.83)) == pytest.approx(metrics.label_entropy(labels))
    assert metrics.label_entropy(labels) == pytest.approx(stats.entropy([0.83, 0.17]))
