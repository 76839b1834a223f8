"""Words are those of the plain way: the article's steps, or the rules of ``default`` one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning import normalize_many, rules, words
from pipeline.config import TextConfig
from pipeline.errors import ConfigurationError
from tests.reference.article_cleaning import article_words, article_words_of_all
from tests.unit.cleaning.factories import fine_foods, hostile, normalize

GOLDEN = Path(__file__).with_name("golden.jsonl")


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=hostile)
def test_article_is_the_plain_way(text: str) -> None:
    assert normalize_many([text], "article") == [article_words(text)]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(text=hostile)
def test_default_is_its_rules_one_by_one(text: str) -> None:
    assert normalize_many([text], "default") == [rules.apply_normalization(text, "default")]


@pytest.mark.parametrize("dump", ["fine_foods_a", "fine_foods_b"])
def test_every_real_review(shared_data: Path, dump: str) -> None:
    texts = fine_foods(shared_data, dump)["text"].to_pylist()
    article = article_words_of_all(texts)
    assert normalize_many(texts, "article") == article
    assert normalize_many(texts, "default") == [rules.apply_normalization(text, "default") for text in texts]
    # An exported model has no parser, and still reads these reviews as the article does.
    sample = slice(0, None, 7)
    assert [rules.apply_normalization(text, "article") for text in texts[sample]] == article[sample]


@pytest.mark.parametrize("case", [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()])
def test_golden(case: dict[str, str]) -> None:
    assert normalize_many([case["text"]], "default") == [case["default"]]
    assert normalize_many([case["text"]], "article") == [case["article"]]
    assert article_words(case["text"]) == case["article"]


@settings(deadline=None, max_examples=30, derandomize=True)
@given(texts=st.lists(hostile, max_size=8))
def test_forgetting_tokens_changes_nothing(texts: list[str]) -> None:
    for normalization in rules.NORMALIZATIONS:
        known = normalize_many(texts, normalization)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(words, "CACHED_TOKENS", 2)
            patch.setattr(words, "LONGEST_CACHED_TOKEN", 4)
            words.normalizer.cache_clear()
            assert normalize_many(texts, normalization) == known
            assert len(words.normalizer(normalization)._cache) <= 2


def test_one_review_is_read_as_many_are() -> None:
    config = TextConfig(normalization="default", include_summary=True)
    assert normalize("Not good", "<br />Stale tea.", config) == "not good stale tea"
    assert normalize(None, "Stale tea.", config) == "stale tea"
    assert normalize("Not good", "Stale tea.", TextConfig(include_summary=False)) == "stale tea"


def test_unknown_normalization_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="choose one of default, article"):
        normalize_many(["tea"], "fancy")  # type: ignore[arg-type]
