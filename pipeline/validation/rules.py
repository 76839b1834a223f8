"""The row rules: why a row of a dump goes to quarantine, as data.

A row belongs to the first rule of ``ROW_RULES`` that it breaks. Reading may have found the problem already
(``problem`` in the ingested table); the masks here find what was read but means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

LOWEST_SCORE, HIGHEST_SCORE = 1, 5
"""Stars of a review."""
EARLIEST_TIME = 788_918_400
"""1 January 1995 in Unix seconds: before it there were no shops on the web to review."""
LATEST_TIME = 4_102_444_799
"""The last second of 2099 in Unix seconds: a fixed bound, since today's clock would give another verdict tomorrow. It
catches what is wrong by a unit (milliseconds, microseconds) or by a century."""
DETAIL_CHARACTERS = 300
"""Longest text in the column ``detail``."""


@dataclass(frozen=True)
class RowRule:
    """One reason for which a row is excluded.

    Attributes:
        reason: Name of the reason; also what ingest writes into ``problem``.
        columns: What the rule looks at.
        sentence: The rule for people: what a good row fulfils.
        broken: Batch of reviews → bool [rows], true where the rule is broken.
        detail: Batch of reviews → string [rows], what was found there.
    """

    reason: str
    columns: tuple[str, ...]
    sentence: str
    broken: Callable[[pa.RecordBatch], pa.Array]
    detail: Callable[[pa.RecordBatch], pa.Array]


@dataclass(frozen=True)
class Judgment:
    """What the row rules say of one batch.

    Attributes:
        kept: The rows that break no rule, all columns.
        quarantined: The other rows, all columns.
        reasons: string [quarantined rows], the first rule that each breaks.
        details: string [quarantined rows], what was found.
    """

    kept: pa.RecordBatch
    quarantined: pa.RecordBatch
    reasons: pa.Array
    details: pa.Array


def _outside(column: pa.Array, lowest: int, highest: int) -> pa.Array:
    """Return where a value is there and lies outside ``lowest`` … ``highest``."""
    outside = pc.or_(pc.less(column, lowest), pc.greater(column, highest))
    return pc.fill_null(outside, fill_value=False)


def _bad_score(batch: pa.RecordBatch) -> pa.Array:
    score = batch.column("score")
    return pc.or_(pc.is_null(score), _outside(score, LOWEST_SCORE, HIGHEST_SCORE))


def _bad_helpfulness(batch: pa.RecordBatch) -> pa.Array:
    negative = [pc.less(batch.column(name), 0) for name in ("helpfulness_numerator", "helpfulness_denominator")]
    return pc.or_(*(pc.fill_null(mask, fill_value=False) for mask in negative))


def _bad_time(batch: pa.RecordBatch) -> pa.Array:
    return _outside(batch.column("time"), EARLIEST_TIME, LATEST_TIME)


def _empty_text(batch: pa.RecordBatch) -> pa.Array:
    return pc.equal(text_characters(batch.column("text"), missing=0), 0)


def text_characters(text: pa.Array, missing: int | None) -> pa.Array:
    """Return int32 [rows]: characters of each text without the blanks around it.

    Args:
        text: string [rows].
        missing: What stands for a null or blank text; ``None`` for null.
    """
    length = pc.utf8_length(pc.utf8_trim_whitespace(text))
    absent = pc.fill_null(pc.equal(length, 0), fill_value=True)
    return pc.if_else(absent, pa.scalar(missing, pa.int32()), length)


def _never(batch: pa.RecordBatch) -> pa.Array:
    return pa.repeat(pa.scalar(False), batch.num_rows)


def _says(sentence: str) -> Callable[[pa.RecordBatch], pa.Array]:
    return lambda batch: pa.repeat(pa.scalar(sentence), batch.num_rows)


def _names(*columns: str) -> Callable[[pa.RecordBatch], pa.Array]:
    def detail(batch: pa.RecordBatch) -> pa.Array:
        found = [
            pc.binary_join_element_wise(
                f"{name} is", pc.fill_null(pc.cast(batch.column(name), pa.string()), "missing"), " "
            )
            for name in columns
        ]
        return pc.binary_join_element_wise(*found, ", ")

    return detail


ROW_RULES: tuple[RowRule, ...] = (
    RowRule(
        "unparseable",
        ("problem",),
        "The record can be taken apart into the dump's columns.",
        _never,
        _says("the record could not be read"),
    ),
    RowRule(
        "bad_score",
        ("score",),
        f"The score is a whole number from {LOWEST_SCORE} to {HIGHEST_SCORE}.",
        _bad_score,
        _names("score"),
    ),
    RowRule(
        "bad_helpfulness",
        ("helpfulness_numerator", "helpfulness_denominator"),
        "Helpful votes and votes are whole numbers from 0, where there are any.",
        _bad_helpfulness,
        _names("helpfulness_numerator", "helpfulness_denominator"),
    ),
    RowRule(
        "bad_time",
        ("time",),
        "The time lies from 1995 to 2099, where there is one.",
        _bad_time,
        _names("time"),
    ),
    RowRule(
        "empty_text",
        ("text",),
        "The text holds more than blanks.",
        _empty_text,
        _says("text is empty"),
    ),
)
"""Every rule, in the order in which they are tried."""


def judge(batch: pa.RecordBatch, rules: tuple[RowRule, ...] = ROW_RULES) -> Judgment:
    """Part a batch of ingested reviews into kept and quarantined rows.

    Args:
        batch: Rows with the columns of ingest's ``reviews.parquet``.
        rules: The rules, in their order; the first takes what ingest names and no rule knows.
    """
    problem = batch.column("problem")
    known = pc.is_in(problem, value_set=pa.array([rule.reason for rule in rules[1:]], pa.string()))
    named = pc.if_else(known, problem, pa.scalar(rules[0].reason))
    named = pc.if_else(pc.is_valid(problem), named, pa.scalar(None, pa.string()))
    reasons = pa.nulls(batch.num_rows, pa.string())
    for rule in reversed(rules):
        already = pc.fill_null(pc.equal(named, rule.reason), fill_value=False)
        reasons = pc.if_else(pc.or_(rule.broken(batch), already), pa.scalar(rule.reason), reasons)

    bad = pc.is_valid(reasons)
    quarantined, reasons, named = batch.filter(bad), reasons.filter(bad), named.filter(bad)
    details = pa.nulls(len(reasons), pa.string())
    for rule in rules:
        details = pc.if_else(pc.equal(reasons, rule.reason), rule.detail(quarantined), details)
    # What reading found says more than the mask can, as long as it is about the same reason.
    reported = pc.if_else(pc.equal(named, reasons), quarantined.column("problem_detail"), pa.scalar(None, pa.string()))
    details = pc.utf8_slice_codeunits(pc.coalesce(reported, details), 0, DETAIL_CHARACTERS)
    return Judgment(batch.filter(pc.invert(bad)), quarantined, reasons, details)
