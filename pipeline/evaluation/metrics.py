"""Every metric of a model: its value by scikit-learn, its interval by our own resampling.

Class 1 is positive, class 0 negative; a review is called positive when its probability is at least the
threshold. Each figure is defined for every input, also for a model that says one thing of all rows: a
precision without predictions, a recall without rows and Matthews' correlation without a second class are 0,
an area under ROC without a second class is 0.5.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from pipeline.evaluation.calibration import bin_starts
from pipeline.evaluation.records import ClassScores, ConfusionMatrix, Scores
from pipeline.evaluation.resampling import (
    CLIP,
    HALF,
    CountedFigures,
    Figures,
    Labels,
    Probabilities,
    RankedCounts,
    resampled_figures,
)
from pipeline.statistics import Interval, percentile_interval, share_of, wilson_interval


def best_threshold(labels: Labels, probabilities: Probabilities) -> float:
    """Return the threshold with the best balanced accuracy on these rows.

    Candidates are 0.5 and the midpoints between neighboring distinct probabilities, the ends 0 and 1 taken as
    neighbors; of equally good ones the nearest to 0.5 wins, then the lower. Balanced accuracies are compared as
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
    # Where two neighbors are so close that their midpoint is the lower one, only the upper one parts them.
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


def balanced_accuracy(matrix: ConfusionMatrix) -> float:
    """Return the mean of the two recalls; a class without rows counts as 0."""
    recalls = (
        share_of(matrix.true_positive, matrix.true_positive + matrix.false_negative),
        share_of(matrix.true_negative, matrix.true_negative + matrix.false_positive),
    )
    return sum(recalls) / 2


def scores(labels: Labels, probabilities: Probabilities, threshold: float, bootstrap_samples: int) -> Scores:
    """Judge one model on one set of rows.

    Args:
        labels: int8 ``[rows]``, 0 or 1; at least one row.
        probabilities: float64 ``[rows]`` of 0–1, of the positive class.
        threshold: Least probability that counts as positive.
        bootstrap_samples: Resamples behind each interval.
    """
    ranked = RankedCounts.of(labels, probabilities)
    matrix = confusion_matrix(labels, probabilities, threshold)
    intervals = _intervals(figures(labels, probabilities, threshold), ranked, threshold, bootstrap_samples)

    def of_class(name: str, right: int, called: int, rows: int) -> ClassScores:
        return ClassScores(
            # Shares of a few rows: where all six are found, resampling would be sure of all there ever are.
            precision=wilson_interval(right, called) if called else intervals[f"{name}_precision"],
            recall=wilson_interval(right, rows) if rows else intervals[f"{name}_recall"],
            f1=intervals[f"{name}_f1"],
            rows=rows,
        )

    negative, positive = (
        matrix.true_negative + matrix.false_positive,
        matrix.true_positive + matrix.false_negative,
    )
    called_positive = matrix.true_positive + matrix.false_positive

    return Scores(
        rows=len(labels),
        accuracy=intervals["accuracy"],
        balanced_accuracy=intervals["balanced_accuracy"],
        roc_auc=intervals["roc_auc"],
        pr_auc=intervals["pr_auc"],
        negative_pr_auc=intervals["negative_pr_auc"],
        matthews=intervals["matthews"],
        log_loss=intervals["log_loss"],
        brier_score=intervals["brier_score"],
        calibration_error=intervals["calibration_error"],
        negative=of_class("negative", matrix.true_negative, len(labels) - called_positive, negative),
        positive=of_class("positive", matrix.true_positive, called_positive, positive),
        confusion=matrix,
        predicted_positive_share=called_positive / len(labels),
        # NumPy's mean of equal numbers may be off by one unit in the last place; a constant has no spread.
        probability_spread=0.0 if len(ranked.probability) == 1 else float(np.std(probabilities)),
    )


def figures(labels: Labels, probabilities: Probabilities, threshold: float) -> Figures:
    """Return every figure's value: scikit-learn's, but for the calibration error, which it lacks.

    scikit-learn warns of figures that need a second class, or leaves them undefined; here they are 0, and an area
    under ROC is 0.5.
    """
    called = (probabilities >= threshold).astype(np.int8)
    ranked = RankedCounts.of(labels, probabilities)
    counted = CountedFigures(ranked.probability, threshold, bin_starts(ranked))(ranked.negative, ranked.positive)
    negatives, positives = int(ranked.negative.sum()), int(ranked.positive.sum())
    both = negatives > 0 and positives > 0
    precision, recall, f1, _ = sklearn_metrics.precision_recall_fscore_support(
        labels, called, labels=[0, 1], zero_division=0
    )
    return Figures(
        accuracy=float(sklearn_metrics.accuracy_score(labels, called)),
        balanced_accuracy=float(np.mean(recall)),
        roc_auc=float(sklearn_metrics.roc_auc_score(labels, probabilities)) if both else HALF,
        pr_auc=float(sklearn_metrics.average_precision_score(labels, probabilities)) if positives else 0.0,
        negative_pr_auc=float(sklearn_metrics.average_precision_score(1 - labels, -probabilities))
        if negatives
        else 0.0,
        matthews=float(sklearn_metrics.matthews_corrcoef(labels, called)) if both else 0.0,
        log_loss=float(sklearn_metrics.log_loss(labels, np.clip(probabilities, CLIP, 1 - CLIP), labels=[0, 1])),
        brier_score=float(sklearn_metrics.brier_score_loss(labels, probabilities, labels=[0, 1])),
        calibration_error=counted.calibration_error,
        negative_precision=float(precision[0]),
        negative_recall=float(recall[0]),
        negative_f1=float(f1[0]),
        positive_precision=float(precision[1]),
        positive_recall=float(recall[1]),
        positive_f1=float(f1[1]),
    )


def _intervals(values: Figures, ranked: RankedCounts, threshold: float, samples: int) -> dict[str, Interval]:
    if len(ranked.probability) == 1:
        # Whichever rows are drawn, a model with one answer has the same figures.
        return {name: Interval(value=value, low=value, high=value) for name, value in asdict(values).items()}
    resampled = resampled_figures(ranked, threshold, bin_starts(ranked), samples)
    intervals = {name: percentile_interval(value, resampled[name]) for name, value in asdict(values).items()}
    intervals["calibration_error"] = distance_interval(values.calibration_error, resampled["calibration_error"])
    return intervals


def distance_interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    """Return a distance, which is never below 0, with the reversed percentile interval of its resamples.

    Chance alone makes a mean of distances larger, and resampling adds chance once more: the resamples of a model whose
    probabilities are exact lie above its figure, as the figure lies above the truth. So they are turned around the
    figure (basic bootstrap interval: Davison & Hinkley 1997, section 5.2.1), which takes the surplus off.

    Args:
        value: The figure on the data themselves.
        resampled: float64 ``[samples]``, the figure on each resample.
    """
    percentiles = percentile_interval(value, resampled)
    low, high = 2 * value - percentiles.high, 2 * value - percentiles.low
    return Interval(value=value, low=min(max(low, 0.0), value), high=max(high, value))
