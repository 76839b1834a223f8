"""Mistakes word by word: each word marked by its effect on the prediction, the strongest words named."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.behavioral_tests.records import ExplainedMistake, WordEffect
from pipeline.reporting import formatting

EFFECT_STEPS = (1.25, 2, 4)
"""Factors on the odds of "positive" from which a word is marked lightly, clearly and strongly."""
MAX_WORDS = 5
"""Strongest words of each direction that are named."""


@dataclass(frozen=True)
class MarkedWord:
    """A word of a review with its mark, and the unmarked white space after it."""

    word: str
    space: str
    mark: str | None
    """A class of the style sheet, ``effect-positive-1`` to ``effect-negative-3``."""


@dataclass(frozen=True)
class ExplainedReview:
    """A mistake as the page shows it.

    Attributes:
        row: Row of the review.
        label: 1 for a positive review, 0 for a negative one.
        probability: Predicted probability of positive.
        words: The words of the review.
        positive: The words with the strongest effect towards positive and their factors on the odds.
        negative: The same towards negative.
    """

    row: int
    label: int
    probability: float
    words: tuple[MarkedWord, ...]
    positive: tuple[tuple[str, str], ...]
    negative: tuple[tuple[str, str], ...]


def explain(mistake: ExplainedMistake) -> ExplainedReview:
    """Return a mistake with marked words."""
    effects = sorted(
        (word for word in mistake.words if mark(word.effect) and word.text.strip()), key=lambda word: -abs(word.effect)
    )
    return ExplainedReview(
        row=mistake.row,
        label=mistake.label,
        probability=mistake.probability,
        words=tuple(_marked(word) for word in mistake.words),
        positive=_named(word for word in effects if word.effect > 0),
        negative=_named(word for word in effects if word.effect < 0),
    )


def mark(effect: float) -> str | None:
    """Return the class for an effect in log-odds; ``None`` for a weak one."""
    if not math.isfinite(effect):
        return None
    step = sum(abs(effect) >= math.log(factor) for factor in EFFECT_STEPS)
    return f"effect-{'positive' if effect > 0 else 'negative'}-{step}" if step else None


def _marked(effect: WordEffect) -> MarkedWord:
    word = effect.text.rstrip()
    return MarkedWord(word=word, space=effect.text[len(word) :], mark=mark(effect.effect) if word else None)


def _named(effects: Iterable[WordEffect]) -> tuple[tuple[str, str], ...]:
    return tuple((word.text.strip(), formatting.odds(word.effect)) for word in effects)[:MAX_WORDS]
