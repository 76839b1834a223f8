"""What the values of a column look like: text, ratings, or neither."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.readers.ratings import LARGEST_RATING, parse_rating
from pipeline.readers.scalars import Scalar, is_missing
from pipeline.readers.times import unix_seconds

_MOST = 0.5
"""Share of the values that must be of a kind, so that the column is."""
_NEARLY_ALL = 0.9
_ENOUGH_VALUES = 20
"""With fewer values, one that repeats says nothing."""
_VARIED_SHARE = 0.1
"""Share of different values from which a column is text and not a list of categories."""
_DIFFERENT_RATINGS = 101
_WORDS_OF_TEXT = 3

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,:/\s-]*%?", re.ASCII)
_CODE = re.compile(r"(?=\S*[0-9])[\w.-]{6,}", re.ASCII)


def what_instead_of_text(values: Sequence[Scalar]) -> str:
    """Return what most values are if they are no text, in words; an empty string for text."""
    given = [str(value).strip() for value in values if not is_missing(value)]
    kinds = (
        ("web addresses", lambda text: _ADDRESS.fullmatch(text) is not None),
        ("numbers", lambda text: _NUMBER.fullmatch(text) is not None),
        ("ids", lambda text: _CODE.fullmatch(text) is not None),
        ("dates", lambda text: unix_seconds(text, day_first=False) is not None),
    )
    for kind, fits in kinds:
        if given and sum(map(fits, given)) > _MOST * len(given):
            return kind
    return ""


def is_varied_text(values: Sequence[Scalar]) -> bool:
    """Return whether values are text that differs from row to row and mostly has several words."""
    given = [str(value).strip() for value in values if not is_missing(value)]
    if not given or what_instead_of_text(given):
        return False
    # Some languages write no spaces: there, many characters are several words.
    long = 20
    several = sum(len(text.split()) >= _WORDS_OF_TEXT or len(text) >= long for text in given)
    return several > _MOST * len(given) and (
        len(given) < _ENOUGH_VALUES or len(set(given)) >= _VARIED_SHARE * len(given)
    )


def is_constant(values: Sequence[Scalar]) -> bool:
    """Return whether many values are all the same."""
    given = [value for value in values if not is_missing(value)]
    return len(given) >= _ENOUGH_VALUES and len(set(given)) == 1


def is_rating(values: Sequence[Scalar]) -> bool:
    """Return whether values are ratings of a scale up to 100, or words for a sentiment."""
    given = [value for value in values if not is_missing(value)]
    parsed = [rating for value in given if (rating := parse_rating(value)) is not None]
    if not parsed or len(parsed) < _NEARLY_ALL * len(given):
        return False
    numbers = {rating.value for rating in parsed}
    within = sum(abs(rating.value) <= LARGEST_RATING for rating in parsed)
    # A column in which every number is different is an index, a price or a count.
    repeats = len(numbers) < len(parsed) or len(parsed) < _ENOUGH_VALUES
    return within >= _NEARLY_ALL * len(parsed) and len(numbers) <= _DIFFERENT_RATINGS and repeats


def is_sentiment_words(values: Sequence[Scalar]) -> bool:
    """Return whether values are words for a sentiment."""
    given = [parse_rating(value) for value in values if not is_missing(value)]
    return bool(given) and sum(rating is not None and rating.is_word for rating in given) >= _NEARLY_ALL * len(given)
