"""Two models on the same rows: McNemar and the paired intervals against SciPy, and the words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.config import EvaluationConfig
from pipeline.evaluation import MAJORITY, TFIDF, BaselinesSummary, ComparisonSummary, baselines, compare, evaluate
from pipeline.evaluation.comparison import (
    ComparisonError,
    PairedCounts,
    comparison,
    difference_intervals,
    mcnemar_p_value,
    paired_counts,
    pairs_to_compare,
    swapping_p_value,
)
from pipeline.evaluation.predictions import part_predictions
from pipeline.store import ArtifactStore
from tests.unit.evaluation.given import evaluation, predictions, reviews, split, vocabulary

CONFIG = EvaluationConfig(bootstrap_samples=200, threshold="half")
THOROUGH = settings(deadline=None, max_examples=80, derandomize=True)


@given(st.integers(0, 3000), st.integers(0, 3000))
@THOROUGH
def test_mcnemars_test_is_the_exact_binomial_one(only_first, only_second):
    expected = 1.0
    if only_first + only_second:
        expected = stats.binomtest(only_first, only_first + only_second, 0.5).pvalue
    assert mcnemar_p_value(only_first, only_second) == pytest.approx(expected, rel=1e-9)


def test_paired_intervals_agree_with_scipy():
    random = np.random.default_rng(6)
    labels = (random.random(500) < 0.8).astype(int)
    first, second = random.random(500) < 0.9, random.random(500) < 0.85
    by_class = [paired_counts(first[labels == value], second[labels == value]) for value in (0, 1)]
    accuracy, balanced = difference_intervals(by_class[0], by_class[1], 20_000)
    difference = first.astype(int) - second.astype(int)
    negative, positive = difference[labels == 0], difference[labels == 1]
    assert accuracy.value == pytest.approx(difference.mean())
    assert balanced.value == pytest.approx((negative.mean() + positive.mean()) / 2)
    statistics = (
        (accuracy, lambda n, p, axis=-1: (n.sum(axis) + p.sum(axis)) / 500),
        (balanced, lambda n, p, axis=-1: (n.mean(axis) + p.mean(axis)) / 2),
    )
    for figure, statistic in statistics:
        expected = stats.bootstrap(
            (negative, positive), statistic, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1)
        ).confidence_interval
        assert figure.low == pytest.approx(expected.low, abs=0.003)
        assert figure.high == pytest.approx(expected.high, abs=0.003)


COUNTS = st.builds(PairedCounts, st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))


@given(COUNTS, COUNTS)
@THOROUGH
def test_swapping_the_models_negates_the_difference(negative, positive):
    if not negative.rows + positive.rows:
        return

    def swapped(counts: PairedCounts) -> PairedCounts:
        return PairedCounts(counts.both, counts.only_second, counts.only_first, counts.neither)

    here = difference_intervals(negative, positive, 100)
    there = difference_intervals(swapped(negative), swapped(positive), 100)
    for first, second in zip(here, there, strict=True):
        assert first.value == pytest.approx(-second.value)
        assert -1 <= first.low <= first.high <= 1


def compared(labels, first, second, samples: int = 400):
    """Compare two probability columns at 0.5."""
    labels = np.array(labels, dtype=np.int8)
    rows = np.arange(len(labels))
    return comparison(
        evaluation("bi-seed1", title="bi", threshold=0.5),
        evaluation("uni-seed1", title="uni", threshold=0.5),
        part_predictions(rows, labels, np.array(first, dtype=np.float64)),
        part_predictions(rows[::-1].copy(), labels[::-1].copy(), np.array(second, dtype=np.float64)[::-1].copy()),
        samples,
    )


def test_a_clear_difference_is_shown_whatever_the_order_of_the_rows():
    labels = [0, 1] * 200
    good = [0.1, 0.9] * 200
    bad = [0.1, 0.9, 0.9, 0.9] * 100
    pair = compared(labels, good, bad)
    assert (pair.both_right, pair.only_first_right, pair.only_second_right, pair.both_wrong) == (300, 100, 0, 0)
    assert pair.balanced_accuracy_difference.value == 0.25
    assert pair.shown
    assert pair.sentence.startswith("bi scores 25.0 points of balanced accuracy more than uni, interval 2")
    assert (
        "shown to be better. In plain accuracy, of the 100 reviews on which just one is right, bi has 100 and uni 0"
        in pair.sentence
    )
    assert "not shown" not in pair.sentence
    assert "p < 0.001" in pair.sentence


def test_a_small_difference_is_not_shown():
    labels = [0, 1] * 20
    first, second = [0.1, 0.9] * 20, [0.1, 0.9] * 20
    first[0], second[2], second[4] = 0.9, 0.9, 0.9
    pair = compared(labels, first, second)
    assert not pair.shown
    assert "bi scores 2.5 points of balanced accuracy more than uni, interval −" in pair.sentence
    assert ": not shown to be better. In plain accuracy, of the 3 reviews" in pair.sentence
    turned = compared(labels, second, first)
    assert turned.sentence.startswith("uni scores 2.5 points of balanced accuracy more than bi, interval −")
    assert turned.balanced_accuracy_difference.value == -pair.balanced_accuracy_difference.value


def test_equal_models_are_called_equal():
    pair = compared([0, 1, 1], [0.1, 0.9, 0.2], [0.3, 0.6, 0.4])
    assert pair.sentence == "bi and uni are equal in balanced accuracy: they are right and wrong on the same reviews."
    assert pair.mcnemar_p_value == 1
    assert not pair.shown


def test_different_rows_are_refused():
    labels = np.array([0, 1], dtype=np.int8)
    parts = [part_predictions(np.array(rows), labels, np.array([0.1, 0.9])) for rows in ([1, 2], [1, 3])]
    with pytest.raises(ComparisonError, match="different test rows or labels"):
        comparison(evaluation("a"), evaluation("b"), parts[0], parts[1], 100)


def test_pairs_are_runner_up_directions_and_tfidf():
    judged = [
        evaluation("uni-seed1", validation=0.80),
        evaluation("uni-seed2", validation=0.83),
        evaluation("bi-seed1", validation=0.90),
        evaluation("bi-seed2", validation=0.85),
    ]
    assert pairs_to_compare(judged) == (
        ("bi-seed1", "bi-seed2"),
        ("bi-seed1", "uni-seed2"),
        ("bi-seed1", TFIDF),
        ("bi-seed2", TFIDF),
        ("uni-seed2", TFIDF),
        ("uni-seed1", TFIDF),
    )
    assert pairs_to_compare(judged[:1]) == (("uni-seed1", TFIDF),)


def test_pairs_do_not_look_at_the_test_part():
    one = evaluation("bi-seed1", validation=0.9, low=0.6)
    other = evaluation("uni-seed1", validation=0.8, low=0.95)
    assert pairs_to_compare([other, one])[0] == ("bi-seed1", "uni-seed1")


def stages(store: ArtifactStore):
    """Run baselines, two evaluations and return what ``compare`` takes."""
    random = np.random.default_rng(2)
    labels = (random.random(240) < 0.7).astype(np.int8)
    words = ["good tea" if label else "bad tea" for label in labels]
    parts = ["train"] * 120 + ["validation"] * 60 + ["test"] * 60
    cleaned = reviews(store, labels, words=words)
    held_out = np.arange(120, 240)
    predicted, evaluated, words_known = {}, {}, vocabulary(store)
    for name, noise in (("uni-seed1", 0.9), ("bi-seed1", 0.4)):
        probabilities = np.clip(labels[held_out] * 0.6 + 0.2 + noise * (random.random(120) - 0.5), 0, 1)
        predicted[name] = predictions(store, labels[held_out], probabilities, parts[120:], model=name, rows=held_out)
        evaluated[name] = evaluate(
            predicted[name], cleaned, words_known, config=CONFIG, store=store, model=name, title=name.split("-")[0]
        )
    return predicted, evaluated, cleaned, baselines(cleaned, split(store, parts), CONFIG, store)


def test_the_stage_compares_variants_with_each_other_and_with_tfidf(store):
    predicted, evaluated, cleaned, floor = stages(store)
    summary = store.summary(
        compare(predicted, evaluated, floor, cleaned=cleaned, config=CONFIG, store=store), ComparisonSummary
    )
    assert [(pair.first, pair.second) for pair in summary.comparisons] == [
        ("bi-seed1", "uni-seed1"),
        ("bi-seed1", TFIDF),
        ("uni-seed1", TFIDF),
    ]
    assert all(pair.rows == 60 for pair in summary.comparisons)
    against = summary.between("uni-seed1", TFIDF)
    linear = next(e for e in store.summary(floor, BaselinesSummary).evaluations if e.model == TFIDF)
    assert against is not None
    assert against.both_right + against.only_second_right == round(linear.scores.accuracy.value * 60)
    assert summary.between("uni-seed1", MAJORITY) is None


def test_the_order_in_which_models_are_given_does_not_matter(store):
    predicted, evaluated, cleaned, floor = stages(store)
    first = compare(predicted, evaluated, floor, cleaned=cleaned, config=CONFIG, store=store)
    again = compare(
        dict(reversed(predicted.items())),
        dict(reversed(evaluated.items())),
        floor,
        cleaned=cleaned,
        config=CONFIG,
        store=store,
    )
    assert first == again


def test_models_without_an_evaluation_are_refused(store):
    predicted, evaluated, cleaned, floor = stages(store)
    with pytest.raises(ComparisonError, match="must be those with evaluations"):
        compare(predicted, {"bi-seed1": evaluated["bi-seed1"]}, floor, cleaned=cleaned, config=CONFIG, store=store)
    with pytest.raises(ComparisonError, match="one at least"):
        compare({}, {}, floor, cleaned=cleaned, config=CONFIG, store=store)


def test_an_evaluation_of_another_model_is_refused(store):
    predicted, evaluated, cleaned, floor = stages(store)
    swapped = {"bi-seed1": evaluated["uni-seed1"], "uni-seed1": evaluated["bi-seed1"]}
    with pytest.raises(ComparisonError, match="is of the model"):
        compare(predicted, swapped, floor, cleaned=cleaned, config=CONFIG, store=store)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
@THOROUGH
def test_the_swapping_test_is_that_of_every_swapping(first_negative, second_negative, first_positive, second_positive):
    negative = PairedCounts(both=10, only_first=first_negative, only_second=second_negative, neither=3)
    positive = PairedCounts(both=40, only_first=first_positive, only_second=second_positive, neither=1)
    gains = np.array(
        [1] * first_negative + [-1] * second_negative + [1] * first_positive + [-1] * second_positive, dtype=float
    )
    gains[: first_negative + second_negative] /= negative.rows
    gains[first_negative + second_negative :] /= positive.rows
    if len(gains) > 12:
        gains = gains[:0]
    if not len(gains):
        return
    signs = (np.arange(2 ** len(gains))[:, None] >> np.arange(len(gains))) & 1
    swapped = np.abs(((2 * signs - 1) * np.abs(gains)).sum(1))
    expected = (swapped >= abs(gains.sum()) - 1e-12).mean()
    assert swapping_p_value(negative, positive) == pytest.approx(expected, abs=1e-12)


def test_a_handful_of_rows_shows_nothing_however_they_fall():
    # The bootstrap draws only what it has seen: five rows for one model and none for the other.
    negative, positive = PairedCounts(15, 0, 5, 0), PairedCounts(40, 0, 0, 0)
    _, balanced = difference_intervals(negative, positive, 1000)
    assert balanced.high < 0
    assert swapping_p_value(negative, positive) == pytest.approx(0.0625)


def test_many_cases_are_drawn_and_agree_with_mcnemars():
    many, none = PairedCounts(5000, 2100, 2000, 100), PairedCounts(9000, 0, 0, 0)
    assert swapping_p_value(many, none) == pytest.approx(mcnemar_p_value(2100, 2000), abs=0.01)
    huge = PairedCounts(5000, 2100, 2000, 100)
    assert swapping_p_value(huge, PairedCounts(9000, 1000, 1000, 0)) == pytest.approx(0.18, abs=0.1)
