"""Reviews as ``validate_raw`` leaves them, for the tests of cleaning."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.cleaning import CleanSummary
from pipeline.store import ArtifactReference, ArtifactStore, Record
from tests.factories import place

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("id", pa.int64()),
        ("product_id", pa.string()),
        ("user_id", pa.string()),
        ("profile_name", pa.string()),
        ("helpfulness_numerator", pa.int32()),
        ("helpfulness_denominator", pa.int32()),
        ("score", pa.int8()),
        ("time", pa.int64()),
        ("summary", pa.string()),
        ("text", pa.string()),
    ]
)


class Upstream(Record):
    """A summary that nobody reads."""


def reviews(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table of ``validate_raw``; what a row does not say has a harmless value of its own."""
    full = [
        {
            "row": number,
            "file": "Reviews.csv",
            "line": number + 2,
            "id": number + 1,
            "product_id": "B001",
            "user_id": f"A{number}",
            "profile_name": "somebody",
            "helpfulness_numerator": 0,
            "helpfulness_denominator": 0,
            "score": 5,
            "time": 1_300_000_000,
            "summary": "good",
            "text": f"review number {number}",
        }
        | dict(row)
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(full, schema=SCHEMA)


def validated(store: ArtifactStore, table: pa.Table, label: str = "test") -> ArtifactReference:
    """Put reviews into the store as the artifact of ``validate_raw``."""
    return place(store, "validate_raw", Upstream(), tables={"reviews.parquet": table}, label=label)


def read(store: ArtifactStore, cleaned: ArtifactReference, name: str = "reviews.parquet") -> pa.Table:
    """Return a table of a ``clean`` artifact."""
    return pq.read_table(store.folder(cleaned) / name)


def summary(store: ArtifactStore, cleaned: ArtifactReference) -> CleanSummary:
    """Return the summary of a ``clean`` artifact."""
    return store.summary(cleaned, CleanSummary)


@cache
def fine_foods(folder: Path, *names: str) -> pa.Table:
    """Return the real reviews of one or more dumps, as ``validate_raw`` would leave them."""
    rows = []
    for name in names:
        with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
            rows += [
                {
                    "id": int(row["Id"]),
                    "product_id": row["ProductId"],
                    "user_id": row["UserId"],
                    "profile_name": row["ProfileName"] or None,
                    "helpfulness_numerator": int(row["HelpfulnessNumerator"]),
                    "helpfulness_denominator": int(row["HelpfulnessDenominator"]),
                    "score": int(row["Score"]),
                    "time": int(row["Time"]),
                    "summary": row["Summary"] or None,
                    "text": row["Text"],
                }
                for row in csv.DictReader(file)
            ]
    return reviews(rows)
