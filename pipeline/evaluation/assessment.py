"""From predictions to an evaluated model: threshold, scores, the worst mistakes, and warnings in plain words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
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
from pipeline.evaluation.records import EvaluationSummary, Mistake, Scores
from pipeline.evaluation.resampling import HALF
from pipeline.evaluation.rules import FEW_ROWS, MAJORITY_BOUND, clears_majority
from pipeline.statistics import label_entropy
from pipeline.store import ArtifactReference, ArtifactStore

log = logging.getLogger(__name__)

MISTAKES = 20
MISTAKE_CHARACTERS = 600
ONE_ANSWER_SHARE = 0.99
"""Share of rows with the same answer from which a model without skill is said to give one answer."""
OPTIMISM = 0.03
"""Points of balanced accuracy that the test's interval may stay below validation before a reader is told."""

POOR_CALIBRATION = 0.05
"""Calibration error whose interval must reach below it, else a reader is told: said 0.9 and found 0.85 is no more than
a quibble, said 0.9 and found 0.8 misleads."""


def judged(
    predictions: Predictions,
    config: EvaluationConfig,
    *,
    model: str,
    title: str,
    kind: Literal["variant", "baseline"],
    store: ArtifactStore,
    cleaned: ArtifactReference,
) -> EvaluationSummary:
    """Judge one model: the threshold comes from validation, the test part is scored once, at that threshold.

    Raises:
        PredictionsError: A predicted row is not among the cleaned reviews, or bears another label there.
    """
    check_against_reviews(store, cleaned, predictions)
    threshold, source = threshold_for(predictions.validation, config)
    validation_matrix = metrics.confusion_matrix(
        predictions.validation.labels, predictions.validation.probabilities, threshold
    )
    test = predictions.test
    scores = metrics.scores(test.labels, test.probabilities, threshold, config.bootstrap_samples)
    entropy = label_entropy(test.labels)
    worst = worst_mistakes(test, threshold)
    texts = review_texts(store, cleaned, test.rows[worst].tolist())
    summary = EvaluationSummary(
        model=model,
        kind=kind,
        title=title,
        threshold=threshold,
        threshold_source=source,
        scores=scores,
        validation_balanced_accuracy=metrics.balanced_accuracy(validation_matrix),
        no_better_than_majority=not clears_majority(scores),
        warnings=(),
        mistakes=_mistakes(test, worst, texts),
        unusable_probabilities=predictions.validation.unusable + test.unusable,
        operating_points=operating_points(predictions, threshold, config),
        curves=curves(test.labels, test.probabilities),
        label_entropy=entropy,
    )
    warnings = warnings_for(summary, entropy)
    log.info(
        "%s: balanced accuracy %.3f, accuracy %.3f, ROC-AUC %.3f on %s test rows",
        model,
        scores.balanced_accuracy.value,
        scores.accuracy.value,
        scores.roc_auc.value,
        f"{scores.rows:,}",
    )
    for warning in warnings:
        # That the majority is no better than the majority is no news.
        log.log(logging.WARNING if kind == "variant" else logging.INFO, "%s: %s", model, warning)
    return summary.model_copy(update={"warnings": warnings})


def worst_mistakes(test: PartPredictions, threshold: float, limit: int = MISTAKES) -> NDArray[np.int64]:
    """Return the positions of the rows called wrongly, furthest from the truth first, ties by row number."""
    wrong = np.flatnonzero((test.probabilities >= threshold) != (test.labels == 1))
    distance = np.abs(test.labels[wrong] - test.probabilities[wrong])
    order: NDArray[np.int64] = np.lexsort((test.rows[wrong], -distance))[:limit]
    return wrong[order]


