"""Ranking and calibration: ROC, precision and recall, reliability diagram, distribution of probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from pipeline.evaluation.records import CalibrationBin, EvaluationSummary, Point
from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import QUARTERS, finite, multiples, nice_step, percent, plain
from pipeline.reporting.figures.series import Series, key, series
from pipeline.reporting.figures.svg import Align, Color, Drawing, Figure, Panel
from pipeline.statistics import Interval

CURVE_HEIGHT = 320
CALIBRATION_HEIGHT = 340
DISTRIBUTION_HEIGHT = 270
MAX_LABEL_RIGHT = 0.55
"""Thresholds above this have their class labels on the left."""
EDGE = 0.25
"""Thresholds nearer to an end of the axis have their label on one side."""


def roc(evaluations: Sequence[EvaluationSummary]) -> Figure | None:
    """Draw the true positive rate over the false positive rate for every threshold."""

    def points(item: EvaluationSummary) -> tuple[Point, ...]:
        return item.curves.roc if item.curves is not None else ()

    def chosen(item: EvaluationSummary) -> Point:
        return 1 - item.scores.negative.recall.value, item.scores.positive.recall.value

    models = [item for item in series(evaluations) if points(item.evaluation)]
    if not models:
        return None
    drawing = Drawing(CURVE_HEIGHT)
    panel = drawing.panel((38, 26, 12, 40), (0, 1), (0, 1))
    panel.unit_axes("false positive rate", "true positive rate")
    panel.line([0, 1], [0, 1], "baseline", 1.25, "dashed")
    panel.text(0.5, 0.5, "guessing", "soft", right=6, up=-10, halo=True)
    _curves(panel, models, points, chosen)
    key(panel, [(item, formatting.score(item.evaluation.scores.roc_auc.value)) for item in models], 0.21, 0.04)
    return drawing.figure(
        "roc",
        "ROC curve",
        "Share of the positive reviews predicted positive (true positive rate) over the share of the negative reviews "
        "predicted positive (false positive rate), for every threshold. Guessing gives the diagonal. "
        + _sentences(models, lambda item: item.scores.roc_auc, "ROC-AUC")
        + " The ring marks the threshold in use.",
        ("Model", "ROC-AUC", "95 % interval", "Threshold", "False positive rate", "True positive rate"),
        _threshold_rows(evaluations, lambda item: item.scores.roc_auc, chosen),
    )


def precision_recall_negative(evaluations: Sequence[EvaluationSummary]) -> Figure | None:
    """Draw precision over recall of the negative class for every threshold."""

    def points(item: EvaluationSummary) -> tuple[Point, ...]:
        return item.curves.negative_precision_recall if item.curves is not None else ()

    def chosen(item: EvaluationSummary) -> Point:
        # Without a negative prediction the precision is undefined, so the threshold has no mark.
        matrix, negative = item.scores.confusion, item.scores.negative
        precision = negative.precision.value if matrix.true_negative + matrix.false_negative else math.nan
        return negative.recall.value, precision

    models = [item for item in series(evaluations) if points(item.evaluation)]
    if not models:
        return None
    scores = models[0].evaluation.scores
    share = scores.negative.rows / scores.rows if scores.rows else 0.0
    drawing = Drawing(CURVE_HEIGHT)
    panel = drawing.panel((38, 26, 12, 40), (0, 1), (0, 1))
    panel.unit_axes("recall of the negative class", "precision of the negative class")
    panel.line([0, 1], [share, share], "baseline", 1.25, "dashed")
    panel.text(0.01, share, f"guessing {formatting.score(share)}", "soft", up=-12 if share > 0.06 else 5, halo=True)  # noqa: PLR2004
    _curves(panel, models, points, chosen)
    bottom = share + 0.05 if share < 0.4 else 0.04  # noqa: PLR2004 - where the curves leave space
    entries = [(item, formatting.score(item.evaluation.scores.negative_pr_auc.value)) for item in models]
    key(panel, entries, 0.02, bottom)
    return drawing.figure(
        "pr",
        "Precision and recall of the negative class",
        "Share of the negative predictions that are right (precision) over the share of the negative reviews found "
        f"(recall), for every threshold. Guessing has a precision of {formatting.score(share)}. "
        + _sentences(models, lambda item: item.scores.negative_pr_auc, "average precision")
        + " The ring marks the threshold in use.",
        ("Model", "PR-AUC, negative", "95 % interval", "Threshold", "Recall", "Precision"),
        _threshold_rows(evaluations, lambda item: item.scores.negative_pr_auc, chosen),
    )


def calibration(evaluations: Sequence[EvaluationSummary]) -> Figure | None:
    """Draw the reliability diagram; only the best model has intervals."""

    def bins(item: EvaluationSummary) -> tuple[CalibrationBin, ...]:
        filled = item.curves.calibration if item.curves is not None else ()
        return tuple(one for one in filled if one.rows and finite(one.mean_probability, one.positive_share.value))

    models = [item for item in series(evaluations) if bins(item.evaluation)]
    if not models:
        return None
    drawing = Drawing(CALIBRATION_HEIGHT + 15 * len(models))
    panel = drawing.panel((38, 30 + 15 * len(models), 12, 40), (0, 1), (0, 1))
    panel.unit_axes("predicted probability", "observed positive share")
    panel.line([0, 1], [0, 1], "baseline", 1.25, "dashed")
    panel.text(0.5, 0.5, "perfectly calibrated", "soft", right=8, up=-12, halo=True)
    for number, item in enumerate(reversed(models)):
        filled = bins(item.evaluation)
        xs = [one.mean_probability for one in filled]
        panel.line(xs, [one.positive_share.value for one in filled], item.color, 1.75, item.dash)
        for one in filled:
            if number == len(models) - 1:
                ends = [one.positive_share.low, one.positive_share.high]
                panel.line([one.mean_probability] * 2, ends, item.color, 1.25)
            panel.mark(one.mean_probability, one.positive_share.value, item.color, item.shape, 6)
    entries = [
        (item, f"ECE {formatting.score(error.value)}, Brier {formatting.score(brier.value)}")
        for item in models
        for error, brier in ((item.evaluation.scores.calibration_error, item.evaluation.scores.brier_score),)
    ]
    key(panel, entries, -30 * panel.pixel[0], 1 + 26 * panel.pixel[1], width=326)
    return drawing.figure(
        "calibration",
        "Calibration",
        "Observed share of positive reviews over the predicted probability, in bins. A perfectly calibrated model lies "
        "on the diagonal. "
        + " ".join(
            f"{item.evaluation.title}: expected calibration error {formatting.estimate(scores.calibration_error)}, "
            f"Brier score {formatting.estimate(scores.brier_score)}."
            for item in models
            for scores in (item.evaluation.scores,)
        )
        + " Vertical lines are 95 % intervals of the first model.",
        ("Model", "Probabilities", "Mean", "Observed positive", "95 % interval", "Reviews"),
        (
            (
                item.title,
                f"{formatting.probability(one.low)}–{formatting.probability(one.high)}",
                formatting.probability(one.mean_probability),
                formatting.share(one.positive_share.value),
                formatting.share_interval(one.positive_share),
                formatting.count(one.rows),
            )
            for item in evaluations
            for one in bins(item)
        ),
    )


def distributions(evaluation: EvaluationSummary) -> Figure | None:
    """Draw the predicted probabilities of positive reviews (upwards) and negative reviews (downwards)."""
    filled = evaluation.curves.distribution if evaluation.curves is not None else ()
    bins = [one for one in filled if finite(one.low, one.high)]
    totals = {"positive": sum(one.positive for one in bins), "negative": sum(one.negative for one in bins)}
    if not any(totals.values()):
        return None
    shares = [
        (one, one.positive / max(1, totals["positive"]), one.negative / max(1, totals["negative"])) for one in bins
    ]
    most = max(max(up, down) for _, up, down in shares)
    step, high = nice_step(most, 3), 1.04 * most
    matrix, threshold = evaluation.scores.confusion, evaluation.threshold
    drawing = Drawing(DISTRIBUTION_HEIGHT)
    panel = drawing.panel((44, 40, 12, 40), (0, 1), (-high, high))
    panel.y_ticks(multiples(-high, high, step), percent)
    panel.x_ticks(QUARTERS, plain, grid=False, title="predicted probability")
    for one, up, down in shares:
        gap = 0.12 * (one.high - one.low)
        if up:
            panel.box(one.low + gap, one.high - gap, 0, up, "positive")
        if down:
            panel.box(one.low + gap, one.high - gap, -down, 0, "negative")
    panel.line([0, 1], [0, 0], "soft")
    place = min(max(threshold, 0.0), 1.0) if finite(threshold) else 0.5
    if finite(threshold):
        panel.line([place, place], panel.y, "ink", 1.25, "dashed")
        label = f"threshold {formatting.probability(threshold)}"
        align: Align = "left" if place < EDGE else "right" if place > 1 - EDGE else "center"
        panel.text(place, panel.y[1], label, "ink", align, up=6)
    # The label of a class is on the side of its errors, where its bars are low, if the space suffices.
    sides: tuple[tuple[Color, int, str, bool, float, float], ...] = (
        ("positive", matrix.false_negative, "negative", place >= 1 - MAX_LABEL_RIGHT, panel.y[1], -11.0),
        ("negative", matrix.false_positive, "positive", place > MAX_LABEL_RIGHT, panel.y[0], 16.0),
    )
    for color, wrong, predicted, left, y, up in sides:
        side: Align = "right" if left else "left"
        offset = -8.0 if left else 8.0
        title = f"{formatting.count(totals[color])} {color} reviews"
        errors = f"{formatting.count(wrong)} predicted {predicted}"
        panel.text(place, y, title, color, side, right=offset, up=up, strong=True, halo=True)
        panel.text(place, y, errors, "soft", side, right=offset, up=up - 14, halo=True)
    return drawing.figure(
        "distributions",
        f"Probabilities by class: {evaluation.title}",
        f"Shares of the {formatting.plural(totals['positive'], 'positive review')} (upwards) and the "
        f"{formatting.plural(totals['negative'], 'negative review')} (downwards) by predicted "
        f"probability. At the threshold {formatting.probability(threshold)} the model predicts "
        f"{formatting.count(matrix.false_negative)} positive reviews as negative and "
        f"{formatting.count(matrix.false_positive)} negative reviews as positive.",
        ("Probability from", "to", "Negative reviews", "Positive reviews"),
        (
            (
                f"{one.low:.2f}",
                f"{one.high:.2f}",
                formatting.count(one.negative),
                formatting.count(one.positive),
            )
            for one in bins
        ),
    )


def _curves(
    panel: Panel,
    models: Sequence[Series],
    points: Callable[[EvaluationSummary], Sequence[Point]],
    chosen: Callable[[EvaluationSummary], Point],
) -> None:
    for item in reversed(models):
        line = points(item.evaluation)
        panel.line([x for x, _ in line], [y for _, y in line], item.color, 2.0, item.dash)
    for item in reversed(models):
        panel.mark(*chosen(item.evaluation), item.color, item.shape, 8, hollow=True)


def _sentences(models: Sequence[Series], figure_of: Callable[[EvaluationSummary], Interval], name: str) -> str:
    return " ".join(
        f"{item.evaluation.title}: {name} {formatting.estimate(figure_of(item.evaluation))}." for item in models
    )


def _threshold_rows(
    evaluations: Sequence[EvaluationSummary],
    figure_of: Callable[[EvaluationSummary], Interval],
    chosen: Callable[[EvaluationSummary], Point],
) -> Iterator[tuple[str, ...]]:
    for item in evaluations:
        figure = figure_of(item)
        point = (formatting.share(value) for value in chosen(item))
        threshold = formatting.probability(item.threshold)
        yield item.title, formatting.score(figure.value), formatting.interval(figure), threshold, *point
