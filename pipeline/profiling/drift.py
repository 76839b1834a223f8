"""How far two samples of counts lie apart, and how far chance alone puts them (docs/explanation/drift.md)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.profiling.records import ColumnDrift, DriftBin
from pipeline.statistics import CONFIDENCE, Interval, generator, wilson_interval

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EMPTY_BIN_ROWS = 0.5
"""An empty bin counts as half a row: the logarithm of nothing would make the index infinite."""
BOUND_DRAWS = 1_000
"""Pairs of random samples behind a bound."""
NATURAL_VALUES = 10
"""Up to so many different values each have a bin of their own; more are cut at the previous dump's deciles."""


def stability_index(counts: npt.NDArray[np.int64], previous: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the population stability index Σ (p − q) · ln(p / q) (Siddiqi 2006, *Credit Risk Scorecards*, chapter 6).

    It is zero for equal shares and above zero otherwise, and does not care which sample came first. A bin that one of
    the two lacks counts as ``EMPTY_BIN_ROWS`` there; one that both lack counts nothing.

    Args:
        counts: int64 ``[…, bins]``, at least one row in all.
        previous: int64 ``[…, bins]``, the same shape.

    Returns:
        float64 ``[…]``.
    """
    import numpy as np

    share = np.maximum(counts, EMPTY_BIN_ROWS) / counts.sum(axis=-1, keepdims=True)
    previous_share = np.maximum(previous, EMPTY_BIN_ROWS) / previous.sum(axis=-1, keepdims=True)
    terms = (share - previous_share) * np.log(share / previous_share)
    result: npt.NDArray[np.float64] = np.where((counts > 0) | (previous > 0), terms, 0.0).sum(axis=-1)
    return result


def chance_bound(counts: npt.NDArray[np.int64], previous: npt.NDArray[np.int64], purpose: str) -> float:
    """Return what the index stays below in 95 % of pairs of samples of these sizes from the pooled shares.

    Args:
        counts: int64 ``[bins]``.
        previous: int64 ``[bins]``.
        purpose: Names the random numbers (:func:`pipeline.statistics.generator`).
    """
    import numpy as np

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
        cuts: int64 ``[bins − 1]``, rising; each is the largest value of its bin.
        labels: Each bin in words: ``5``, ``6–9``, ``up to 24``, ``80 and more``.
    """

    cuts: npt.NDArray[np.int64]
    labels: tuple[str, ...]

    @classmethod
    def between(cls, values: npt.NDArray[np.int64], previous: npt.NDArray[np.int64]) -> Bins:
        """Return bins for two samples: each value's own, or the ranges between the previous one's deciles.

        A value that fills more than a tenth of the previous sample gets a bin of its own.

        Args:
            values: int64 ``[values]``, not empty.
            previous: int64 ``[previous values]``, not empty.
        """
        import numpy as np

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
        """Return how many values lie in each bin, int64 ``[bins]``."""
        import numpy as np

        return np.bincount(np.searchsorted(self.cuts, values, side="left"), minlength=len(self.labels))


def column_drift(
    name: str, title: str, values: npt.NDArray[np.int64], previous: npt.NDArray[np.int64]
) -> ColumnDrift | None:
    """Return how far a column has moved, or ``None`` where one of the dumps has no value in it.

    Args:
        name: The column.
        title: The column in words.
        values: int64 ``[rows]``, whole numbers of this dump.
        previous: int64 ``[previous rows]``, those of the dump before.
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
    """Return a share minus an earlier one with its 95 % hybrid score interval.

    Newcombe, *Statistics in Medicine* 17 (1998) 873–890, method 10: the ends of both Wilson intervals, squared and
    added.

    Args:
        successes: Rows of ``rows`` that count.
        rows: Rows now.
        previous_successes: Rows of ``previous_rows`` that count.
        previous_rows: Rows before.
    """
    now, before = wilson_interval(successes, rows), wilson_interval(previous_successes, previous_rows)
    difference = now.value - before.value
    return Interval(
        value=difference,
        low=difference - math.hypot(now.value - now.low, before.high - before.value),
        high=difference + math.hypot(now.high - now.value, before.value - before.low),
    )