def warnings_for(summary: EvaluationSummary, label_entropy: float) -> tuple[str, ...]:
    """Return what a reader must know before trusting the figures, most serious first.

    Args:
        summary: The evaluated model; its own warnings are not read.
        label_entropy: Of the test labels, in nats.
    """
    scores, warnings = summary.scores, []
    if summary.unusable_probabilities:
        warnings.append(
            f"Gave no probability for {summary.unusable_probabilities:,} validation and test reviews (not a number, or "
            "not between 0 and 1); they count as 0.5. The training diverged or the model is damaged."
        )
    if summary.no_better_than_majority:
        warnings.append(_no_better_sentence(scores))
    rare = min((scores.negative, "negative"), (scores.positive, "positive"), key=lambda item: item[0].rows)
    if rare[0].rows < FEW_ROWS:
        warnings.append(
            f"The test part holds only {rare[0].rows:,} {rare[1]} reviews: the figures of that class can be off by ten "
            "points and more."
        )
    majority_share = max(scores.negative.rows, scores.positive.rows) / scores.rows
    if not summary.no_better_than_majority and scores.accuracy.value < majority_share:
        warnings.append(
            f"Accuracy ({scores.accuracy.value:.2f}) is below the share of the larger class ({majority_share:.2f}): "
            "the threshold serves the smaller class as well, and balanced accuracy is the figure to read."
        )
    drop = summary.validation_balanced_accuracy - scores.balanced_accuracy.high
    if drop > OPTIMISM:
        warnings.append(
            f"Balanced accuracy was {summary.validation_balanced_accuracy:.2f} on validation and is "
            f"{scores.balanced_accuracy.value:.2f} on the test: the test reviews differ, or the model fits validation."
        )
    # A model that always says the share of positive reviews reaches the entropy but for rounding and sampling.
    if scores.log_loss.value > label_entropy * 1.02 and not summary.no_better_than_majority:
        warnings.append(
            f"Its log loss ({scores.log_loss.value:.2f}) is worse than that of always saying the share of "
            f"positive reviews ({label_entropy:.2f}): its answers may be right, but do not read its probabilities as "
            "chances."
        )
    elif scores.calibration_error.low > POOR_CALIBRATION and not summary.no_better_than_majority:
        warnings.append(
            f"Its probabilities are off by {100 * scores.calibration_error.value:.0f} points on average (calibration "
            "error): they rank reviews, but do not read them as chances."
        )
    return tuple(warnings)


def _no_better_sentence(scores: Scores) -> str:
    accuracy, share = scores.accuracy.value, scores.predicted_positive_share
    answer, answered = ("positive", share) if share >= HALF else ("negative", 1 - share)
    if answered == 1:
        sentence = (
            f"Says '{answer}' of every review: its accuracy of {accuracy:.2f} is the share of {answer} reviews, "
            "not skill."
        )
    elif answered >= ONE_ANSWER_SHARE:
        of_class = scores.positive.rows if answer == "positive" else scores.negative.rows
        sentence = (
            f"Says '{answer}' of {_percent(answered)} of the reviews: its accuracy of {accuracy:.2f} is about the "
            f"share of {answer} reviews ({of_class / scores.rows:.2f}), not skill."
        )
    else:
        sentence = (
            f"Is not shown to be better than always giving the same answer: balanced accuracy "
            f"{scores.balanced_accuracy.value:.2f}, interval {scores.balanced_accuracy.low:.2f} to "
            f"{scores.balanced_accuracy.high:.2f}, where guessing has 0.50."
        )
    if scores.roc_auc.low > MAJORITY_BOUND:
        sentence += (
            f" Its probabilities do rank reviews (ROC-AUC {scores.roc_auc.value:.2f}); the threshold of the test hides "
            "it."
        )
    return sentence


def _percent(share: float) -> str:
    """Return a share below one as a percentage that never rounds up to 100 %."""
    return f"{int(share * 1000) / 10:.1f} %"


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
    """Return a text of at most ``MISTAKE_CHARACTERS`` characters, with … where it goes on."""
    return text if len(text) <= MISTAKE_CHARACTERS else text[: MISTAKE_CHARACTERS - 1] + "…"
