"""The leakage check counts planted leaks, and stops a run only if a guarantee is violated."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.config import SplitConfig
from pipeline.errors import ArtifactError, DataLeakageError
from pipeline.splitting import check_leakage
from pipeline.splitting.leakage import enforce_no_leakage
from pipeline.splitting.records import LeakageSummary
from pipeline.splitting.splits import EXCLUDED_CODE, split_codes
from pipeline.store import ArtifactReference, ArtifactStore
from tests.unit.splitting.factories import cleaned_table, place_cleaned, place_splits

LONG = "the tea came late and the box was open but it tasted fine"


@pytest.fixture
def planted(store: ArtifactStore) -> tuple[ArtifactReference, ArtifactReference]:
    """Ten test rows (10–19): an identical long and short text, two near-duplicates, known products and users."""
    words = [" ".join(f"{letter}{i}" for letter in "abcdefgh") for i in range(21)]
    products: list[str | None] = [f"P{i}" for i in range(21)]
    users: list[str | None] = [f"U{i}" for i in range(21)]
    same = "the same words in the same order twice"
    words[0], words[10] = same, same  # identical, of train
    words[7], words[18] = "good tea", "good tea"  # identical, but short
    words[1], words[11] = LONG, LONG + " indeed"  # near-duplicate, of train
    words[9], words[12] = "x y z v w u t s r", "x y z v w u t s r q"  # near-duplicate, of validation
    words[20], words[13] = LONG[::-1], LONG[::-1]
    for row, other in ((14, 2), (15, 2), (16, 8)):
        products[row] = products[other]
    for row, other in ((16, 3), (17, 3), (18, 4), (19, 9)):
        users[row] = users[other]
    products[5] = products[13] = None  # missing products do not match
    users[6] = users[12] = ""
    splits = {row: "train" if row < 8 else "validation" if row < 10 else "test" for row in range(20)}
    return place_cleaned(store, cleaned_table(words, products=products, users=users)), place_splits(store, splits)


@pytest.mark.parametrize(
    ("config", "guaranteed"),
    [
        (SplitConfig(strategy="article"), set()),
        (SplitConfig(strategy="column"), set()),
        (SplitConfig(strategy="temporal"), {"identical_text", "near_duplicate"}),
        (SplitConfig(group_by="nothing"), {"identical_text", "near_duplicate"}),
        (SplitConfig(group_by="product"), {"identical_text", "near_duplicate", "product"}),
        (SplitConfig(group_by="user"), {"identical_text", "near_duplicate", "user"}),
        (SplitConfig(group_by="product_and_user"), {"identical_text", "near_duplicate", "product", "user"}),
    ],
    ids=lambda value: f"{value.strategy}-{value.group_by}" if isinstance(value, SplitConfig) else "",
)
def test_every_planted_leak_is_counted(
    store: ArtifactStore,
    planted: tuple[ArtifactReference, ArtifactReference],
    config: SplitConfig,
    guaranteed: set[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    leakage = check_leakage(*planted, vocabulary_leakage=False, config=config, store=store)
    summary = store.summary(leakage, LeakageSummary)
    assert {figure.kind: figure.rows for figure in summary.figures} == {
        "identical_text": 1,
        "near_duplicate": 3,
        "identical_short_text": 1,
        "product": 3,
        "user": 4,
    }
    assert {figure.kind: figure.share for figure in summary.figures}["user"] == 0.4
    assert {figure.kind for figure in summary.figures if figure.guaranteed} == guaranteed
    assert {figure.kind for figure in summary.violated} == guaranteed
    if guaranteed:
        with pytest.raises(DataLeakageError, match=r"1 \(10.00%\) have a text that is also in"):
            enforce_no_leakage(leakage, store)
    else:
        enforce_no_leakage(leakage, store)
        assert "1 (10.00%) have a text that is also in" in caplog.text


def test_the_threshold_defines_near_duplicates(
    store: ArtifactStore, planted: tuple[ArtifactReference, ArtifactReference]
) -> None:
    strict = check_leakage(
        *planted, vocabulary_leakage=True, config=SplitConfig(near_duplicate_threshold=1.0), store=store
    )
    summary = store.summary(strict, LeakageSummary)
    assert next(figure.rows for figure in summary.figures if figure.kind == "near_duplicate") == 1
    assert summary.vocabulary_leakage


def test_splits_are_matched_by_row_in_any_order(store: ArtifactStore) -> None:
    splits = place_splits(store, {7: "test", 3: "train", 5: "validation"})
    assert split_codes(np.array([5, 9, 7, 3]), splits, store).tolist() == [1, EXCLUDED_CODE, 2, 0]


def test_splits_of_other_reviews_are_refused(store: ArtifactStore) -> None:
    cleaned = place_cleaned(store, cleaned_table(["good tea", "bad tea"]))
    for label, splits in {"unknown row": {0: "train", 7: "test"}, "unknown split": {0: "train", 1: "exam"}}.items():
        with pytest.raises(ArtifactError, match="split again"):
            check_leakage(cleaned, place_splits(store, splits, label), False, SplitConfig(), store)
