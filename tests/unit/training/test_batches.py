"""Batches: every row once, hardly padded, in an order that only seed and epoch decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.encoding import Sequences
from pipeline.training.batches import (
    EMPTY_ROW_ID,
    WIDTH_STEP,
    batch_count,
    batch_of,
    bucket_widths,
    epoch_batches,
    padded,
    rows_by_length,
)

MAX_LENGTH = 40
lengths_of_rows = st.lists(st.integers(0, MAX_LENGTH), min_size=1, max_size=80)
bounded = settings(deadline=None, max_examples=60, derandomize=True)


def sequences(lengths: list[int]) -> Sequences:
    """Rows of these lengths; each token is an id of its own, so that a lost or moved one shows."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Sequences(
        row=np.arange(len(lengths), dtype=np.int64) * 3,
        label=(np.arange(len(lengths)) % 2).astype(np.int8),
        offsets=offsets,
        ids=np.arange(2, 2 + offsets[-1], dtype=np.int32),
    )


def words_of(rows: Sequences, row: int) -> list[int]:
    return rows.ids[rows.offsets[row] : rows.offsets[row + 1]].tolist()


@bounded
@given(lengths=lengths_of_rows, batch_size=st.integers(1, 30), epoch=st.integers(1, 3), fixed=st.booleans())
def test_an_epoch_reads_every_row_once_with_all_its_words(lengths, batch_size, epoch, fixed):
    rows = sequences(lengths)
    batches = list(
        epoch_batches(
            rows,
            batch_size=batch_size,
            max_length=MAX_LENGTH,
            seed=5,
            epoch=epoch,
            fixed_width=fixed,
            window_batches=2,
        )
    )
    assert sorted(np.concatenate([batch.rows for batch in batches]).tolist()) == list(range(len(lengths)))
    assert len(batches) == batch_count(len(lengths), batch_size)
    sizes = [len(batch.rows) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    for batch in batches:
        width = batch.ids.shape[1]
        assert batch.ids.dtype == np.int32
        assert width in bucket_widths(MAX_LENGTH)
        longest = max(lengths[row] for row in batch.rows)
        assert width == MAX_LENGTH if fixed else longest <= width < max(longest, 1) + WIDTH_STEP
        for row, ids in zip(batch.rows, batch.ids.tolist(), strict=True):
            words = words_of(rows, row) or ([] if fixed else [EMPTY_ROW_ID])
            assert ids == words + [0] * (width - len(words))


@bounded
@given(lengths=lengths_of_rows, batch_size=st.integers(1, 30), seed=st.integers(0, 2**31 - 1))
def test_seed_and_epoch_alone_decide_the_order(lengths, batch_size, seed):
    rows = sequences(lengths)

    def order(seed: int, epoch: int) -> list[list[int]]:
        plan = epoch_batches(rows, batch_size=batch_size, max_length=MAX_LENGTH, seed=seed, epoch=epoch)
        return [batch.rows.tolist() for batch in plan]

    assert order(seed, 1) == order(seed, 1)


def test_epochs_and_seeds_mix_the_rows_differently():
    rows = sequences([1 + i % MAX_LENGTH for i in range(200)])

    def order(seed: int, epoch: int) -> list[frozenset[int]]:
        plan = epoch_batches(rows, batch_size=10, max_length=MAX_LENGTH, seed=seed, epoch=epoch, window_batches=4)
        return [frozenset(batch.rows.tolist()) for batch in plan]

    first = order(1, 1)
    assert set(first) != set(order(1, 2))
    assert set(first) != set(order(2, 1))


def test_batches_do_not_come_in_the_order_of_their_lengths():
    rows = sequences([1 + i % MAX_LENGTH for i in range(200)])
    plan = epoch_batches(rows, batch_size=10, max_length=MAX_LENGTH, seed=1, epoch=1, window_batches=100)
    widths = [batch.ids.shape[1] for batch in plan]
    assert len(set(widths)) > 3
    assert widths != sorted(widths)


def test_sorting_inside_windows_saves_most_of_the_padding():
    generator = np.random.default_rng(3)
    lengths = np.minimum(np.ceil(generator.lognormal(3.3, 0.8, 8_000)), 150).astype(int)
    rows = sequences(lengths.tolist())
    plan = epoch_batches(rows, batch_size=100, max_length=150, seed=1, epoch=1)
    cells = sum(batch.ids.size for batch in plan)
    assert cells < 1.25 * lengths.sum()
    assert 150 * len(lengths) > 3 * cells


@bounded
@given(lengths=lengths_of_rows, batch_size=st.integers(1, 30))
def test_prediction_reads_every_row_once_and_longest_first(lengths, batch_size):
    rows = sequences(lengths)
    order = np.concatenate(rows_by_length(rows, batch_size)).tolist()
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[row] for row in order] == sorted(lengths, reverse=True)


def test_no_rows_make_no_batches():
    rows = sequences([])
    assert rows_by_length(rows, 10) == []
    assert list(epoch_batches(rows, batch_size=10, max_length=5, seed=1, epoch=1)) == []


def test_a_row_that_is_too_long_is_refused_not_cut():
    with pytest.raises(ValueError, match="7 words does not fit into 5"):
        padded(sequences([2, 7]), np.array([0, 1]), 5)
    with pytest.raises(ValueError, match="does not fit"):
        batch_of(sequences([2, 7]), np.array([0, 1]), max_length=5)


@given(max_length=st.integers(1, 400))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_few_widths_end_with_the_longest(max_length):
    widths = bucket_widths(max_length)
    assert widths[-1] == max_length
    assert (np.diff(widths) > 0).all()
    assert (np.diff(widths, prepend=0) <= WIDTH_STEP).all()
