"""Where marks stand in the report's pictures; the templates draw them as inline SVG.

Two kinds of picture: bars and intervals use percentages of the width and pixels of the height, so that they
stretch to any screen while their text keeps its size; curves use a fixed drawing area.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.encoding.records import EncodingSummary, LengthBin
from pipeline.evaluation.records import EvaluationSummary, Interval
from pipeline.evaluation.rules import MAJORITY
from pipeline.reporting import formatting
from pipeline.reporting.records import FunnelStage, VariantReport
from pipeline.splitting.records import SplitSummary

FOREST_METRICS = (
    ("accuracy", "Accuracy"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("roc_auc", "ROC-AUC"),
)
CURVE_WIDTH, CURVE_HEIGHT = 360, 216
CURVE_LEFT, CURVE_RIGHT, CURVE_TOP, CURVE_BOTTOM = 42, 10, 12, 36
MIDDLE, FINE_FROM = 0.5, 0.4
"""The interval pictures begin at chance or below; their ticks are 0.1 apart unless they begin below 0.4."""

HISTOGRAM_HEIGHT = 150
"""Pixels of the highest bar's axis."""
MOST_LENGTH_LABELS = 7

MOST_DOTS = 15
"""Epochs up to which each one gets a dot."""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, in the axis's own unit of drawing."""

    position: float
    label: str


@dataclass(frozen=True)
class Axis:
    """A linear scale from values to places.

    Attributes:
        low: Value at ``start``.
        high: Value at ``end``.
        start: Place of ``low``.
        end: Place of ``high``; smaller than ``start`` for an axis that points up.
        step: Distance between ticks, in values.
    """

    low: float
    high: float
    start: float
    end: float
    step: float

    def place(self, value: float) -> float:
        """Return where a value stands, cut to the ends of the axis; two decimals."""
        if not math.isfinite(value):
            return self.start
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """The labelled places, with as few decimals as tell them apart."""
        decimals = max(0, -math.floor(math.log10(self.step) + 1e-9))
        steps = round((self.high - self.low) / self.step)
        values = [self.low + number * self.step for number in range(steps + 1)]
        return tuple(Tick(self.place(value), f"{value:.{decimals}f}") for value in values)


@dataclass(frozen=True)
class IntervalMark:
    """One model's figure with its interval, in per cent of the width."""

    title: str
    kind: str
    """``variant``, ``baseline`` or ``majority``: each has a mark of its own shape."""
    text: str
    defined: bool
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class IntervalPanel:
    """All models on one metric."""

    metric: str
    title: str
    axis: Axis
    marks: tuple[IntervalMark, ...]
    majority: float | None
    """Place of the majority baseline's figure."""

    @property
    def description(self) -> str:
        """The picture in words."""
        return "; ".join(f"{mark.title}: {mark.text}" for mark in self.marks)


@dataclass(frozen=True)
class Curve:
    """One line of a learning curve, as SVG points."""

    title: str
    style: str
    points: tuple[tuple[float, float], ...]

    @property
    def path(self) -> str:
        """The points as an SVG attribute."""
        return " ".join(f"{x},{y}" for x, y in self.points)


@dataclass(frozen=True)
class CurvePanel:
    """The learning curves of one variant."""

    title: str
    description: str
    x_axis: Axis
    y_axis: Axis
    curves: tuple[Curve, ...]
    entropy: float
    restored_x: float
    restored_y: float | None
    """Where the validation loss of the epoch stands whose weights the model ends with, if that epoch is known."""
    dots: bool


@dataclass(frozen=True)
class FunnelBar:
    """One step of the funnel: what is left and what went, in per cent of the width."""

    title: str
    text: str
    left: float
    gone: float


@dataclass(frozen=True)
class PartBar:
    """One part of the split as a piece of the funnel's last bar, in per cent of the width."""

    name: str
    x: float
    width: float


@dataclass(frozen=True)
class HistogramBar:
    """Reviews of one range of lengths: a bar's place and width in per cent, its height in pixels."""

    x: float
    width: float
    height: float
    rows: int
    cut: bool
    """Whether these reviews are longer than what the model reads."""


