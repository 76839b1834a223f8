"""Every row is in one split, groups are whole, sizes are kept, and deviations are noted."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import SplitConfig
from pipeline.errors import ConfigurationError, ContractViolationError
from pipeline.splitting import check_leakage
from pipeline.splitting.assignment import assign_groups
from pipeline.splitting.leakage import enforce_no_leakage
from pipeline.splitting.records import SplitSummary
from pipeline.splitting.stage import split
from pipeline.splitting.strategies import assign_by_column, assign_by_group, assign_by_time
from pipeline.store import ArtifactStore
from tests.factories import contents
from tests.unit.splitting.factories import cleaned_table, place_cleaned, read_splits_file, real_reviews

PROPERTY = settings(deadline=None, max_examples=40, derandomize=True)
SHARES = np.array([0.81, 0.09, 0.1])
LONG_TEXT = 8
"""Words of a generated text; one more word makes a near-duplicate at the default threshold."""


def run(
    store: ArtifactStore, table: pa.Table, label: str = "test", **config: object
) -> tuple[SplitSummary, dict[int, str]]:
    splits = split(place_cleaned(store, table, label), SplitConfig(**config), store)
    return store.summary(splits, SplitSummary), read_splits_file(store, splits)


def unlike_texts(count: int) -> list[str]:
    return [" ".join(f"{letter}{i}" for letter in "abcdefgh") for i in range(count)]


def many_reviews(count: int = 600, seed: int = 0) -> pa.Table:
    """Reviews with products and users of uneven size, and some near-duplicates over all of them."""
    generator = np.random.default_rng(seed)
    texts = unlike_texts(count)
    for duplicate in generator.choice(count, count // 30, replace=False):
        original = int(generator.integers(count))
        if len(texts[original].split()) == LONG_TEXT:
            texts[duplicate] = texts[original] + " too" * int(generator.integers(2))
    return cleaned_table(
        texts,
        labels=(generator.random(count) < 0.8).astype(int).tolist(),
        products=[f"P{int(120 * p * p)}" for p in generator.random(count)],
        users=[f"U{int(u)}" for u in generator.integers(0, 400, count)],
        times=(1_300_000_000 + 86_400 * generator.integers(0, 300, count)).tolist(),
    )


# --- article -----------------------------------------------------------------------------------------------------


def test_the_article_split_has_the_sizes_of_the_article(store: ArtifactStore) -> None:
    rows = 364_171
    table = pa.table(
        {
            "row": pa.array(np.arange(rows)[::-1].copy()),
            "label": pa.array((np.arange(rows) % 6 > 0).astype(np.int8)),
            "product_id": pa.nulls(rows, pa.string()),
            "user_id": pa.nulls(rows, pa.string()),
            "time": pa.nulls(rows, pa.int64()),
        }
    )
    splits = split(place_cleaned(store, table), SplitConfig(strategy="article"), store)
    summary = store.summary(splits, SplitSummary)
    assert summary.by_name("train").rows + summary.by_name("validation").rows == 327_753
    assert summary.by_name("validation").rows == 327_753 - int(327_753 * 0.9)
    assert summary.by_name("test").rows == 36_418
    written = pq.read_table(store.folder(splits) / "splits.parquet")
    assert written.column("row").equals(table.column("row"))
    # The splits are the head, the middle and the tail.
    assert [
        item["values"]
        for item in written.column("split").combine_chunks().dictionary_encode().dictionary.value_counts().to_pylist()
    ] == ["train", "validation", "test"]
    assert pc.all(pc.equal(written.column("split").slice(rows - 36_418), "test")).as_py()


def test_the_article_split_does_not_lose_a_row_to_floating_point(store: ArtifactStore) -> None:
    summary, _ = run(store, cleaned_table(unlike_texts(1000)), strategy="article", test_size=0.9, validation_size=0.05)
    assert summary.by_name("test").rows == 900  # 1 − 0.9 is a little less than 0.1 in binary


def test_a_deviating_positive_share_is_noted(store: ArtifactStore) -> None:
    labels = [0, 1] * 90 + [1] * 19 + [0]
    summary, _ = run(store, cleaned_table(unlike_texts(200), labels=labels), strategy="article")
    assert any("test split is 95.0% positive" in note for note in summary.notes)


# --- grouped -----------------------------------------------------------------------------------------------------


@PROPERTY
@given(
    st.integers(0, 10_000),
    st.sampled_from(["product", "user", "nothing"]),
    st.sampled_from([(0.1, 0.1), (0.3, 0.2), (0.5, 0.25)]),
)
def test_groups_stay_whole_and_shares_are_met(seed: int, group_by: str, shares: tuple[float, float]) -> None:
    table = many_reviews(seed=seed)
    config = SplitConfig(group_by=group_by, test_size=shares[0], validation_size=shares[1], split_seed=seed)
    part = assign_by_group(table, config).split_of_row

    kept_together = [table.column("words").to_pylist()]
    if group_by != "nothing":
        kept_together.append(table.column(f"{group_by}_id").to_pylist())
    for column in kept_together:
        splits_of_value = defaultdict(set)
        for row, value in enumerate(column):
            splits_of_value[value].add(int(part[row]))
        assert all(len(splits) == 1 for splits in splits_of_value.values())

    labels = table.column("label").to_numpy()
    wanted = [(1 - shares[0]) * (1 - shares[1]), (1 - shares[0]) * shares[1], shares[0]]
    for code, share in enumerate(wanted):
        assert abs((part == code).mean() - share) < 0.02
        assert abs(labels[part == code].mean() - labels.mean()) < 0.05


@PROPERTY
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(any), min_size=1, max_size=60),
    st.sampled_from([(0.81, 0.09, 0.1), (0.4, 0.1, 0.5), (0.2, 0.2, 0.6)]),
)
def test_no_split_overshoots_by_more_than_half_a_group(
    groups: list[tuple[int, int]], shares: tuple[float, float, float]
) -> None:
    label = np.concatenate([np.repeat(np.array([0, 1], dtype=np.int8), group) for group in groups])
    group_of_row = np.repeat(np.arange(len(groups)), [sum(group) for group in groups])
    digest = np.arange(len(label)).astype(np.uint64)
    part = assign_groups(group_of_row, label, digest, np.array(shares), seed=3)
    assert all(len(set(part[group_of_row == group].tolist())) == 1 for group in range(len(groups)))
    largest = max(sum(group) for group in groups)
    for code in (1, 2):
        assert (part == code).sum() - shares[code] * len(label) <= largest / 2
        sizes = [sum(groups[group]) for group in set(group_of_row[part == code].tolist())]
        assert all(size <= 1.5 * shares[code] * len(label) for size in sizes)


def test_the_split_depends_on_content_and_seed_not_on_the_order_of_rows(store: ArtifactStore) -> None:
    table = many_reviews()
    shuffled = table.take(pa.array(np.random.default_rng(4).permutation(table.num_rows)))
    _, one = run(store, table)
    _, other = run(store, shuffled, label="shuffled")
    _, reseeded = run(store, table, split_seed=14)
    assert one == other
    assert one != reseeded


def test_near_duplicates_stay_together_over_different_products(store: ArtifactStore) -> None:
    texts = unlike_texts(400)
    for number in range(0, 400, 2):
        texts[number + 1] = texts[number] + " extra"  # 6 of 7 shingles in common
    table = cleaned_table(texts, labels=[i // 2 % 2 for i in range(400)], products=[f"P{i}" for i in range(400)])
    _, together = run(store, table, near_duplicate_threshold=0.85)
    _, apart = run(store, table, near_duplicate_threshold=0.86)
    assert all(together[i] == together[i + 1] for i in range(0, 400, 2))
    assert any(apart[i] != apart[i + 1] for i in range(0, 400, 2))


def test_a_group_larger_than_a_split_goes_to_training(store: ArtifactStore) -> None:
    products = ["giant"] * 950 + [f"P{i}" for i in range(50)]
    summary, split_of_row = run(store, cleaned_table(unlike_texts(1000), products=products))
    assert {split_of_row[row] for row in range(950)} == {"train"}
    assert summary.by_name("test").rows > 20
    assert summary.largest_group == 950
    assert summary.groups == 51
    assert any("test split has 2." in note and "950" in note for note in summary.notes)


def test_rows_without_a_product_are_their_own_groups(store: ArtifactStore) -> None:
    products = [None] * 100 + [""] * 100 + [f"P{i // 10}" for i in range(200)]
    summary, split_of_row = run(store, cleaned_table(unlike_texts(400), products=products))
    assert summary.groups == 220
    assert set(Counter(split_of_row[row] for row in range(100))) == {"train", "validation", "test"}
    assert any("200 reviews without a product_id" in note for note in summary.notes)


def test_a_dump_without_products_is_grouped_by_near_duplicates_only(store: ArtifactStore) -> None:
    summary, _ = run(store, cleaned_table(unlike_texts(400)), group_by="product_and_user")
    assert [note[:24] for note in summary.notes] == ["No review has a product_", "No review has a user_id,"]
    assert summary.by_name("train").products is None
    assert summary.by_name("test").rows == 40


def test_products_and_users_together_join_what_either_links(store: ArtifactStore) -> None:
    # Pairs of rows share a user, and the pairs hang together by products in fours.
    users = [f"U{i // 2}" for i in range(400)]
    products = [f"P{(i + 1) // 2 if i % 4 in (1, 2) else 1000 + i}" for i in range(400)]
    summary, split_of_row = run(
        store,
        cleaned_table(unlike_texts(400), users=users, products=products, labels=[i // 4 % 2 for i in range(400)]),
        group_by="product_and_user",
    )
    assert summary.groups == 100
    assert all(len({split_of_row[4 * i + j] for j in range(4)}) == 1 for i in range(100))


def test_large_groups_are_spread_over_the_splits() -> None:
    sizes = [64] * 30 + [1] * 1000
    group = np.repeat(np.arange(len(sizes)), sizes)
    label = (np.arange(len(group)) % 2).astype(np.int8)
    part = assign_groups(group, label, np.arange(len(group)).astype(np.uint64), SHARES, seed=1)
    first_row = np.cumsum(sizes) - sizes
    assert Counter(part[first_row[:30]].tolist())[2] == 3


def test_a_single_group_cannot_be_split(store: ArtifactStore) -> None:
    with pytest.raises(ContractViolationError, match=r"test has 0 positive.*group_by, now 'product'"):
        run(store, cleaned_table(unlike_texts(100), products=["P"] * 100))


# --- temporal ----------------------------------------------------------------------------------------------------


@PROPERTY
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.1, 0.3]))
def test_each_split_is_newer_than_the_previous_one(seed: int, share: float) -> None:
    table = many_reviews(seed=seed)
    part = assign_by_time(table, SplitConfig(strategy="temporal", test_size=share)).split_of_row
    time = table.column("time").to_numpy()
    assert time[part == 0].max() < time[part == 1].min()
    assert time[part == 1].max() < time[part == 2].min()
    assert abs((time >= time[part == 2].min()).sum() - share * len(time)) <= 6
    # A text is only in the earliest of its splits.
    kept_split: dict[str, int] = {}
    words = [text.removesuffix(" too") for text in table.column("words").to_pylist()]
    for row in np.flatnonzero(part >= 0).tolist():
        assert kept_split.setdefault(words[row], int(part[row])) == part[row]
    for row in np.flatnonzero(part < 0).tolist():
        assert time[row] > time[part == kept_split[words[row]]].max()


def test_a_near_duplicate_in_a_later_split_is_excluded(store: ArtifactStore) -> None:
    texts = unlike_texts(100)
    texts[99] = texts[0]
    texts[98] = texts[97]
    splits = split(
        place_cleaned(store, cleaned_table(texts, times=list(range(100)))), SplitConfig(strategy="temporal"), store
    )
    split_of_row = read_splits_file(store, splits)
    assert set(range(100)) - set(split_of_row) == {99}
    assert split_of_row[97] == split_of_row[98] == "test"
    account = store.manifest(splits).rows
    assert account is not None
    assert (account.rows_in, account.kept, account.excluded) == (100, 99, {"near_duplicate_across_splits": 1})
    excluded = pq.read_table(store.folder(splits) / "excluded.parquet").to_pylist()
    assert excluded == [{"row": 99, "reason": "near_duplicate_across_splits"}]
    assert any("1 near-duplicates" in note for note in store.summary(splits, SplitSummary).notes)


def test_reviews_without_a_time_train(store: ArtifactStore) -> None:
    times = [None] * 5 + list(range(95))
    summary, split_of_row = run(store, cleaned_table(unlike_texts(100), times=times), strategy="temporal")
    assert {split_of_row[row] for row in range(5)} == {"train"}
    assert any(note.startswith("5 reviews without a time") for note in summary.notes)


@pytest.mark.parametrize("times", [[None] * 100, [7] * 100, [7, 8] * 50, [None] * 50 + list(range(50))])
def test_a_split_by_time_without_times_says_what_to_do(store: ArtifactStore, times: list[int | None]) -> None:
    with pytest.raises(ConfigurationError, match="choose the strategy 'grouped'"):
        run(store, cleaned_table(unlike_texts(100), times=times), strategy="temporal")


def test_each_split_keeps_at_least_one_time(store: ArtifactStore) -> None:
    times = [1] * 10 + [2] * 10 + [3] * 80
    table = cleaned_table(unlike_texts(100), times=times)
    summary, _ = run(store, table, strategy="temporal", test_size=0.88, validation_size=0.1)
    assert [one.rows for one in summary.splits] == [10, 10, 80]


def test_three_distinct_times_are_enough(store: ArtifactStore) -> None:
    times = [1, 1, 2, 2, 3, 3] * 10
    summary, _ = run(store, cleaned_table(unlike_texts(60), labels=[0, 1] * 30, times=times), strategy="temporal")
    assert [one.rows for one in summary.splits] == [20, 20, 20]
    assert sum("instead of" in note for note in summary.notes) == 3


# --- column ------------------------------------------------------------------------------------------------------


OFFICIAL = {"train": 0, " Training": 0, "dev": 1, "VALID": 1, "val": 1, "validation": 1, "test": 2, "TEST ": 2}


@PROPERTY
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from(["product", "nothing"]))
def test_the_official_splits_stay_as_they_are(seed: int, with_validation: bool, group_by: str) -> None:
    table = many_reviews(seed=seed)
    generator = np.random.default_rng(seed)
    names = [name for name, code in OFFICIAL.items() if with_validation or code != 1]
    named = [names[place] for place in generator.integers(0, len(names), table.num_rows)]
    missing = set(generator.choice(table.num_rows, 30, replace=False).tolist())
    official = [None if row in missing else name for row, name in enumerate(named)]
    table = table.drop_columns("split").append_column("split", pa.array(official, pa.string()))
    split_of_row = assign_by_column(table, SplitConfig(strategy="column", group_by=group_by)).split_of_row

    wanted = np.array([-1 if name is None else OFFICIAL[name] for name in official])
    assert (split_of_row == 2).tolist() == (wanted == 2).tolist()
    assert (split_of_row == -1).tolist() == (wanted == -1).tolist()
    if with_validation:
        assert split_of_row.tolist() == wanted.tolist()
        return
    train = np.flatnonzero(wanted == 0)
    assert abs((split_of_row[train] == 1).mean() - 0.1) < 0.05
    kept_together = ["words"] if group_by == "nothing" else ["words", "product_id"]
    for column in kept_together:
        splits_of_value = defaultdict(set)
        for row in train.tolist():
            splits_of_value[table.column(column)[row].as_py()].add(int(split_of_row[row]))
        assert all(len(splits) == 1 for splits in splits_of_value.values())


def test_rows_in_no_official_split_are_excluded_and_counted(store: ArtifactStore) -> None:
    official = ["train"] * 60 + ["test"] * 20 + ["unsup"] * 15 + ["Unsupervised", None, "", "fold 3", "1"]
    splits = split(
        place_cleaned(store, cleaned_table(unlike_texts(100), official=official)), SplitConfig(strategy="column"), store
    )
    split_of_row = read_splits_file(store, splits)
    assert set(split_of_row) == set(range(80))
    assert {split_of_row[row] for row in range(60, 80)} == {"test"}
    account = store.manifest(splits).rows
    assert account is not None
    assert (account.kept, account.excluded) == (80, {"no_official_split": 20})
    excluded = pq.read_table(store.folder(splits) / "excluded.parquet").column("reason").to_pylist()
    assert excluded == ["no_official_split"] * 20
    notes = store.summary(splits, SplitSummary).notes
    assert "20 reviews in no official split were excluded." in notes
    assert "The official split has no validation rows: 6 of its 60 training rows validate." in notes


@pytest.mark.parametrize(
    ("official", "found"),
    [
        ([None] * 100, "no value in 100 rows"),
        (["train"] * 100, "'train' in 100 rows"),
        (["test"] * 100, "'test' in 100 rows"),
        (["0"] * 50 + ["1"] * 50, "'0' in 50 rows, '1' in 50 rows"),
        (["train"] * 69 + ["test"] * 20 + ["?"] * 11, "'train' in 69 rows, 'test' in 20 rows, '\\?' in 11 rows"),
        (["train", "test", *(f"{i}" for i in range(98))], "in 1 rows, 95 more values"),
    ],
)
def test_a_column_that_is_no_official_split_is_refused(
    store: ArtifactStore, official: list[str | None], found: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"Found: .*{found}.*Column mapping"):
        run(store, cleaned_table(unlike_texts(100), official=official), strategy="column")


# --- all ---------------------------------------------------------------------------------------------------------


def test_the_summary_describes_the_splits(store: ArtifactStore) -> None:
    day = 86_400
    table = cleaned_table(
        unlike_texts(20),
        products=[f"P{i // 2}" for i in range(20)],
        users=["U"] * 20,
        times=[day * i for i in range(20)],
    )
    summary, _ = run(store, table, strategy="article", test_size=0.2, validation_size=0.25)
    test = summary.by_name("test")
    assert (test.rows, test.positive, test.products, test.users) == (4, 2, 2, 1)
    assert (test.first_review, test.last_review) == (
        datetime(1970, 1, 17, tzinfo=UTC),
        datetime(1970, 1, 20, tzinfo=UTC),
    )


def test_a_time_out_of_range_does_not_fail(store: ArtifactStore) -> None:
    times = [10**17 if row == 99 else row for row in range(100)]
    summary, _ = run(store, cleaned_table(unlike_texts(100), times=times))
    assert None in [one.last_review for one in summary.splits]


def test_too_few_reviews_are_refused(store: ArtifactStore) -> None:
    with pytest.raises(ContractViolationError, match="9 reviews"):
        run(store, cleaned_table(unlike_texts(9)))


@pytest.mark.parametrize("strategy", ["article", "grouped", "temporal"])
def test_one_class_is_refused(store: ArtifactStore, strategy: str) -> None:
    table = cleaned_table(unlike_texts(100), labels=[1] * 100, times=list(range(100)))
    with pytest.raises(ContractViolationError, match="10 positive and 0 negative"):
        run(store, table, strategy=strategy)
    assert not (Path(str(store.root)) / "artifacts" / "split").exists()


@pytest.mark.parametrize("strategy", ["article", "grouped", "temporal"])
def test_the_same_split_has_the_same_bytes(tmp_path: Path, strategy: str) -> None:
    written = []
    for name in ("one", "two"):
        store = ArtifactStore(str(tmp_path / name))
        splits = split(place_cleaned(store, many_reviews()), SplitConfig(strategy=strategy), store)
        written.append(contents(store.folder(splits)))
    assert written[0] == written[1]
    assert set(written[0]) == {"splits.parquet", "excluded.parquet", "summary.json"}


@pytest.mark.parametrize(
    ("strategy", "unread"),
    [
        ("article", {"split_seed": 99}),
        ("article", {"group_by": "user"}),
        ("temporal", {"split_seed": 99}),
        ("column", {"test_size": 0.3}),
    ],
)
def test_fields_that_a_strategy_does_not_read_do_not_change_the_artifact(
    store: ArtifactStore, strategy: str, unread: dict[str, object]
) -> None:
    table = many_reviews()
    official = ["test" if row % 3 else "train" for row in range(table.num_rows)]
    table = table.drop_columns("split").append_column("split", pa.array(official))
    cleaned = place_cleaned(store, table)
    one = split(cleaned, SplitConfig(strategy=strategy), store)
    assert split(cleaned, SplitConfig(strategy=strategy, **unread), store) == one
    assert split(cleaned, SplitConfig(strategy=strategy, validation_size=0.2), store) != one


# --- real reviews ------------------------------------------------------------------------------------------------


def test_real_reviews_are_split_without_leakage_and_stratified(store: ArtifactStore, shared_data: Path) -> None:
    cleaned = place_cleaned(store, real_reviews(shared_data))
    config = SplitConfig()
    splits = split(cleaned, config, store)
    summary = store.summary(splits, SplitSummary)
    rows = sum(one.rows for one in summary.splits)
    positive = sum(one.positive for one in summary.splits) / rows
    for one, share in zip(summary.splits, (0.81, 0.09, 0.1), strict=True):
        assert abs(one.rows / rows - share) < 0.005
        assert abs(one.positive_share - positive) < 0.01
    assert not summary.notes
    enforce_no_leakage(check_leakage(cleaned, splits, False, config, store), store)


def test_the_article_split_of_real_reviews_is_noted(store: ArtifactStore, shared_data: Path) -> None:
    summary, _ = run(store, real_reviews(shared_data), strategy="article")
    assert any(note.startswith("The test split is 9") for note in summary.notes)
