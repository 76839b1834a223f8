"""Paired intervals and tests: right by SciPy's measure, and never lowered by a better answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.evaluation.paired import (
    accuracy_difference,
    count_pairs,
    mcnemar_p_value,
    paired_differences,
    permutation_p_value,
    rows_needed,
    simultaneous_upper_bound,
)
from pipeline.evaluation.records import PairedCounts
from pipeline.evaluation.rules import FEW_ROWS

THOROUGH = settings(deadline=None, max_examples=80, derandomize=True)
tallies = st.builds(
    PairedCounts,
    both=st.integers(0, 400),
    only_first=st.integers(0, 60),
    only_second=st.integers(0, 60),
    neither=st.integers(0, 60),
)


def test_paired_intervals_agree_with_scipy():
    random = np.random.default_rng(6)
    labels = (random.random(500) < 0.8).astype(int)
    first, second = random.random(500) < 0.9, random.random(500) < 0.85
    by_class = [count_pairs(first[labels == value], second[labels == value]) for value in (0, 1)]
    found = paired_differences(by_class[0], by_class[1], 20_000)
    accuracy, balanced = found.accuracy, found.balanced_accuracy
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


@given(st.integers(1, 300), st.data())
@THOROUGH
def test_without_gains_a_resample_is_a_binomial_draw(rows, data):
    losses = data.draw(st.integers(0, rows))
    found = accuracy_difference(0, losses, rows)
    low, high = stats.binom.ppf([0.975, 0.025], rows, losses / rows)
    assert (found.low, found.high) == pytest.approx((-low / rows, -high / rows))


@given(tallies, tallies, st.data())
@THOROUGH
def test_a_right_answer_more_moves_no_figure_down(negative, positive, data):
    if not negative.rows + positive.rows:
        assert paired_differences(negative, positive, 100) is None
        return
    before = paired_differences(negative, positive, 100)
    sides = [negative, positive]
    place = data.draw(st.integers(0, 1))
    # A row on which the first model was wrong: either the second was right there or neither was.
    wrong = [name for name in ("only_second", "neither") if getattr(sides[place], name)]
    if not wrong:
        return
    name = data.draw(st.sampled_from(wrong))
    righted = "both" if name == "only_second" else "only_first"
    update = {name: getattr(sides[place], name) - 1, righted: getattr(sides[place], righted) + 1}
    sides[place] = sides[place].model_copy(update=update)
    after = paired_differences(*sides, 100)
    for figure in ("balanced_accuracy", "accuracy", "negative_recall"):
        for end in ("value", "low", "high"):
            assert getattr(getattr(after, figure), end) >= getattr(getattr(before, figure), end) - 1e-12
    for tally, better in ((negative, sides[0]), (positive, sides[1])):
        if tally.rows:
            bounds = [
                simultaneous_upper_bound(one.only_first, one.only_second, one.rows, 30) for one in (tally, better)
            ]
            assert bounds[1] >= bounds[0]


def test_a_bound_among_many_is_wider_and_holds_for_all_of_them():
    alone, among = (simultaneous_upper_bound(20, 60, 500, slices) for slices in (1, 30))
    assert alone == accuracy_difference(20, 60, 500).high
    assert -0.08 < alone < among
    # Thirty kinds of reviews on which the two do not differ: one in forty runs may show one of them to be worse.
    random = np.random.default_rng(1)
    runs = random.multinomial(400, [0.05, 0.05, 0.9], (60, 30))
    shown = sum(
        any(simultaneous_upper_bound(gains, losses, 400, 30) < 0 for gains, losses, _ in run) for run in runs.tolist()
    )
    assert shown <= 4


def test_rows_follow_from_the_margin_as_in_the_evaluation():
    assert rows_needed(0.05, 0.5) == FEW_ROWS
    assert rows_needed(0.02, 0.5) == 601
    assert rows_needed(0.02, 1) == 2401


@given(st.integers(0, 3000), st.integers(0, 3000))
@THOROUGH
def test_mcnemars_test_is_the_exact_binomial_one(only_first, only_second):
    expected = 1.0
    if only_first + only_second:
        expected = stats.binomtest(only_first, only_first + only_second, 0.5).pvalue
    assert mcnemar_p_value(only_first, only_second) == pytest.approx(expected, rel=1e-9)


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
    assert permutation_p_value(negative, positive) == pytest.approx(expected, abs=1e-12)


def test_a_handful_of_rows_shows_nothing_however_they_fall():
    # The bootstrap draws only what it has seen: five rows for one model and none for the other.
    negative, positive = (
        PairedCounts(both=15, only_first=0, only_second=5, neither=0),
        PairedCounts(both=40, only_first=0, only_second=0, neither=0),
    )
    assert paired_differences(negative, positive, 1000).balanced_accuracy.high < 0
    assert permutation_p_value(negative, positive) == pytest.approx(0.0625)


def test_many_cases_are_drawn_and_agree_with_mcnemars():
    many, none = (
        PairedCounts(both=5000, only_first=2100, only_second=2000, neither=100),
        PairedCounts(both=9000, only_first=0, only_second=0, neither=0),
    )
    assert permutation_p_value(many, none) == pytest.approx(mcnemar_p_value(2100, 2000), abs=0.01)
    huge = PairedCounts(both=5000, only_first=2100, only_second=2000, neither=100)
    assert permutation_p_value(
        huge, PairedCounts(both=9000, only_first=1000, only_second=1000, neither=0)
    ) == pytest.approx(0.18, abs=0.1)
