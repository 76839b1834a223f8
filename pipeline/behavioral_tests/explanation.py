"""The effect of each word on a model's answer: each word is left out in turn.

The effect of a word is the fall of the log-odds of positive without it. Source: the "difference in log-odds" of
Robnik-Šikonja & Kononenko (2008), *Explaining Classifications For Individual Instances*, with the word deleted.
"""

from __future__ import annotations

import itertools
import logging
import math
import re
from collections.abc import Mapping, Sequence

from pipeline.behavioral_tests.records import ExplainedMistake, WordEffect
from pipeline.behavioral_tests.running import TextScorer, valid_probabilities

log = logging.getLogger(__name__)

MAX_PIECES = 200
"""Pieces of one review. In a longer review each piece has several words: the number of texts to score stays bounded,
and every part of the review has an effect."""
MIN_PROBABILITY = 1e-6
"""Probabilities are moved this far from 0 and 1, where log-odds are infinite: an effect is at most 27.6 in size."""

_MARKUP_OR_WORD = re.compile(
    r"<[A-Za-z/!?][^<>]*>"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
    r"|(?:https?://|www\.)[^\s<>]*"
    r"|(?P<word>\w+(?:['’-]\w+)*)"
)
"""Tags, entities and web addresses are not words: they belong to the word before."""


def pieces(text: str, max_pieces: int = MAX_PIECES) -> tuple[str, ...]:
    """Split a text into words, each with everything up to the next word; the pieces joined are the text.

    The first piece includes everything before the first word. A text without a word is one piece, an empty text none.

    Args:
        text: A raw review, with its HTML.
        max_pieces: Maximum number of pieces; a text with more words gets pieces of several words.
    """
    starts = [found.start() for found in _MARKUP_OR_WORD.finditer(text) if found["word"]]
    words_a_piece = max(1, math.ceil(len(starts) / max_pieces))
    edges = [0, *starts[words_a_piece::words_a_piece], len(text)]
    return tuple(text[start:end] for start, end in itertools.pairwise(edges) if end > start)


def word_effects(scorer: TextScorer, text: str) -> tuple[float, tuple[WordEffect, ...]] | None:
    """Return the probability that a text is positive, and the effect of each of its pieces, in order.

    The text and its variants with one piece left out are scored in one call. If the model's answer to a variant is not
    a probability, the effect is 0.

    Returns:
        ``None`` if the model's answer to the text itself is not a probability.
    """
    parts = pieces(text)
    without = ["".join((*parts[:place], *parts[place + 1 :])) for place in range(len(parts))]
    whole, *others = valid_probabilities(scorer, [text, *without])
    if whole is None:
        return None
    effects = [0.0 if other is None else log_odds(whole) - log_odds(other) for other in others]
    return whole, tuple(WordEffect(text=part, effect=effect) for part, effect in zip(parts, effects, strict=True))


def log_odds(probability: float) -> float:
    """Return the log-odds of a probability, kept ``MIN_PROBABILITY`` away from 0 and 1, in nats."""
    clipped = min(max(probability, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return math.log(clipped / (1 - clipped))


def explain(
    scorer: TextScorer, texts: Mapping[int, str], labels: Mapping[int, int], rows: Sequence[int]
) -> tuple[ExplainedMistake, ...]:
    """Return the word effects of some reviews, in the order of ``rows``, without those that get no probability."""
    explained = []
    for row in rows:
        found = word_effects(scorer, texts[row])
        if found is None:
            log.warning("The model gives no probability for row %d; it is not explained.", row)
            continue
        probability, words = found
        explained.append(ExplainedMistake(row=row, label=labels[row], probability=probability, words=words))
    return tuple(explained)
