"""Small dumps and clean tables for the tests of validation."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.cleaning.records import CleanSummary
from pipeline.readers.records import IngestSummary
from pipeline.readers.schema import REVIEW_SCHEMA
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.validation.tables import CLEANED
from tests.factories import place

ROWS = 240

Changes = dict[int, dict[str, Any]]


def review(row: int) -> dict[str, Any]:
    """Return a good ingested row; one in four is negative, one in eight neutral."""
    return {
        "row": row,
        "file": "dump.csv",
        "line": row + 2,
        "id": row + 1,
        "product_id": f"P{row % 7}",
        "user_id": f"U{row}",
        "profile_name": "someone",
        "helpfulness_numerator": 1,
        "helpfulness_denominator": 2,
        "score": (1, 5, 4, 5, 2, 5, 4, 3)[row % 8],
        "time": 1_300_000_000 + row,
        "summary": "fine",
        "text": f"good food number {row}",
        "problem": None,
        "problem_detail": None,
        "raw": None,
    }


def dump(rows: int = ROWS, changes: Changes | None = None) -> pa.Table:
    """Return an ingested dump with some rows changed."""
    return pa.Table.from_pylist([review(row) | (changes or {}).get(row, {}) for row in range(rows)], REVIEW_SCHEMA)


def clean_review(row: int) -> dict[str, Any]:
    """Return a good clean row; one in three is negative."""
    score = (1, 5, 4)[row % 3]
    return {
        "row": row,
        "id": row + 1,
        "product_id": f"P{row % 7}",
        "user_id": f"U{row}",
        "time": 1_300_000_000 + row,
        "score": score,
        "helpfulness_numerator": 1,
        "helpfulness_denominator": 2,
        "summary": "fine",
        "text": "good food",
        "label": int(score > 3),
        "words": "good food",
    }


def clean_table(rows: int = ROWS, changes: Changes | None = None) -> pa.Table:
    """Return a clean table with some rows changed."""
    return pa.Table.from_pylist([clean_review(row) | (changes or {}).get(row, {}) for row in range(rows)], CLEANED)


def place_dump(store: ArtifactStore, table: pa.Table) -> ArtifactReference:
    """Put an ingested dump into the store."""
    summary = IngestSummary(files=(), rows=table.num_rows, problem_rows=0, missing_columns=(), notes=(), demo=False)
    return place(store, "ingest", summary, tables={"reviews.parquet": table})


def place_clean(store: ArtifactStore, table: pa.Table) -> ArtifactReference:
    """Put a clean table into the store."""
    summary = CleanSummary(
        normalization="default", summary_joined=True, stop_words_sha256="", steps=(), positive=0, negative=0, notes=()
    )
    return place(store, "clean", summary, tables={"reviews.parquet": table})
