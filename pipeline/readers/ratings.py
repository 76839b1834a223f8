"""Ratings of any scale as scores from 1 to 5: how a value is read, and which scale a dump uses.

The decision and its limits are in docs/decisions/0012-rating-scales.md.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from pipeline.config import RATING_SCALE
from pipeline.errors import quoted
from pipeline.readers.scalars import Scalar, is_missing

LOWEST_SCORE, HIGHEST_SCORE = 1, 5
NEUTRAL_SCORE = 3
"""The score that is neither positive nor negative."""
Sentiment = Literal["negative", "neutral", "positive"]
SENTIMENT_SCORES: dict[Sentiment, int] = {
    "negative": LOWEST_SCORE,
    "neutral": NEUTRAL_SCORE,
    "positive": HIGHEST_SCORE,
}

ENOUGH_RATINGS = 100
"""Ratings from which the values that do not occur are evidence; fewer whole numbers from 1 to 5 are stars."""
STRAY_SHARE = 0.01
"""Share of the ratings that may be wrong values: they decide nothing, and their rows are quarantined."""
RARE_SHARE = 0.001
"""A value with a smaller share decides nothing."""
LARGEST_RATING = 100
LISTED_VALUES = 12

_WORDS = {
    **dict.fromkeys(("very negative", "extremely negative", "strongly negative", "negative", "neg"), 1),
    **dict.fromkeys(("somewhat negative", "slightly negative", "weakly negative"), 2),
    **dict.fromkeys(("neutral", "neu", "mixed"), 3),
    **dict.fromkeys(("somewhat positive", "slightly positive", "weakly positive"), 4),
    **dict.fromkeys(("very positive", "extremely positive", "strongly positive", "positive", "pos"), 5),
}
_NUMBER = r"[+-]?[0-9]{1,9}(?:\.[0-9]{0,9}|,[0-9]{1,2}|,[0-9]{4,9})?"
# 4, 4.5, 4,5, 8/10, 4.0 out of 5 stars, 4 stars, 80 %.
_WRITTEN = re.compile(
    rf"({_NUMBER})\s*(?:(?:/|(?:out\s+)?of)\s*({_NUMBER}))?\s*(?:stars?|points?)?|({_NUMBER})\s*%",
    re.ASCII | re.IGNORECASE,
)
_DRAWN = re.compile(r"(★*)(☆*)")
_TIE = 1e-9


@dataclass(frozen=True)
class Rating:
    """A value as it is written.

    Attributes:
        value: The number; for a word, its score from 1 to 5.
        out_of: The highest number, if the value names it (``8/10``).
        is_word: Whether it is a word for a sentiment.
    """

    value: float
    out_of: float | None = None
    is_word: bool = False


def parse_rating(value: Scalar) -> Rating | None:
    """Return a value as a rating; ``None`` if it is neither a number nor a known word for a sentiment."""
    if isinstance(value, str):
        return _parse_text(value.strip())
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value):
        return Rating(float(value))
    return None


def _parse_text(text: str) -> Rating | None:
    match = _WRITTEN.fullmatch(text)
    if match is not None:
        number, out_of, percent = match.groups()
        if percent is not None:
            return Rating(_float(percent), float(LARGEST_RATING))
        return Rating(_float(number), _float(out_of) if out_of is not None else None)
    word = _WORDS.get(" ".join(text.casefold().replace("_", " ").split()))
    if word is not None:
        return Rating(word, is_word=True)
    stars = _DRAWN.fullmatch(text) if 0 < len(text) <= HIGHEST_SCORE else None
    return Rating(len(stars[1]), len(text)) if stars else None


def _float(number: str) -> float:
    return float(number.replace(",", "."))


@dataclass(frozen=True)
class RatingScale:
    """How the ratings of a dump become scores from 1 to 5.

    A number is moved linearly from ``lowest`` … ``highest`` to 1 … 5 and rounded; halves are rounded toward 3.

    Attributes:
        lowest: The lowest number of the scale; ``None`` if any number is valid.
        highest: The highest number of the scale; ``None`` if any number is valid.
        step: Numbers must be multiples of this; ``None`` if every decimal is valid.
        words: Whether the ratings are words for a sentiment.
        negative_up_to: A number up to this one is negative, whatever the scale.
        positive_from: A number from this one on is positive, whatever the scale.
        labels: Sentiments of the values by their text without case; if there are any, other values are invalid.
    """

    lowest: float | None = None
    highest: float | None = None
    step: float | None = None
    words: bool = False
    negative_up_to: float | None = None
    positive_from: float | None = None
    labels: tuple[tuple[str, Sentiment], ...] = ()

    def score(self, value: Scalar) -> int | None:
        """Return the score of a value, from 1 to 5; ``None`` if it is not on this scale."""
        if self.labels:
            sentiment = dict(self.labels).get(_label(value))
            return None if sentiment is None else SENTIMENT_SCORES[sentiment]
        rating = parse_rating(value)
        if rating is None or rating.is_word != self.words:
            return None
        if self.words:
            return int(rating.value)
        if rating.out_of is not None and self.highest is not None and rating.out_of != self.highest:
            return None
        return self.score_of_number(rating.value)

    def score_of_number(self, number: float) -> int | None:
        """Return the score of a number; ``None`` if it is not on this scale."""
        if self.lowest is not None and self.highest is not None and not self.lowest <= number <= self.highest:
            return None
        if self.step is not None and number % self.step:
            return None
        if self.negative_up_to is not None and self.positive_from is not None:
            if number <= self.negative_up_to:
                return LOWEST_SCORE
            return HIGHEST_SCORE if number >= self.positive_from else NEUTRAL_SCORE
        if self.lowest is None or self.highest is None:
            return None
        steps = HIGHEST_SCORE - LOWEST_SCORE
        moved = LOWEST_SCORE + steps * (number - self.lowest) / (self.highest - self.lowest)
        return math.ceil(moved - 0.5 - _TIE) if moved > NEUTRAL_SCORE else math.floor(moved + 0.5 + _TIE)

    @property
    def name(self) -> str:
        """The scale in short, as the parameter ``rating_scale`` takes it if it is one of numbers."""
        if self.labels:
            return "labels"
        if self.words:
            return "words"
        if self.lowest is None or self.highest is None:
            return "thresholds"
        return f"{self.lowest:g}-{self.highest:g}" if self.lowest >= 0 else f"{self.lowest:g} to {self.highest:g}"

    @property
    def expected(self) -> str:
        """What a valid rating is, in words."""
        if self.labels:
            return "one of " + ", ".join(quoted(text, 30) for text, _ in self.labels[:LISTED_VALUES])
        if self.words:
            return "a word such as positive, negative or neutral"
        if self.lowest is None or self.highest is None:
            return "a number"
        kind = "a whole number" if self.step == 1 else "a number"
        return f"{kind} from {self.lowest:g} to {self.highest:g}"

    def describe(self, ratings: Iterable[Scalar]) -> str:
        """Return which of the ratings are negative, neutral and positive, in words."""
        found: dict[int, list[tuple[float, str]]] = {-1: [], 0: [], 1: []}
        for value in ratings:
            score = self.score(value)
            rating = parse_rating(value)
            if score is not None:
                place = rating.value if rating is not None else 0.0
                shown = f"{place:g}" if rating is not None and not rating.is_word else quoted(str(value).strip(), 30)
                found[(score > NEUTRAL_SCORE) - (score < NEUTRAL_SCORE)].append((place, shown))
        parts = []
        for sign, sentiment in ((-1, "negative"), (0, "neutral"), (1, "positive")):
            texts = list(dict.fromkeys(text for _, text in sorted(found[sign])))
            if len(texts) > LISTED_VALUES:
                texts = [texts[0], "…", texts[-1]]
            if texts:
                parts.append(f"{', '.join(texts)} {'is' if len(texts) == 1 else 'are'} {sentiment}")
        return "; ".join(parts)


STARS = RatingScale(LOWEST_SCORE, HIGHEST_SCORE, step=1)
"""Whole numbers from 1 to 5."""


def named_scale(name: str) -> RatingScale | None:
    """Return the scale that the parameter ``rating_scale`` names; ``None`` for ``auto``."""
    if name == "words":
        return RatingScale(words=True)
    ends = RATING_SCALE.fullmatch(name)
    return RatingScale(_float(ends[1]), _float(ends[2])) if ends else None


def label_scale(labels: Mapping[str, Sentiment]) -> RatingScale:
    """Return the scale of the parameter ``rating_labels``."""
    return RatingScale(labels=tuple(sorted((_label(text), sentiment) for text, sentiment in labels.items())))


def _label(value: Scalar) -> str:
    """Return a value as text without case and white space, a whole number without its decimals."""
    text = " ".join(str(value).casefold().split())
    return re.sub(r"\.0*$", "", text) if re.fullmatch(r"[+-]?[0-9]+\.0*", text) else text


@dataclass(frozen=True)
class Ambiguity:
    """Why no scale could be chosen.

    Attributes:
        reason: What is ambiguous, as the end of a sentence about the ratings.
        candidates: The scales that fit.
    """

    reason: str
    candidates: tuple[RatingScale, ...] = ()


def find_scale(ratings: Mapping[Scalar, int]) -> RatingScale | Ambiguity:
    """Decide from all ratings of a dump which scale they use.

    Args:
        ratings: How often each value occurs.

    Returns:
        The scale, or why the ratings fit none or several.
    """
    given = {value: count for value, count in ratings.items() if not is_missing(value)}
    total = sum(given.values())
    parsed = [(rating, count) for value, count in given.items() if (rating := parse_rating(value)) is not None]
    words = sum(count for rating, count in parsed if rating.is_word)
    numbers: Counter[float] = Counter()
    highest: Counter[float | None] = Counter()
    for rating, count in parsed:
        if not rating.is_word:
            numbers[rating.value] += count
            highest[rating.out_of] += count
    if total < ENOUGH_RATINGS and numbers.keys() <= set(range(LOWEST_SCORE, HIGHEST_SCORE + 1)) and not words:
        return STARS
    if words > total / 2:
        return RatingScale(words=True)
    if sum(numbers.values()) <= total / 2:
        return Ambiguity("are mostly neither numbers nor words such as positive and negative")
    named = {number: count for number, count in highest.items() if number is not None}
    if sum(named.values()) > sum(numbers.values()) / 2:
        return _scale_of_fractions(numbers, named)
    return _scale_of_numbers(numbers)


def _scale_of_fractions(numbers: Mapping[float, int], named: Mapping[float, int]) -> RatingScale | Ambiguity:
    """Decide the scale of ratings such as ``8/10``, which name the highest number."""
    highest, count = max(named.items(), key=lambda pair: pair[1])
    if count < (1 - STRAY_SHARE) * sum(named.values()):
        return Ambiguity("name several highest ratings")
    zeros = numbers.get(0, 0) > STRAY_SHARE * sum(numbers.values())
    return RatingScale(0.0 if zeros or highest >= LARGEST_RATING else 1.0, highest)


def _scale_of_numbers(numbers: Mapping[float, int]) -> RatingScale | Ambiguity:
    total = sum(numbers.values())

    def share(outside: Iterable[float]) -> float:
        return sum(numbers[number] for number in outside) / total

    step = 1.0 if share(number for number in numbers if number % 1) <= STRAY_SHARE else 0.5
    solid = sorted(number for number, count in numbers.items() if count >= RARE_SHARE * total and not number % step)
    if share(number for number in numbers if number % step) > STRAY_SHARE or not solid:
        return _decimals(min(numbers), max(numbers))
    first_star = 0.5 if step < 1 and numbers.get(0.5, 0) > STRAY_SHARE * total else LOWEST_SCORE
    outside = [number for number in solid if not first_star <= number <= HIGHEST_SCORE]
    stray = share(number for number in numbers if not first_star <= number <= HIGHEST_SCORE) <= STRAY_SHARE
    if stray and len(outside) <= 1:
        return _of_stars([number for number in solid if number not in outside], first_star, step)
    if solid[0] < 0:
        return _below_zero(solid, step)
    if solid[-1] <= HIGHEST_SCORE:
        return _from_zero(solid, step)
    if solid[-1] <= 2 * HIGHEST_SCORE:
        return _up_to_ten(solid, share(number for number in numbers if number > HIGHEST_SCORE), step)
    return _up_to_hundred(solid, step)


def _decimals(lowest: float, highest: float) -> Ambiguity:
    """Decimals may be ratings, but also means, prices or probabilities."""
    ends = ((0, 1), (1, 5), (1, 10), (0, 100))
    fitting = [_scale(low, high) for low, high in ends if low <= lowest and highest <= high]
    return Ambiguity(f"are decimals from {lowest:g} to {highest:g}", tuple(fitting[:1]))


def _below_zero(found: list[float], step: float) -> RatingScale | Ambiguity:
    """Decide the scale of numbers of which some are negative."""
    if {-1, 1} <= set(found) <= {-1, -0.5, 0, 0.5, 1}:
        return _scale(-1, 1, step)
    symmetric = _scale(-max(-found[0], found[-1]), max(-found[0], found[-1]))
    return Ambiguity("are partly negative", (symmetric,))


def _scale(lowest: float, highest: float, step: float | None = None) -> RatingScale:
    return RatingScale(lowest, highest, step)


def _of_stars(found: list[float], first: float, step: float) -> RatingScale | Ambiguity:
    """Decide between 1 to 5 and a shorter scale: without any 5, the highest number found may be the highest of all."""
    stars, highest = _scale(first, HIGHEST_SCORE, step), found[-1]
    if found == [1, 2]:
        return _scale(1, 2, step)
    if highest == HIGHEST_SCORE or len(found) == 1:
        return stars
    shorter = _scale(first, math.ceil(highest), step)
    if all(_sentiment(shorter, number) == _sentiment(stars, number) for number in found):
        return stars
    return Ambiguity("fit several scales", (shorter, stars))


def _sentiment(scale: RatingScale, number: float) -> int:
    score = scale.score_of_number(number)
    return 0 if score is None else (score > NEUTRAL_SCORE) - (score < NEUTRAL_SCORE)


def _from_zero(found: list[float], step: float) -> RatingScale | Ambiguity:
    """Decide the scale of numbers from 0 to at most 5."""
    highest = math.ceil(found[-1])
    if highest <= 1:
        return _scale(0, 1, step)
    if highest == 4:  # noqa: PLR2004 - the labels of Sentiment140
        return _scale(0, 4, step)
    if highest == HIGHEST_SCORE:
        return Ambiguity("contain zeros, which may mean no rating", (_scale(0, 5, step), _scale(1, 5, step)))
    return Ambiguity("fit several scales", (_scale(0, highest, step), _scale(0, 4, step)))


def _up_to_ten(found: list[float], share_above_five: float, step: float) -> RatingScale | Ambiguity:
    """Decide the scale of numbers up to 6 … 10."""
    lowest, highest = (0 if found[0] < LOWEST_SCORE else 1), math.ceil(found[-1])
    ten, several = _scale(lowest, 10, step), 2
    above = [number for number in found if number > HIGHEST_SCORE]
    if share_above_five < 5 * STRAY_SHARE or len(above) < several:
        return Ambiguity(f"are rarely above {HIGHEST_SCORE}", (_scale(1, 5, step), ten))
    if highest == 10:  # noqa: PLR2004
        return ten
    return Ambiguity("fit several scales", (_scale(lowest, highest, step), ten))


def _up_to_hundred(found: list[float], step: float) -> RatingScale | Ambiguity:
    """Decide the scale of numbers above 10: five equal steps such as 20, 40 … 100, or 0 to 100."""
    highest = found[-1]
    for fifth in (10, 20):
        if highest == 5 * fifth and all(number and not number % fifth for number in found):
            return _scale(fifth, highest, step)
    nearly, many = 90, 10
    if highest == LARGEST_RATING or (nearly <= highest < LARGEST_RATING and len(found) >= many):
        return _scale(0, LARGEST_RATING, step)
    if highest > LARGEST_RATING:
        return Ambiguity(f"reach {highest:g}, which no known scale does")
    return Ambiguity("fit no common scale", (_scale(0, LARGEST_RATING, step),))


def listed_ratings(ratings: Mapping[Scalar, int]) -> str:
    """Return the most frequent values with their counts, numbers in ascending order, for a message."""
    most = sorted(ratings.items(), key=lambda pair: (-pair[1], str(pair[0])))[:LISTED_VALUES]

    def place(pair: tuple[Scalar, int]) -> tuple[bool, float, str]:
        rating = parse_rating(pair[0])
        return rating is None, rating.value if rating is not None else 0.0, str(pair[0])

    listed = ", ".join(f"{quoted(value, 30)} ({count:,})" for value, count in sorted(most, key=place))
    others = len(ratings) - len(most)
    return listed + (f" and {others:,} more values" if others > 0 else "")
