"""Two models on the same rows: the bootstrap of their difference, such that a better answer never looks worse.

The rows of a class fall into gains (+1: just the challenger is right), losses (−1) and ties. The sum over a resample of
them is one draw from a distribution that is computed here exactly. All resamples take their draws from it at fixed
places between 0 and 1, so that turning a wrong answer of the challenger into a right one moves no resample down.
``evaluation.comparison`` draws multinomials instead; those have the same distribution, but chance moves their
percentiles a little with every change of the counts, and a gate whose answer depends on that would be a lottery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.promotion.records import Differences, PairedTally
from pipeline.statistics import CONFIDENCE, NORMAL_QUANTILE, Interval, generator, percentile_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDING = 1e-9
"""Of a distribution function computed by Fourier transforms; far below any share of resamples that is asked for."""


def tally(challenger_right: NDArray[np.bool_], champion_right: NDArray[np.bool_]) -> PairedTally:
    """Count rows by which model is right; both bool ``[rows]``."""
    both = int((challenger_right & champion_right).sum())
    only_challenger, only_champion = int(challenger_right.sum()) - both, int(champion_right.sum()) - both
    return PairedTally(
        both=both,
        only_challenger=only_challenger,
        only_champion=only_champion,
        neither=len(challenger_right) - both - only_challenger - only_champion,
    )


def differences(negative: PairedTally, positive: PairedTally, samples: int) -> Differences | None:
    """Return the differences, challenger minus champion, with paired percentile intervals; ``None`` without rows.

    Rows are resampled within each class, as everywhere in the evaluation; a class without rows adds nothing.

    Args:
        negative: The negative rows.
        positive: The positive rows.
        samples: Resamples behind an interval.
    """
    if not negative.rows + positive.rows:
        return None
    random = generator("challenge")
    sums, resampled = [], []
    for counts in (negative, positive):
        places = random.random(samples)
        sums.append(counts.only_challenger - counts.only_champion)
        resampled.append(_quantiles(counts.only_challenger, counts.only_champion, counts.rows, places))
    rows, in_negative, in_positive = (max(count, 1) for count in _row_counts(negative, positive))
    return Differences(
        balanced_accuracy=percentile_interval(
            (sums[0] / in_negative + sums[1] / in_positive) / 2,
            (resampled[0] / in_negative + resampled[1] / in_positive) / 2,
        ),
        accuracy=percentile_interval(sum(sums) / rows, (resampled[0] + resampled[1]) / rows),
        negative_recall=percentile_interval(sums[0] / in_negative, resampled[0] / in_negative),
    )


def difference_of(gains: int, losses: int, rows: int) -> Interval:
    """Return the difference of two models' accuracy on some rows with its 95 % bootstrap interval.

    The percentiles are those of the bootstrap's own distribution, as of endlessly many resamples.
    """
    low, high = _quantiles(gains, losses, rows, np.array([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return Interval(value=(gains - losses) / rows, low=float(low / rows), high=float(high / rows))


def highest_difference(gains: int, losses: int, rows: int, among: int) -> float:
    """Return the upper bound of a difference that is one of several looked at together.

    All such bounds hold together with the confidence of one 95 % interval's upper end, however the slices overlap
    (Bonferroni's inequality; Dunn, *TrainingLog of the American Statistical Association* 56, 1961).

    Args:
        gains: Rows on which just the first model is right.
        losses: Rows on which just the second is right.
        rows: All rows; one at least.
        among: How many differences are looked at.
    """
    outside = (1 - CONFIDENCE) / 2 / max(among, 1)
    return float(_quantiles(gains, losses, rows, np.array([1 - outside]))[0] / rows)


def rows_needed(margin: float, share: float) -> int:
    """Return the rows of a class from which a difference of its recalls is known to less than a margin.

    As ``FEW_ROWS``: with n rows the 95 % half-width is 1.96·0.5/√n, at worst for one model's recall, and for the
    difference of two models that disagree on a quarter of the rows. Two versions of one model disagree on fewer.

    Args:
        margin: Above 0.
        share: What the class's recall adds to the figure: 1/2 for balanced accuracy.
    """
    return int(np.ceil((NORMAL_QUANTILE * 0.5 * share / margin) ** 2))


def _row_counts(negative: PairedTally, positive: PairedTally) -> Sequence[int]:
    return negative.rows + positive.rows, negative.rows, positive.rows


def _quantiles(gains: int, losses: int, rows: int, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of ``rows`` draws with replacement at some places of its distribution, float64 ``[places]``.

    The distribution is the ``rows``-fold convolution of the shares of losses, ties and gains, by Fourier transform.
    """
    if not gains + losses:
        return np.zeros(len(places))
    if rows in {gains, losses}:
        return np.full(len(places), float(rows if gains else -rows))
    # A circle with room for the sums from −rows to rows does not overlap itself; powers of two transform fastest.
    length = 1 << (2 * rows).bit_length()
    angles = 2 * np.pi * np.arange(length) / length
    ties = rows - gains - losses
    one = (gains * np.exp(-1j * angles) + losses * np.exp(1j * angles) + ties) / rows
    chances = np.clip(np.fft.ifft(one**rows).real, 0, None)
    # The sums below zero stand behind those above.
    up_to = np.cumsum(np.concatenate([chances[length - rows :], chances[: rows + 1]]))
    up_to /= up_to[-1]
    return np.searchsorted(up_to, places - ROUNDING).astype(np.float64) - rows
