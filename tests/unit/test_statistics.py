"""Metrics equal those of the reference libraries, and intervals cover the true value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import log_loss

from pipeline.statistics import generator, label_entropy, log_losses, percentile_interval, wilson_interval


@given(st.integers(1, 5000), st.data())
@settings(deadline=None, max_examples=100, derandomize=True)
def test_wilsons_interval_is_scipys_and_holds_the_share(rows: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, rows))
    expected = stats.binomtest(successes, rows).proportion_ci(method="wilson")
    got = wilson_interval(successes, rows)
    assert (got.low, got.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= got.low <= got.value <= got.high <= 1


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_nineteen_of_twenty_wilson_intervals_hold_the_truth(share: float) -> None:
    drawn = np.random.default_rng(7).binomial(150, share, 2000)
    held = np.mean([(one := wilson_interval(int(hits), 150)).low <= share <= one.high for hits in drawn])
    assert 0.93 <= held <= 0.98


def test_without_rows_nothing_is_known() -> None:
    assert (wilson_interval(0, 0).low, wilson_interval(0, 0).high) == (0, 1)


def test_percentiles_and_generators_are_repeatable() -> None:
    found = percentile_interval(0.5, np.arange(1001) / 1000)
    assert (found.low, found.high) == (pytest.approx(0.025), pytest.approx(0.975))
    assert generator("a").integers(1 << 60) == generator("a").integers(1 << 60)
    assert generator("a").integers(1 << 60) != generator("b").integers(1 << 60)


def test_log_losses_and_entropy_are_those_of_the_libraries() -> None:
    random = np.random.default_rng(1)
    labels, probabilities = random.integers(0, 2, 500).astype(np.int8), random.random(500).astype(np.float32)
    assert log_losses(labels, probabilities).mean() == pytest.approx(log_loss(labels, probabilities.astype(float)))
    assert np.isfinite(log_losses(labels, np.zeros(500, dtype=np.float32))).all()
    assert label_entropy(np.array([0, 1, 1, 1], dtype=np.int8)) == pytest.approx(stats.entropy([0.25, 0.75]))
