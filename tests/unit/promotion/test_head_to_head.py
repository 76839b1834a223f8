"""Challenger and champion on the same rows: who is asked what, who is left out, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import EvaluationConfig
from pipeline.encoding import VOCABULARY_FILE, Vocabulary
from pipeline.errors import ArtifactError
from pipeline.promotion import ChampionModel, HeadToHeadSummary, challenge
from pipeline.promotion.head_to_head import HeadToHeadError
from pipeline.splitting import splits as splits_module
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import place
from tests.unit.evaluation.given import CLEAN, SPLIT
from tests.unit.promotion.examples import model, the_export

CONFIG = EvaluationConfig(bootstrap_samples=100)
Review = tuple[str, str, int]
"""Text, part, label."""


@dataclass
class Asked:
    """A model that answers by a function of text and summary, and keeps what it was asked."""

    answer: Callable[[str, str], float]
    threshold: float = 0.5
    texts: list[str] = field(default_factory=list)

    def probabilities(self, texts: Sequence[str], summaries: Sequence[str] | None = None) -> np.ndarray:
        assert summaries is not None
        self.texts += texts
        return np.array([self.answer(*pair) for pair in zip(texts, summaries, strict=True)], dtype=np.float32)


def trained(
    store: ArtifactStore, label: str, reviews: Sequence[Review], summaries: Sequence[str | None] | None = None
) -> ChampionModel:
    """Place a model's reviews, split and export."""
    texts, parts, labels = zip(*reviews, strict=True)
    rows = pa.array([10 * number for number in range(len(reviews))], pa.int64())
    columns = {
        "row": rows,
        "label": pa.array(labels, pa.int8()),
        "text": pa.array(texts, pa.string()),
        "summary": pa.array(summaries or [None] * len(reviews), pa.string()),
        "words": pa.array(texts, pa.string()),
        "score": pa.array([5 if positive else 1 for positive in labels], pa.int8()),
    }
    dealt = pa.table({"row": rows, "split": pa.array(parts, pa.string())}).filter(
        pa.array([part != "excluded" for part in parts])
    )
    file = Path(store.url + "-vocabulary")
    Vocabulary(("good",), (1,), 1).save(file)
    return model(
        label,
        cleaned=place(store, "clean", CLEAN, tables={"reviews.parquet": pa.table(columns)}, label=label),
        parts=place(store, "split", SPLIT, tables={"splits.parquet": dealt}, label=label),
        exported=place(store, "export", the_export(), texts={VOCABULARY_FILE: file.read_text()}, label=label),
    )


def held(
    store: ArtifactStore, new: ChampionModel, old: ChampionModel, scorers: dict[ArtifactReference, Any]
) -> HeadToHeadSummary:
    return store.summary(challenge(new, old, CONFIG, store, scorers.__getitem__), HeadToHeadSummary)


def predictions(store: ArtifactStore, reference: ArtifactReference) -> list[dict[str, Any]]:
    return pq.read_table(store.folder(reference) / "predictions.parquet").to_pylist()


NEW: list[Review] = [
    ("learned by both", "train", 1),
    ("met by the old one in training", "test", 1),
    ("met by the old one in validation", "test", 0),
    ("good one", "test", 1),
    ("good in truth bad", "test", 0),
    ("bad one", "test", 0),
    ("excluded by the old one", "test", 1),
    ("learned by the new one", "validation", 0),
]
OLD: list[Review] = [
    ("learned by the new one", "test", 0),
    ("old and good", "test", 1),
    ("old and bad", "test", 0),
    ("met by the old one in training", "train", 1),
    ("met by the old one in validation", "validation", 0),
    ("excluded by the old one", "excluded", 1),
]


def good(text: str, summary: str) -> float:
    return 0.9 if "good" in text else 0.1


@pytest.mark.parametrize("batch_rows", [3, 1000])
def test_what_either_has_met_is_left_out_and_counted(store, monkeypatch, batch_rows):
    monkeypatch.setattr(splits_module, "BATCH_ROWS", batch_rows)
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    scorers = {new.exported: Asked(good), old.exported: Asked(lambda *_: 0.7)}
    reference = challenge(new, old, CONFIG, store, scorers.__getitem__)
    summary = store.summary(reference, HeadToHeadSummary)
    new_test, old_test = summary.new_test, summary.old_test
    asked = ["good one", "good in truth bad", "bad one", "excluded by the old one", "old and good", "old and bad"]
    assert scorers[new.exported].texts == scorers[old.exported].texts == asked
    assert (new_test.rows, new_test.left_out, new_test.known_to_champion, new_test.known_to_challenger) == (4, 2, 2, 0)
    assert (old_test.rows, old_test.left_out, old_test.known_to_champion, old_test.known_to_challenger) == (2, 1, 0, 1)
    assert new_test.sentence == (
        "Compared on 4 test reviews of this run; 2 more were left out, because the same text stood in training or "
        "validation of Bidirectional LSTM old, the champion (2), or of the challenger (0)."
    )
    # The new one is wrong on a negative and a positive row; the old one calls everything positive.
    assert (new_test.negative.only_challenger, new_test.negative.neither) == (1, 1)
    assert (new_test.positive.both, new_test.positive.only_champion) == (1, 1)
    assert new_test.differences.accuracy.value == 0
    assert old_test.differences.balanced_accuracy.value == 0.5
    assert old_test.differences.negative_recall.value == 1
    assert (old_test.challenger.balanced_accuracy, old_test.champion.balanced_accuracy) == (1, 0.5)
    rows = predictions(store, reference)
    assert [(row["row_set"], row["row"], row["label"]) for row in rows] == [
        ("new_test", 30, 1), ("new_test", 40, 0), ("new_test", 50, 0), ("new_test", 60, 1),
        ("old_test", 10, 1), ("old_test", 20, 0),
    ]  # fmt: skip
    assert rows[0]["challenger"] == pytest.approx(0.9)
    assert rows[0]["champion"] == pytest.approx(0.7)


