"""From predictions to an evaluated model: threshold, scores, worst mistakes and warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.config import EvaluationConfig
from pipeline.evaluation import metrics
from pipeline.evaluation.curves import curves
from pipeline.evaluation.operating_points import operating_points, threshold_for
from pipeline.evaluation.predictions import (
    PartPredictions,
    Predictions,
    ReviewText,
    check_against_reviews,
    review_texts,
)
from pipeline.evaluation.records import EvaluationSummary, Mistake, ModelWarning, VariantIdentity
from pipeline.evaluation.rules import MAJORITY_BOUND, SMALL_CLASS_ROWS, clears_majority
from pipeline.statistics import label_entropy
from pipeline.store import ArtifactReference, ArtifactStore

log = logging.getLogger(__name__)

MAX_MISTAKES = 20
MISTAKE_CHARACTERS = 600
MAX_VALIDATION_DROP = 0.03
"""Balanced accuracy by which the interval on the test split may stay below validation without a warning."""
POOR_CALIBRATION = 0.05
"""Calibration error that the interval must exceed for a warning: predicting 0.9 where 0.85 is true does little harm,
predicting 0.9 where 0.8 is true misleads."""
ENTROPY_TOLERANCE = 1.02
"""A model that always predicts the share of positive reviews reaches the entropy up to rounding and sampling."""


def evaluate_predictions(
    predictions: Predictions,
    config: EvaluationConfig,
    *,
    model: str,
    title: str,
    kind: Literal["variant", "baseline"],
    variant: VariantIdentity | None = None,
    store: ArtifactStore,
    cleaned: ArtifactReference,
) -> EvaluationSummary:
    """Evaluate one model: choose the threshold on validation, then score the test split once at that threshold.

    Raises:
        PredictionsError: A predicted row is not among the cleaned reviews, or has another label there.
    """
    check_against_reviews(store, cleaned, predictions)
    validation, test = predictions.validation, predictions.test
    threshold, source = threshold_for(validation, config)
    scores = metrics.scores(test.labels, test.probabilities, threshold, config.bootstrap_samples)
    worst = worst_mistakes(test, threshold)
    summary = EvaluationSummary(
        model=model,
        kind=kind,
        title=title,
        variant=variant,
        threshold=threshold,
        threshold_source=source,
        scores=scores,
        validation_balanced_accuracy=metrics.balanced_accuracy(
            metrics.confusion_matrix(validation.labels, validation.probabilities, threshold)
        ),
        no_better_than_majority=not clears_majority(scores),
        warnings=(),
        mistakes=_mistakes(test, worst, review_texts(store, cleaned, test.rows[worst].tolist())),
        unusable_probabilities=validation.unusable + test.unusable,
        operating_points=operating_points(predictions, threshold, config),
        curves=curves(test.labels, test.probabilities),
        label_entropy=label_entropy(test.labels),
    )
    warnings = tuple(warnings_for(summary))
    log.info(
        "%s: balanced accuracy %.3f, accuracy %.3f, ROC-AUC %.3f on %s test rows",
        model,
        scores.balanced_accuracy.value,
        scores.accuracy.value,
        scores.roc_auc.value,
        f"{scores.rows:,}",
    )
    # A baseline is expected to be weak.
    level = logging.WARNING if kind == "variant" else logging.INFO
    for warning in warnings:
        log.log(level, "%s: %s (value %.3g, bound %.3g)", model, warning.code, warning.value, warning.bound)
    return summary.model_copy(update={"warnings": warnings})


def worst_mistakes(test: PartPredictions, threshold: float, limit: int = MAX_MISTAKES) -> NDArray[np.int64]:
    """Return the positions of misclassified rows, int64, the most confident first, ties by row number."""
    wrong = np.flatnonzero((test.probabilities >= threshold) != (test.labels == 1))
    distance = np.abs(test.labels[wrong] - test.probabilities[wrong])
    order: NDArray[np.int64] = np.lexsort((test.rows[wrong], -distance))[:limit]
    return wrong[order]


def warnings_for(summary: EvaluationSummary) -> Iterator[ModelWarning]:
    """Yield what a reader must know before trusting the metrics; notes only if nothing is serious.

    Args:
        summary: The evaluated model; its own warnings are not read.
    """
    scores = summary.scores
    balanced, rows = scores.balanced_accuracy, min(scores.negative.rows, scores.positive.rows)
    unusable = summary.unusable_probabilities
    if unusable:
        yield ModelWarning(code="unusable_probabilities", severity="serious", value=unusable, bound=0)
    if summary.no_better_than_majority:
        yield ModelWarning(code="no_better_than_majority", severity="serious", value=balanced.low, bound=MAJORITY_BOUND)
    if rows < SMALL_CLASS_ROWS:
        yield ModelWarning(code="few_test_rows", severity="note", value=rows, bound=SMALL_CLASS_ROWS)
    if unusable or summary.no_better_than_majority:
        return
    majority_share = max(scores.negative.rows, scores.positive.rows) / scores.rows
    if scores.accuracy.value < majority_share:
        yield ModelWarning(
            code="below_majority_share", severity="note", value=scores.accuracy.value, bound=majority_share
        )
    if summary.validation_balanced_accuracy - balanced.high > MAX_VALIDATION_DROP:
        yield ModelWarning(
            code="validation_drop",
            severity="note",
            value=balanced.value,
            bound=summary.validation_balanced_accuracy,
        )
    entropy, error = summary.label_entropy, scores.calibration_error
    if entropy is not None and scores.log_loss.value > entropy * ENTROPY_TOLERANCE:
        yield ModelWarning(code="worse_than_constant", severity="note", value=scores.log_loss.value, bound=entropy)
    if error.low > POOR_CALIBRATION:
        yield ModelWarning(code="poor_calibration", severity="note", value=error.value, bound=POOR_CALIBRATION)


def _mistakes(test: PartPredictions, worst: NDArray[np.int64], texts: Mapping[int, ReviewText]) -> tuple[Mistake, ...]:
    nothing = ReviewText("", None, None)
    return tuple(
        Mistake(
            row=row,
            label=int(test.labels[place]),
            probability=float(test.probabilities[place]),
            text=cut(review.text),
            stars=review.stars,
            summary=None if review.summary is None else cut(review.summary),
        )
        for place in worst
        if (review := texts.get(row := int(test.rows[place]), nothing))
    )


def cut(text: str) -> str:
    """Return a text of at most ``MISTAKE_CHARACTERS`` characters, with … if it is cut."""
    return text if len(text) <= MISTAKE_CHARACTERS else text[: MISTAKE_CHARACTERS - 1] + "…"
