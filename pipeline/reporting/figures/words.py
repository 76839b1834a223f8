"""The words that speak most for a class."""

from __future__ import annotations

from itertools import zip_longest

from pipeline.evaluation.records import BaselinesSummary, WordWeight
from pipeline.reporting import formatting
from pipeline.reporting.figures.figure import Figure, FigureTable
from pipeline.reporting.figures.theme import WIDTH, Tone, drawing, figure, finite, fitting

MOST_TERMS = 12
ROW = 18
LABEL = 88
"""Pixels that a term has at least."""


def model_words(baselines: BaselinesSummary | None) -> Figure | None:
    """Draw the terms that move the counting baseline most: to the left negative, to the right positive."""
    if baselines is None:
        return None
    negative = [one for one in baselines.negative_terms if finite(one.weight)][:MOST_TERMS]
    positive = [one for one in baselines.positive_terms if finite(one.weight)][:MOST_TERMS]
    if not negative and not positive:
        return None
    rows = max(len(negative), len(positive))
    most = max(abs(one.weight) for one in (*negative, *positive)) or 1.0
    height, middle = 30 + ROW * rows, WIDTH / 2
    with drawing(height) as drawn:
        panel = drawn.panel((0, 26, 0, 4), (0, WIDTH), (ROW * rows, 0))
        panel.text(6, 0, "speak for negative", "negative", up=10, strong=True)
        panel.text(WIDTH - 6, 0, "speak for positive", "positive", "right", up=10, strong=True)
        sides: tuple[tuple[list[WordWeight], int, Tone], ...] = ((negative, -1, "negative"), (positive, 1, "positive"))
        for terms, side, tone in sides:
            for number, one in enumerate(terms):
                y = ROW * number + ROW / 2
                length = (middle - LABEL - 6) * abs(one.weight) / most
                start = middle + side * 1.0
                end = start + side * length
                panel.box(min(start, end), max(start, end), y - 4.5, y + 4.5, tone)
                panel.text(
                    start + side * (length + 6),
                    y + 4,
                    fitting(one.term, middle - length - 14),
                    "ink",
                    "left" if side > 0 else "right",
                )
        return figure(
            drawn,
            "words",
            "The words that speak most for a class",
            "Coefficients of the logistic regression over words and pairs of words. For negative: "
            + (", ".join(f"{one.term} {_weight(one)}" for one in negative) or "none")
            + ". For positive: "
            + (", ".join(f"{one.term} {_weight(one)}" for one in positive) or "none")
            + ".",
            FigureTable(
                ("Rank", "For negative", "Weight", "For positive", "Weight"),
                tuple(
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
            ),
        )


def _weight(one: WordWeight) -> str:
    return formatting.difference(one.weight)