@dataclass(frozen=True)
class Histogram:
    """How long the reviews are, all parts together."""

    bars: tuple[HistogramBar, ...]
    limit: float
    """Place of the longest sequence that the model reads, in per cent."""
    limit_text_at_end: bool
    """Whether the limit's label goes to its left, for lack of room on the right."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    truncated_rows: int
    rows: int


def interval_panels(evaluations: Sequence[EvaluationSummary]) -> tuple[IntervalPanel, ...]:
    """Return a panel per metric of ``FOREST_METRICS``; all three have the same axis, so that lengths compare."""
    if not evaluations:
        return ()
    figures = [_figure(evaluation, metric) for evaluation in evaluations for metric, _ in FOREST_METRICS]
    ends = [end for figure in figures for end in (figure.low, figure.value) if math.isfinite(end)]
    worst = min([MIDDLE, *ends])
    step = 0.1 if worst >= FINE_FROM else 0.2
    low = 1 - step * math.ceil((1 - worst) / step - 1e-9)
    axis = Axis(low=max(0.0, round(low, 1)), high=1.0, start=3, end=97, step=step)
    panels = []
    for metric, title in FOREST_METRICS:
        marks = tuple(_interval_mark(evaluation, metric, axis) for evaluation in evaluations)
        majority = next((mark.value for mark in marks if mark.kind == "majority" and mark.defined), None)
        panels.append(IntervalPanel(metric, title, axis, marks, majority))
    return tuple(panels)


def _figure(evaluation: EvaluationSummary, metric: str) -> Interval:
    figure = getattr(evaluation.scores, metric)
    if not isinstance(figure, Interval):
        raise TypeError(f"{metric} of {evaluation.model} is no figure with an interval")
    return figure


def _interval_mark(evaluation: EvaluationSummary, metric: str, axis: Axis) -> IntervalMark:
    figure = _figure(evaluation, metric)
    kind = "majority" if evaluation.model == MAJORITY else evaluation.kind
    low, high = (end if math.isfinite(end) else figure.value for end in (figure.low, figure.high))
    return IntervalMark(
        title=evaluation.title,
        kind=kind,
        text=f"{formatting.score(figure.value)} [{formatting.interval(figure)}]",
        defined=math.isfinite(figure.value),
        value=axis.place(figure.value),
        low=axis.place(low),
        high=axis.place(high),
    )


def curve_panels(variants: Sequence[VariantReport]) -> tuple[CurvePanel, ...]:
    """Return the learning curves of every trained variant, on one vertical scale."""
    trained = [(variant.title, variant.trained) for variant in variants if variant.trained and variant.trained.epochs]
    if not trained:
        return ()
    losses = [
        loss
        for _, summary in trained
        for loss in (
            summary.label_entropy,
            *(value for epoch in summary.epochs for value in (epoch.loss, epoch.validation_loss)),
        )
        if math.isfinite(loss)
    ]
    step = nice_step(max(losses, default=1.0) * 1.02, 5)
    y_axis = Axis(
        low=0.0,
        high=round(math.ceil(max(losses, default=1.0) * 1.02 / step) * step, 10),
        start=CURVE_HEIGHT - CURVE_BOTTOM,
        end=CURVE_TOP,
        step=step,
    )
    panels = []
    for title, summary in trained:
        last = summary.epochs[-1].epoch
        x_step = max(1, math.ceil(nice_step(last, 8)))
        x_axis = Axis(
            low=1 if x_step == 1 and last > 1 else 0,
            high=math.ceil(last / x_step) * x_step if last > 1 else 2,
            start=CURVE_LEFT,
            end=CURVE_WIDTH - CURVE_RIGHT,
            step=x_step,
        )
        places = [x_axis.place(epoch.epoch) for epoch in summary.epochs]
        training = [y_axis.place(epoch.loss) for epoch in summary.epochs]
        validation = [y_axis.place(epoch.validation_loss) for epoch in summary.epochs]
        final = summary.epochs[-1]
        panels.append(
            CurvePanel(
                title=title,
                description=f"{formatting.plural(len(summary.epochs), 'epoch')}; training loss ends at "
                f"{formatting.score(final.loss)}, validation loss at {formatting.score(final.validation_loss)}; the "
                f"entropy of the labels is {formatting.score(summary.label_entropy)}; the model ends with the weights "
                f"of epoch {summary.restored_epoch}.",
                x_axis=x_axis,
                y_axis=y_axis,
                curves=(
                    Curve("Training loss", "training", tuple(zip(places, training, strict=True))),
                    Curve("Validation loss", "validation", tuple(zip(places, validation, strict=True))),
                ),
                entropy=y_axis.place(summary.label_entropy),
                restored_x=x_axis.place(summary.restored_epoch),
                restored_y=next(
                    (
                        y_axis.place(epoch.validation_loss)
                        for epoch in summary.epochs
                        if epoch.epoch == summary.restored_epoch
                    ),
                    None,
                ),
                dots=len(summary.epochs) <= MOST_DOTS,
            )
        )
    return tuple(panels)


def funnel_bars(funnel: Sequence[FunnelStage]) -> tuple[FunnelBar, ...]:
    """Return a bar per step of the funnel that set rows aside; the first bar has the full width."""
    if not funnel or not funnel[0].rows_left:
        return ()
    whole = funnel[0].rows_left
    return tuple(
        FunnelBar(
            title=stage.title,
            text=(f"{formatting.MINUS}{formatting.count(stage.set_aside)} → " if stage.set_aside else "")
            + formatting.count(stage.rows_left),
            left=round(100 * stage.rows_left / whole, 3),
            gone=round(100 * stage.set_aside / whole, 3),
        )
        for number, stage in enumerate(funnel)
        if stage.set_aside or number == 0
    )


def part_bars(funnel: Sequence[FunnelStage], split: SplitSummary | None) -> tuple[PartBar, ...]:
    """Return the parts side by side, on the scale of the funnel's bars."""
    if split is None or not funnel or not funnel[0].rows_left:
        return ()
    whole, x, bars = funnel[0].rows_left, 0.0, []
    for part in split.parts:
        width = 100 * part.rows / whole
        bars.append(PartBar(part.name, round(x, 3), round(width, 3)))
        x += width
    return tuple(bars)


