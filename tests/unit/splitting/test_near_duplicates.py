"""The fast search for near-duplicates finds the same as comparing all pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.splitting.minhash import duplicates_of_known, rows_per_band
from pipeline.splitting.near_duplicates import _PrefixIndex, cluster_texts, near_duplicates
from pipeline.splitting.shingles import CHUNK_TEXTS, shingle_sets
from pipeline.splitting.texts import distinct_texts

PROPERTY = settings(deadline=None, max_examples=100, derandomize=True)
# Few words in short texts, so that similarities just above and just below the threshold are frequent.
TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), min_size=1, max_size=14)
SIMILARITIES = st.sampled_from([0.1, 0.3, 0.5, 2 / 3, 0.8, 1.0])
FEW = 4
"""Words from which the texts of these tests are compared."""


def shingles_of(text: str) -> set[tuple[str, ...]]:
    words = text.split(" ")
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def are_near_duplicates(one: str, other: str, similarity: float) -> bool:
    if min(len(one.split(" ")), len(other.split(" "))) < FEW:
        return False
    left, right = shingles_of(one), shingles_of(other)
    return len(left & right) / len(left | right) >= similarity


def clusters_by_brute_force(texts: list[str], similarity: float) -> list[int]:
    cluster = list(range(len(texts)))
    for i, j in itertools.combinations(range(len(texts)), 2):
        if are_near_duplicates(texts[i], texts[j], similarity):
            old, new = cluster[j], cluster[i]
            cluster = [new if number == old else number for number in cluster]
    return cluster


def same_partition(one: list[int], other: list[int]) -> bool:
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


def clusters(texts: list[str], similarity: float, **options: int) -> list[int]:
    column = pa.chunked_array([texts], pa.string())
    return near_duplicates(column, similarity, **{"min_words": FEW} | options).cluster_of_row.tolist()


@PROPERTY
@given(TEXTS, SIMILARITIES)
def test_clusters_are_those_of_comparing_every_pair(texts: list[str], similarity: float) -> None:
    assert same_partition(clusters(texts, similarity), clusters_by_brute_force(texts, similarity))


@PROPERTY
@given(TEXTS, SIMILARITIES)
def test_no_pair_is_lost_among_the_candidates(texts: list[str], similarity: float) -> None:
    strings = distinct_texts(pa.chunked_array([texts], pa.string())).texts
    candidates = set()
    for left, right in _PrefixIndex.build(shingle_sets(strings, min_words=FEW), similarity).pairs():
        candidates |= {frozenset(pair) for pair in zip(left.tolist(), right.tolist(), strict=True)}
    for i, j in itertools.combinations(range(len(strings)), 2):
        if are_near_duplicates(strings[i].as_py(), strings[j].as_py(), similarity):
            assert {i, j} in candidates


def test_distinct_texts_do_not_depend_on_the_order_of_rows() -> None:
    texts = ["good tea", "bad tea", "no tea", "good tea", ""]
    one, other = (distinct_texts(pa.chunked_array([column], pa.string())) for column in (texts, texts[::-1]))
    assert one.texts.equals(other.texts)
    assert one.texts.take(pa.array(one.text_of_row)).to_pylist() == texts


@PROPERTY
@given(TEXTS, SIMILARITIES)
def test_a_small_budget_never_separates_near_duplicates(texts: list[str], similarity: float) -> None:
    found = clusters(texts, similarity, pair_budget=1)
    exact = clusters_by_brute_force(texts, similarity)
    assert all(found[i] == found[j] for i, j in itertools.combinations(range(len(texts)), 2) if exact[i] == exact[j])


@PROPERTY
@given(TEXTS, SIMILARITIES, st.data())
def test_minhash_finds_the_near_duplicates_of_known_texts(
    texts: list[str], similarity: float, data: st.DataObject
) -> None:
    distinct = distinct_texts(pa.chunked_array([texts], pa.string()))
    queries = np.array(data.draw(st.lists(st.booleans(), min_size=len(distinct), max_size=len(distinct))))
    found = duplicates_of_known(shingle_sets(distinct.texts, min_words=FEW), queries, ~queries, similarity)
    strings = distinct.texts.to_pylist()
    known = [text for text, is_query in zip(strings, queries, strict=True) if not is_query]
    expected = [
        bool(is_query) and any(are_near_duplicates(text, other, similarity) for other in known)
        for text, is_query in zip(strings, queries, strict=True)
    ]
    if rows_per_band(similarity) > 1 or similarity >= 0.5:
        assert found.tolist() == expected
    else:
        # At a low threshold a pair may be missed, but none may be invented.
        assert not (found & ~np.array(expected)).any()


def test_the_threshold_is_exact() -> None:
    eight_of_ten = ["a b c d e f g h i j k", "a b c d e f g h i j x"]  # 8 common shingles of 10
    assert len(set(clusters(eight_of_ten, 0.8))) == 1
    assert len(set(clusters(eight_of_ten, 0.81))) == 2


def test_short_texts_are_never_near_duplicates() -> None:
    seven, eight = "worth every penny i would say so", "worth every penny i would say so again"
    found = near_duplicates(pa.chunked_array([["good", "good", seven, seven, eight, eight, ""]]), 0.1).cluster_of_row
    assert same_partition(found.tolist(), [0, 1, 2, 3, 4, 4, 5])


def test_the_order_of_rows_does_not_change_the_clusters() -> None:
    generator = np.random.default_rng(5)
    texts = [" ".join(generator.choice(list("abcdef"), generator.integers(13))) for _ in range(300)]
    shuffled = generator.permutation(300).tolist()
    for budget in (50_000_000, 20):
        before = clusters(texts, 0.4, pair_budget=budget)
        after = clusters([texts[i] for i in shuffled], 0.4, pair_budget=budget)
        assert same_partition([before[i] for i in shuffled], after)


def test_texts_that_span_several_chunks_are_found() -> None:
    filler = [f"filler {i} {i + 1} {i + 2}" for i in range(CHUNK_TEXTS)]
    found = clusters(["one long text about tea and coffee", *filler, "one long text about tea and coffee too"], 0.8)
    assert found[0] == found[-1]
    assert len(set(found)) == CHUNK_TEXTS + 1


@pytest.mark.parametrize("changed", [0, 1], ids=["identical", "one word changed"])
def test_many_near_duplicates_are_compared_in_linear_time(changed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(7)
    template = [f"w{i}" for i in range(60)]
    texts = []
    for number in range(4_000):
        text = list(template)
        if changed:
            text[generator.integers(60)] = f"own{number}"
        texts.append(" ".join(text))
    compared = 0
    from pipeline.splitting.shingles import ShingleSets

    original = ShingleSets.similar

    def counting(self: ShingleSets, left: np.ndarray, right: np.ndarray, similarity: float) -> np.ndarray:
        nonlocal compared
        compared += len(left)
        return original(self, left, right, similarity)

    monkeypatch.setattr(ShingleSets, "similar", counting)
    assert len(set(clusters(texts, 0.8))) == 1
    assert compared <= 40 * len(texts)


def test_texts_left_uncompared_are_counted() -> None:
    # Twelve phrases in random order: few texts are near-duplicates, but all share phrases.
    generator = np.random.default_rng(3)
    phrases = [f"p{i} q{i} r{i} s{i}" for i in range(12)]
    texts = list({" ".join(generator.choice(phrases, 6, replace=False)) for _ in range(300)})
    sets = shingle_sets(distinct_texts(pa.chunked_array([texts])).texts, min_words=FEW)
    exact, none = cluster_texts(sets, 0.8)
    joined, uncompared = cluster_texts(sets, 0.8, pair_budget=100)
    assert none == 0
    assert uncompared > 0
    assert len(set(joined.tolist())) < len(set(exact.tolist()))
