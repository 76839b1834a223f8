"""Metrics and confidence intervals that several stages use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.store import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution, for two-sided 95 % intervals."""
BOOTSTRAP_SEED = 20_150_105
"""Fixed, so that the same data give the same intervals."""
MIN_PROBABILITY = 1e-7
"""Probabilities are clipped to this distance from 0 and 1 before the logarithm, as in Keras."""


class Interval(Record):
    """A value with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def share_of(part: float, whole: float) -> float:
    """Return part / whole, or 0 if the whole is 0."""
    return part / whole if whole else 0.0


def label_entropy(labels: NDArray[np.int8]) -> float:
    """Return the entropy of the labels in nats: the log loss of a model that knows only the share of each class.

    Args:
        labels: int8 ``[rows]``, 0 or 1.
    """
    import numpy as np
    from scipy.stats import entropy

    return float(entropy(np.bincount(labels, minlength=2)))


def log_losses(labels: NDArray[np.int8], probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the binary cross-entropy of each row in nats, float64 ``[rows]``.

    Args:
        labels: int8 ``[rows]``, 0 or 1.
        probabilities: float32 ``[rows]`` of the positive class.
    """
    import numpy as np

    clipped = np.clip(probabilities.astype(np.float64), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return -np.log(np.where(labels == 1, clipped, 1 - clipped))


def percentile_interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """Return a value with the percentile interval of its resamples (Efron & Tibshirani 1993, chapter 13).

    Args:
        value: The value on the data.
        resampled: float64 ``[samples]``, the value on each resample.
    """
    import numpy as np

    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=float(value), low=float(low), high=float(high))


def wilson_interval(successes: int, rows: int) -> Interval:
    """Return a share with its 95 % score interval (Wilson 1927), which is valid for few rows and shares of 0 or 1.

    Without rows, the share is 0 and the interval is 0 to 1.
    """
    if not rows:
        return Interval(value=0.0, low=0.0, high=1.0)
    share, square = successes / rows, NORMAL_QUANTILE**2
    center = (share + square / (2 * rows)) / (1 + square / rows)
    half_width = NORMAL_QUANTILE / (1 + square / rows) * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    # min and max keep the share inside the interval despite rounding.
    return Interval(
        value=share, low=max(0.0, min(center - half_width, share)), high=min(1.0, max(center + half_width, share))
    )


def generator(purpose: str) -> np.random.Generator:
    """Return a random generator that is the same in each run and independent between purposes."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([BOOTSTRAP_SEED, *purpose.encode()])))
