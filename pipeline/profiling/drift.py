"""The drift between two samples, and its bound under chance alone (docs/explanation/drift.md)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.profiling.records import ColumnDrift, DriftBin
from pipeline.statistics import CONFIDENCE, Interval, generator, wilson_interval

EMPTY_BIN_ROWS = 0.5
"""Rows that an empty bin counts as: with zero the index would be infinite."""
BOUND_DRAWS = 1_000
"""Pairs of random samples that a bound is computed from."""
NATURAL_VALUES = 10
"""Up to this number of distinct values, each has its own bin; more are cut at the deciles of the previous dump."""


def stability_index(counts: npt.NDArray[np.int64], previous: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the population stability index Σ (p − q) · ln(p / q) (Siddiqi 2006, *Credit Risk Scorecards*, chapter 6).

    It is zero for equal shares, positive otherwise, and symmetric. A bin that is empty in one sample counts as
    ``EMPTY_BIN_ROWS`` there; a bin that is empty in both is ignored.

    Args:
        counts: int64 ``[…, bins]``, at least one row in all.
        previous: int64 ``[…, bins]``, the same shape.

    Returns:
        float64 ``[…]``.
    """
    share = np.maximum(counts, EMPTY_BIN_ROWS) / counts.sum(axis=-1, keepdims=True)
    previous_share = np.maximum(previous, EMPTY_BIN_ROWS) / previous.sum(axis=-1, keepdims=True)
    terms = (share - previous_share) * np.log(share / previous_share)
    result: npt.NDArray[np.float64] = np.where((counts > 0) | (previous > 0), terms, 0.0).sum(axis=-1)
    return result


def chance_bound(counts: npt.NDArray[np.int64], previous: npt.NDArray[np.int64], purpose: str) -> float:
    """Return the 95th percentile of the index for pairs of random samples from the pooled shares, of the same sizes.

    Args:
        counts: int64 ``[bins]``.
        previous: int64 ``[bins]``.
        purpose: Name of the random numbers (:func:`pipeline.statistics.generator`).
    """
    pooled = counts + previous
    shares = pooled / pooled.sum()
    chance = generator(purpose)
    drawn = chance.multinomial(int(counts.sum()), shares, size=BOUND_DRAWS)
    drawn_before = chance.multinomial(int(previous.sum()), shares, size=BOUND_DRAWS)
    return float(np.quantile(stability_index(drawn, drawn_before), CONFIDENCE))


@dataclass(frozen=True)
class Bins:
    """Ranges of whole numbers, open at both ends.

    Attributes:
        cuts: int64 ``[bins − 1]``, ascending; each is the largest value of its bin.
        labels: The label of each bin: ``5``, ``6–9``, ``up to 24``, ``80 and more``.
    """

    cuts: npt.NDArray[np.int64]
    labels: tuple[str, ...]

    @classmethod
    def between(cls, values: npt.NDArray[np.int64], previous: npt.NDArray[np.int64]) -> Bins:
        """Return bins for two samples: one per value, or the ranges between the deciles of the previous sample.

        A value that makes up more than a tenth of the previous sample gets its own bin.

        Args:
            values: int64 ``[values]``, not empty.
            previous: int64 ``[previous values]``, not empty.
        """
        distinct = np.union1d(values, previous)
        if len(distinct) <= NATURAL_VALUES:
            return cls(distinct[:-1], tuple(f"{value:,}" for value in distinct.tolist()))
        deciles, times = np.unique(
            np.quantile(previous, np.arange(1, 10) / 10, method="inverted_cdf"), return_counts=True
        )
        cuts = np.union1d(deciles, deciles[times > 1] - 1).astype(np.int64)
        highs = cuts.tolist()
        smallest = int(distinct[0])
        labels = [f"{smallest:,}" if highs[0] == smallest else f"up to {highs[0]:,}"]
        for below, high in itertools.pairwise(highs):
            labels.append(f"{high:,}" if high == below + 1 else f"{below + 1:,}–{high:,}")
        return cls(cuts, (*labels, f"{highs[-1] + 1:,} and more"))

    def count(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of values in each bin, int64 ``[bins]``."""
        return np.bincount(np.searchsorted(self.cuts, values, side="left"), minlength=len(self.labels))


def column_drift(
    name: str, title: str, values: npt.NDArray[np.int64], previous: npt.NDArray[np.int64]
) -> ColumnDrift | None:
    """Return the drift of a column, or ``None`` if one of the dumps has no values in it.

    Args:
        name: The column.
        title: Its title in the report.
        values: int64 ``[rows]``, values of this dump.
        previous: int64 ``[previous rows]``, values of the previous dump.
    """
    if not len(values) or not len(previous):
        return None
    bins = Bins.between(values, previous)
    counts, before = bins.count(values), bins.count(previous)
    index, bound = float(stability_index(counts, before)), chance_bound(counts, before, f"drift of {name}")
    return ColumnDrift(
        name=name,
        title=title,
        bins=tuple(
            DriftBin(label=label, share=count / len(values), previous_share=count_before / len(previous))
            for label, count, count_before in zip(bins.labels, counts.tolist(), before.tolist(), strict=True)
            if count or count_before
        ),
        stability_index=index,
        bound=bound,
        moved=index > bound,
    )


def share_difference(successes: int, rows: int, previous_successes: int, previous_rows: int) -> Interval:
    """Return a share minus the previous share with its 95 % hybrid score interval.

    Source: Newcombe, *Statistics in Medicine* 17 (1998) 873–890, method 10, from both Wilson intervals.

    Args:
        successes: Rows in the numerator.
        rows: All rows.
        previous_successes: Rows in the numerator of the previous share.
        previous_rows: All rows of the previous dump.
    """
    now, before = wilson_interval(successes, rows), wilson_interval(previous_successes, previous_rows)
    difference = now.value - before.value
    return Interval(
        value=difference,
        low=difference - math.hypot(now.value - now.low, before.high - before.value),
        high=difference + math.hypot(now.high - now.value, before.value - before.low),
    )
