"""Generated training texts: short sentences with a negation, e.g. "not bad at all" and "never again".

Real reviews teach a model little about them. "Not bad" occurs in few reviews, and those are worse than the average
one, so a model takes it for a complaint (docs/explanation/network.md). The sentences are those of
``negation_examples.yaml``; their opinions are words of VADER's list (Hutto and Gilbert 2014) that the vocabulary has.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import accumulate
from typing import Any, Literal, get_args

import yaml

from pipeline.encoding.vocabulary import Vocabulary

SENTENCES_FILE = "negation_examples.yaml"
SEED = 20_140_601
"""Fixed, so that the same vocabulary always gives the same sentences."""
MIN_VALENCE = 1.0
"""Words with a weaker sentiment are left out; VADER's list goes from −4 (negative) to 4."""
RANK_OFFSET = 20
"""A word is chosen with weight 1 / (rank + this), where the most frequent word has rank 0: as words are used, but
without repeating the first ones all the time."""
Kind = Literal["negated_negative", "praise", "negated_positive", "complaint", "negative", "positive"]
POSITIVE_KINDS: frozenset[Kind] = frozenset({"negated_negative", "praise", "positive"})


@dataclass(frozen=True)
class NegationExample:
    """A generated sentence.

    Attributes:
        text: As a person would write it.
        label: 1 positive, 0 negative.
    """

    text: str
    label: int


def negation_examples(count: int, vocabulary: Vocabulary) -> tuple[NegationExample, ...]:
    """Return this many sentences, the same ones for the same vocabulary.

    Args:
        count: Sentences to generate.
        vocabulary: Opinions and nouns are chosen among its words, the frequent ones more often.

    Returns:
        The sentences; none if the vocabulary has no word for a slot.
    """
    sentences = _sentences()
    valences = {word: valence for word, valence in _lexicon().items() if word in vocabulary.id_of_word}
    words = {
        "negative": _Words.ranked([word for word, valence in valences.items() if valence <= -MIN_VALENCE], vocabulary),
        "positive": _Words.ranked([word for word, valence in valences.items() if valence >= MIN_VALENCE], vocabulary),
    }
    nouns = [noun for noun in sentences["nouns"] if noun in vocabulary.id_of_word]
    if not nouns or not all(words.values()):
        return ()
    # Only random() is the same in every version of Python.
    uniform = random.Random(SEED).random  # noqa: S311 - no secret

    def one_of(values: Sequence[str]) -> str:
        return values[int(uniform() * len(values))]

    kinds = get_args(Kind)
    bounds = list(accumulate(sentences["shares"][kind] for kind in kinds))
    found = []
    for _ in range(count):
        kind = kinds[min(bisect(bounds, uniform() * bounds[-1]), len(kinds) - 1)]
        text = one_of(sentences[kind]).replace("{word}", "{" + kind + "}")
        for slot, opinions in words.items():
            while "{" + slot + "}" in text:
                text = text.replace("{" + slot + "}", opinions.pick(uniform()), 1)
        text = text.replace("{noun}", one_of(nouns)).replace("{who}", one_of(sentences["people"]))
        found.append(NegationExample(text, int(kind in POSITIVE_KINDS)))
    return tuple(found)


@dataclass(frozen=True)
class _Words:
    """Words and the running sums of their weights."""

    words: tuple[str, ...]
    bounds: tuple[float, ...]

    @classmethod
    def ranked(cls, words: Sequence[str], vocabulary: Vocabulary) -> _Words:
        ordered = sorted(words, key=lambda word: vocabulary.id_of_word[word])
        weights = (1 / (rank + RANK_OFFSET) for rank in range(len(ordered)))
        return cls(tuple(ordered), tuple(accumulate(weights)))

    def __len__(self) -> int:
        return len(self.words)

    def pick(self, uniform: float) -> str:
        """Return the word at a place in [0, 1)."""
        return self.words[min(bisect(self.bounds, uniform * self.bounds[-1]), len(self.words) - 1)]


@cache
def _sentences() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(resources.files(__package__).joinpath(SENTENCES_FILE).read_text("utf-8"))
    return found


@cache
def _lexicon() -> dict[str, float]:
    """Return the valence of each word of VADER's list, without emoticons."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    lexicon: dict[str, float] = SentimentIntensityAnalyzer().lexicon
    return {word: valence for word, valence in lexicon.items() if word.isalpha()}
