"""What a reader sees of explained mistakes and behavior tests: words marked by effect, tests beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.behavioral_tests.records import BehavioralTestsSummary, BehaviorTest, ExplainedMistake
from pipeline.reporting import formatting

EFFECT_STEPS = (1.25, 2, 4)
"""Factors by which a word changes the odds of "positive", from which it is marked lightly, clearly and strongly."""

MOST_WORDS = 5
"""Strongest words of each direction that are named in text."""


@dataclass(frozen=True)
class Piece:
    """A word of a review with its mark, and what follows it unmarked."""

    word: str
    rest: str
    mark: str | None
    """A class of the style sheet, ``effect-positive-1`` to ``effect-negative-3``."""


@dataclass(frozen=True)
class NamedEffect:
    """A word and what it does to the odds, in text."""

    word: str
    text: str


@dataclass(frozen=True)
class Explained:
    """A mistake as the page shows it."""

    row: int
    label: int
    probability: float
    pieces: tuple[Piece, ...]
    positive: tuple[NamedEffect, ...]
    """The words that speak most for positive, strongest first."""
    negative: tuple[NamedEffect, ...]


@dataclass(frozen=True)
class BehaviorRow:
    """One behavior test over all examined models; ``None`` where a model was not asked."""

    test: BehaviorTest
    results: tuple[BehaviorTest | None, ...]


def explained(mistake: ExplainedMistake) -> Explained:
    """Return a mistake with its words marked in steps and its strongest words named."""
    pieces = tuple(_piece(word.text, word.effect) for word in mistake.words)
    telling = [(word.text.strip(), word.effect) for word in mistake.words if mark(word.effect) and word.text.strip()]
    telling.sort(key=lambda found: -abs(found[1]))
    return Explained(
        row=mistake.row,
        label=mistake.label,
        probability=mistake.probability,
        pieces=pieces,
        positive=_named([found for found in telling if found[1] > 0]),
        negative=_named([found for found in telling if found[1] < 0]),
    )


def mark(effect: float) -> str | None:
    """Return the class that marks a word of this effect (log-odds), ``None`` for one that hardly matters."""
    if not math.isfinite(effect):
        return None
    step = sum(abs(effect) >= math.log(factor) for factor in EFFECT_STEPS)
    return f"effect-{'positive' if effect > 0 else 'negative'}-{step}" if step else None


def behavior_rows(examinations: Sequence[BehavioralTestsSummary]) -> tuple[BehaviorRow, ...]:
    """Return every test with its result per model, in the order in which the tests first appear."""
    names = dict.fromkeys(test.name for examination in examinations for test in examination.tests)
    rows = []
    for name in names:
        results = tuple(
            next((test for test in examination.tests if test.name == name), None) for examination in examinations
        )
        rows.append(BehaviorRow(next(test for test in results if test is not None), results))
    return tuple(rows)


def _piece(text: str, effect: float) -> Piece:
    word = text.rstrip()
    return Piece(word=word, rest=text[len(word) :], mark=mark(effect) if word else None)


def _named(effects: Sequence[tuple[str, float]]) -> tuple[NamedEffect, ...]:
    return tuple(NamedEffect(word, formatting.odds(effect)) for word, effect in effects[:MOST_WORDS])
