"""Words are those of the plain way: the article's steps, or the rules of ``default`` one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning import normalise, normalise_many, rules, words
from pipeline.config import TextConfig
from pipeline.errors import ConfigurationError
from tests.reference.article_cleaning import article_words, article_words_of_all
from tests.unit.cleaning.support import fine_foods
from tests.unit.cleaning.texts import hostile

GOLDEN = Path(__file__).with_name("golden.jsonl")


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=hostile)
def test_article_is_the_plain_way(text: str) -> None:
    assert normalise_many([text], "article") == [article_words(text)]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=hostile)
def test_default_is_its_rules_one_by_one(text: str) -> None:
    assert normalise_many([text], "default") == [rules.apply_normalisation(text, "default")]


@pytest.mark.parametrize("dump", ["fine_foods_a", "fine_foods_b"])
def test_every_real_review(shared_data: Path, dump: str) -> None:
    texts = fine_foods(shared_data, dump)["text"].to_pylist()
    article = article_words_of_all(texts)
    assert normalise_many(texts, "article") == article
    assert normalise_many(texts, "default") == [rules.apply_normalisation(text, "default") for text in texts]
    # An exported model has no parser, and still reads these reviews as the article does.
    sample = slice(0, None, 7)
    assert [rules.apply_normalisation(text, "article") for text in texts[sample]] == article[sample]


@pytest.mark.parametrize("case", [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()])
def test_golden(case: dict[str, str]) -> None:
    assert normalise_many([case["text"]], "default") == [case["default"]]
    assert normalise_many([case["text"]], "article") == [case["article"]]
    assert article_words(case["text"]) == case["article"]


@settings(deadline=None, max_examples=30, derandomize=True)
@given(texts=st.lists(hostile, max_size=8))
def test_forgetting_tokens_changes_nothing(texts: list[str]) -> None:
    for normalisation in rules.NORMALISATIONS:
        known = normalise_many(texts, normalisation)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(words, "REMEMBERED_TOKENS", 2)
            patch.setattr(words, "LONGEST_REMEMBERED_TOKEN", 4)
            words.normaliser.cache_clear()
            assert normalise_many(texts, normalisation) == known
            assert len(words.normaliser(normalisation)._memory) <= 2


def test_one_review_is_read_as_many_are() -> None:
    config = TextConfig(normalisation="default", join_summary=True)
    assert normalise("Not good", "<br />Stale tea.", config) == "not good stale tea"
    assert normalise(None, "Stale tea.", config) == "stale tea"
    assert normalise("Not good", "Stale tea.", TextConfig(join_summary=False)) == "stale tea"


def test_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="choose one of default, article"):
        normalise_many(["tea"], "fancy")  # type: ignore[arg-type]
