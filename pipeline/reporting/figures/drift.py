"""Drift of this dump against earlier reviews."""

from __future__ import annotations

from pipeline.profiling.records import ColumnDrift, DumpComparison
from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import finite, multiples, nice_step, percent, with_decimals_of
from pipeline.reporting.figures.svg import WIDTH, Color, Drawing, Figure, fitting, slug

MAX_COLUMNS, MAX_BINS = 12, 14
ROW, BIN_ROW = 34, 20
BIN_LEFT, BIN_RIGHT = 100, 114


def drift(comparison: DumpComparison | None) -> Figure | None:
    """Draw the population stability index of each column with its 95 % bound under no drift."""
    columns = [one for one in comparison.columns if finite(one.stability_index)] if comparison is not None else []
    if comparison is None or not columns:
        return None
    selected = columns[:MAX_COLUMNS]
    most = max(max(one.stability_index, one.bound if finite(one.bound) else 0) for one in selected) or 1e-3
    high = most * 1.05
    step = nice_step(high, 4)
    height = ROW * len(selected) + 46
    drawing = Drawing(height)
    panel = drawing.panel((14, 4, 106, 42), (0, high), (ROW * len(selected), 0))
    panel.x_ticks(multiples(0, high, step), with_decimals_of(step))
    panel.text(0, panel.y[0], "population stability index; the bar is its bound", "soft", up=-30)
    for number, one in enumerate(selected):
        top = ROW * number
        color: Color = "negative" if one.moved else "baseline"
        panel.text(0, top + 14, fitting(one.title, WIDTH - 110), halo=True)
        panel.interval(0, one.stability_index, top + 24, color, 5)
        if finite(one.bound):
            panel.mark(min(one.bound, high), top + 24, "ink", "tick", 12)
        change = "drifted" if one.moved else "stable"
        panel.text(high, top + 28, f"{formatting.score(one.stability_index)} {change}", color, right=8)
    return drawing.figure(
        "drift",
        "Drift of each column against earlier reviews",
        " ".join(
            f"{one.title}: index {formatting.score(one.stability_index)}, bound {formatting.score(one.bound)}, "
            + ("drifted." if one.moved else "stable.")
            for one in selected
        ),
        ("Column", "Population stability index", "Bound", "Drifted"),
        (
            (one.title, _index(one.stability_index), _index(one.bound), "yes" if one.moved else "no")
            for one in comparison.columns
        ),
    )


def column_drift(column: ColumnDrift) -> Figure | None:
    """Draw the share of each bin of a column in this dump and in earlier reviews."""
    bins = [one for one in column.bins if finite(one.share, one.previous_share)]
    if not bins or not any(one.share or one.previous_share for one in bins):
        return None
    selected = bins
    if len(bins) > MAX_BINS:
        largest = sorted(bins, key=lambda one: -abs(one.share - one.previous_share))[:MAX_BINS]
        selected = [one for one in bins if one in largest]
    high = max(max(one.share, one.previous_share) for one in selected) * 1.05
    step = nice_step(high, 4)
    height = 28 + BIN_ROW * len(selected) + 26
    drawing = Drawing(height)
    head = drawing.panel((0, 0, 0, height - 28), (0, WIDTH), (28, 0))
    head.mark(14, 12, "series-1", "circle", 7)
    head.text(24, 16, "this dump")
    head.mark(100, 12, "baseline", "circle", 7, hollow=True)
    head.text(110, 16, "earlier reviews")
    panel = drawing.panel((BIN_LEFT, 28, BIN_RIGHT, 26), (0, high), (BIN_ROW * len(selected), 0))
    panel.x_ticks(multiples(0, high, step), percent)
    for number, one in enumerate(selected):
        y = BIN_ROW * number + BIN_ROW / 2
        panel.text(0, y + 4, fitting(one.label, BIN_LEFT - 14), align="right", right=-8)
        panel.line([one.previous_share, one.share], [y, y], "series-1", 1.5)
        panel.mark(one.previous_share, y, "baseline", "circle", 6.5, hollow=True)
        panel.mark(one.share, y, "series-1", "circle", 6.5)
        panel.text(
            high,
            y + 4,
            f"{formatting.share(one.previous_share)} → {formatting.share(one.share)}",
            "soft",
            "right",
            right=BIN_RIGHT - 4,
        )
    return drawing.figure(
        f"drift-{slug(column.name)}",
        f"{column.title}: this dump and earlier reviews",
        f"Share of the reviews in each bin, in this dump and in earlier reviews; index "
        f"{formatting.score(column.stability_index)}, bound {formatting.score(column.bound)}. "
        + " ".join(
            f"{one.label}: {formatting.share(one.share)}, earlier {formatting.share(one.previous_share)}."
            for one in selected
        ),
        ("Bin", "This dump", "Earlier reviews", "Change"),
        (
            (
                one.label,
                formatting.share(one.share),
                formatting.share(one.previous_share),
                formatting.points(one.share - one.previous_share),
            )
            for one in column.bins
        ),
    )


def _index(value: float) -> str:
    return formatting.score(value) if not finite(value) or value >= 0.001 or value == 0 else f"{value:.5f}"  # noqa: PLR2004
