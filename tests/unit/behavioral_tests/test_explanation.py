"""Word effects: the pieces are the whole review, and the effects are those of the words."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.behavioral_tests.explanation import MAX_PIECES, pieces, word_effects
from tests.unit.behavioral_tests.factories import Scorer, linear

REVIEW_LIKE = st.lists(
    st.one_of(
        st.sampled_from(
            ["good", "don't", "<br />", "<b>", "</b>", "&amp;", "&#39;", "<3", "<", ">", " ", "\n", "...", "well-made"]
        ),
        st.sampled_from(["http://a.example/b?c=<d>", "www.e.example", "naïve", "\u202e", "\x00", "😀", "茶", "\u0301"]),
        st.text(max_size=4),
    ),
    max_size=40,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(text=REVIEW_LIKE, max_pieces=st.integers(1, 12))
def test_pieces_joined_are_the_text(text, max_pieces):
    parts = pieces(text, max_pieces)
    assert "".join(parts) == text
    assert len(parts) <= max_pieces
    assert all(parts)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("abcxyzäß", min_size=1, max_size=8), min_size=1, max_size=60))
def test_each_word_has_its_own_piece(listed):
    parts = pieces("  " + ", ".join(listed) + " !")
    assert [re.findall(r"\w+", part) for part in parts] == [[word] for word in listed]


def test_tags_entities_and_addresses_belong_to_the_word_before_them():
    text = "<p>It isn't <b>well-made</b> &amp; so:<br />www.example.com/a-b Bad…"
    assert pieces(text) == ("<p>It ", "isn't <b>", "well-made</b> &amp; ", "so:<br />www.example.com/a-b ", "Bad…")


@pytest.mark.parametrize(("text", "expected"), [("", ()), ("<br />", ("<br />",)), ("  ", ("  ",)), ("a", ("a",))])
def test_very_short_texts(text, expected):
    assert pieces(text) == expected


@settings(max_examples=50, deadline=None)
@given(
    weights=st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=6),
    intercept=st.floats(-2, 2),
)
def test_effects_of_a_linear_model_are_its_weights(weights, intercept):
    of_word = {f"w{place}": weight for place, weight in enumerate(weights)}
    text = " <br />".join(of_word) + "!"
    found = word_effects(Exact(linear(of_word, intercept)), text)
    assert found is not None
    probability, effects = found
    assert [effect.effect for effect in effects] == pytest.approx(weights, abs=1e-6)
    assert probability == pytest.approx(1 / (1 + math.exp(-intercept - sum(weights))))
    assert "".join(effect.text for effect in effects) == text


class Exact(Scorer):
    """Scores in float64."""

    def probabilities(self, texts, _=None, /):
        self.asked.append(list(texts))
        return np.array([self.score(text) for text in texts])


def test_a_review_is_scored_in_one_call():
    scorer = Scorer(lambda _: 0.4)
    word_effects(scorer, "not good at all")
    assert scorer.asked == [["not good at all", "good at all", "not at all", "not good all", "not good at "]]


def test_pieces_of_long_reviews_have_several_words():
    text = " ".join(f"word{place}" for place in range(1003))
    scorer = Scorer(lambda _: 0.4)
    _, effects = word_effects(scorer, text)
    assert len(effects) <= MAX_PIECES
    assert len(scorer.asked[0]) == len(effects) + 1
    assert {len(effect.text.split()) for effect in effects[:-1]} == {6}


def test_certain_answers_have_finite_effects():
    scorer = Scorer(lambda text: 1.0 if "good" in text else 0.0)
    _, (good, tea) = word_effects(scorer, "good tea")
    assert good.effect == pytest.approx(2 * math.log((1 - 1e-6) / 1e-6))
    assert tea.effect == 0


def test_a_text_without_a_probability_is_not_explained_and_a_piece_without_one_has_no_effect():
    assert word_effects(Scorer(lambda _: math.nan), "good tea") is None
    _, effects = word_effects(Scorer(lambda text: 0.8 if "good" in text else math.nan), "good tea")
    assert [effect.effect for effect in effects] == [0, 0]


def test_an_empty_review_has_no_pieces():
    assert word_effects(Scorer(lambda _: 0.7), "") == (pytest.approx(0.7), ())


def test_hostile_markup_is_split_fast():
    for text in ("<a" * 50_000, "&#" * 50_000, "a'" * 50_000, "<" * 100_000, "http://" * 20_000):
        assert "".join(pieces(text)) == text
