"""Whether a probability means what it says: bins of like probability, and how often those reviews were positive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.records import CalibrationBin
from pipeline.evaluation.resampling import RankedCounts
from pipeline.statistics import wilson_interval

BINS = 10
"""Of as equal row counts as ties allow: bins of equal width would leave most of a confident model's range empty."""


def bin_starts(ranked: RankedCounts, bins: int = BINS) -> NDArray[np.int64]:
    """Return the place of the first distinct probability of each bin, int64 ``[bins or fewer]``.

    Rows of one probability stay together, so that a model with few answers has few bins.
    """
    rows_before = np.concatenate([[0], np.cumsum(ranked.negative + ranked.positive)[:-1]])
    rows = int((ranked.negative + ranked.positive).sum())
    # The bin of a probability is that of its first row, were all rows dealt to equal bins in order.
    number = rows_before * bins // max(rows, 1)
    return np.flatnonzero(np.diff(number, prepend=-1) > 0).astype(np.int64)


def calibration_bins(ranked: RankedCounts) -> tuple[CalibrationBin, ...]:
    """Return the calibration curve, by rising probability."""
    starts = bin_starts(ranked)
    ends = [*starts[1:], len(ranked.probability)]
    found = []
    for start, end in zip(starts, ends, strict=True):
        probability, positive = ranked.probability[start:end], ranked.positive[start:end]
        rows = positive + ranked.negative[start:end]
        found.append(
            CalibrationBin(
                low=float(probability[0]),
                high=float(probability[-1]),
                # Rounding of the weighted mean must not leave the bin.
                mean_probability=float(
                    np.clip(np.dot(probability, rows) / rows.sum(), probability[0], probability[-1])
                ),
                positive_share=wilson_interval(int(positive.sum()), int(rows.sum())),
                rows=int(rows.sum()),
            )
        )
    return tuple(found)
