"""The row rules: the reasons for which a row of a dump is quarantined.

A row belongs to the first rule of ``ROW_RULES`` that it breaks. The readers may have found the problem already
(``problem`` in the ingested table). The masks here find values that could be read but are not valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.readers.ratings import HIGHEST_SCORE, LOWEST_SCORE

DETAIL_CHARACTERS = 300
"""Longest text in the column ``detail``."""


@dataclass(frozen=True)
class RowRule:
    """One reason for which a row is quarantined.

    Attributes:
        reason: Name of the reason; ``ingest`` writes the same name into ``problem``.
        columns: The columns that the rule reads.
        sentence: The rule in words: what a good row fulfills.
        broken: Batch of reviews → bool ``[rows]``, true if the row breaks the rule.
        detail: Batch of reviews → string ``[rows]``, the value that was found.
    """

    reason: str
    columns: tuple[str, ...]
    sentence: str
    broken: Callable[[pa.RecordBatch], pa.Array]
    detail: Callable[[pa.RecordBatch], pa.Array]


@dataclass(frozen=True)
class CheckedRows:
    """A batch of reviews, separated by the row rules.

    Attributes:
        kept: The rows that break no rule, all columns.
        quarantined: The other rows, all columns.
        reasons: string ``[quarantined rows]``, the first rule that each row breaks.
        details: string ``[quarantined rows]``, the value that was found.
    """

    kept: pa.RecordBatch
    quarantined: pa.RecordBatch
    reasons: pa.Array
    details: pa.Array


def _outside(column: pa.Array, lowest: int, highest: int) -> pa.Array:
    """Return bool ``[rows]``, true for a value outside ``lowest`` … ``highest`` and false for null."""
    outside = pc.or_(pc.less(column, lowest), pc.greater(column, highest))
    return pc.fill_null(outside, fill_value=False)


def text_characters(text: pa.Array, missing: int | None) -> pa.Array:
    """Return int32 ``[rows]``, the characters of each text without white space around it, ``missing`` if none are."""
    length = pc.utf8_length(pc.utf8_trim_whitespace(text))
    absent = pc.fill_null(pc.equal(length, 0), fill_value=True)
    return pc.if_else(absent, pa.scalar(missing, pa.int32()), length)


def _constant(value: str | bool) -> Callable[[pa.RecordBatch], pa.Array]:
    return lambda batch: pa.repeat(pa.scalar(value), batch.num_rows)


def _values_of(*columns: str) -> Callable[[pa.RecordBatch], pa.Array]:
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
        "The record can be split into the dump's columns.",
        _constant(False),
        _constant("the record could not be read"),
    ),
    RowRule(
        "bad_score",
        ("score",),
        "The score is a rating of the dump's scale.",
        lambda batch: _outside(pc.fill_null(batch.column("score"), 0), LOWEST_SCORE, HIGHEST_SCORE),
        _values_of("score"),
    ),
    RowRule(
        "empty_text",
        ("text",),
        "The text has more than white space.",
        lambda batch: pc.equal(text_characters(batch.column("text"), missing=0), 0),
        _constant("text is empty"),
    ),
)
"""All rules, in the order in which they apply. The first one also takes problems of the readers without a rule."""


def apply_row_rules(batch: pa.RecordBatch) -> CheckedRows:
    """Separate a batch of ingested reviews (all columns of ``REVIEW_SCHEMA``) into kept and quarantined rows."""
    problem = batch.column("problem")
    known = pc.is_in(problem, value_set=pa.array([rule.reason for rule in ROW_RULES[1:]], pa.string()))
    named = pc.if_else(known, problem, pa.scalar(ROW_RULES[0].reason))
    named = pc.if_else(pc.is_valid(problem), named, pa.scalar(None, pa.string()))
    reasons = pa.nulls(batch.num_rows, pa.string())
    for rule in reversed(ROW_RULES):
        already = pc.fill_null(pc.equal(named, rule.reason), fill_value=False)
        reasons = pc.if_else(pc.or_(rule.broken(batch), already), pa.scalar(rule.reason), reasons)

    bad = pc.is_valid(reasons)
    quarantined, reasons, named = batch.filter(bad), reasons.filter(bad), named.filter(bad)
    details = pa.nulls(len(reasons), pa.string())
    for rule in ROW_RULES:
        details = pc.if_else(pc.equal(reasons, rule.reason), rule.detail(quarantined), details)
    # The readers' detail is more precise than the mask's, if it is about the same reason.
    reported = pc.if_else(pc.equal(named, reasons), quarantined.column("problem_detail"), pa.scalar(None, pa.string()))
    details = pc.utf8_slice_codeunits(pc.coalesce(reported, details), 0, DETAIL_CHARACTERS)
    return CheckedRows(batch.filter(pc.invert(bad)), quarantined, reasons, details)
