"""Every figure of a model on thousands of resampled test parts, from counts and never row by row.

A resample draws rows within each class, so that it has the test part's own class shares (stratified bootstrap). All
that the figures need of it is how many rows of each class have each distinct probability; from those counts they follow
by cumulative sums. scikit-learn would sort and scan the rows again for each figure of each resample.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pipeline.statistics import generator, share_of

Labels = NDArray[np.int8]
Probabilities = NDArray[np.float64]
Counts = NDArray[np.int64]

HALF = 0.5
CLIP = 1e-7
"""Least distance of a probability from 0 and 1 in the log loss: Keras's epsilon, so that it compares with training."""
BLOCK_SAMPLES = 25
"""Resamples of one generator. Threads share the blocks, so that the result does not depend on how many there are."""
THREADS = 2
"""NumPy lets go of Python's lock while it works through an array; more threads wait for each other."""


@dataclass(frozen=True)
class RankedCounts:
    """Rows of each class by distinct probability, ascending; all that rankings and thresholds need.

    Attributes:
        probability: float64 ``[distinct]``.
        negative: int64 ``[distinct]``, rows of class 0 with that probability.
        positive: int64 ``[distinct]``, rows of class 1.
    """

    probability: Probabilities
    negative: Counts
    positive: Counts

    @classmethod
    def of(cls, labels: Labels, probabilities: Probabilities) -> RankedCounts:
        """Count the rows of each class at each distinct probability."""
        distinct, place = np.unique(probabilities, return_inverse=True)
        positive = np.bincount(place[labels == 1], minlength=len(distinct))
        negative = np.bincount(place[labels == 0], minlength=len(distinct))
        return cls(distinct, negative, positive)


@dataclass(frozen=True)
class Figures:
    """The figures of one set of rows; without the rows or calls that one needs it is 0, an area under ROC 0.5."""

    accuracy: float
    balanced_accuracy: float
    roc_auc: float
    pr_auc: float
    negative_pr_auc: float
    matthews: float
    log_loss: float
    brier_score: float
    calibration_error: float
    negative_precision: float
    negative_recall: float
    negative_f1: float
    positive_precision: float
    positive_recall: float
    positive_f1: float


NAMES = tuple(field.name for field in fields(Figures))


