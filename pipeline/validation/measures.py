"""The numbers of each review that a contract is checked on: fixed width, little memory, and no text.

A frame of a million reviews takes about 45 MB, whatever the length of their texts.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.readers.encodings import UNREADABLE
from pipeline.readers.ratings import NEUTRAL_SCORE
from pipeline.validation.rules import text_characters

CLEAN_COLUMNS = ("row", "score", "label", "words")
"""Columns of the clean table that ``clean_measures`` reads."""

RAW_MEASURES = pa.schema(
    [
        ("score", pa.int8()),
        ("time", pa.int64()),
        ("helpfulness_numerator", pa.int32()),
        ("helpfulness_denominator", pa.int32()),
        ("text_characters", pa.int32()),
        ("positive", pa.int8()),
        ("unreadable_characters", pa.int32()),
    ]
)
CLEAN_MEASURES = pa.schema(
    [
        ("row", pa.int64()),
        ("score", pa.int8()),
        ("label", pa.int8()),
        ("label_by_score", pa.int8()),
        ("positive", pa.int8()),
        ("word_count", pa.int32()),
        ("foreign_characters", pa.int32()),
    ]
)


def raw_measures(reviews: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``RAW_MEASURES`` of kept reviews.

    A missing score counts as 0. ``text_characters`` is null without a text, ``positive`` without a label.
    ``unreadable_characters`` are those of summary and text.
    """
    score = reviews.column("score")
    arrays = [
        pc.fill_null(score, pa.scalar(0, score.type)),
        reviews.column("time"),
        reviews.column("helpfulness_numerator"),
        reviews.column("helpfulness_denominator"),
        text_characters(reviews.column("text"), missing=None),
        label_by_score(score),
        pc.add(*(_unreadable_characters(reviews.column(name)) for name in ("summary", "text"))),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_MEASURES)


def clean_measures(reviews: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``CLEAN_MEASURES`` of clean reviews.

    A missing score counts as 0 and a missing label as −1. ``positive`` is the label if it is 0 or 1.
    ``word_count`` and ``foreign_characters`` (neither a–z nor a single space between words) are null if ``words`` is.
    """
    score, label, words = reviews.column("score"), reviews.column("label"), reviews.column("words")
    is_label = pc.is_in(label, value_set=pa.array([0, 1], label.type))
    word_count = pc.if_else(pc.equal(pc.binary_length(words), 0), 0, pc.add(pc.count_substring(words, " "), 1))
    foreign = pc.add(
        pc.utf8_length(pc.replace_substring_regex(words, "[a-z ]+", "")),
        pc.count_substring_regex(words, "^ +|  +| +$"),
    )
    arrays = [
        reviews.column("row"),
        pc.fill_null(score, pa.scalar(0, score.type)),
        pc.fill_null(label, pa.scalar(-1, label.type)),
        label_by_score(score),
        pc.if_else(is_label, label, pa.scalar(None, label.type)),
        pc.cast(word_count, pa.int32()),
        pc.cast(foreign, pa.int32()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=CLEAN_MEASURES)


def _unreadable_characters(text: pa.Array) -> pa.Array:
    found = pc.fill_null(pc.count_substring_regex(text, UNREADABLE), fill_value=0)
    return pc.cast(found, pa.int32())


def label_by_score(score: pa.Array) -> pa.Array:
    """Return int8 ``[rows]``: 1 for a score above 3, 0 for a score below, null for 3 or a missing score."""
    labeled = pc.not_equal(score, NEUTRAL_SCORE)
    return pc.if_else(labeled, pc.cast(pc.greater(score, NEUTRAL_SCORE), pa.int8()), pa.scalar(None, pa.int8()))