def histogram(encoding: EncodingSummary | None) -> Histogram | None:
    """Return the lengths of the reviews of all parts; ``None`` where there are none to draw."""
    if encoding is None or not encoding.parts:
        return None
    bins = encoding.parts[0].lengths
    rows = [sum(part.lengths[number].rows for part in encoding.parts) for number in range(len(bins))]
    if not sum(rows):
        return None
    # Nothing is drawn beyond the last range that holds a review, but always as far as the limit.
    last = max(number for number, held in enumerate(rows) if held or bins[number].first <= encoding.max_length)
    width = 100 / (last + 1)
    step = nice_step(max(rows), 4)
    axis = Axis(low=0, high=math.ceil(max(rows) / step) * step, start=HISTOGRAM_HEIGHT, end=0, step=step)
    limit = _limit(bins[: last + 1], encoding.max_length, width)
    bars = tuple(
        HistogramBar(
            x=round(number * width, 3),
            width=round(width * 0.86, 3),
            height=round(HISTOGRAM_HEIGHT - axis.place(rows[number]), 2),
            rows=rows[number],
            cut=bins[number].first >= encoding.max_length,
        )
        for number in range(last + 1)
    )
    apart = max(1, math.ceil((last + 1) / MOST_LENGTH_LABELS))
    apart = next(nice for nice in (1, 2, 5, 10, 20, 50) if nice >= apart)
    return Histogram(
        bars=bars,
        limit=round(min(limit, 100.0), 3),
        limit_text_at_end=limit > 60,  # noqa: PLR2004 - per cent
        x_ticks=tuple(
            Tick(round(number * width, 3), f"{bins[number].first}{'+' if bins[number].last is None else ''}")
            for number in range(0, last + 1, apart)
        ),
        y_ticks=tuple(Tick(axis.place(value), formatting.count(value)) for value in _multiples(step, axis.high)),
        truncated_rows=sum(part.truncated_rows for part in encoding.parts),
        rows=sum(part.rows for part in encoding.parts),
    )


def _limit(bins: Sequence[LengthBin], max_length: int, width: float) -> float:
    """Return the place of a length among bars of equal width; 100 where it lies beyond the last closed range."""
    for number, bin_ in enumerate(bins):
        if bin_.last is not None and bin_.first <= max_length <= bin_.last:
            return width * (number + (max_length - bin_.first) / (1 + bin_.last - bin_.first))
    return 100.0


def _multiples(step: float, most: float) -> tuple[int, ...]:
    return tuple(round(number * step) for number in range(1, round(most / step) + 1))


def nice_step(span: float, most: int) -> float:
    """Return the smallest of 1, 2, 5 × 10ⁿ that divides ``span`` into at most ``most`` steps."""
    if span <= 0 or not math.isfinite(span):
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / most))
    return next(magnitude * factor for factor in (1, 2, 5, 10) if span / (magnitude * factor) <= most + 1e-9)
