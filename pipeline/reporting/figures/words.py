"""The strongest terms of the TF-IDF baseline."""

from __future__ import annotations

from itertools import zip_longest

from pipeline.evaluation.records import BaselinesSummary, WordWeight
from pipeline.reporting import formatting
from pipeline.reporting.figures.scales import finite
from pipeline.reporting.figures.svg import WIDTH, Color, Drawing, Figure, fitting

MAX_TERMS = 12
ROW = 18
LABEL = 88
"""Minimum pixels for a term."""


def model_words(baselines: BaselinesSummary | None) -> Figure | None:
    """Draw the strongest coefficients of the TF-IDF baseline: negative to the left, positive to the right."""
    if baselines is None:
        return None
    negative = [one for one in baselines.negative_terms if finite(one.weight)][:MAX_TERMS]
    positive = [one for one in baselines.positive_terms if finite(one.weight)][:MAX_TERMS]
    if not negative and not positive:
        return None
    rows = max(len(negative), len(positive))
    most = max(abs(one.weight) for one in (*negative, *positive)) or 1.0
    height, middle = 30 + ROW * rows, WIDTH / 2
    drawing = Drawing(height)
    panel = drawing.panel((0, 26, 0, 4), (0, WIDTH), (ROW * rows, 0))
    panel.text(6, 0, "negative", "negative", up=10, strong=True)
    panel.text(WIDTH - 6, 0, "positive", "positive", "right", up=10, strong=True)
    sides: tuple[tuple[list[WordWeight], int, Color], ...] = ((negative, -1, "negative"), (positive, 1, "positive"))
    for terms, side, color in sides:
        for number, one in enumerate(terms):
            y = ROW * number + ROW / 2
            length = (middle - LABEL - 6) * abs(one.weight) / most
            start = middle + side * 1.0
            end = start + side * length
            panel.box(min(start, end), max(start, end), y - 4.5, y + 4.5, color)
            panel.text(
                start + side * (length + 6),
                y + 4,
                fitting(one.term, middle - length - 14),
                "ink",
                "left" if side > 0 else "right",
            )
    return drawing.figure(
        "words",
        "Strongest terms of the TF-IDF baseline",
        "Coefficients of the logistic regression on words and word pairs. Negative: "
        + (", ".join(f"{one.term} {_weight(one)}" for one in negative) or "none")
        + ". Positive: "
        + (", ".join(f"{one.term} {_weight(one)}" for one in positive) or "none")
        + ".",
        ("Rank", "Negative", "Weight", "Positive", "Weight"),
        (
            (
                formatting.count(number),
                left.term if left else "",
                _weight(left) if left else "",
                right.term if right else "",
                _weight(right) if right else "",
            )
            for number, (left, right) in enumerate(
                zip_longest(baselines.negative_terms, baselines.positive_terms), start=1
            )
        ),
    )


def _weight(one: WordWeight) -> str:
    return formatting.difference(one.weight)
