"""From ragged rows to padded batches, without a loop over rows.

Padding is what costs: reviews have 37 words on average, but a random batch of a thousand always holds one of 150.
So an epoch shuffles its rows, sorts them by length inside windows of several batches, cuts the batches and
shuffles their order. Rows still meet other rows in every epoch, and a batch is hardly wider than its reviews.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pipeline.encoding import Sequences

PADDING_ID = 0
EMPTY_ROW_ID = 1
"""Stands alone in a row without words, since a masked LSTM must have something to read (cuDNN stops at a row
that is wholly masked). It is the unknown word's id, where the vocabulary has one."""

WIDTH_STEP = 8
"""Batches are filled up to a multiple of this many words: few shapes, so that a GPU's allocator and cuDNN's plans
are reused, at less than 4 padded words a row."""

WINDOW_BATCHES = 16
"""Batches in a sorting window. 64 instead of 16 save 2 more padded words of 48, and mix the rows less."""


@dataclass(frozen=True)
class Batch:
    """Rows to be read together.

    Attributes:
        rows: int64 ``[rows]``, their places in the ``Sequences``.
        ids: int32 ``[rows, width]``, word ids, padded with 0 at the end.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]


def bucket_widths(max_length: int) -> npt.NDArray[np.int64]:
    """Return the widths, in words, that batches may have: multiples of ``WIDTH_STEP``, and ``max_length``."""
    return np.unique(np.append(np.arange(WIDTH_STEP, max_length, WIDTH_STEP), max_length))


def padded(
    sequences: Sequences, rows: npt.NDArray[np.int64], width: int, *, fill_empty: bool = True
) -> npt.NDArray[np.int32]:
    """Return the word ids of some rows, padded with 0 at the end.

    Args:
        sequences: The ragged rows.
        rows: int64 ``[rows]``, places in ``sequences``.
        width: Words of the result; no row may have more.
        fill_empty: Give a row without words ``EMPTY_ROW_ID`` as its only word.

    Returns:
        int32 ``[rows, width]``.
    """
    lengths = sequences.offsets[rows + 1] - sequences.offsets[rows]
    if len(rows) and int(lengths.max()) > width:
        raise ValueError(f"a row of {int(lengths.max())} words does not fit into {width}")
    ends = np.cumsum(lengths)
    within = np.arange(ends[-1] if len(rows) else 0) - np.repeat(ends - lengths, lengths)
    ids = np.full((len(rows), width), PADDING_ID, dtype=np.int32)
    if fill_empty and width:
        ids[lengths == 0, 0] = EMPTY_ROW_ID
    places = np.repeat(np.arange(len(rows)) * width, lengths) + within
    ids.reshape(-1)[places] = sequences.ids[np.repeat(sequences.offsets[rows], lengths) + within]
    return ids


def epoch_batches(
    sequences: Sequences,
    *,
    batch_size: int,
    max_length: int,
    seed: int,
    epoch: int,
    fixed_width: bool = False,
    window_batches: int = WINDOW_BATCHES,
) -> Iterator[Batch]:
    """Yield every row exactly once, in an order that only the seed and the epoch decide.

    The batches differ by at most one row in size, so no small last batch weighs its rows more than others.

    Args:
        sequences: The ragged rows.
        batch_size: Rows of a batch at most.
        max_length: Words of a row at most.
        seed: Of the variant.
        epoch: Counted from 1.
        fixed_width: Pad every batch to ``max_length`` and leave empty rows empty, as unmasked models are trained.
        window_batches: Batches among whose rows the lengths are sorted.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(sequences.label)).astype(np.int64)
    lengths = np.diff(sequences.offsets)
    bounds = _bounds(len(order), batch_size)
    if not fixed_width:
        window = np.searchsorted(bounds[window_batches::window_batches], np.arange(len(order)), side="right")
        order = order[np.lexsort((lengths[order], window))]
    for number in generator.permutation(len(bounds) - 1):
        rows = order[bounds[number] : bounds[number + 1]]
        yield batch_of(sequences, rows, max_length=max_length, fixed_width=fixed_width)


def rows_by_length(sequences: Sequences, batch_size: int) -> list[npt.NDArray[np.int64]]:
    """Return every row exactly once, longest first, in batches: the order in which prediction costs least."""
    order = np.argsort(-np.diff(sequences.offsets), kind="stable")
    bounds = _bounds(len(order), batch_size)
    return [order[start:stop] for start, stop in pairwise(bounds)]


def batch_of(sequences: Sequences, rows: npt.NDArray[np.int64], *, max_length: int, fixed_width: bool = False) -> Batch:
    """Return some rows as one batch, padded to the least width of ``bucket_widths`` that holds them.

    Args:
        sequences: The ragged rows.
        rows: int64 ``[rows]``, at least one.
        max_length: Words of a row at most.
        fixed_width: Pad to ``max_length`` and leave empty rows empty, as unmasked models read them.
    """
    width = max_length
    if not fixed_width:
        longest = int((sequences.offsets[rows + 1] - sequences.offsets[rows]).max())
        widths = bucket_widths(max_length)
        width = int(widths[np.flatnonzero(widths >= min(longest, max_length))[0]])
    return Batch(rows=rows, ids=padded(sequences, rows, width, fill_empty=not fixed_width))


def batch_count(rows: int, batch_size: int) -> int:
    """Return how many batches of at most ``batch_size`` rows there are."""
    return -(-rows // batch_size)


def _bounds(rows: int, batch_size: int) -> npt.NDArray[np.int64]:
    """Return where batches start and stop, int64 ``[batches + 1]``: equal sizes but for one row."""
    batches = batch_count(rows, batch_size)
    return np.arange(batches + 1, dtype=np.int64) * rows // max(batches, 1)
