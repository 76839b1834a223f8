"""Two models on the same rows: paired differences with their intervals, and tests of equality.

Of the rows of a class, some are gains (only the first model is right, +1), some losses (only the second, −1), the rest
ties. The bootstrap sum over resampled rows then follows a distribution that is computed exactly, not drawn. All
resamples read it at fixed quantiles. A wrong answer of the first model that becomes right therefore lowers no interval
end, and a decision that depends on these intervals cannot get worse because a model got better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.records import PairedCounts, PairedDifferences
from pipeline.statistics import CONFIDENCE, NORMAL_QUANTILE, Interval, generator, percentile_interval

ROUNDING = 1e-9
"""Error of a distribution function computed by Fourier transforms; far below any quantile that is asked for."""
MAX_EXACT_CASES, PERMUTATIONS = 1_000_000, 100_000
"""Cases up to which the permutation test is exact; beyond, so many permutations are drawn."""


def count_pairs(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> PairedCounts:
    """Count rows by which model is right; both bool ``[rows]``."""
    both = int((first_right & second_right).sum())
    only_first, only_second = int(first_right.sum()) - both, int(second_right.sum()) - both
    return PairedCounts(
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=len(first_right) - both - only_first - only_second,
    )


def paired_differences(negative: PairedCounts, positive: PairedCounts, samples: int) -> PairedDifferences | None:
    """Return first minus second with paired percentile intervals; ``None`` without rows.

    Rows are resampled within each class. A class without rows contributes 0.

    Args:
        negative: The negative rows.
        positive: The positive rows.
        samples: Resamples behind an interval.
    """
    rows = negative.rows + positive.rows
    if not rows:
        return None
    random = generator("paired differences")
    gains, resampled = [], []
    for counts in (negative, positive):
        quantiles = random.random(samples)
        gains.append(counts.only_first - counts.only_second)
        resampled.append(_resampled_sums(counts.only_first, counts.only_second, counts.rows, quantiles))
    negatives, positives = max(negative.rows, 1), max(positive.rows, 1)
    return PairedDifferences(
        balanced_accuracy=percentile_interval(
            (gains[0] / negatives + gains[1] / positives) / 2,
            (resampled[0] / negatives + resampled[1] / positives) / 2,
        ),
        accuracy=percentile_interval(sum(gains) / rows, (resampled[0] + resampled[1]) / rows),
        negative_recall=percentile_interval(gains[0] / negatives, resampled[0] / negatives),
    )


def accuracy_difference(gains: int, losses: int, rows: int) -> Interval:
    """Return the difference of two accuracies with its 95 % bootstrap interval, exact.

    Args:
        gains: Rows on which only the first model is right.
        losses: Rows on which only the second is right.
        rows: All rows; at least one.
    """
    low, high = _resampled_sums(gains, losses, rows, np.array([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return Interval(value=(gains - losses) / rows, low=float(low / rows), high=float(high / rows))


def simultaneous_upper_bound(gains: int, losses: int, rows: int, comparisons: int) -> float:
    """Return the upper bound of one of several differences of accuracies.

    All such bounds hold together with the confidence of the upper end of a single 95 % interval, however the slices
    overlap (Bonferroni's inequality; Dunn, *Journal of the American Statistical Association* 56, 1961).

    Args:
        gains: Rows on which only the first model is right.
        losses: Rows on which only the second is right.
        rows: All rows; at least one.
        comparisons: How many differences are tested together.
    """
    tail = (1 - CONFIDENCE) / 2 / max(comparisons, 1)
    return float(_resampled_sums(gains, losses, rows, np.array([1 - tail]))[0] / rows)


def rows_needed(margin: float, weight: float) -> int:
    """Return the rows of a class that make the 95 % half-width of a recall's contribution at most ``margin``.

    With n rows the half-width of a recall is at worst 1.96·0.5/√n. The difference of two models that disagree on a
    quarter of the rows has the same one; two versions of one model disagree on fewer.

    Args:
        margin: Above 0.
        weight: Weight of the recall in the metric: 1/2 for balanced accuracy.
    """
    return int(np.ceil((NORMAL_QUANTILE * 0.5 * weight / margin) ** 2))


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of equal accuracy (McNemar 1947, in its binomial form).

    Under equality each row on which only one model is right belongs to either with probability 1/2.
    """
    from scipy.special import bdtr

    disagreements = only_first + only_second
    if not disagreements:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), disagreements, 0.5)))


def permutation_p_value(negative: PairedCounts, positive: PairedCounts) -> float:
    """Return the two-sided p-value of equal balanced accuracy, by swapping the models row by row (Fisher 1935).

    The bootstrap is overconfident where few rows differ; this test is not. It is exact up to ``MAX_EXACT_CASES`` cases
    and uses ``PERMUTATIONS`` random permutations beyond.
    """
    from scipy.stats import binom

    classes = (negative, positive)
    disagreements = [counts.only_first + counts.only_second for counts in classes]
    weights = [1 / max(counts.rows, 1) for counts in classes]
    observed = abs(
        sum((counts.only_first - counts.only_second) * weight for counts, weight in zip(classes, weights, strict=True))
    )
    exact = (disagreements[0] + 1) * (disagreements[1] + 1) <= MAX_EXACT_CASES
    if exact:
        wins = [np.arange(rows + 1) for rows in disagreements]
        probability = np.multiply.outer(
            *(binom.pmf(cases, rows, 0.5) for cases, rows in zip(wins, disagreements, strict=True))
        )
    else:
        random = generator("paired permutations")
        wins = [random.binomial(rows, 0.5, PERMUTATIONS) for rows in disagreements]
        probability = np.full(PERMUTATIONS, 1 / PERMUTATIONS)
    gains = [(2 * cases - rows) * weight for cases, rows, weight in zip(wins, disagreements, weights, strict=True)]
    permuted = np.add.outer(*gains) if exact else gains[0] + gains[1]
    # Equal up to rounding counts as equal.
    return float(min(1.0, probability[np.abs(permuted) >= observed - 1e-12].sum()))


def _resampled_sums(gains: int, losses: int, rows: int, quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return quantiles of the sum of ``rows`` draws with replacement, float64 ``[quantiles]``.

    The distribution is the ``rows``-fold convolution of the shares of losses, ties and gains, by Fourier transform.
    """
    if not gains + losses:
        return np.zeros(len(quantiles))
    if rows in {gains, losses}:
        return np.full(len(quantiles), float(rows if gains else -rows))
    # A circle with room for the sums from −rows to rows does not overlap itself; powers of two transform fastest.
    length = 1 << (2 * rows).bit_length()
    angles = 2 * np.pi * np.arange(length) / length
    ties = rows - gains - losses
    one_draw = (gains * np.exp(-1j * angles) + losses * np.exp(1j * angles) + ties) / rows
    probability = np.clip(np.fft.ifft(one_draw**rows).real, 0, None)
    # The transform puts the sums below zero after those above.
    cumulative = np.cumsum(np.concatenate([probability[length - rows :], probability[: rows + 1]]))
    cumulative /= cumulative[-1]
    return np.searchsorted(cumulative, quantiles - ROUNDING).astype(np.float64) - rows
