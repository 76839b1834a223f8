"""Cleaned reviews and splits for the tests of splitting and encoding."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.cleaning.records import CleanSummary
from pipeline.splitting.records import SplitSummary
from pipeline.store import ArtifactReference, ArtifactStore
from tests.factories import place

CLEAN_SUMMARY = CleanSummary(
    normalization="default", summary_joined=False, stop_words_sha256="", steps=(), positive=0, negative=0, notes=()
)


def cleaned_table(
    words: Sequence[str],
    *,
    labels: Sequence[int] | None = None,
    products: Sequence[str | None] | None = None,
    users: Sequence[str | None] | None = None,
    times: Sequence[int | None] | None = None,
    rows: Sequence[int] | None = None,
    summaries: Sequence[str | None] | None = None,
    official: Sequence[str | None] | None = None,
) -> pa.Table:
    """Return the columns of cleaned reviews that these stages read, with defaults."""
    count = len(words)
    return pa.table(
        {
            "row": pa.array(range(count) if rows is None else rows, pa.int64()),
            "product_id": pa.array([None] * count if products is None else products, pa.string()),
            "user_id": pa.array([None] * count if users is None else users, pa.string()),
            "time": pa.array([None] * count if times is None else times, pa.int64()),
            "label": pa.array([i % 2 for i in range(count)] if labels is None else labels, pa.int8()),
            "summary": pa.array([None] * count if summaries is None else summaries, pa.string()),
            "split": pa.array([None] * count if official is None else official, pa.string()),
            "words": pa.array(words, pa.string()),
        }
    )


def place_cleaned(store: ArtifactStore, table: pa.Table, label: str = "test") -> ArtifactReference:
    """Put cleaned reviews into the store."""
    return place(store, "clean", CLEAN_SUMMARY, tables={"reviews.parquet": table}, label=label)


def place_splits(store: ArtifactStore, splits: dict[int, str], label: str = "test") -> ArtifactReference:
    """Put a split into the store: split by row."""
    table = pa.table({"row": pa.array(list(splits), pa.int64()), "split": pa.array(list(splits.values()), pa.string())})
    summary = SplitSummary(strategy="grouped", group_by="product", splits=(), notes=())
    return place(store, "split", summary, tables={"splits.parquet": table}, label=label)


def read_splits_file(store: ArtifactStore, splits: ArtifactReference) -> dict[int, str]:
    """Return the split of each row."""
    table = pq.read_table(store.folder(splits) / "splits.parquet")
    return dict(zip(table.column("row").to_pylist(), table.column("split").to_pylist(), strict=True))


@cache
def real_reviews(shared_data: Path) -> pa.Table:
    """Return real reviews in ProductId order, roughly cleaned."""
    records = []
    for name in ("fine_foods_a.csv.gz", "fine_foods_b.csv.gz"):
        with gzip.open(shared_data / name, "rt", encoding="utf-8", newline="") as stream:
            records += [record for record in csv.DictReader(stream) if record["Score"] != "3"]
    unique = {(r["UserId"], r["ProfileName"], r["Time"], r["Text"]): r for r in reversed(records)}
    chosen = sorted(unique.values(), key=lambda record: (record["ProductId"], int(record["Id"])))
    return cleaned_table(
        [" ".join(re.findall("[a-z]+", record["Text"].lower())) for record in chosen],
        labels=[int(int(record["Score"]) > 3) for record in chosen],
        products=[record["ProductId"] for record in chosen],
        users=[record["UserId"] for record in chosen],
        times=[int(record["Time"]) for record in chosen],
    )
