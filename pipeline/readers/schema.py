"""The columns of ``reviews.parquet`` (docs/reference/artifacts.md), and which of them a dump must or may have."""

from __future__ import annotations

import pyarrow as pa

REVIEW_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("id", pa.int64()),
        pa.field("product_id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("profile_name", pa.string()),
        pa.field("helpfulness_numerator", pa.int32()),
        pa.field("helpfulness_denominator", pa.int32()),
        pa.field("score", pa.int8()),
        pa.field("time", pa.int64()),
        pa.field("summary", pa.string()),
        pa.field("text", pa.string()),
        pa.field("split", pa.string()),
        pa.field("problem", pa.string()),
        pa.field("problem_detail", pa.string()),
        pa.field("raw", pa.string()),
    ]
)

REQUIRED_COLUMNS = ("text", "score")
TEXT_ONLY = ("text",)
"""The required columns of reviews that are only scored."""
_ADDED_COLUMNS = ("row", "file", "line", "problem", "problem_detail", "raw")
OPTIONAL_COLUMNS = tuple(name for name in REVIEW_SCHEMA.names if name not in (*REQUIRED_COLUMNS, *_ADDED_COLUMNS))
OFFICIAL_SPLIT = "split"
"""The official split that a row belongs to; few dumps have it, so that nothing is noted without it."""
TEXT_COLUMNS = ("product_id", "user_id", "profile_name", "summary", "text", "split")
RAW_CHARACTERS = 2_000
"""How much of a record with a problem is kept as found."""
