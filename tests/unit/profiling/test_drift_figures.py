"""Indices, bounds and intervals of drift: hand-computed cases, laws, and what chance does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.profiling.drift import EMPTY_BIN_ROWS, Bins, chance_bound, column_drift, share_difference, stability_index

counts = st.lists(st.integers(0, 500), min_size=1, max_size=12).filter(any)


def index_of(now: list[int], before: list[int]) -> float:
    return float(stability_index(np.array(now), np.array(before)))


def test_index_of_a_case_computed_by_hand() -> None:
    # (0.5 − 0.6) ln(0.5/0.6) + (0.3 − 0.3) ln 1 + (0.2 − 0.1) ln 2
    by_hand = -0.1 * math.log(5 / 6) + 0.1 * math.log(2)
    assert index_of([50, 30, 20], [600, 300, 100]) == pytest.approx(by_hand)


def test_an_empty_bin_counts_as_half_a_row() -> None:
    by_hand = (EMPTY_BIN_ROWS / 10 - 0.2) * math.log(EMPTY_BIN_ROWS / 10 / 0.2) + (1 - 0.8) * math.log(1 / 0.8)
    assert index_of([0, 10], [2, 8]) == pytest.approx(by_hand)


def test_a_bin_that_neither_has_counts_nothing() -> None:
    assert index_of([10, 0, 30], [20, 0, 40]) == pytest.approx(index_of([10, 30], [20, 40]))


@settings(deadline=None)
@given(st.data())
def test_index_is_never_below_zero_and_the_same_either_way(data: st.DataObject) -> None:
    now = data.draw(counts)
    before = data.draw(st.lists(st.integers(0, 500), min_size=len(now), max_size=len(now)).filter(any))
    assert index_of(now, before) >= 0
    assert index_of(now, before) == pytest.approx(index_of(before, now))


@settings(deadline=None)
@given(counts, st.integers(1, 9))
def test_index_of_equal_shares_is_zero(now: list[int], times: int) -> None:
    assert index_of(now, [times * count for count in now]) == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**40), min_size=1, max_size=60), st.lists(st.integers(0, 2**40), min_size=1, max_size=60)
)
def test_bins_hold_every_value_once_with_a_label_of_its_own(now: list[int], before: list[int]) -> None:
    bins = Bins.between(np.array(now), np.array(before))
    assert bins.count(np.array(now)).sum() == len(now)
    assert bins.count(np.array(before)).sum() == len(before)
    assert len(set(bins.labels)) == len(bins.labels) == len(bins.cuts) + 1


def test_few_values_are_bins_of_their_own() -> None:
    bins = Bins.between(np.array([1, 5, 5]), np.array([1, 2, 4, 5]))
    assert bins.labels == ("1", "2", "4", "5")
    assert bins.count(np.array([1, 5, 5])).tolist() == [1, 0, 0, 2]


def test_many_values_are_cut_at_the_previous_deciles_with_open_ends() -> None:
    bins = Bins.between(np.arange(1_000, 2_000), np.arange(1, 101))
    assert bins.labels[:2] == ("up to 10", "11–20")
    assert bins.labels[-1] == "91 and more"
    assert bins.count(np.arange(1, 101)).tolist() == [10] * 10
    assert bins.count(np.arange(1_000, 2_000)).tolist() == [0] * 9 + [1_000]


def test_a_value_that_fills_several_deciles_has_a_bin_of_its_own() -> None:
    constant, lower = np.full(50, 20), np.arange(0, 15)
    drift = column_drift("votes", "Votes", lower, constant)
    assert drift is not None
    assert [(one.label, one.share, one.previous_share) for one in drift.bins] == [("up to 19", 1, 0), ("20", 0, 1)]
    assert drift.moved


def test_shares_of_a_column_sum_to_one() -> None:
    chance = np.random.default_rng(5)
    drift = column_drift("words", "Words", chance.poisson(30, 200), chance.poisson(40, 300))
    assert drift is not None
    assert sum(one.share for one in drift.bins) == pytest.approx(1)
    assert sum(one.previous_share for one in drift.bins) == pytest.approx(1)


def test_a_column_that_one_dump_lacks_is_left_out() -> None:
    assert column_drift("votes", "Votes", np.array([], dtype=np.int64), np.array([1, 2])) is None
    assert column_drift("votes", "Votes", np.array([1, 2]), np.array([], dtype=np.int64)) is None


@pytest.mark.parametrize("draw", ["stars", "lengths"])
def test_chance_alone_passes_the_bound_in_about_one_of_twenty(draw: str) -> None:
    chance = np.random.default_rng(11)
    moved = 0
    for _ in range(400):
        if draw == "stars":
            now, before = (chance.choice([1, 2, 4, 5], size, p=[0.1, 0.06, 0.16, 0.68]) for size in (700, 400))
        else:
            now, before = (chance.geometric(0.02, size) for size in (700, 400))
        drift = column_drift("of the test", "", now, before)
        assert drift is not None
        moved += drift.moved
    # 400 draws of 5 %: 8 to 33 with 99.5 % on either side; the deciles are drawn too.
    assert 8 <= moved <= 33


def test_a_clear_move_passes_the_bound_and_the_bound_falls_with_the_rows() -> None:
    few, many = np.array([50, 50]), np.array([5_000, 5_000])
    assert chance_bound(many, many, "rows") < chance_bound(few, few, "rows") / 50
    drift = column_drift("stars", "Stars", np.repeat([1, 5], [300, 700]), np.repeat([1, 5], [100, 900]))
    assert drift is not None
    assert drift.moved


def test_the_bound_is_the_same_in_each_run() -> None:
    now, before = np.array([30, 70]), np.array([40, 60])
    assert chance_bound(now, before, "a column") == chance_bound(now, before, "a column")


def test_newcombes_own_example() -> None:
    # Newcombe 1998, table II, case (a): 56/70 − 48/80, method 10.
    shift = share_difference(56, 70, 48, 80)
    assert (shift.value, shift.low, shift.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_interval_of_a_difference_holds_it_and_turns_around(rows: int, before: int, now: float, then: float) -> None:
    successes, previous = round(now * rows), round(then * before)
    shift, back = (
        share_difference(successes, rows, previous, before),
        share_difference(previous, before, successes, rows),
    )
    assert -1 - 1e-9 <= shift.low <= shift.value <= shift.high <= 1 + 1e-9
    assert (shift.low, shift.high) == pytest.approx((-back.high, -back.low))
