"""Padded batches of ragged rows, without a loop over rows.

Padding is expensive: reviews have 37 words on average, but a random batch of a thousand contains one of 150. An epoch
therefore shuffles its rows, sorts them by length within windows of several batches, and shuffles the order of the
batches. Batches still differ between epochs, and they are hardly wider than their reviews.
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
"""The only id of a row without words, because cuDNN fails on a row that is masked completely. It is the id of the
unknown word, if the vocabulary has one."""

WIDTH_STEP = 8
"""Batch widths are multiples of this. Few shapes let a GPU reuse memory and cuDNN plans, for less than 4 padded words
per row."""

WINDOW_BATCHES = 16
"""Batches in a sorting window. 64 would save 2 more of 48 padded words and mix the rows less."""


@dataclass(frozen=True)
class Batch:
    """Padded rows.

    Attributes:
        rows: int64 ``[rows]``, indices in the ``Sequences``.
        ids: int32 ``[rows, width]``, word ids, padded with 0 at the end.
    """

    rows: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]


def bucket_widths(max_length: int) -> npt.NDArray[np.int64]:
    """Return the possible widths of a batch in words: multiples of ``WIDTH_STEP``, and ``max_length``."""
    return np.unique(np.append(np.arange(WIDTH_STEP, max_length, WIDTH_STEP), max_length))


def padded(
    sequences: Sequences, rows: npt.NDArray[np.int64], width: int, *, fill_empty: bool = True
) -> npt.NDArray[np.int32]:
    """Return the word ids of rows, padded with 0 at the end.

    Args:
        sequences: The ragged rows.
        rows: int64 ``[rows]``, indices in ``sequences``.
        width: Width of the result in words; no row may be longer.
        fill_empty: Put ``EMPTY_ROW_ID`` into rows without words.

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
    """Yield every row exactly once, in an order that depends on the seed and the epoch.

    The sizes of the batches differ by at most one row, so no small last batch gives its rows a larger weight.

    Args:
        sequences: The ragged rows.
        batch_size: Maximum rows of a batch.
        max_length: Maximum words of a row.
        seed: Seed of the variant.
        epoch: Counted from 1.
        fixed_width: Pad every batch to ``max_length`` and leave empty rows empty, for unmasked models.
        window_batches: Batches in a sorting window.
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
    """Return every row exactly once, longest first, in batches: the fastest order for prediction."""
    order = np.argsort(-np.diff(sequences.offsets), kind="stable")
    bounds = _bounds(len(order), batch_size)
    return [order[start:stop] for start, stop in pairwise(bounds)]


def batch_of(sequences: Sequences, rows: npt.NDArray[np.int64], *, max_length: int, fixed_width: bool = False) -> Batch:
    """Return rows as one batch, padded to the smallest sufficient width of ``bucket_widths``.

    Args:
        sequences: The ragged rows.
        rows: int64 ``[rows]``, at least one.
        max_length: Maximum words of a row.
        fixed_width: Pad to ``max_length`` and leave empty rows empty, for unmasked models.
    """
    width = max_length
    if not fixed_width:
        longest = int((sequences.offsets[rows + 1] - sequences.offsets[rows]).max())
        widths = bucket_widths(max_length)
        width = int(widths[np.flatnonzero(widths >= min(longest, max_length))[0]])
    return Batch(rows=rows, ids=padded(sequences, rows, width, fill_empty=not fixed_width))


def batch_count(rows: int, batch_size: int) -> int:
    """Return the number of batches of at most ``batch_size`` rows."""
    return -(-rows // batch_size)


def _bounds(rows: int, batch_size: int) -> npt.NDArray[np.int64]:
    """Return the bounds of the batches, int64 ``[batches + 1]``. Their sizes differ by at most one row."""
    batches = batch_count(rows, batch_size)
    return np.arange(batches + 1, dtype=np.int64) * rows // max(batches, 1)
