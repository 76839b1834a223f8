"""The funnel: every row ends in one place, and the figures are those of plain pandas."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.funnel import KEPT, REASONS, run_funnel
from pipeline.errors import CleaningError
from tests.reference.article_cleaning import article_funnel
from tests.unit.cleaning.factories import fine_foods, reviews

some = st.sampled_from
rows_of_reviews = st.lists(
    st.fixed_dictionaries(
        {
            "id": some([None, 1, 2, 3]),
            "product_id": some([None, "", "B1", "B2", "b1", "é"]),
            "user_id": some([None, "", "A1", "A2"]),
            "profile_name": some([None, "", "nan", "x"]),
            "helpfulness_numerator": some([None, 0, 1, 2]),
            "helpfulness_denominator": some([None, 0, 1]),
            "score": some([1, 2, 3, 4, 5]),
            "time": some([None, 0, 1]),
            "text": some([None, "", "tea", "tea ", "tea " * 13]),
        }
    ),
    max_size=12,
)


def decided(table: pa.Table, *, deduplicate: bool) -> tuple[list[int], list[int], dict[int, str], tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reviews.parquet")
        pq.write_table(table, path, row_group_size=5)
        funnel_result = run_funnel(path, deduplicate=deduplicate)
    gone = {
        int(row): REASONS[reason - 1]
        for row, reason in zip(funnel_result.rows, funnel_result.reasons, strict=True)
        if reason != KEPT
    }
    return (
        funnel_result.rows[funnel_result.order].tolist(),
        funnel_result.labels[funnel_result.order].tolist(),
        gone,
        funnel_result.notes,
    )


@settings(deadline=None, max_examples=100, derandomize=True)
@given(rows=rows_of_reviews, deduplicate=st.booleans(), users=st.booleans())
def test_every_row_ends_where_plain_pandas_puts_it(rows: list[dict[str, Any]], deduplicate: bool, users: bool) -> None:
    table = reviews(rows if users else [{**row, "user_id": None} for row in rows])
    expected = article_funnel(table.to_pandas(), deduplicate=deduplicate)
    kept, labels, gone, notes = decided(table, deduplicate=deduplicate)
    assert kept == list(expected.rows)
    assert labels == list(expected.labels)
    assert gone == expected.excluded
    known = any(table[name].null_count < len(table) for name in ("user_id", "profile_name", "time"))
    assert bool(notes) == (deduplicate and bool(rows) and not known)


def test_real_dumps_fall_as_in_plain_pandas(shared_data: Path) -> None:
    table = fine_foods(shared_data, "fine_foods_a", "fine_foods_b")
    expected = article_funnel(table.to_pandas())
    kept, labels, gone, _ = decided(table, deduplicate=True)
    assert (kept, labels, gone) == (list(expected.rows), list(expected.labels), expected.excluded)
    assert [rows for _, rows in expected.steps] == [20174, 18700, 18027, 18027]
    assert sum(labels) == 15351


def test_first_of_equal_reviews_stays_by_product_then_id() -> None:
    same = {"user_id": "A", "text": "stale"}
    table = reviews([{**same, "product_id": "B2"}, {**same, "product_id": "B1", "id": 9}, {**same, "product_id": "B1"}])
    kept, _, gone, _ = decided(table, deduplicate=True)
    assert kept == [2]
    assert gone == {0: "duplicate", 1: "duplicate"}


def test_missing_values_equal_each_other_and_nothing_else() -> None:
    same = {"user_id": "A", "profile_name": None, "time": None, "text": "stale"}
    _, _, gone, _ = decided(reviews([same, same, {**same, "profile_name": ""}, {**same, "time": 0}]), deduplicate=True)
    assert gone == {1: "duplicate"}
    _, _, gone, _ = decided(reviews([{**same, "text": None}, {**same, "text": ""}]), deduplicate=True)
    assert gone == {}


@pytest.mark.parametrize(
    ("change", "second_is_dropped"),
    [
        ({}, False),
        ({"id": 7}, True),
        ({"profile_name": "Ann"}, True),
        ({"profile_name": ""}, False),
        ({"time": 1_600_000_001}, True),
        ({"time": 86_400}, False),
        ({"text": "a text that is too long to be written twice by chance"}, True),
    ],
)
def test_short_equal_texts_are_duplicates_only_if_something_shows_one_author(
    change: dict[str, Any], second_is_dropped: bool
) -> None:
    row = {"id": None, "user_id": None, "profile_name": None, "time": None, "text": "Good"} | change
    _, _, gone, _ = decided(reviews([row, row]), deduplicate=True)
    assert gone == ({1: "duplicate"} if second_is_dropped else {})


def test_equal_texts_of_different_people_stay() -> None:
    row = {"id": None, "user_id": None, "time": None, "text": "Good"}
    names = [{**row, "profile_name": f"Person {number}"} for number in range(3)]
    times = [{**row, "profile_name": None, "time": 1_600_000_000 + number} for number in range(3)]
    _, _, gone, _ = decided(reviews([*names, *times]), deduplicate=True)
    assert gone == {}


def test_a_row_leaves_for_the_first_reason_that_fits() -> None:
    odd = {"helpfulness_numerator": 2, "helpfulness_denominator": 1}
    _, _, gone, _ = decided(reviews([odd, {**odd, "score": 3}]), deduplicate=True)
    assert gone == {0: "helpfulness_above_denominator", 1: "neutral_score"}


def test_a_missing_score_is_no_label() -> None:
    with pytest.raises(CleaningError, match="1 validated reviews have no score, the first is row 1"):
        decided(reviews([{}, {"score": None}]), deduplicate=True)