class CountedFigures:
    """All figures from counts at each distinct probability; what depends on no count is computed once.

    It computes in arrays of its own, which are used again for each resample (new ones cost more than the sums), so
    that each thread needs one. Dot products are NumPy's own: those of a BLAS library depend on the number of cores.
    """

    def __init__(self, probability: Probabilities, threshold: float, bin_starts: NDArray[np.int64]) -> None:
        """Prepare for one model.

        Args:
            probability: float64 ``[distinct]``, ascending.
            threshold: Least probability that counts as positive.
            bin_starts: int64 ``[bins]``, the place of the first probability of each calibration bin.
        """
        clipped = np.clip(probability, CLIP, 1 - CLIP)
        self._probability = probability
        self._called_negative = int(np.searchsorted(probability, threshold))
        self._bin_starts = bin_starts
        self._surprise_of_positive, self._surprise_of_negative = -np.log(clipped), -np.log(1 - clipped)
        self._square_of_positive, self._square_of_negative = (1 - probability) ** 2, probability**2
        self._arrays = np.empty((7, len(probability)))

    def __call__(self, negative: Counts, positive: Counts) -> Figures:
        """Return the figures.

        Args:
            negative: int64 ``[distinct]``, rows of class 0 at each probability.
            positive: int64 ``[distinct]``, rows of class 1.
        """
        of_negative, of_positive, both, negative_up_to, both_up_to, found, share = self._arrays
        of_negative[:], of_positive[:] = negative, positive
        np.add(of_negative, of_positive, out=both)
        np.cumsum(of_negative, out=negative_up_to)
        np.cumsum(both, out=both_up_to)
        rows, negatives = float(both_up_to[-1]), float(negative_up_to[-1])
        positives = rows - negatives
        # A positive row stands above the negative ones up to its probability; a tie counts half.
        ordered_pairs = _dot(of_positive, negative_up_to) - _dot(of_positive, of_negative) / 2
        # Of the rows up to a probability, the negative ones; without rows the weight is 0 as well.
        np.maximum(both_up_to, 1, out=share)
        np.divide(negative_up_to, share, out=share)
        negative_precision_by_rank = _dot(of_negative, share)
        below = self._called_negative - 1
        true_negative = float(negative_up_to[below]) if below >= 0 else 0.0
        false_negative = float(both_up_to[below]) - true_negative if below >= 0 else 0.0
        # The same from the other end: of the rows from a probability upwards, the positive ones.
        np.subtract(both_up_to, negative_up_to, out=found)
        np.subtract(of_positive, found, out=found)
        found += positives
        np.subtract(both, both_up_to, out=share)
        share += rows
        np.maximum(share, 1, out=share)
        np.divide(found, share, out=share)
        positive_precision_by_rank = _dot(of_positive, share)
        np.multiply(both, self._probability, out=share)
        share -= of_positive
        true_positive, false_positive = positives - false_negative, negatives - true_negative
        called_positive, called_negative = true_positive + false_positive, true_negative + false_negative
        denominator = called_positive * positives * negatives * called_negative
        surprise = _dot(of_positive, self._surprise_of_positive) + _dot(of_negative, self._surprise_of_negative)
        squares = _dot(of_positive, self._square_of_positive) + _dot(of_negative, self._square_of_negative)
        return Figures(
            accuracy=(true_positive + true_negative) / rows,
            balanced_accuracy=(share_of(true_positive, positives) + share_of(true_negative, negatives)) / 2,
            roc_auc=ordered_pairs / (positives * negatives) if positives and negatives else HALF,
            pr_auc=share_of(positive_precision_by_rank, positives),
            negative_pr_auc=share_of(negative_precision_by_rank, negatives),
            matthews=share_of(true_positive * true_negative - false_positive * false_negative, denominator**0.5),
            log_loss=surprise / rows,
            brier_score=squares / rows,
            calibration_error=float(np.abs(np.add.reduceat(share, self._bin_starts)).sum()) / rows,
            negative_precision=share_of(true_negative, called_negative),
            negative_recall=share_of(true_negative, negatives),
            negative_f1=share_of(2 * true_negative, called_negative + negatives),
            positive_precision=share_of(true_positive, called_positive),
            positive_recall=share_of(true_positive, positives),
            positive_f1=share_of(2 * true_positive, called_positive + positives),
        )


def resampled_figures(
    ranked: RankedCounts, threshold: float, bin_starts: NDArray[np.int64], samples: int
) -> dict[str, NDArray[np.float64]]:
    """Return each figure on ``samples`` resampled test parts, float64 ``[samples]`` by name.

    Args:
        ranked: The test part.
        threshold: Least probability that counts as positive.
        bin_starts: int64 ``[bins]``; the bins stay those of the test part itself.
        samples: Resamples; apart from the result, memory does not grow with them.
    """
    distinct = len(ranked.probability)
    places = [np.repeat(np.arange(distinct), counts) for counts in (ranked.negative, ranked.positive)]
    resampled = np.empty((samples, len(NAMES)))

    def drawn(place: NDArray[np.int64], random: np.random.Generator) -> Counts:
        if not len(place):
            return np.zeros(distinct, dtype=np.int64)
        return np.bincount(place[random.integers(0, len(place), len(place))], minlength=distinct)

    def fill(first_block: int) -> None:
        figures = CountedFigures(ranked.probability, threshold, bin_starts)
        for block in range(first_block, -(-samples // BLOCK_SAMPLES), THREADS):
            random = generator(f"rows {block}")
            for sample in range(block * BLOCK_SAMPLES, min(samples, (block + 1) * BLOCK_SAMPLES)):
                found = figures(drawn(places[0], random), drawn(places[1], random))
                resampled[sample] = [getattr(found, name) for name in NAMES]

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fill, range(THREADS)))
    return {name: resampled[:, column] for column, name in enumerate(NAMES)}


def _dot(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    return float(np.einsum("i,i->", left, right))
