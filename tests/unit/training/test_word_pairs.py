"""Pairs of neighboring words: which get a number, and which vector the network reads for them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.word_pairs import MULTIPLIER, WordPairs, fit_word_pairs
from tests.unit.training.factories import sequences

SIZE, FIRST = 12, 2
ROWS = st.lists(st.lists(st.integers(1, SIZE - 1), max_size=8), min_size=1, max_size=30)


def number_of(pairs: WordPairs, first: int, second: int) -> int:
    """Look a pair up as the network does."""
    number = pairs.slots[(first * MULTIPLIER + second) % len(pairs.slots)]
    return int(number) if tuple(pairs.members[number]) == (first, second) else 0


@settings(deadline=None, max_examples=100, derandomize=True)
@given(rows=ROWS)
def test_pairs_of_known_words_that_occur_twice_within_reviews_have_a_number(rows: list[list[int]]) -> None:
    counts = Counter((one, two) for row in rows for one, two in pairwise(row))
    expected = {pair for pair, count in counts.items() if count >= 2 and min(pair) >= FIRST}
    pairs = fit_word_pairs(sequences(rows), SIZE, FIRST, 1_000)
    assert {tuple(pair) for pair in pairs.members[1:].tolist()} == expected
    assert [number_of(pairs, *pair) for pair in pairs.members[1:].tolist()] == list(range(1, len(pairs) + 1))
    assert number_of(pairs, 0, FIRST) == number_of(pairs, 1, FIRST) == 0


def test_the_most_frequent_pairs_are_kept() -> None:
    rows = [[2, 3], [2, 3], [4, 5], [4, 5], [4, 5], [6, 7], [6, 7]]
    assert fit_word_pairs(sequences(rows), SIZE, FIRST, 2).members.tolist() == [[0, 0], [4, 5], [2, 3]]


def test_of_two_pairs_in_a_slot_the_more_frequent_one_has_a_vector() -> None:
    # The slots repeat after the first prime above 563²; both pairs have the same place.
    slots = len(fit_word_pairs(sequences([[2, 3]]), SIZE, FIRST, 10).slots)
    first, second = divmod(slots + 2 * MULTIPLIER + 3, MULTIPLIER)
    rows = [[2, 3]] * 2 + [[first, second]] * 3
    pairs = fit_word_pairs(sequences(rows), first + second + 1, FIRST, 10)
    assert number_of(pairs, first, second) == 1
    assert number_of(pairs, 2, 3) == 0


def test_no_reviews_have_no_pairs() -> None:
    assert len(fit_word_pairs(sequences([[]]), SIZE, FIRST, 10)) == 0
