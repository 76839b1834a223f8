"""Every figure that judges a model: pure functions of labels, probabilities and a threshold.

Class 1 is positive, class 0 negative; a review is called positive when its probability is at least the
threshold. Each figure is defined for every input, also for a model that says one thing of all rows: a
precision without predictions, a recall without rows and Matthews' correlation without a second class are 0,
an area under ROC without a second class is 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.records import ClassScores, ConfusionMatrix, Interval, Scores

Labels = NDArray[np.int8]
Probabilities = NDArray[np.float64]
Counts = NDArray[np.int64]

HALF = 0.5
CLIP = 1e-7
"""Least distance of a probability from 0 and 1 in the log loss: Keras's epsilon, so that it compares with training."""
CONFIDENCE = 0.95
BOOTSTRAP_SEED = 20_150_105
"""Fixed, so that the same predictions get the same intervals."""


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


def roc_auc(ranked: RankedCounts) -> float:
    """Return the chance that a positive review gets a higher probability than a negative one, ties half.

    This is the Mann–Whitney statistic, equal to the area under the ROC curve (Hanley & McNeil 1982).
    """
    pairs = int(ranked.positive.sum()) * int(ranked.negative.sum())
    if pairs == 0:
        return HALF
    return float(_ordered_pairs(ranked.positive, ranked.negative)) / pairs


def average_precision(wanted: Counts, other: Counts) -> float:
    """Return the area under precision–recall as Σ (recall step × precision), like scikit-learn's.

    Args:
        wanted: Rows of the wanted class by distinct score, the most wanted-looking first.
        other: Rows of the other class in the same order.
    """
    total = int(wanted.sum())
    if total == 0:
        return 0.0
    hits = np.cumsum(wanted)
    return float(np.sum(wanted * (hits / (hits + np.cumsum(other)))) / total)


def best_threshold(labels: Labels, probabilities: Probabilities) -> float:
    """Return the threshold with the best balanced accuracy on these rows.

    Candidates are 0.5 and the midpoints between neighbouring distinct probabilities, the ends 0 and 1 taken as
    neighbours; of equally good ones the nearest to 0.5 wins, then the lower. Balanced accuracies are compared as
    whole numbers (``TP·N + TN·P``), so that ties are exact.
    """
    ranked = RankedCounts.of(labels, probabilities)
    distinct = ranked.probability
    if not len(distinct):
        return HALF
    # Candidate k calls the k lowest probabilities negative, all others positive.
    below = np.concatenate([[0.0], distinct])
    above = np.concatenate([distinct, [1.0]])
    candidates = (below + above) / 2
    # Where two neighbours are so close that their midpoint is the lower one, only the upper one parts them.
    candidates = np.where(candidates > below, candidates, above)
    candidates[np.searchsorted(distinct, HALF)] = HALF
    true_negative = np.concatenate([[0], np.cumsum(ranked.negative)])
    true_positive = ranked.positive.sum() - np.concatenate([[0], np.cumsum(ranked.positive)])
    quality = true_positive * ranked.negative.sum() + true_negative * ranked.positive.sum()
    # With a probability of exactly 1 no threshold of 0–1 calls every row negative.
    usable = candidates[: len(distinct)] if distinct[-1] >= 1 else candidates
    best = np.flatnonzero(quality[: len(usable)] == quality[: len(usable)].max())
    return float(usable[best[np.argmin(np.abs(usable[best] - HALF))]])


