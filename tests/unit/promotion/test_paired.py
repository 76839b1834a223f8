"""The bootstrap of a difference: right, and never moved down by a better answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipeline.evaluation.comparison import PairedCounts, difference_intervals
from pipeline.evaluation.rules import FEW_ROWS
from pipeline.promotion.paired import difference_of, differences, highest_difference, rows_needed
from pipeline.promotion.records import PairedTally
from tests.unit.promotion.examples import counts

THOROUGH = settings(deadline=None, max_examples=80, derandomize=True)
tallies = st.builds(
    PairedTally,
    both=st.integers(0, 400),
    only_challenger=st.integers(0, 60),
    only_champion=st.integers(0, 60),
    neither=st.integers(0, 60),
)


def test_the_intervals_are_those_of_the_evaluations_bootstrap():
    negative, positive = counts(4300, 320, 290), counts(28000, 900, 1000)
    found = differences(negative, positive, 20_000)
    accuracy, balanced = difference_intervals(
        PairedCounts(3690, 320, 290, 0), PairedCounts(26100, 900, 1000, 0), 20_000
    )
    for ours, theirs in ((found.accuracy, accuracy), (found.balanced_accuracy, balanced)):
        assert ours.value == theirs.value
        assert ours.low == pytest.approx(theirs.low, abs=1e-4)
        assert ours.high == pytest.approx(theirs.high, abs=1e-4)


@given(st.integers(1, 300), st.data())
@THOROUGH
def test_without_gains_a_resample_is_a_binomial_draw(rows, data):
    losses = data.draw(st.integers(0, rows))
    found = difference_of(0, losses, rows)
    low, high = stats.binom.ppf([0.975, 0.025], rows, losses / rows)
    assert (found.low, found.high) == pytest.approx((-low / rows, -high / rows))


@given(tallies, tallies, st.data())
@THOROUGH
def test_a_right_answer_more_moves_no_figure_down(negative, positive, data):
    if not negative.rows + positive.rows:
        assert differences(negative, positive, 100) is None
        return
    before = differences(negative, positive, 100)
    sides = [negative, positive]
    place = data.draw(st.integers(0, 1))
    # A row on which the challenger was wrong: either the champion was right there or neither was.
    wrong = [name for name in ("only_champion", "neither") if getattr(sides[place], name)]
    if not wrong:
        return
    name = data.draw(st.sampled_from(wrong))
    righted = "both" if name == "only_champion" else "only_challenger"
    update = {name: getattr(sides[place], name) - 1, righted: getattr(sides[place], righted) + 1}
    sides[place] = sides[place].model_copy(update=update)
    after = differences(*sides, 100)
    for figure in ("balanced_accuracy", "accuracy", "negative_recall"):
        for end in ("value", "low", "high"):
            assert getattr(getattr(after, figure), end) >= getattr(getattr(before, figure), end) - 1e-12
    for tally, better in ((negative, sides[0]), (positive, sides[1])):
        if tally.rows:
            bounds = [
                highest_difference(one.only_challenger, one.only_champion, one.rows, 30) for one in (tally, better)
            ]
            assert bounds[1] >= bounds[0]


def test_a_bound_among_many_is_wider_and_holds_for_all_of_them():
    alone, among = (highest_difference(20, 60, 500, slices) for slices in (1, 30))
    assert alone == difference_of(20, 60, 500).high
    assert -0.08 < alone < among
    # Thirty kinds of reviews on which the two do not differ: one in forty runs may show one of them to be worse.
    random = np.random.default_rng(1)
    runs = random.multinomial(400, [0.05, 0.05, 0.9], (60, 30))
    shown = sum(
        any(highest_difference(gains, losses, 400, 30) < 0 for gains, losses, _ in run) for run in runs.tolist()
    )
    assert shown <= 4


def test_rows_follow_from_the_margin_as_in_the_evaluation():
    assert rows_needed(0.05, 0.5) == FEW_ROWS
    assert rows_needed(0.02, 0.5) == 601
    assert rows_needed(0.02, 1) == 2401
