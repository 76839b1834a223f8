"""Figures with their uncertainty: what every stage that measures something has in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.store import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""The standard normal's 97.5th percentile: a 95 % interval leaves 2.5 % on either side."""
BOOTSTRAP_SEED = 20_150_105
"""Fixed, so that the same data get the same intervals."""


class Interval(Record):
    """A figure with its 95 % interval; the field that holds it says how the interval was made."""

    value: float
    low: float
    high: float


def share_of(part: float, whole: float) -> float:
    """Return a part of a whole, 0–1; 0 where there is no whole."""
    return part / whole if whole else 0.0


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """Return a figure with the percentile interval of its resamples (Efron & Tibshirani 1993, chapter 13).

    Args:
        value: The figure on the data themselves.
        resampled: float64 ``[samples]``, the figure on each resample.
    """
    import numpy as np

    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=float(value), low=float(low), high=float(high))


def wilson_interval(successes: int, rows: int) -> Interval:
    """Return a share with its 95 % score interval (Wilson 1927), which is sound for few rows and shares of 0 or 1.

    Without rows nothing is known: the share is given as 0 with the interval from 0 to 1.
    """
    if not rows:
        return Interval(value=0.0, low=0.0, high=1.0)
    share, square = successes / rows, NORMAL_QUANTILE**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    reach = NORMAL_QUANTILE / (1 + square / rows) * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    # Rounding must not put the share itself outside.
    return Interval(value=share, low=max(0.0, min(middle - reach, share)), high=min(1.0, max(middle + reach, share)))


def generator(purpose: str) -> np.random.Generator:
    """Return the random numbers of one purpose, the same in each run and independent of other purposes'."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([BOOTSTRAP_SEED, *purpose.encode()])))
