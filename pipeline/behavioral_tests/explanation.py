"""Which words led a model to its answer: each is left out in turn (leave one word out).

The effect of a word is how far the log-odds of positive fall when it is gone. Source: the "difference in log-odds"
of Robnik-Šikonja & Kononenko (2008), *Explaining Classifications For Individual Instances*, with the word deleted.
"""

from __future__ import annotations

import itertools
import logging
import math
import re
from collections.abc import Mapping, Sequence

from pipeline.behavioral_tests.judging import TextScorer, usable
from pipeline.behavioral_tests.records import ExplainedMistake, WordEffect

log = logging.getLogger(__name__)

MOST_PIECES = 200
"""Texts scored for one review at most. A longer review is taken apart by runs of words of like length, so that no
model has to be asked a thousand times and no end of the review goes without an effect."""
SMALLEST_PROBABILITY = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds end: an effect is at most 27.6 in size."""

_MARKUP_OR_WORD = re.compile(
    r"<[A-Za-z/!?][^<>]*>"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
    r"|(?:https?://|www\.)[^\s<>]*"
    r"|(?P<word>\w+(?:['’-]\w+)*)"
)
"""Tags, entities and web addresses are no words: they belong to the word before."""


def pieces(text: str, most: int = MOST_PIECES) -> tuple[str, ...]:
    """Split a text into its words, each with what follows it up to the next; joined they are the text.

    What stands before the first word belongs to it. A text without a word is one piece, an empty one has none.

    Args:
        text: A raw review, HTML and all.
        most: With more words than this, each piece is a run of as many words as it takes to be no more.
    """
    starts = [found.start() for found in _MARKUP_OR_WORD.finditer(text) if found["word"]]
    words_a_piece = max(1, math.ceil(len(starts) / most))
    edges = [0, *starts[words_a_piece::words_a_piece], len(text)]
    return tuple(text[start:end] for start, end in itertools.pairwise(edges) if end > start)


def word_effects(scorer: TextScorer, text: str) -> tuple[float, tuple[WordEffect, ...]] | None:
    """Return the probability of positive of a text, and the effect of each of its pieces, in their order.

    The text and all its variants with one piece left out are scored in one go. A piece without which the model gives
    no probability gets an effect of 0.

    Returns:
        ``None`` where the model gives no probability for the text itself.
    """
    parts = pieces(text)
    without = ["".join((*parts[:place], *parts[place + 1 :])) for place in range(len(parts))]
    whole, *others = usable(scorer, [text, *without])
    if whole is None:
        return None
    effects = [0.0 if other is None else log_odds(whole) - log_odds(other) for other in others]
    return whole, tuple(WordEffect(text=part, effect=effect) for part, effect in zip(parts, effects, strict=True))


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability kept ``SMALLEST_PROBABILITY`` away from 0 and 1, in nats."""
    kept = min(max(probability, SMALLEST_PROBABILITY), 1 - SMALLEST_PROBABILITY)
    return math.log(kept / (1 - kept))


def explain(
    scorer: TextScorer, texts: Mapping[int, str], labels: Mapping[int, int], rows: Sequence[int]
) -> tuple[ExplainedMistake, ...]:
    """Take some reviews apart, in the order of ``rows``; one for which there is no probability is left out."""
    explained = []
    for row in rows:
        found = word_effects(scorer, texts[row])
        if found is None:
            log.warning("The model gives no probability for row %d; it is not explained.", row)
            continue
        probability, words = found
        explained.append(ExplainedMistake(row=row, label=labels[row], probability=probability, words=words))
    return tuple(explained)
