"""Learning curves, and the figure of a model that collapsed to one answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import decimals_of, finite, multiples, nice_step, percent, plain, spread_apart
from pipeline.reporting.figures.svg import Color, Dash, Drawing, Figure, Panel, Shape, slug
from pipeline.reporting.records import VariantReport
from pipeline.training.records import EpochRecord, TrainSummary

HEIGHT = 230
COLLAPSE_HEIGHT = 236
EDGES = (42.0, 24.0, 76.0, 38.0)
"""Pixels around the panel of the losses."""
LEARNING_COLUMNS = (
    "Epoch", "Training loss", "Validation loss", "Validation accuracy", "Validation ROC-AUC", "Duration",
)  # fmt: skip
MAX_MARKED_EPOCHS = 15
"""With more epochs, the lines have no marks."""


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    step: float

    def ticks(self) -> tuple[list[float], Callable[[float], str]]:
        """Return the ticks and their labels."""
        decimals = decimals_of(self.step)
        return multiples(self.low, self.high, self.step), (
            lambda value: f"{value:,.{decimals}f}" if value < 1e6 else f"{value:.0e}"  # noqa: PLR2004
        )


def learning_curves(variants: Sequence[VariantReport]) -> tuple[Figure, ...]:
    """Draw the losses of each trained variant, all on one vertical scale."""
    trained = [(variant, variant.trained) for variant in variants if variant.trained and variant.trained.epochs]
    scale = _scale(
        [loss for _, summary in trained for loss in _losses(summary.epochs, summary.label_entropy)], from_zero=True
    )
    figures = []
    for variant, summary in trained:
        drawing = Drawing(HEIGHT)
        panel = _loss_panel(drawing, summary.epochs, scale, EDGES, summary=summary)
        panel.y_ticks(*scale.ticks(), title="loss (nats)")
        figures.append(
            drawing.figure(
                f"learning-{slug(variant.name)}",
                f"Learning curves: {variant.title}",
                _description(summary),
                LEARNING_COLUMNS,
                map(_row, summary.epochs),
            )
        )
    return tuple(figures)


def losses_so_far(identifier: str, epochs: Sequence[EpochRecord]) -> Figure:
    """Draw the losses of a running training; at least one epoch."""
    scale = _scale(_losses(epochs), from_zero=True)
    drawing = Drawing(HEIGHT)
    panel = _loss_panel(drawing, epochs, scale, EDGES)
    panel.y_ticks(*scale.ticks(), title="loss (nats)")
    losses = (
        f"{epoch.epoch}: {formatting.score(epoch.loss)} and on validation {formatting.score(epoch.validation_loss)}"
        for epoch in epochs
    )
    return drawing.figure(identifier, "Loss by epoch", "; ".join(losses), LEARNING_COLUMNS, map(_row, epochs))


def article_collapse(variant: VariantReport) -> Figure | None:
    """Draw a variant's predicted probabilities next to its training loss.

    A variant that learned nothing has one bar, and its loss stays at the entropy of the labels.
    """
    evaluated, summary = variant.evaluated, variant.trained
    if evaluated is None or summary is None or not summary.epochs or evaluated.curves is None:
        return None
    bins = [one for one in evaluated.curves.distribution if finite(one.low, one.high)]
    rows = sum(one.negative + one.positive for one in bins)
    if not rows:
        return None
    shares = [(one.negative + one.positive) / rows for one in bins]
    fullest = max(range(len(bins)), key=lambda number: shares[number])
    spread = evaluated.scores.probability_spread
    drawing = Drawing(COLLAPSE_HEIGHT)
    panel = drawing.panel((38, 40, 206, 38), (0, 1), (0, max(shares) * 1.12))
    panel.y_ticks(multiples(0, max(shares) * 1.12, nice_step(max(shares), 4)), percent)
    panel.x_ticks([0, 0.5, 1], plain, grid=False, title="predicted probability")
    panel.text(0, panel.y[1], "Test reviews", right=-32, up=24, strong=True)
    panel.text(0, panel.y[1], f"std. dev. {_small(spread)}", "soft", right=-32, up=10)
    for one, share in zip(bins, shares, strict=True):
        if share:
            # A bar of a wide bin must not look like many answers.
            panel.box(one.low, one.high, 0, share, "series-1")
    scale = _scale(_losses(summary.epochs, summary.label_entropy), from_zero=False)
    losses = _loss_panel(drawing, summary.epochs, scale, (212.0, 40.0, 66.0, 38.0), summary=summary, room=28)
    losses.y_ticks(*scale.ticks())
    losses.text(losses.x[0], losses.y[1], "Loss (nats)", right=-34, up=24, strong=True)
    at_end = f"at the end {formatting.score(summary.epochs[-1].loss)}"
    losses.text(losses.x[0], losses.y[1], at_end, "soft", right=-34, up=10)
    return drawing.figure(
        f"collapse-{slug(variant.name)}",
        f"What {variant.title} has learned",
        f"{formatting.share(shares[fullest])} of the {formatting.plural(rows, 'test review')} have a probability "
        f"between {bins[fullest].low:.2f} and {bins[fullest].high:.2f}; the standard deviation of the probabilities is "
        f"{_small(spread)}. {_description(summary)}",
        ("Figure", "Value"),
        (
            ("Test reviews", formatting.count(rows)),
            ("Standard deviation of the probabilities", _small(spread)),
            ("Predicted positive", formatting.share(evaluated.scores.predicted_positive_share)),
            ("Share in the fullest bin", formatting.share(shares[fullest])),
            ("Training loss at the end", formatting.score(summary.epochs[-1].loss)),
            ("Validation loss at the end", formatting.score(summary.epochs[-1].validation_loss)),
            ("Entropy of the training labels", formatting.score(summary.label_entropy)),
        ),
    )


def _small(value: float) -> str:
    return formatting.score(value) if not finite(value) or value == 0 or value >= 0.001 else f"{value:.1g}"  # noqa: PLR2004


def _losses(epochs: Sequence[EpochRecord], label_entropy: float = math.nan) -> list[float]:
    losses = (loss for epoch in epochs for loss in (epoch.loss, epoch.validation_loss))
    return [value for value in (label_entropy, *losses) if finite(value)]


def _scale(losses: Sequence[float], *, from_zero: bool) -> _Scale:
    high = max(losses, default=1.0)
    low = 0.0 if from_zero else min(losses, default=0.0)
    # A constant loss still needs an axis of some height.
    span = max(high - low, 0.02 * abs(high), 1e-6)
    step = nice_step(span * 1.1, 5)
    return _Scale(
        low=round(max(0.0, math.floor((low - (0 if from_zero else 0.2 * span)) / step) * step), 10),
        high=round(math.ceil((high + 0.02 * span) / step) * step, 10),
        step=step,
    )


def _loss_panel(
    drawing: Drawing,
    epochs: Sequence[EpochRecord],
    scale: _Scale,
    edges: tuple[float, float, float, float],
    *,
    summary: TrainSummary | None = None,
    room: float = 30,
) -> Panel:
    """Draw losses; of a finished training also the label entropy, and a ring at the restored epoch.

    Each line has its name at its right end.
    """
    numbers = [epoch.epoch for epoch in epochs]
    first, last = numbers[0], numbers[-1]
    margin = 0.5 if first == last else 0.0
    panel = drawing.panel(edges, (first - margin, last + margin), (scale.low, scale.high))
    wide = (panel.x[1] - panel.x[0]) / panel.pixel[0]
    step = max(1, math.ceil(nice_step(last - first, max(1, int(wide / room)))))
    ticks = multiples(first, last, step) if last > first else [first]
    panel.x_ticks(ticks, plain, grid=False, title="epoch")
    entropy = math.nan if summary is None else summary.label_entropy
    lines: list[tuple[str, Color, float]] = []
    if finite(entropy):
        panel.line(panel.x, [entropy, entropy], "baseline", 1.5, "dotted")
        lines.append(("label entropy", "soft", entropy))
    looks: tuple[tuple[str, Color, Dash, Shape, list[float]], ...] = (
        ("training", "series-2", "dashed", "square", [epoch.loss for epoch in epochs]),
        ("validation", "series-1", "solid", "circle", [epoch.validation_loss for epoch in epochs]),
    )
    for name, color, dash, shape, values in looks:
        finite_values = [value if finite(value) else math.nan for value in values]
        panel.line(numbers, finite_values, color, 2.0, dash)
        if len(epochs) <= MAX_MARKED_EPOCHS:
            for epoch, value in zip(numbers, finite_values, strict=True):
                panel.mark(epoch, value, color, shape, 4.5)
        ends = [value for value in finite_values if finite(value)]
        if ends:
            lines.append((name, color, ends[-1]))
    restored = None if summary is None else summary.restored_epoch
    kept = next((epoch for epoch in epochs if epoch.epoch == restored), None)
    if kept is not None:
        panel.mark(kept.epoch, kept.validation_loss, "series-1", "circle", 9, hollow=True)
    pixel = panel.pixel[1]
    places = spread_apart([value for _, _, value in lines], 13 * pixel, scale.low, scale.high)
    for (name, color, _), place in zip(lines, places, strict=True):
        panel.text(panel.x[1], place, name, color, right=9, up=-4)
    return panel


def _description(summary: TrainSummary) -> str:
    final = summary.epochs[-1]
    return (
        f"{formatting.plural(len(summary.epochs), 'epoch')}; the training loss ends at {formatting.score(final.loss)}, "
        f"the validation loss at {formatting.score(final.validation_loss)}. "
        "A model that knows only the class shares has a loss of "
        f"{formatting.score(summary.label_entropy)} (label entropy). "
        f"The ring marks epoch {summary.restored_epoch}, whose weights the model has."
    )


def _row(epoch: EpochRecord) -> tuple[str, ...]:
    return (
        formatting.count(epoch.epoch),
        formatting.score(epoch.loss),
        formatting.score(epoch.validation_loss),
        formatting.score(epoch.validation_accuracy),
        formatting.score(epoch.validation_auc),
        formatting.duration(epoch.seconds),
    )
