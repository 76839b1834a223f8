"""Challenger and champion on the same rows: which rows, which thresholds, which figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ArtifactError
from pipeline.promotion import compare_to_champion
from pipeline.promotion.champions import ChampionModel
from pipeline.promotion.head_to_head import HeadToHeadError
from pipeline.promotion.records import HeadToHeadSummary
from pipeline.splitting import splits as splits_module
from pipeline.store import ArtifactReference, ArtifactStore
from tests.unit.promotion.factories import CONFIG, NEW, OLD, Review, Scripted, good, trained


def compared(
    store: ArtifactStore, new: ChampionModel, old: ChampionModel, scorers: dict[ArtifactReference, Any]
) -> HeadToHeadSummary:
    return store.summary(compare_to_champion(new, old, CONFIG, store, scorers.__getitem__), HeadToHeadSummary)


def predictions(store: ArtifactStore, reference: ArtifactReference) -> list[dict[str, Any]]:
    return pq.read_table(store.folder(reference) / "predictions.parquet").to_pylist()


@pytest.mark.parametrize("batch_rows", [3, 1000])
def test_what_either_has_met_is_excluded_and_counted(store, monkeypatch, batch_rows):
    monkeypatch.setattr(splits_module, "BATCH_ROWS", batch_rows)
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    scorers = {new.exported: Scripted(good), old.exported: Scripted(lambda *_: 0.7)}
    reference = compare_to_champion(new, old, CONFIG, store, scorers.__getitem__)
    summary = store.summary(reference, HeadToHeadSummary)
    own_test, champion_test = summary.challenger_test, summary.champion_test
    scored = ["good one", "good in truth bad", "bad one", "excluded by the old one", "old and good", "old and bad"]
    assert scorers[new.exported].texts == scorers[old.exported].texts == scored
    assert (own_test.rows, own_test.excluded, own_test.known_to_champion, own_test.known_to_challenger) == (4, 2, 2, 0)
    assert (
        champion_test.rows,
        champion_test.excluded,
        champion_test.known_to_champion,
        champion_test.known_to_challenger,
    ) == (2, 1, 0, 1)
    # The new one is wrong on a negative and a positive row; the old one calls everything positive.
    assert (own_test.negative.only_first, own_test.negative.neither) == (1, 1)
    assert (own_test.positive.both, own_test.positive.only_second) == (1, 1)
    assert own_test.differences.accuracy.value == 0
    assert champion_test.differences.balanced_accuracy.value == 0.5
    assert champion_test.differences.negative_recall.value == 1
    assert (champion_test.challenger.balanced_accuracy, champion_test.champion.balanced_accuracy) == (1, 0.5)
    rows = predictions(store, reference)
    assert [(row["row_set"], row["row"], row["label"]) for row in rows] == [
        ("challenger_test", 30, 1), ("challenger_test", 40, 0), ("challenger_test", 50, 0), ("challenger_test", 60, 1),
        ("champion_test", 10, 1), ("champion_test", 20, 0),
    ]  # fmt: skip
    assert rows[0]["challenger"] == pytest.approx(0.9)
    assert rows[0]["champion"] == pytest.approx(0.7)


def test_each_model_uses_its_own_threshold(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    scorers = {new.exported: Scripted(good, threshold=0.95), old.exported: Scripted(good, threshold=0.9)}
    summary = compared(store, new, old, scorers)
    # The challenger calls everything negative; the champion's 0.9 in 32 bits is just below its threshold as well.
    assert summary.challenger_test.negative.both == 2
    scorers = {new.exported: Scripted(good, threshold=0.05), old.exported: Scripted(good)}
    newer = new.model_copy(update={"title": "another"})
    assert compared(store, newer, old, scorers).challenger_test.positive == summary.challenger_test.positive.model_copy(
        update={"both": 1, "only_first": 1, "neither": 0}
    )


def test_summaries_reach_the_models_that_read_them(store):
    new = trained(store, "new", NEW, [None, "a", "b", None, "says good", "", "c", "d"])
    old = trained(store, "old", OLD)
    seen: dict[str, str] = {}

    def remember(text: str, summary: str) -> float:
        seen[text] = summary
        return 0.5

    compared(store, new, old, {new.exported: Scripted(remember), old.exported: Scripted(good)})
    assert seen["good one"] == ""
    assert seen["good in truth bad"] == "says good"
    assert seen["excluded by the old one"] == "c"


def test_two_models_of_one_split_have_one_row_set(store):
    new, old = trained(store, "new", NEW), trained(store, "old", NEW)
    old = old.model_copy(update={"cleaned": new.cleaned, "parts": new.parts})
    summary = compared(store, new, old, {new.exported: Scripted(good), old.exported: Scripted(good)})
    assert summary.champion_test is None
    assert (summary.challenger_test.rows, summary.challenger_test.excluded) == (6, 0)
    assert summary.challenger_test.differences.balanced_accuracy.value == 0
    assert summary.challenger_test.differences.balanced_accuracy.low == 0


def test_no_common_rows_is_a_result_and_not_an_error(store):
    new = trained(store, "new", [("a", "train", 1), ("b", "test", 1)])
    old = trained(store, "old", [("b", "train", 1), ("a", "test", 1)])
    summary = compared(store, new, old, {new.exported: Scripted(good), old.exported: Scripted(good)})
    assert (summary.challenger_test.rows, summary.challenger_test.differences) == (0, None)
    assert (summary.champion_test.rows, summary.champion_test.excluded) == (0, 1)
    assert summary.challenger_test.slices == ()


def test_unusable_probabilities_are_counted_by_model(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    broken = Scripted(lambda text, _: float("nan") if "bad" in text else 2.0)
    summary = compared(store, new, old, {new.exported: broken, old.exported: Scripted(good)})
    assert (summary.challenger_test.challenger.unusable, summary.challenger_test.champion.unusable) == (4, 0)
    assert HeadToHeadSummary.model_validate_json(summary.model_dump_json()) == summary


def test_a_model_that_loses_rows_is_an_error(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)

    class Short(Scripted):
        def probabilities(self, texts, summaries=None):
            return super().probabilities(texts, summaries)[:, np.newaxis]

    with pytest.raises(HeadToHeadError, match=r"shape \(4, 1\) for 4 reviews"):
        compared(store, new, old, {new.exported: Short(good), old.exported: Scripted(good)})


def many(count: int) -> list[Review]:
    """Return reviews of which every fifth is negative, dealt to training and test in turn."""
    return [
        (f"{'not ' if number % 3 else ''}so number {number}", "test" if number % 2 else "train", int(number % 5 > 0))
        for number in range(count)
    ]


def test_slices_are_compared_if_they_have_enough_rows(store):
    new, old = trained(store, "new", many(400)), trained(store, "old", OLD)
    # The challenger fails on negated reviews and nowhere else.
    truth = {text: label for text, _, label in many(400)}
    failing = Scripted(lambda text, _: truth.get(text, 1) if "not" not in text else 1 - truth[text])
    right = Scripted(lambda text, _: truth.get(text, 1))
    slices = compared(store, new, old, {new.exported: failing, old.exported: right}).challenger_test.slices
    by_label = {one.label: one for one in slices}
    assert by_label["with a negation"].difference.value == -1
    assert by_label["without a negation"].difference.value == 0
    assert by_label["1 star"].rows == 40
    assert {one.rows >= 20 for one in slices} == {True}
    assert sum(one.rows for one in slices if one.dimension == "negation") == 200


def test_the_key_depends_on_both_models_and_reuse_loads_nothing(store):
    new, old = trained(store, "new", NEW), trained(store, "old", OLD)
    scorers = {new.exported: Scripted(good), old.exported: Scripted(good)}
    first = compare_to_champion(new, old, CONFIG, store, scorers.__getitem__)

    def never(reference: ArtifactReference) -> Scripted:
        raise AssertionError(reference)

    assert compare_to_champion(new, old, CONFIG, store, never) == first
    for role in ("exported", "cleaned", "parts"):
        with pytest.raises((AssertionError, ArtifactError)):
            compare_to_champion(new.model_copy(update={role: getattr(old, role)}), old, CONFIG, store, never)
        with pytest.raises((AssertionError, ArtifactError)):
            compare_to_champion(new, old.model_copy(update={role: getattr(new, role)}), CONFIG, store, never)
