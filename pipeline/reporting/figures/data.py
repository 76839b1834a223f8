"""Row counts per step, the label share over time, and the lengths of the reviews."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.encoding.records import EncodingSummary, LengthBin
from pipeline.profiling.records import PeriodShare, ProfileSummary
from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import finite, multiples, nice_step, percent
from pipeline.reporting.figures.svg import WIDTH, Align, Color, Drawing, Figure, fitting, text_width
from pipeline.reporting.records import FunnelStage
from pipeline.splitting.records import SplitSummary

FUNNEL_ROW = 31
LABEL_SHARE_HEIGHT = 262
LENGTHS_HEIGHT = 230
FEW_ROWS = 30
"""Periods with fewer reviews do not stretch the axis: their intervals are too wide."""
SPLIT_COLORS: tuple[Color, ...] = ("series-1", "series-2", "baseline")


def funnel(funnel: Sequence[FunnelStage], split: SplitSummary | None) -> Figure | None:
    """Draw the rows of a dump that remain after each step and those excluded; the last bar shows the splits."""
    return _funnel(funnel, split, "funnel", "What happened to the rows", "read")


def window_funnel(funnel: Sequence[FunnelStage], split: SplitSummary | None) -> Figure | None:
    """Draw the same for the merged clean reviews of a training window."""
    return _funnel(funnel, split, "window", "What happened to the reviews of the training window", "merged")


def _funnel(
    funnel: Sequence[FunnelStage], split: SplitSummary | None, identifier: str, title: str, verb: str
) -> Figure | None:
    if not funnel or funnel[0].rows_left <= 0:
        return None
    whole = funnel[0].rows_left
    selected = [stage for number, stage in enumerate(funnel) if stage.excluded or number == 0]
    splits = [part for part in split.splits if part.rows] if split is not None else []
    height = FUNNEL_ROW * (len(selected) + bool(splits)) + 6
    drawing = Drawing(height)
    panel = drawing.panel((4, 0, 4, 6), (0, whole), (height - 6, 0))
    pixel = panel.pixel[0]
    for number, stage in enumerate(selected):
        top = number * FUNNEL_ROW
        counts = formatting.count(stage.rows_left)
        if stage.excluded:
            counts = f"{formatting.MINUS}{formatting.count(stage.excluded)} → {counts}"
        panel.text(0, top + 14, fitting(stage.title, WIDTH - 20 - text_width(counts)))
        panel.text(whole, top + 14, counts, "soft", "right")
        panel.box(0, stage.rows_left, top + 19, top + 27, "accent")
        if stage.excluded:
            # At least two pixels wide, so that few rows are still visible.
            gone = min(max(stage.excluded, 2 * pixel), whole)
            panel.box(stage.rows_left, min(stage.rows_left + gone, whole + 2 * pixel), top + 19, top + 27, "gone")
    if splits:
        top, x, text_x = len(selected) * FUNNEL_ROW, 0.0, 0.0
        for part, color in zip(splits, SPLIT_COLORS, strict=False):
            panel.box(x, x + max(part.rows - 1.5 * pixel, pixel), top + 19, top + 27, color)
            label = f"{part.name} {formatting.count(part.rows)}"
            panel.box(text_x, text_x + 8 * pixel, top + 6, top + 14, color)
            panel.text(text_x, top + 14, label, right=12)
            x += part.rows
            text_x += (text_width(label) + 30) * pixel
    steps = [
        f"{stage.title}: {formatting.count(stage.excluded)} excluded, {formatting.count(stage.rows_left)} remain."
        for stage in selected[1:]
    ]
    return drawing.figure(
        identifier,
        title,
        f"{formatting.plural(whole, 'row')} {verb}. "
        + " ".join(steps)
        + (
            " The splits: " + ", ".join(f"{part.name} {formatting.count(part.rows)}" for part in splits) + "."
            if splits
            else ""
        ),
        ("Step", "Excluded", "Remaining"),
        [
            *((stage.title, formatting.count(stage.excluded), formatting.count(stage.rows_left)) for stage in funnel),
            *((f"Split: {part.name}", "", formatting.count(part.rows)) for part in splits),
        ],
    )


def label_share(profile: ProfileSummary | None) -> Figure | None:
    """Draw the share of positive reviews over time with its interval, and the number of reviews below."""
    if profile is None or not any(period.rows for period in profile.periods):
        return None
    periods = profile.periods
    filled = [(number, period) for number, period in enumerate(periods) if period.rows]
    low, high = _share_axis([period for _, period in filled])
    last = len(periods) - 1
    x = (-0.5, last + 0.5)
    most = max(period.rows for _, period in filled)
    drawing = Drawing(LABEL_SHARE_HEIGHT)
    panel = drawing.panel((44, 24, 50, 88), x, (low, high))
    panel.y_ticks(multiples(low, high, nice_step(high - low, 4)), percent, title="share of positive reviews")
    for run in _runs(filled):
        xs = [number for number, _ in run]
        lows = [min(max(period.positive_share.low, low), high) for _, period in run]
        highs = [min(max(period.positive_share.high, low), high) for _, period in run]
        values = [min(max(period.positive_share.value, low), high) for _, period in run]
        if len(run) > 1:
            panel.band(xs, lows, highs, "band-1")
            panel.line(xs, values, "series-1", 2.0)
        else:
            panel.line(xs * 2, [lows[0], highs[0]], "series-1", 1.25)
            panel.mark(xs[0], values[0], "series-1", "circle", 6)
    overall = profile.positive / profile.rows if profile.rows else math.nan
    if finite(overall) and low <= overall <= high:
        panel.line(x, [overall, overall], "baseline", 1.25, "dashed")
        panel.text(x[1], overall, formatting.share(overall), "soft", right=6, up=2)
        panel.text(x[1], overall, "overall", "soft", right=6, up=-11)
    rows = drawing.panel((44, LABEL_SHARE_HEIGHT - 74, 50, 34), x, (0, most))
    for number, period in filled:
        rows.box(number - 0.36, number + 0.36, 0, period.rows, "gone")
    rows.text(x[0], most, "reviews", "soft", right=-38, up=3)
    peak = max(filled, key=lambda item: item[1].rows)[0]
    align: Align = "left" if peak < 0.25 * last else "right" if peak > 0.75 * last else "center"
    rows.text(peak, most, formatting.count(most), "soft", align, up=3)
    wide = text_width(max((period.period for period in periods), key=len)) + 10
    apart = max(1, math.ceil(len(periods) * wide / (WIDTH - 94)))
    rows.x_ticks(range(0, len(periods), apart), lambda number: periods[number].period, grid=False)
    return drawing.figure(
        "labels",
        "Positive reviews over time",
        f"Share of positive reviews from {periods[0].period} to {periods[-1].period}; overall "
        f"{formatting.share(overall)} of {formatting.plural(profile.rows, 'review')}. "
        f"First {_period(filled[0][1])}, last {_period(filled[-1][1])}; "
        f"lowest {_period(min((one for _, one in filled), key=lambda one: one.positive_share.value))}, "
        f"highest {_period(max((one for _, one in filled), key=lambda one: one.positive_share.value))}. The band is "
        "the 95 % interval.",
        ("Period", "Reviews", "Positive", "95 % interval"),
        (
            (
                period.period,
                formatting.count(period.rows),
                formatting.share(period.positive_share.value) if period.rows else formatting.NOT_DEFINED,
                formatting.share_interval(period.positive_share) if period.rows else formatting.NOT_DEFINED,
            )
            for period in periods
        ),
    )


def lengths(encoding: EncodingSummary | None) -> Figure | None:
    """Draw the lengths of the reviews of all splits, and the length that the model reads."""
    if encoding is None or not encoding.splits:
        return None
    bins = encoding.splits[0].lengths
    rows = [sum(part.lengths[number].rows for part in encoding.splits) for number in range(len(bins))]
    if not sum(rows):
        return None
    last = max(number for number, filled in enumerate(rows) if filled or bins[number].first <= encoding.max_length)
    limit = _limit(bins[: last + 1], encoding.max_length)
    whole = sum(part.rows for part in encoding.splits)
    cut = sum(part.truncated_rows for part in encoding.splits)
    drawing = Drawing(LENGTHS_HEIGHT)
    panel = drawing.panel((44, 40, 14, 38), (0, last + 1), (0, max(rows) * 1.02))
    ticks = multiples(0, max(rows), max(1.0, nice_step(max(rows), 4)))
    panel.y_ticks(ticks, lambda value: formatting.count(round(value)))
    panel.text(0, panel.y[1], "reviews", "soft", right=-38, up=9)
    for number, filled in enumerate(rows[: last + 1]):
        if filled:
            beyond = bins[number].first >= encoding.max_length
            panel.box(number + 0.08, number + 0.92, 0, filled, "gone" if beyond else "series-1")
    panel.line([limit, limit], panel.y, "ink", 1.25, "dashed")
    align: Align = "right" if limit > 0.6 * (last + 1) else "left"
    reads = f"the model reads {formatting.plural(encoding.max_length, 'word')}"
    panel.text(limit, panel.y[1], reads, "ink", align, up=20)
    longer = f"{formatting.count(cut)} reviews ({formatting.share(cut / whole if whole else math.nan)}) are longer"
    panel.text(limit, panel.y[1], longer, "soft", align, up=6)
    apart = next(nice for nice in (1, 2, 5, 10, 20, 50, 100) if (last + 1) / nice <= 7 or nice == 100)  # noqa: PLR2004
    panel.x_ticks(
        range(0, last + 1, apart),
        lambda number: f"{bins[number].first}{'+' if bins[number].last is None else ''}",
        grid=False,
        title="words in a review",
    )
    return drawing.figure(
        "lengths",
        "How long the reviews are",
        f"Lengths of {formatting.plural(whole, 'review')} in encoded words. The model reads the "
        f"{encoding.keep} {formatting.plural(encoding.max_length, 'word')}; {longer}.",
        ("Words", *(part.name for part in encoding.splits)),
        (
            (
                f"{one.first}–{one.last}" if one.last is not None else f"{one.first} and more",
                *(formatting.count(part.lengths[number].rows) for part in encoding.splits),
            )
            for number, one in enumerate(bins[: last + 1])
        ),
    )


def _limit(bins: Sequence[LengthBin], max_length: int) -> float:
    """Return the position of a length on an axis of bars of width 1."""
    for number, one in enumerate(bins):
        if one.last is not None and one.first <= max_length <= one.last:
            return number + (max_length - one.first) / (1 + one.last - one.first)
    return float(len(bins))


def _share_axis(filled: Sequence[PeriodShare]) -> tuple[float, float]:
    large = [period for period in filled if period.rows >= FEW_ROWS] or filled
    ends = [end for period in large for end in (period.positive_share.low, period.positive_share.high) if finite(end)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    step = nice_step(max(high - low, 0.04), 4)
    return max(0.0, math.floor(low / step + 1e-9) * step), min(1.0, math.ceil(high / step - 1e-9) * step)


def _runs(filled: Sequence[tuple[int, PeriodShare]]) -> list[list[tuple[int, PeriodShare]]]:
    """Return stretches of consecutive periods: no line crosses a period without reviews."""
    runs: list[list[tuple[int, PeriodShare]]] = []
    for number, period in filled:
        if runs and runs[-1][-1][0] == number - 1:
            runs[-1].append((number, period))
        else:
            runs.append([(number, period)])
    return runs


def _period(period: PeriodShare) -> str:
    share = period.positive_share
    return f"{period.period} with {formatting.share(share.value)} ({formatting.share_interval(share)})"
