"""The term counts against scikit-learn's vectoriser."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from pipeline.evaluation import terms
from pipeline.evaluation.terms import TermVocabulary, TokenRows

TEXTS = st.lists(
    st.lists(st.sampled_from(["not", "good", "bad", "x", "but", "tea"]), max_size=8).map(" ".join),
    min_size=1,
    max_size=12,
)


def token_rows(texts: list[str], chunk: int = 4) -> TokenRows:
    chunks = [texts[start : start + chunk] for start in range(0, len(texts), chunk)]
    return TokenRows.of(pa.chunked_array([pa.array(part, pa.string()) for part in chunks], type=pa.string()))


@given(TEXTS, st.integers(1, 3), st.integers(0, 5), st.sampled_from([1, 3, 100]))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_counts_are_those_of_scikit_learn(texts, min_rows, training_rows, block):
    fitted, rows = np.arange(len(texts))[training_rows:], np.arange(len(texts))[::-1].copy()
    before, terms.BLOCK_ROWS = terms.BLOCK_ROWS, block
    try:
        tokens = token_rows(texts)
        vocabulary = TermVocabulary.fit(tokens, fitted, min_rows=min_rows, most=1000)
        counts = vocabulary.count(tokens, rows).toarray()
    finally:
        terms.BLOCK_ROWS = before
    ours = {vocabulary.term(place, tokens.words): counts[:, place] for place in range(len(vocabulary.codes))}
    reference = CountVectorizer(token_pattern=r"[^ ]+", ngram_range=(1, 2), min_df=1)  # noqa: S106
    trained = [texts[row] for row in fitted]
    theirs = {}
    if any(trained):
        frequency = (reference.fit_transform(trained) > 0).sum(axis=0).A1
        matrix = reference.transform([texts[row] for row in rows]).toarray()
        names = reference.get_feature_names_out()
        theirs = {name: matrix[:, i] for i, name in enumerate(names) if frequency[i] >= min_rows}
    assert ours.keys() == theirs.keys()
    for name, column in ours.items():
        assert column.tolist() == theirs[name].tolist()


def test_the_most_frequent_terms_stay_when_there_are_too_many():
    tokens = token_rows(["tea good", "tea good", "tea bad", "tea"])
    vocabulary = TermVocabulary.fit(tokens, np.arange(4), min_rows=1, most=2)
    assert {vocabulary.term(place, tokens.words) for place in range(2)} == {"tea", "good"}


def test_pairs_do_not_cross_from_one_review_to_the_next():
    tokens = token_rows(["tea", "", "good tea"])
    vocabulary = TermVocabulary.fit(tokens, np.arange(3), min_rows=1, most=100)
    found = {vocabulary.term(place, tokens.words) for place in range(len(vocabulary.codes))}
    assert found == {"tea", "good", "good tea"}


def test_missing_texts_have_no_words():
    tokens = TokenRows.of(pa.chunked_array([pa.array([None, "a"])]))
    assert tokens.starts.tolist() == [0, 0, 1]
