"""Slices of the test split with their accuracy gaps."""

from __future__ import annotations

from pipeline.evaluation.records import EvaluationSummary, Slice
from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import finite, multiples, nice_step, signed
from pipeline.reporting.figures.svg import Color, Drawing, Figure, Shape, fitting

MAX_SLICES = 14
ROW = 20
LEFT, RIGHT = 168, 62


def slices(evaluation: EvaluationSummary) -> Figure | None:
    """Draw the accuracy gaps of the worst slices with enough rows; below zero is worse than the class mix explains."""
    selected = [one for one in evaluation.slices if not one.too_small and finite(one.gap.value)]
    selected = sorted(selected, key=lambda one: one.gap.value)[:MAX_SLICES]
    if not selected:
        return None
    ends = [0.0, *(end for one in selected for end in (one.gap.low, one.gap.value, one.gap.high) if finite(end))]
    span = max(max(ends) - min(ends), 0.02)
    low, high = min(ends) - 0.04 * span, max(ends) + 0.04 * span
    height = ROW * len(selected) + 48
    drawing = Drawing(height)
    panel = drawing.panel((LEFT, 8, RIGHT, 40), (low, high), (ROW * len(selected), 0))
    decimals = 0 if span > 0.04 else 1  # noqa: PLR2004
    ticks = multiples(low, high, nice_step(span, 4))
    panel.x_ticks(ticks, lambda value: signed(round(100 * value, 6), decimals))
    meaning = "accuracy minus expected accuracy, in points"
    panel.text(high, panel.y[0], meaning, "soft", "right", right=RIGHT - 4, up=-30)
    panel.line([0, 0], panel.y, "baseline", 1.5, "dashed")
    for number, one in enumerate(selected):
        y = ROW * number + ROW / 2
        worse, better = one.gap.high < 0, one.gap.low > 0
        color: Color = "negative" if worse else "positive" if better else "baseline"
        shape: Shape = "diamond" if worse else "triangle" if better else "circle"
        panel.text(low, y + 4, fitting(_label(one), LEFT - 12), right=4 - LEFT)
        panel.interval(one.gap.low, one.gap.high, y, color)
        panel.mark(one.gap.value, y, color, shape, 6.5)
        panel.text(
            high, y + 4, formatting.points(one.gap.value).removesuffix(" points"), color, "right", right=RIGHT - 22
        )
    return drawing.figure(
        "slices",
        f"Accuracy gaps by slice: {evaluation.title}",
        "Accuracy of each slice minus the accuracy expected from its class mix and the model's recalls. "
        + " ".join(
            f"{_name(one)}: {formatting.points(one.gap.value)} ({formatting.points_interval(one.gap)}, "
            f"{formatting.plural(one.rows, 'review')})."
            for one in selected
        ),
        ("Slice", "Reviews", "Negative", "Accuracy", "Expected", "Gap", "95 % interval", "Balanced accuracy"),
        (_row(one) for one in evaluation.slices),
    )


SELF_EXPLAINING = frozenset({"stars", "length", "negation", "capitals", "unknown_words"})
"""Dimensions whose labels are clear without the title of the dimension."""
SHORT_TITLES = {"votes": "votes", "product_reviews": "product with", "year": "year"}


def _label(one: Slice) -> str:
    """Return a slice's name, shortened for the figure."""
    if one.dimension in SELF_EXPLAINING:
        return one.label
    return f"{SHORT_TITLES.get(one.dimension, one.dimension_title)} {one.label}"


def _name(one: Slice) -> str:
    return f"{one.dimension_title}: {one.label}"


def _row(one: Slice) -> tuple[str, ...]:
    return (
        _name(one) + (" (too few reviews)" if one.too_small else ""),
        formatting.count(one.rows),
        formatting.count(one.negative_rows),
        formatting.share(one.accuracy.value),
        formatting.share(one.expected_accuracy),
        formatting.points(one.gap.value),
        formatting.points_interval(one.gap),
        formatting.score(one.balanced_accuracy.value) if one.balanced_accuracy is not None else formatting.NOT_DEFINED,
    )