def test_each_model_is_held_to_its_own_threshold(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    scorers = {new.exported: Asked(good, threshold=0.95), old.exported: Asked(good, threshold=0.9)}
    summary = held(store, new, old, scorers)
    # The challenger calls everything negative; the champion's 0.9 in 32 bits is just below its threshold as well.
    assert summary.new_test.negative.both == 2
    scorers = {new.exported: Asked(good, threshold=0.05), old.exported: Asked(good)}
    newer = new.model_copy(update={"title": "another"})
    assert held(store, newer, old, scorers).new_test.positive == summary.new_test.positive.model_copy(
        update={"both": 1, "only_challenger": 1, "neither": 0}
    )


def test_summaries_reach_the_models_that_read_them(store):
    new = trained(store, "new", NEW, [None, "a", "b", None, "says good", "", "c", "d"])
    old = trained(store, "old", OLD)
    seen: dict[str, str] = {}

    def remember(text: str, summary: str) -> float:
        seen[text] = summary
        return 0.5

    held(store, new, old, {new.exported: Asked(remember), old.exported: Asked(good)})
    assert seen["good one"] == ""
    assert seen["good in truth bad"] == "says good"
    assert seen["excluded by the old one"] == "c"


def test_two_models_of_one_split_have_one_row_set(store):
    new, old = trained(store, "new", NEW), trained(store, "old", NEW)
    old = old.model_copy(update={"cleaned": new.cleaned, "parts": new.parts})
    summary = held(store, new, old, {new.exported: Asked(good), old.exported: Asked(good)})
    assert summary.old_test is None
    assert (summary.new_test.rows, summary.new_test.left_out) == (6, 0)
    assert summary.new_test.differences.balanced_accuracy.value == 0
    assert summary.new_test.differences.balanced_accuracy.low == 0


def test_nothing_left_to_compare_is_told_and_no_error(store):
    new = trained(store, "new", [("a", "train", 1), ("b", "test", 1)])
    old = trained(store, "old", [("b", "train", 1), ("a", "test", 1)])
    summary = held(store, new, old, {new.exported: Asked(good), old.exported: Asked(good)})
    assert (summary.new_test.rows, summary.new_test.differences) == (0, None)
    assert (summary.old_test.rows, summary.old_test.left_out) == (0, 1)
    assert summary.new_test.slices == ()


def test_probabilities_that_are_none_are_counted_by_model(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    broken = Asked(lambda text, _: float("nan") if "bad" in text else 2.0)
    summary = held(store, new, old, {new.exported: broken, old.exported: Asked(good)})
    assert (summary.new_test.challenger.unusable, summary.new_test.champion.unusable) == (4, 0)
    assert HeadToHeadSummary.model_validate_json(summary.model_dump_json()) == summary


def test_a_model_that_loses_rows_is_an_error(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)

    class Short(Asked):
        def probabilities(self, texts, summaries=None):
            return super().probabilities(texts, summaries)[:, np.newaxis]

    with pytest.raises(HeadToHeadError, match=r"shape \(4, 1\) for 4 reviews"):
        held(store, new, old, {new.exported: Short(good), old.exported: Asked(good)})


def many(count: int) -> list[Review]:
    """Return reviews of which every fifth is negative, dealt to training and test in turn."""
    return [
        (f"{'not ' if number % 3 else ''}so number {number}", "test" if number % 2 else "train", int(number % 5 > 0))
        for number in range(count)
    ]


def test_kinds_of_reviews_are_compared_where_they_have_rows(store):
    new, old = trained(store, "new", many(400)), trained(store, "old", OLD)
    # The challenger fails on negated reviews and nowhere else.
    truth = {text: label for text, _, label in many(400)}
    failing = Asked(lambda text, _: truth.get(text, 1) if "not" not in text else 1 - truth[text])
    right = Asked(lambda text, _: truth.get(text, 1))
    slices = held(store, new, old, {new.exported: failing, old.exported: right}).new_test.slices
    by_label = {one.label: one for one in slices}
    assert by_label["with a negation"].difference.value == -1
    assert by_label["without a negation"].difference.value == 0
    assert by_label["1 star"].rows == 40
    assert {one.rows >= 20 for one in slices} == {True}
    assert sum(one.rows for one in slices if one.dimension == "negation") == 200


def test_the_key_depends_on_both_models_and_reuse_loads_nothing(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    scorers = {new.exported: Asked(good), old.exported: Asked(good)}
    first = challenge(new, old, CONFIG, store, scorers.__getitem__)

    def never(reference: ArtifactReference) -> Asked:
        raise AssertionError(reference)

    assert challenge(new, old, CONFIG, store, never) == first
    for role in ("exported", "cleaned", "parts"):
        with pytest.raises((AssertionError, ArtifactError)):
            challenge(new.model_copy(update={role: getattr(old, role)}), old, CONFIG, store, never)
        with pytest.raises((AssertionError, ArtifactError)):
            challenge(new, old.model_copy(update={role: getattr(new, role)}), CONFIG, store, never)
