"""The rules mean the same in Python and in RE2, which exported models use."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings

from pipeline.cleaning import rules
from pipeline.errors import ConfigurationError
from tests.reference.article_cleaning import STOP_WORDS
from tests.unit.cleaning.factories import hostile

EVERY_RULE = (*rules.DEFAULT_RULES, *rules.ARTICLE_GRAPH_RULES)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=hostile)
def test_each_rule_means_the_same_in_re2(text: str) -> None:
    # Arrow's regular expressions are RE2's.
    for lowered in (rules.ascii_lower(text), text):
        for rule in EVERY_RULE:
            by_re2 = pc.replace_substring_regex(pa.array([lowered]), rule.pattern, rule.replacement)[0].as_py()
            assert by_re2 == rules.apply_rules(lowered, [rule]), rule.name


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=hostile)
def test_words_are_a_to_z_and_no_stop_words(text: str) -> None:
    for normalization in rules.NORMALIZATIONS:
        words = rules.apply_normalization(text, normalization)
        assert re.fullmatch(r"(?:[a-z]+(?: [a-z]+)*)?", words)
        assert not set(words.split()) & set(rules.stop_words(normalization))


@pytest.mark.parametrize("sign", ["<", "&", "&amp;", "<!--", "www.", "'", "http", '<a href="', "-", "n't"])
def test_hostile_repetition_takes_no_quadratic_time(sign: str) -> None:
    # Quadratic would be minutes; a hundred thousand signs take some milliseconds.
    rules.apply_rules(sign * 20_000, rules.DEFAULT_RULES)


def test_stop_words_of_the_article() -> None:
    assert rules.stop_words("article") == tuple(sorted(STOP_WORDS))


def test_default_keeps_negations_and_opinions() -> None:
    kept = {"no", "nor", "not", "but", "too", "very", "only", "few", "more", "most", "against"}
    assert not kept & set(rules.stop_words("default"))
    assert {"the", "and", "is", "it", "this"} <= set(rules.stop_words("default"))


def test_only_ascii_is_lower_cased() -> None:
    assert rules.ascii_lower("A\u00c9\u212a\u0130\ud800") == "a\u00c9\u212a\u0130\ud800"


def test_summary_is_joined_by_a_space() -> None:
    assert rules.joined("Good", "tea") == "Good tea"
    assert rules.joined(None, "tea") == rules.joined("", "tea") == "tea"


def test_unknown_normalization_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="choose one of default, article"):
        rules.stop_words("fancy")


def test_the_shipped_list_is_that_of_nltk() -> None:
    corpora = pytest.importorskip("nltk.corpus")
    try:
        corpus = corpora.stopwords.words("english")
    except LookupError:
        pytest.skip("NLTK's corpus of stop words is not installed")
    # Newer corpora list more contractions. A token is a–z, so a word with an apostrophe never matches one.
    assert {word for word in rules.shipped_stop_words() if word.isalpha()} == {
        word for word in corpus if word.isalpha()
    }


def test_the_digest_of_the_stop_words_depends_on_the_list_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {rules.stop_words_sha256(name) for name in rules.NORMALIZATIONS}
    assert len(digests) == len(rules.NORMALIZATIONS)
    monkeypatch.setattr(rules, "stop_words", lambda _: ("the",))
    assert rules.stop_words_sha256("default") not in digests