def confusion_matrix(labels: Labels, probabilities: Probabilities, threshold: float) -> ConfusionMatrix:
    """Return rows by true and predicted class."""
    called_positive = probabilities >= threshold
    positive = labels == 1
    true_positive = int(np.count_nonzero(called_positive & positive))
    all_positive, all_called = int(np.count_nonzero(positive)), int(np.count_nonzero(called_positive))
    return ConfusionMatrix(
        true_negative=len(labels) - all_positive - (all_called - true_positive),
        false_positive=all_called - true_positive,
        false_negative=all_positive - true_positive,
        true_positive=true_positive,
    )


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean negative log-likelihood in nats, with probabilities kept ``CLIP`` away from 0 and 1."""
    of_truth = np.where(labels == 1, probabilities, 1 - probabilities)
    return float(-np.mean(np.log(np.clip(of_truth, CLIP, 1 - CLIP))))


def label_entropy(labels: Labels) -> float:
    """Return the entropy of the labels in nats: the log loss of a model that knows their share and nothing else."""
    shares = np.bincount(labels, minlength=2) / len(labels)
    return float(-sum(share * math.log(share) for share in shares if share > 0))


def balanced_accuracy(matrix: ConfusionMatrix) -> float:
    """Return the mean of the two recalls; a class without rows counts as 0."""
    return (
        _recall(matrix.true_positive, matrix.false_negative) + _recall(matrix.true_negative, matrix.false_positive)
    ) / 2


def scores(labels: Labels, probabilities: Probabilities, threshold: float, bootstrap_samples: int) -> Scores:
    """Judge one model on one set of rows.

    Args:
        labels: int8 ``[rows]``, 0 or 1; at least one row.
        probabilities: float64 ``[rows]`` of 0–1, of the positive class.
        threshold: Least probability that counts as positive.
        bootstrap_samples: Resamples behind each interval.
    """
    matrix = confusion_matrix(labels, probabilities, threshold)
    ranked = RankedCounts.of(labels, probabilities)
    tn, fp, fn, tp = matrix.true_negative, matrix.false_positive, matrix.false_negative, matrix.true_positive
    denominator = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return Scores(
        rows=len(labels),
        accuracy=accuracy_interval(matrix, bootstrap_samples),
        balanced_accuracy=balanced_accuracy_interval(matrix, bootstrap_samples),
        roc_auc=roc_auc_interval(ranked, bootstrap_samples),
        pr_auc=average_precision(ranked.positive[::-1], ranked.negative[::-1]),
        negative_pr_auc=average_precision(ranked.negative, ranked.positive),
        matthews=(tp * tn - fp * fn) / math.sqrt(denominator) if denominator else 0.0,
        log_loss=log_loss(labels, probabilities),
        negative=_class_scores(right=tn, wrongly_called=fn, missed=fp),
        positive=_class_scores(right=tp, wrongly_called=fp, missed=fn),
        confusion=matrix,
        predicted_positive_share=(tp + fp) / len(labels),
        # NumPy's mean of equal numbers may be off by one unit in the last place; a constant has no spread.
        probability_spread=0.0 if len(ranked.probability) == 1 else float(np.std(probabilities)),
    )


def accuracy_interval(matrix: ConfusionMatrix, samples: int) -> Interval:
    """Return the share of right calls with its stratified bootstrap interval.

    Resampling a class's rows and counting the right ones is a binomial draw, so no row is touched.
    """
    hits_positive, hits_negative, positive, negative = _resampled_hits(matrix, samples)
    rows = positive + negative
    return interval((matrix.true_positive + matrix.true_negative) / rows, (hits_positive + hits_negative) / rows)


def balanced_accuracy_interval(matrix: ConfusionMatrix, samples: int) -> Interval:
    """Return the balanced accuracy with its stratified bootstrap interval (binomial draws per class)."""
    hits_positive, hits_negative, positive, negative = _resampled_hits(matrix, samples)
    resampled = (hits_positive / max(positive, 1) + hits_negative / max(negative, 1)) / 2
    return interval(balanced_accuracy(matrix), resampled)


def roc_auc_interval(ranked: RankedCounts, samples: int) -> Interval:
    """Return the area under ROC with its stratified bootstrap interval.

    Each resample is counted per distinct probability and the area taken from cumulative counts: no sort, and memory
    of a few columns whatever the number of samples.
    """
    value = roc_auc(ranked)
    positives, negatives = int(ranked.positive.sum()), int(ranked.negative.sum())
    if positives == 0 or negatives == 0 or len(ranked.probability) == 1:
        return Interval(value=value, low=value, high=value)
    random = generator("roc_auc")
    distinct = len(ranked.probability)
    place_of_positive = np.repeat(np.arange(distinct, dtype=np.int32), ranked.positive)
    place_of_negative = np.repeat(np.arange(distinct, dtype=np.int32), ranked.negative)
    resampled = np.empty(samples)
    for sample in range(samples):
        drawn_positive = place_of_positive[random.integers(0, positives, positives, dtype=np.int32)]
        drawn_negative = place_of_negative[random.integers(0, negatives, negatives, dtype=np.int32)]
        resampled[sample] = _ordered_pairs(
            np.bincount(drawn_positive, minlength=distinct), np.bincount(drawn_negative, minlength=distinct)
        )
    return interval(value, resampled / (positives * negatives))


def interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """Return a figure with the percentile interval of its resamples (Efron & Tibshirani 1993, chapter 13)."""
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=float(value), low=float(low), high=float(high))


def generator(purpose: str) -> np.random.Generator:
    """Return the random numbers of one purpose, the same in each run and independent of other purposes'."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([BOOTSTRAP_SEED, *purpose.encode()])))


def _ordered_pairs(positive: Counts, negative: Counts) -> float:
    """Count pairs in which the positive row stands above the negative one; a tie counts half."""
    not_above = np.cumsum(negative)
    return float(np.dot(positive, 2 * not_above - negative)) / 2


def _resampled_hits(matrix: ConfusionMatrix, samples: int) -> tuple[Counts, Counts, int, int]:
    """Return right calls per resample among positive and negative rows, and the rows of each class."""
    random = generator("hits")
    positive = matrix.true_positive + matrix.false_negative
    negative = matrix.true_negative + matrix.false_positive
    hits_positive = random.binomial(positive, _recall(matrix.true_positive, matrix.false_negative), samples)
    hits_negative = random.binomial(negative, _recall(matrix.true_negative, matrix.false_positive), samples)
    return hits_positive, hits_negative, positive, negative


def _recall(found: int, missed: int) -> float:
    return found / (found + missed) if found + missed else 0.0


def _class_scores(*, right: int, wrongly_called: int, missed: int) -> ClassScores:
    called, rows = right + wrongly_called, right + missed
    return ClassScores(
        precision=right / called if called else 0.0,
        recall=right / rows if rows else 0.0,
        f1=2 * right / (called + rows) if called + rows else 0.0,
        rows=rows,
    )
