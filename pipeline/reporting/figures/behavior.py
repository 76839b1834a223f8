"""Pass rates of the behavioral tests."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.behavioral_tests.records import BehavioralTestsSummary, BehaviorTest
from pipeline.evaluation.records import EvaluationSummary
from pipeline.evaluation.rules import TFIDF
from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import QUARTERS
from pipeline.reporting.figures.series import series
from pipeline.reporting.figures.svg import NORMAL, WIDTH, Color, Drawing, Figure, Shape, fitting

MAX_MODELS = 4
PASSED = 0.95
"""Pass rate from which a model passes a test; the figure leaves out tests that all models pass."""
LANE = 13
"""Pixels of one model in one test."""
HEAD, FOOT = 20, 8
RIGHT = 62

_LOOKS: tuple[tuple[Color, Shape], ...] = (("series-1", "circle"), ("series-2", "square"), ("series-3", "triangle"))
_BASELINE: tuple[Color, Shape] = ("baseline", "diamond")


def behavior(results: Sequence[BehavioralTestsSummary], evaluations: Sequence[EvaluationSummary] = ()) -> Figure | None:
    """Draw the pass rate of each test and model with Wilson intervals.

    Args:
        results: One summary per tested model.
        evaluations: Their evaluations, so that a model looks the same as in the other figures.
    """
    known = {item.evaluation.model: (item.color, item.shape) for item in series(evaluations)}
    ranked = list(known)
    variants = [item for item in results if item.model != TFIDF]
    variants.sort(key=lambda item: ranked.index(item.model) if item.model in ranked else len(ranked))
    variants = variants[: MAX_MODELS - 1]
    models = [*variants, *(item for item in results if item.model == TFIDF)]
    every = list(dict.fromkeys(test.name for item in models for test in item.tests if test.cases))
    if not every:
        return None
    spare = [look for look in _LOOKS if look not in {known.get(item.model) for item in variants}]
    looks = [known[item.model] if item.model in known else spare.pop(0) for item in variants] + [_BASELINE]
    found = {(item.model, test.name): test for item in models for test in item.tests if test.cases}
    titles = {test.name: test.title for item in models for test in item.tests}
    # If every model passes every test, the worst one is drawing.
    worst = {
        name: min(found[item.model, name].pass_rate.value for item in models if (item.model, name) in found)
        for name in every
    }
    names = [name for name in every if not worst[name] >= PASSED] or [min(every, key=lambda name: worst[name])]
    row = HEAD + LANE * len(models) + FOOT
    top = 16 * len(models) + 10
    height = top + row * len(names) + 24
    drawing = Drawing(height)
    head = drawing.panel((0, 0, 0, height - top), (0, WIDTH), (top, 0))
    for number, (item, (color, shape)) in enumerate(zip(models, looks, strict=False)):
        head.mark(12, 16 * number + 10, color, shape, 6.5)
        head.text(24, 16 * number + 14, fitting(item.title, WIDTH - 32))
    panel = drawing.panel((8, top, RIGHT, 24), (0, 1), (row * len(names), 0))
    panel.x_ticks(QUARTERS, lambda value: f"{100 * value:g}{' %' if value == 1 else ''}")
    for number, name in enumerate(names):
        start = row * number
        panel.text(0, start + 14, fitting(titles[name], WIDTH - 16, NORMAL), size=NORMAL, halo=True)
        for lane, (item, (color, shape)) in enumerate(zip(models, looks, strict=False)):
            test = found.get((item.model, name))
            y = start + HEAD + LANE * lane + LANE / 2
            if test is None:
                panel.text(1, y + 4, formatting.NOT_DEFINED, "soft", "right", right=RIGHT - 8)
                continue
            panel.interval(test.pass_rate.low, test.pass_rate.high, y, color)
            panel.mark(test.pass_rate.value, y, color, shape, 6.5)
            panel.text(1, y + 4, formatting.share(test.pass_rate.value), color, "right", right=RIGHT - 8)
    return drawing.figure(
        "behavior",
        f"{formatting.plural(len(names), 'behavioral test')} of {len(every)} with failures",
        " ".join(
            f"{item.title}: "
            + ", ".join(
                f"{titles[name]} {_rate(found[item.model, name])}" for name in every if (item.model, name) in found
            )
            + "."
            for item in models
        ),
        ("Test", *(item.title for item in results)),
        ((titles[name], *(_cell(item, name) for item in results)) for name in every),
    )


def _rate(test: BehaviorTest) -> str:
    return f"{formatting.share(test.pass_rate.value)} ({formatting.share_interval(test.pass_rate)})"


def _cell(item: BehavioralTestsSummary, name: str) -> str:
    test = next((one for one in item.tests if one.name == name and one.cases), None)
    if test is None:
        return formatting.NOT_DEFINED
    return f"{formatting.count(test.passed)} of {formatting.count(test.cases)}, {_rate(test)}"
