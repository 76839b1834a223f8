"""A model's curves on the test part, small enough to be kept and drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.evaluation.calibration import calibration_bins
from pipeline.evaluation.records import Curves, DistributionBin, Point
from pipeline.evaluation.resampling import Labels, Probabilities, RankedCounts

MOST_POINTS = 200
"""Of a curve: more than a picture of 400 pixels can show."""
DISTRIBUTION_BINS = 20
DIGITS = 5
"""Decimals that are kept: a hundredth of a pixel."""


def curves(labels: Labels, probabilities: Probabilities) -> Curves:
    """Return ROC, precision–recall of both classes, calibration and distribution of the probabilities.

    A curve that needs a class without rows is empty.

    Args:
        labels: int8 ``[rows]``, 0 or 1.
        probabilities: float64 ``[rows]`` of 0–1, of the positive class.
    """
    both = len(np.unique(labels)) == 2  # noqa: PLR2004 - two classes
    roc: tuple[Point, ...] = ()
    if both:
        false_positive, true_positive, _ = roc_curve(labels, probabilities)
        roc = thinned(false_positive, true_positive)
    return Curves(
        roc=roc,
        negative_precision_recall=_precision_recall(labels == 0, -probabilities),
        positive_precision_recall=_precision_recall(labels == 1, probabilities),
        calibration=calibration_bins(RankedCounts.of(labels, probabilities)),
        distribution=_distribution(labels, probabilities),
    )


def thinned(x: NDArray[np.float64], y: NDArray[np.float64], most: int = MOST_POINTS) -> tuple[Point, ...]:
    """Return at most ``most`` points of a curve, both ends among them, evenly along its drawn length."""
    if len(x) > most:
        length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
        wanted = np.linspace(0, length[-1], most)
        places = np.unique(np.concatenate([[0], np.searchsorted(length, wanted[1:-1]), [len(x) - 1]]))
        x, y = x[places], y[places]
    return tuple((round(float(a), DIGITS), round(float(b), DIGITS)) for a, b in zip(x, y, strict=True))


def _precision_recall(wanted: NDArray[np.bool_], score: Probabilities) -> tuple[Point, ...]:
    if not wanted.any():
        return ()
    precision, recall, _ = precision_recall_curve(wanted, score)
    # The last point of scikit-learn is (0, 1) by convention, not by measurement: no row is called there.
    return thinned(recall[-2::-1], precision[-2::-1])


def _distribution(labels: Labels, probabilities: Probabilities) -> tuple[DistributionBin, ...]:
    edges = np.linspace(0, 1, DISTRIBUTION_BINS + 1)
    negative, _ = np.histogram(probabilities[labels == 0], edges)
    positive, _ = np.histogram(probabilities[labels == 1], edges)
    return tuple(
        DistributionBin(
            low=round(float(edges[place]), DIGITS),
            high=round(float(edges[place + 1]), DIGITS),
            negative=int(negative[place]),
            positive=int(positive[place]),
        )
        for place in range(DISTRIBUTION_BINS)
    )
