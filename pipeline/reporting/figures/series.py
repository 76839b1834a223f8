"""Which models a picture of curves shows, and how each of them looks in all pictures alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.records import EvaluationSummary
from pipeline.evaluation.rules import MAJORITY, TFIDF, best_first
from pipeline.reporting.figures.theme import NORMAL, Panel, Shape, Tone, fitting

MOST_VARIANTS = 3
"""More lines than these and a baseline nobody tells apart; the tables name every model."""

_LOOKS: tuple[tuple[Tone, str, Shape], ...] = (
    ("series-1", "solid", "circle"),
    ("series-2", "dashed", "square"),
    ("series-3", "dash-dot", "triangle"),
)
_BASELINE: tuple[Tone, str, Shape] = ("baseline", "dotted", "diamond")


@dataclass(frozen=True)
class Series:
    """One model of a picture: never told apart by its color alone."""

    evaluation: EvaluationSummary
    tone: Tone
    dash: str
    shape: Shape


def series(evaluations: Sequence[EvaluationSummary]) -> tuple[Series, ...]:
    """Return the best variants on validation, the best first, and then the baseline that learned something."""
    variants = best_first(item for item in evaluations if item.kind == "variant")[:MOST_VARIANTS]
    baselines = [item for item in evaluations if item.kind == "baseline" and item.model != MAJORITY][:1]
    looks = [*zip(variants, _LOOKS, strict=False), *((item, _BASELINE) for item in baselines)]
    return tuple(Series(item, *look) for item, look in looks)


def short_title(evaluation: EvaluationSummary) -> str:
    """Return a model's title as short as a picture needs it; its table and its description have it in full."""
    if evaluation.model == TFIDF:
        return "TF-IDF"
    return evaluation.title.replace("directional LSTM", "")


def key(panel: Panel, entries: Sequence[tuple[Series, str]], x: float, y: float, *, width: float = 228) -> None:
    """Write a line per model beside a sample of its line; the last stands at (x, y), the others above.

    Args:
        panel: Where to.
        entries: Each model and what stands behind its title.
        x: Left end, in data.
        y: Baseline of the last line, in data.
        width: Pixels for the titles.
    """
    pixels_x, pixels_y = panel.pixel
    pitch = 15 * pixels_y
    for number, (item, figures) in enumerate(reversed(entries)):
        line = y + number * pitch
        middle = line + 4 * pixels_y
        panel.line([x, x + 20 * pixels_x], [middle, middle], item.tone, 2.0, item.dash)
        panel.mark(x + 10 * pixels_x, middle, item.tone, item.shape, 5)
        title = fitting(short_title(item.evaluation), width - len(figures) * NORMAL / 2)
        panel.text(x, line, f"{title}  {figures}", "ink", right=26, halo=True)
