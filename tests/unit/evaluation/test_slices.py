"""Slices: which rows fall where, and how the gap is measured."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.predictions import part_predictions
from pipeline.evaluation.records import Slice
from pipeline.evaluation.slices import slices
from pipeline.store import ArtifactStore
from tests.unit.evaluation.factories import reviews, vocabulary


def sliced(store: ArtifactStore, labels: list[int], right: list[bool], **given) -> dict[tuple[str, str], Slice]:
    """Return the slices of a model that is right where ``right`` says so, by dimension and label."""
    labels_array = np.array(labels, dtype=np.int8)
    probabilities = np.where(np.array(right) == (labels_array == 1), 0.9, 0.1)
    test = part_predictions(np.arange(len(labels)), labels_array, probabilities)
    found = slices(
        test,
        0.5,
        cleaned=reviews(store, labels, **given),
        vocabulary=vocabulary(store, given.get("known", ("word",))),
        store=store,
        samples=400,
    )
    return {(one.dimension, one.label): one for one in found}


def test_the_gap_leaves_out_the_mix_of_classes(store: ArtifactStore) -> None:
    # Negative reviews are found half the time, positive ones always, whatever the length: no slice is worse.
    labels = ([0] * 100 + [1] * 20) + ([0] * 20 + [1] * 100)
    right = ([True, False] * 50 + [True] * 20) + ([True, False] * 10 + [True] * 100)
    words = ["word"] * 120 + [" ".join(["word"] * 50)] * 120
    found = sliced(store, labels, right, words=words)
    short, long = found["length", "up to 15 words"], found["length", "31–60 words"]
    assert (short.accuracy.value, long.accuracy.value) == (pytest.approx(70 / 120), pytest.approx(110 / 120))
    assert short.gap.value == pytest.approx(0)
    assert long.gap.value == pytest.approx(0)
    assert short.gap.low < 0 < short.gap.high
    assert short.balanced_accuracy is None, "20 positive rows are too few"
    assert long.balanced_accuracy is None, "20 negative rows are too few"
    assert ("negation", "without a negation") not in found, "every review is such a one"


def test_a_slice_where_the_model_fails_comes_first_and_small_ones_last(store: ArtifactStore) -> None:
    labels = [1] * 300
    right = [True] * 150 + [False] * 100 + [False] * 50
    stars = pa.array([5] * 150 + [4] * 150, pa.int8())
    time = pa.array([1_300_000_000] * 250 + [1_400_000_000] * 50)
    test = part_predictions(np.arange(300), np.ones(300, np.int8), np.where(right, 0.9, 0.1))
    found = slices(
        test,
        0.5,
        cleaned=reviews(store, labels, score=stars, time=time),
        vocabulary=vocabulary(store),
        store=store,
        samples=200,
    )
    assert (found[0].dimension, found[0].label) == ("stars", "4 stars")
    assert found[0].gap.value == pytest.approx(-0.5)
    assert found[0].gap.high < 0
    assert (found[-1].dimension, found[-1].label, found[-1].too_small) == ("year", "2014", True)
    assert [one.too_small for one in found] == sorted(one.too_small for one in found)


def test_which_rows_fall_where(store: ArtifactStore) -> None:
    texts = [
        "I do not like it",
        "Isn’t it nice",
        "I cannot want for more",
        "We want it and won the contest",
        "THIS TEA IS GREAT",
        "The USA and the UK love this fine tea of ours",
        "",
        "No.",
    ]
    found = sliced(
        store,
        [1] * 8,
        [True] * 8,
        texts=texts,
        words=["word word", "word other", "word " * 24 + "other", "word", "word", "word", "other", "word"],
        score=pa.array([1, 2, 4, 5, 5, 5, 5, 5], pa.int8()),
        product_id=pa.array(["A", "A", "B", None, "C", "C", "C", "C"]),
        helpfulness_numerator=pa.array([0, 1, 0, None, 0, 0, 0, 2], pa.int32()),
        helpfulness_denominator=pa.array([0, 2, 3, 4, 0, 0, 0, 2], pa.int32()),
        time=pa.array([0, 1, None, 3, 4, 5, 6, 1_000_000_000]),
    )
    rows = {key: one.rows for key, one in found.items()}
    assert rows["negation", "with a negation"] == 4
    assert rows["capitals", "shouting (many words in capitals)"] == 1
    assert rows["unknown_words", "all words known"] == 5
    assert rows["unknown_words", "up to 5 % unknown"] == 1
    assert rows["unknown_words", "more than 5 % unknown"] == 2
    assert rows["stars", "5 stars"] == 5
    assert rows["product_reviews", "1 review"] == 1
    assert rows["product_reviews", "2–5 reviews"] == 6
    assert (rows["votes", "no votes"], rows["votes", "found helpful"], rows["votes", "found unhelpful"]) == (4, 2, 1)
    assert (rows["year", "1970"], rows["year", "2001"]) == (6, 1)


def test_a_dump_without_stars_products_and_times_has_slices_of_its_text_alone(store: ArtifactStore) -> None:
    found = sliced(
        store,
        [0, 1],
        [True, False],
        texts=["I LOVE IT SO", "it is not bad"],
        words=["word", " ".join(["other"] * 20)],
        time=pa.array([None, None], pa.int64()),
    )
    assert {dimension for dimension, _ in found} == {"length", "negation", "capitals", "unknown_words"}
