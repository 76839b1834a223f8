"""Mistakes word by word: each word marked by its effect on the prediction, the strongest words named."""

from __future__ import annotations

import math

from pipeline.behavioral_tests.records import ExplainedMistake, WordEffect
from pipeline.reporting import formatting

EFFECT_STEPS = (1.25, 2, 4)
"""Factors on the odds of "positive" from which a word is marked lightly, clearly and strongly."""
MAX_WORDS = 5
"""Strongest words of each direction that are named."""


def mark(effect: WordEffect) -> str | None:
    """Return a word's class of the style sheet, ``effect-positive-1`` to ``effect-negative-3``; ``None`` if weak."""
    if not effect.text.strip() or not math.isfinite(effect.effect):
        return None
    step = sum(abs(effect.effect) >= math.log(factor) for factor in EFFECT_STEPS)
    return f"effect-{'positive' if effect.effect > 0 else 'negative'}-{step}" if step else None


def strongest_words(mistake: ExplainedMistake, direction: str) -> list[tuple[str, str]]:
    """Return the strongest words towards ``positive`` or ``negative``, and their factors on the odds."""
    marked = [word for word in mistake.words if (mark(word) or "").startswith(f"effect-{direction}")]
    strongest = sorted(marked, key=lambda word: -abs(word.effect))[:MAX_WORDS]
    return [(word.text.strip(), formatting.odds(word.effect)) for word in strongest]
