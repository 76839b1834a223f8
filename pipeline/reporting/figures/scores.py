"""Scores of every model with intervals, and their spread over training seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.evaluation.records import EvaluationSummary, Scores, SeedGroup, Spread
from pipeline.evaluation.rules import MAJORITY, best_first
from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import finite, multiples, nice_step, with_decimals_of
from pipeline.reporting.figures.series import short_title
from pipeline.reporting.figures.svg import NORMAL, WIDTH, Color, Drawing, Figure, Panel, Shape, fitting
from pipeline.statistics import Interval

SPREADS: tuple[tuple[str, Callable[[Scores], Interval], Callable[[SeedGroup], Spread]], ...] = (
    ("Balanced accuracy", lambda scores: scores.balanced_accuracy, lambda group: group.balanced_accuracy),
    ("Accuracy", lambda scores: scores.accuracy, lambda group: group.accuracy),
    ("ROC-AUC", lambda scores: scores.roc_auc, lambda group: group.roc_auc),
)
METRICS = tuple((name, of) for name, of, _ in SPREADS)
MAX_MODELS = 8
"""Variants drawing, the best on validation; the table has all."""
DRAWN = METRICS[:2]
"""Shown together: a model that always predicts the majority has a high accuracy and a balanced accuracy of 0.5."""
ROW, BLOCK_HEAD = 19, 22
"""Height in pixels of a model and of the title of a block."""
LEFT, RIGHT = 136, 48
FINE_FROM = 0.4
"""An axis that starts here or above has ticks 0.1 apart, others 0.2."""


def score_forest(evaluations: Sequence[EvaluationSummary]) -> Figure | None:
    """Draw balanced accuracy and accuracy of each model with intervals; the dashed line is the majority baseline."""
    if not evaluations:
        return None
    best = best_first(item for item in evaluations if item.kind == "variant")[:MAX_MODELS]
    selected = [*best, *(item for item in evaluations if item.kind == "baseline")]
    low = _axis_start(
        [end for item in selected for _, of in DRAWN for end in (of(item.scores).low, of(item.scores).value)]
    )
    majority = next((item for item in evaluations if item.model == MAJORITY), None)
    block = BLOCK_HEAD + ROW * len(selected)
    height = 6 + block * len(DRAWN) + 26
    drawing = Drawing(height)
    panel = drawing.panel((LEFT, 6, RIGHT, 26), (low, 1), (block * len(DRAWN), 0))
    panel.x_ticks(multiples(low, 1, 0.1 if low >= FINE_FROM else 0.2), with_decimals_of(0.1))
    for number, (name, of) in enumerate(DRAWN):
        top = number * block
        panel.text(low, top + 14, name, "ink", right=4 - LEFT, size=NORMAL)
        if majority is not None and finite(of(majority.scores).value):
            panel.line([of(majority.scores).value] * 2, [top + BLOCK_HEAD, top + block], "baseline", 1.25, "dashed")
        for row, item in enumerate(selected):
            _interval(panel, of(item.scores), item, top + BLOCK_HEAD + row * ROW + ROW / 2, low)
    return drawing.figure(
        "scores",
        "Scores with their 95 % intervals",
        " ".join(
            f"{item.title}: "
            + ", ".join(f"{name} {formatting.estimate(of(item.scores))}" for name, of in METRICS).replace(
                "Balanced", "balanced", 1
            )
            + "."
            for item in selected
        )
        + " The dashed line is the majority-class baseline.",
        ("Model", *(name for name, _ in METRICS)),
        ((item.title, *(formatting.estimate(of(item.scores)) for _, of in METRICS)) for item in evaluations),
    )


def seed_spread(seed_groups: Sequence[SeedGroup], evaluations: Sequence[EvaluationSummary]) -> Figure | None:
    """Draw the scores of each seed and their mean; ``None`` if every model has one seed."""
    groups = [group for group in seed_groups if len(group.seeds) > 1]
    members = {
        group.name: [item for item in evaluations if item.variant is not None and item.variant.group == group.name]
        for group in groups
    }
    values = [of(item.scores).value for found in members.values() for item in found for _, of, _ in SPREADS]
    values = [value for value in values if finite(value)]
    if not values:
        return None
    groups = groups[:MAX_MODELS]
    span = max(max(values) - min(values), 0.01)
    step = nice_step(span * 1.2, 4)
    low, high = min(values) - 0.1 * span, max(values) + 0.1 * span
    left, height = 116, len(groups) * (22 + 18 * len(SPREADS)) + 44
    drawing = Drawing(height)
    panel = drawing.panel((left, 8, 58, 36), (low, high), (height - 44, 0))
    panel.x_ticks(multiples(low, high, step), with_decimals_of(step), title="circle: one seed; bar: mean")
    y = 0.0
    for group in groups:
        panel.text(low, y + 13, fitting(group.title, WIDTH - 16, NORMAL), right=8 - left, size=NORMAL, halo=True)
        y += 22
        for name, of, spread in SPREADS:
            panel.text(low, y + 12, name, "soft", right=8 - left)
            panel.line([low, high], [y + 8, y + 8], "grid")
            for item in members[group.name]:
                panel.mark(of(item.scores).value, y + 8, "series-1", "circle", 6, hollow=True)
            mean = spread(group).mean
            if finite(mean):
                panel.mark(min(max(mean, low), high), y + 8, "ink", "tick", 13)
            panel.text(high, y + 12, formatting.score(mean), "ink", "right", right=52)
            y += 18
    return drawing.figure(
        "seeds",
        "Spread over training seeds",
        " ".join(
            f"{group.title}, {len(group.seeds)} seeds: "
            + ", ".join(f"{name} {_spread_text(spread(group))}" for name, _, spread in SPREADS)
            + "."
            for group in groups
        ),
        ("Models", "Seeds", *(name for name, _, _ in SPREADS)),
        (
            (
                group.title,
                ", ".join(map(str, group.seeds)),
                *(_spread_text(spread(group)) for _, _, spread in SPREADS),
            )
            for group in seed_groups
        ),
    )


def _axis_start(ends: Sequence[float]) -> float:
    """Return the start of the score axis: 0.4 or the next lower multiple of 0.2."""
    worst = min([0.4, *(end for end in ends if finite(end))])
    return max(0.0, round(int(worst * 5 + 1e-9) / 5, 1))


def _interval(panel: Panel, value: Interval, item: EvaluationSummary, y: float, low: float) -> None:
    color: Color = "series-1" if item.kind == "variant" else "baseline"
    shape: Shape = "circle" if item.kind == "variant" else "square" if item.model == MAJORITY else "diamond"
    panel.text(low, y + 4, fitting(short_title(item), LEFT - 16), right=12 - LEFT)
    if finite(value.value):
        panel.interval(value.low, value.high, y, color)
        panel.mark(min(max(value.value, low), 1.0), y, color, shape, 6.5)
    panel.text(1, y + 4, formatting.score(value.value), color, "right", right=RIGHT - 4)


def _spread_text(spread: Spread) -> str:
    return (
        f"{formatting.score(spread.mean)} ± {formatting.score(spread.standard_deviation)} "
        f"({formatting.score(spread.low)}–{formatting.score(spread.high)})"
    )
