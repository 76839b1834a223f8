"""How models rank reviews, and whether their probabilities are chances."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pipeline.evaluation.records import CalibrationBin, EvaluationSummary, Point
from pipeline.reporting import formatting
from pipeline.reporting.figures.figure import Figure, FigureTable
from pipeline.reporting.figures.series import Series, key, series
from pipeline.reporting.figures.theme import Align, Panel, Tone, drawing, figure, finite, multiples, nice_step
from pipeline.statistics import Interval

CURVE_HEIGHT = 320
CALIBRATION_HEIGHT = 340
DISTRIBUTION_HEIGHT = 270
ROOM = 0.55
"""Thresholds up to here leave room for a label on their right."""
LEFT_END = 0.25
"""Thresholds nearer to an end of the axis have their label to one side."""


def roc(evaluations: Sequence[EvaluationSummary]) -> Figure | None:
    """Draw how many positive reviews are called so over how many negative ones are too, at every threshold."""

    def points(item: EvaluationSummary) -> tuple[Point, ...]:
        return item.curves.roc if item.curves is not None else ()

    def chosen(item: EvaluationSummary) -> Point:
        return 1 - item.scores.negative.recall.value, item.scores.positive.recall.value

    shown = _with_points(evaluations, points)
    if not shown:
        return None
    with drawing(CURVE_HEIGHT) as drawn:
        panel = drawn.panel((38, 26, 12, 40), (0, 1), (0, 1))
        panel.unit_axes("negative reviews called positive", "positive reviews called positive")
        panel.line([0, 1], [0, 1], "baseline", 1.25, "dashed")
        panel.text(0.5, 0.5, "guessing", "soft", right=6, up=-10, halo=True)
        _curves(panel, shown, points, chosen)
        key(panel, [(item, formatting.score(item.evaluation.scores.roc_auc.value)) for item in shown], 0.21, 0.04)
        return figure(
            drawn,
            "roc",
            "ROC: what each threshold finds and what it gets wrong",
            "Share of the positive reviews called positive over the share of the negative ones called positive, for "
            "every threshold; guessing is the diagonal. "
            + _sentences(shown, lambda item: item.scores.roc_auc, "ROC-AUC")
            + " The ring is the threshold in use.",
            _threshold_table(
                evaluations,
                "ROC-AUC",
                lambda item: item.scores.roc_auc,
                ("Negative called positive", "Positive called positive"),
                chosen,
            ),
        )


def precision_recall_negative(evaluations: Sequence[EvaluationSummary]) -> Figure | None:
    """Draw how many alarms are right over how many negative reviews are found, at every threshold."""

    def points(item: EvaluationSummary) -> tuple[Point, ...]:
        return item.curves.negative_precision_recall if item.curves is not None else ()

    def chosen(item: EvaluationSummary) -> Point:
        # Without an alarm there is no precision, and no place for the threshold.
        alarms = item.scores.confusion.true_negative + item.scores.confusion.false_negative
        return item.scores.negative.recall.value, item.scores.negative.precision.value if alarms else math.nan

    shown = _with_points(evaluations, points)
    if not shown:
        return None
    scores = shown[0].evaluation.scores
    share = scores.negative.rows / scores.rows if scores.rows else 0.0
    with drawing(CURVE_HEIGHT) as drawn:
        panel = drawn.panel((38, 26, 12, 40), (0, 1), (0, 1))
        panel.unit_axes("negative reviews found (recall)", "alarms that are right (precision)")
        panel.line([0, 1], [share, share], "baseline", 1.25, "dashed")
        panel.text(0.01, share, f"guessing {formatting.score(share)}", "soft", up=-12 if share > 0.06 else 5, halo=True)  # noqa: PLR2004
        _curves(panel, shown, points, chosen)
        bottom = share + 0.05 if share < 0.4 else 0.04  # noqa: PLR2004 - where the lines leave room
        entries = [(item, formatting.score(item.evaluation.scores.negative_pr_auc.value)) for item in shown]
        key(panel, entries, 0.02, bottom)
        return figure(
            drawn,
            "pr",
            "Finding the negative reviews: precision over recall",
            "Share of the alarms that are right over the share of the negative reviews found, for every threshold; "
            f"guessing has {formatting.score(share)}, the share of negative reviews. "
            + _sentences(shown, lambda item: item.scores.negative_pr_auc, "average precision")
            + " The ring is the threshold in use.",
            _threshold_table(
                evaluations,
                "PR-AUC, negative",
                lambda item: item.scores.negative_pr_auc,
                ("Recall", "Precision"),
                chosen,
            ),
        )


def calibration(evaluations: Sequence[EvaluationSummary] | EvaluationSummary) -> Figure | None:
    """Draw how often reviews of like probability are really positive; of several models the best has the intervals."""
    if isinstance(evaluations, EvaluationSummary):
        evaluations = (evaluations,)

    def bins(item: EvaluationSummary) -> tuple[CalibrationBin, ...]:
        held = item.curves.calibration if item.curves is not None else ()
        return tuple(one for one in held if one.rows and finite(one.mean_probability, one.positive_share.value))

    shown = [item for item in series(evaluations) if bins(item.evaluation)]
    if not shown:
        return None
    with drawing(CALIBRATION_HEIGHT + 15 * len(shown)) as drawn:
        panel = drawn.panel((38, 30 + 15 * len(shown), 12, 40), (0, 1), (0, 1))
        panel.unit_axes("probability given", "really positive")
        panel.line([0, 1], [0, 1], "baseline", 1.25, "dashed")
        panel.text(0.5, 0.5, "as it should be", "soft", right=8, up=-12, halo=True)
        for number, item in enumerate(reversed(shown)):
            held = bins(item.evaluation)
            xs = [one.mean_probability for one in held]
            panel.line(xs, [one.positive_share.value for one in held], item.tone, 1.75, item.dash)
            for one in held:
                if number == len(shown) - 1:
                    ends = [one.positive_share.low, one.positive_share.high]
                    panel.line([one.mean_probability] * 2, ends, item.tone, 1.25)
                panel.mark(one.mean_probability, one.positive_share.value, item.tone, item.shape, 6)
        entries = [
            (item, f"ECE {formatting.score(error.value)}, Brier {formatting.score(brier.value)}")
            for item in shown
            for error, brier in ((item.evaluation.scores.calibration_error, item.evaluation.scores.brier_score),)
        ]
        key(panel, entries, -30 * panel.pixel[0], 1 + 26 * panel.pixel[1], width=326)
        return figure(
            drawn,
            "calibration",
            "Are the probabilities chances?",
            "Share of really positive reviews over the probability that the model gives, in bins of like probability; "
            "on the diagonal a probability is a chance. "
            + " ".join(
                f"{item.evaluation.title}: expected calibration error {_with_interval(scores.calibration_error)}, "
                f"Brier score {_with_interval(scores.brier_score)}."
                for item in shown
                for scores in (item.evaluation.scores,)
            )
            + " Upright lines are 95 % intervals of the first model's shares.",
            FigureTable(
                ("Model", "Probabilities", "Mean", "Really positive", "95 % interval", "Reviews"),
                tuple(
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
            ),
        )


def distributions(evaluation: EvaluationSummary) -> Figure | None:
    """Draw which probabilities the positive reviews get (upwards) and the negative ones (downwards)."""
    held = evaluation.curves.distribution if evaluation.curves is not None else ()
    bins = [one for one in held if finite(one.low, one.high)]
    totals = {"positive": sum(one.positive for one in bins), "negative": sum(one.negative for one in bins)}
    if not any(totals.values()):
        return None
    shares = [
        (one, one.positive / max(1, totals["positive"]), one.negative / max(1, totals["negative"])) for one in bins
    ]
    most = max(max(up, down) for _, up, down in shares)
    step = nice_step(most, 3)
    matrix, threshold = evaluation.scores.confusion, evaluation.threshold
    with drawing(DISTRIBUTION_HEIGHT) as drawn:
        panel = drawn.panel((44, 40, 12, 40), (0, 1), (-most * 1.04, most * 1.04))
        ticks = multiples(-most * 1.04, most * 1.04, step)
        panel.y_ticks(ticks, [f"{abs(100 * value):g} %" for value in ticks])
        panel.x_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"], grid=False, title="probability given")
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
            align: Align = "left" if place < LEFT_END else "right" if place > 1 - LEFT_END else "center"
            panel.text(place, panel.y[1], label, "ink", align, up=6)
        # What is said of a class stands where its wrong calls are, if there is room: there its bars are low.
        sides: tuple[tuple[Tone, int, int, str, bool, float, float], ...] = (
            ("positive", totals["positive"], matrix.false_negative, "negative", place >= 1 - ROOM, panel.y[1], -11.0),
            ("negative", totals["negative"], matrix.false_positive, "positive", place > ROOM, panel.y[0], 16.0),
        )
        for tone, count, wrong, as_what, before, y, up in sides:
            beside: Align = "right" if before else "left"
            aside = -8.0 if before else 8.0
            title, said = f"{formatting.count(count)} {tone} reviews", f"{formatting.count(wrong)} called {as_what}"
            panel.text(place, y, title, tone, beside, right=aside, up=up, strong=True, halo=True)
            panel.text(place, y, said, "soft", beside, right=aside, up=up - 14, halo=True)
        return figure(
            drawn,
            "distributions",
            f"Probabilities by class: {evaluation.title}",
            f"Shares of the {formatting.plural(totals['positive'], 'positive review')} (upwards) and the "
            f"{formatting.plural(totals['negative'], 'negative review')} (downwards) by the probability that the model "
            f"gives. At the threshold {formatting.probability(threshold)} it calls "
            f"{formatting.count(matrix.false_negative)} positive reviews negative and "
            f"{formatting.count(matrix.false_positive)} negative ones positive.",
            FigureTable(
                ("Probability from", "to", "Negative reviews", "Positive reviews"),
                tuple(
                    (
                        f"{one.low:.2f}",
                        f"{one.high:.2f}",
                        formatting.count(one.negative),
                        formatting.count(one.positive),
                    )
                    for one in bins
                ),
            ),
        )


def _with_points(
    evaluations: Sequence[EvaluationSummary], points: Callable[[EvaluationSummary], Sequence[Point]]
) -> list[Series]:
    return [item for item in series(evaluations) if points(item.evaluation)]


def _curves(
    panel: Panel,
    shown: Sequence[Series],
    points: Callable[[EvaluationSummary], Sequence[Point]],
    chosen: Callable[[EvaluationSummary], Point],
) -> None:
    for item in reversed(shown):
        line = points(item.evaluation)
        panel.line([x for x, _ in line], [y for _, y in line], item.tone, 2.0, item.dash)
    for item in reversed(shown):
        x, y = chosen(item.evaluation)
        if finite(x, y):
            panel.mark(x, y, item.tone, item.shape, 8, hollow=True)


def _with_interval(interval: Interval) -> str:
    return f"{formatting.score(interval.value)} ({formatting.interval(interval)})"


def _sentences(shown: Sequence[Series], figure_of: Callable[[EvaluationSummary], Interval], name: str) -> str:
    return " ".join(f"{item.evaluation.title}: {name} {_with_interval(figure_of(item.evaluation))}." for item in shown)


def _threshold_table(
    evaluations: Sequence[EvaluationSummary],
    name: str,
    figure_of: Callable[[EvaluationSummary], Interval],
    axes: tuple[str, str],
    chosen: Callable[[EvaluationSummary], Point],
) -> FigureTable:
    return FigureTable(
        ("Model", name, "95 % interval", "Threshold", *axes),
        tuple(
            (
                item.title,
                formatting.score(figure_of(item).value),
                formatting.interval(figure_of(item)),
                formatting.probability(item.threshold),
                *(formatting.share(value) for value in chosen(item)),
            )
            for item in evaluations
        ),
    )
