"""What the contract looks at of each review: numbers of fixed width, so that memory stays small and no text leaves.

A frame of a million reviews is about 40 MB, however long their texts are.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.validation.clauses import NEUTRAL_SCORE
from pipeline.validation.rules import text_characters

RAW_COLUMNS = ("id", "score", "time", "helpfulness_numerator", "helpfulness_denominator", "text")
"""Columns of the raw table that ``raw_measures`` reads."""
CLEAN_COLUMNS = ("row", "score", "label", "words")
"""Columns of the clean table that ``clean_measures`` reads."""

RAW_MEASURES = pa.schema(
    [
        ("id", pa.int64()),
        ("score", pa.int8()),
        ("time", pa.int64()),
        ("helpfulness_numerator", pa.int32()),
        ("helpfulness_denominator", pa.int32()),
        ("text_characters", pa.int32()),
        ("positive", pa.int8()),
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

    A missing score counts as 0. ``text_characters`` is null where there is no text, ``positive`` where the score
    is neutral or missing.
    """
    score = reviews.column("score")
    arrays = [
        reviews.column("id"),
        pc.fill_null(score, pa.scalar(0, score.type)),
        reviews.column("time"),
        reviews.column("helpfulness_numerator"),
        reviews.column("helpfulness_denominator"),
        text_characters(reviews.column("text"), missing=None),
        label_by_score(score),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=RAW_MEASURES)


def clean_measures(reviews: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``CLEAN_MEASURES`` of clean reviews.

    A missing score counts as 0 and a missing label as −1. ``positive`` is the label where it is 0 or 1.
    ``word_count`` and ``foreign_characters`` (what is neither a–z nor a single space between words) are null
    where ``words`` is.
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


def label_by_score(score: pa.Array) -> pa.Array:
    """Return int8 [rows]: 1 where the score is above 3, 0 where it is below, null where it is 3 or missing."""
    labeled = pc.not_equal(score, NEUTRAL_SCORE)
    return pc.if_else(labeled, pc.cast(pc.greater(score, NEUTRAL_SCORE), pa.int8()), pa.scalar(None, pa.int8()))
