"""The row rules: which rows are quarantined and why, and that no row is lost."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.readers.schema import REVIEW_SCHEMA
from pipeline.validation.rules import ROW_RULES, apply_row_rules
from tests.unit.validation.factories import review

REASONS = [rule.reason for rule in ROW_RULES]


def quarantined(*changes: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Return row, reason and detail of the quarantined rows among changed good ones."""
    batch = pa.RecordBatch.from_pylist([review(row) | change for row, change in enumerate(changes)], REVIEW_SCHEMA)
    checked = apply_row_rules(batch)
    rows = checked.quarantined.column("row").to_pylist()
    return list(zip(rows, checked.reasons.to_pylist(), checked.details.to_pylist(), strict=True))


def test_order_of_the_reasons_is_the_documented_one():
    assert REASONS == ["unparseable", "bad_score", "empty_text"]


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (
            {"problem": "unparseable", "problem_detail": "12 fields instead of 10"},
            "unparseable",
            "12 fields instead of 10",
        ),
        ({"problem": "unparseable"}, "unparseable", "the record could not be read"),
        ({"score": None}, "bad_score", "score is missing"),
        ({"score": 0}, "bad_score", "score is 0"),
        ({"score": 6}, "bad_score", "score is 6"),
        ({"score": None, "problem": "bad_score", "problem_detail": "score is 'five'"}, "bad_score", "score is 'five'"),
        ({"text": None}, "empty_text", "text is empty"),
        ({"text": ""}, "empty_text", "text is empty"),
        ({"text": " \t\n\u00a0\u3000"}, "empty_text", "text is empty"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_reason_and_value(change, reason, detail):
    assert quarantined({}, change, {}) == [(1, reason, detail)]


@pytest.mark.parametrize(
    "change",
    [
        {"score": 1},
        {"score": 5},
        {"score": 3},
        {"time": None},
        {"id": None, "product_id": None, "user_id": None, "profile_name": None, "summary": None},
        {"helpfulness_numerator": None, "helpfulness_denominator": None},
        {"helpfulness_numerator": 3, "helpfulness_denominator": 2},
        {"text": "."},
    ],
)
def test_a_good_row_is_kept(change):
    assert quarantined(change) == []


def test_the_first_broken_rule_wins():
    everything = {"text": "", "score": 9}
    found = quarantined(
        everything, everything | {"score": 5}, everything | {"problem": "unparseable", "problem_detail": "why"}
    )
    assert [reason for _, reason, _ in found] == ["bad_score", "empty_text", "unparseable"]


def test_a_detail_of_the_readers_is_used_only_for_its_own_reason():
    assert quarantined({"score": 9, "problem": "empty_text", "problem_detail": "text is 'x'"}) == [
        (0, "bad_score", "score is 9")
    ]


def test_a_problem_that_no_rule_knows_is_not_lost():
    assert quarantined({"problem": "from_the_future", "problem_detail": "odd"}) == [(0, "unparseable", "odd")]


def test_a_detail_is_bounded():
    ((_, _, detail),) = quarantined({"problem": "unparseable", "problem_detail": "x" * 5_000})
    assert len(detail) == 300


ROW = st.fixed_dictionaries(
    {
        "score": st.none() | st.integers(-128, 127),
        "text": st.none() | st.text(max_size=5),
        "problem": st.none() | st.sampled_from([*REASONS, "other"]),
        "problem_detail": st.none() | st.text(max_size=5),
    }
)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.lists(ROW, max_size=20))
def test_every_row_ends_in_exactly_one_place(changes):
    batch = pa.RecordBatch.from_pylist([review(row) | change for row, change in enumerate(changes)], REVIEW_SCHEMA)
    checked = apply_row_rules(batch)
    kept, bad = checked.kept.column("row").to_pylist(), checked.quarantined.column("row").to_pylist()
    assert sorted(kept + bad) == list(range(len(changes)))
    assert kept == sorted(kept)
    assert bad == sorted(bad)
    assert len(checked.reasons) == len(checked.details) == len(bad)
    assert checked.reasons.null_count == checked.details.null_count == 0
    for row, reason in zip(bad, checked.reasons.to_pylist(), strict=True):
        assert reason == expected_reason(changes[row])
    assert all(expected_reason(changes[row]) is None for row in kept)


def expected_reason(row: dict[str, Any]) -> str | None:
    """Return in plain Python the reason that the masks find in Arrow."""
    problem = row["problem"]
    if problem is not None and problem not in REASONS[1:]:
        return "unparseable"
    if problem == "bad_score" or row["score"] is None or not 1 <= row["score"] <= 5:
        return "bad_score"
    if problem == "empty_text" or row["text"] is None or not row["text"].strip():
        return "empty_text"
    return None
