"""Which models the figures of curves show, and the look of each model, the same in every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.records import EvaluationSummary
from pipeline.evaluation.rules import MAJORITY, TFIDF, best_first
from pipeline.reporting.figures.svg import NORMAL, Color, Dash, Panel, Shape, fitting

MAX_VARIANTS = 3
"""More lines are hard to distinguish; the tables have every model."""

_LOOKS: tuple[tuple[Color, Dash, Shape], ...] = (
    ("series-1", "solid", "circle"),
    ("series-2", "dashed", "square"),
    ("series-3", "dash-dot", "triangle"),
)
_BASELINE: tuple[Color, Dash, Shape] = ("baseline", "dotted", "diamond")


@dataclass(frozen=True)
class Series:
    """One model of a figure; color, dash and shape all differ, so that color is never the only cue."""

    evaluation: EvaluationSummary
    color: Color
    dash: Dash
    shape: Shape


def series(evaluations: Sequence[EvaluationSummary]) -> tuple[Series, ...]:
    """Return the best variants on validation, the best first, and then the TF-IDF baseline."""
    variants = best_first(item for item in evaluations if item.kind == "variant")[:MAX_VARIANTS]
    baselines = [item for item in evaluations if item.kind == "baseline" and item.model != MAJORITY][:1]
    looks = [*zip(variants, _LOOKS, strict=False), *((item, _BASELINE) for item in baselines)]
    return tuple(Series(item, *look) for item, look in looks)


def short_title(evaluation: EvaluationSummary) -> str:
    """Return a model's title shortened for a figure; its table and description have the full title."""
    if evaluation.model == TFIDF:
        return "TF-IDF"
    return evaluation.title.replace("directional LSTM", "")


def key(panel: Panel, entries: Sequence[tuple[Series, str]], x: float, y: float, *, width: float = 228) -> None:
    """Draw the legend: a line sample, title and values per model.

    Args:
        panel: The panel to draw in.
        entries: Each model and the text after its title.
        x: Left end in data coordinates.
        y: Baseline of the last entry in data coordinates; the others are above.
        width: Pixels for the texts.
    """
    pixels_x, pixels_y = panel.pixel
    pitch = 15 * pixels_y
    for number, (item, figures) in enumerate(reversed(entries)):
        line = y + number * pitch
        middle = line + 4 * pixels_y
        panel.line([x, x + 20 * pixels_x], [middle, middle], item.color, 2.0, item.dash)
        panel.mark(x + 10 * pixels_x, middle, item.color, item.shape, 5)
        title = fitting(short_title(item.evaluation), width - len(figures) * NORMAL / 2)
        panel.text(x, line, f"{title}  {figures}", "ink", right=26, halo=True)
