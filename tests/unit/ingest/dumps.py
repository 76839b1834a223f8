"""Small dumps that the tests write, and the way from a dump to its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.config import DataConfig
from pipeline.ingest import IngestSummary, fetch, ingest
from pipeline.store import ArtifactStore

KAGGLE_HEADER = (
    "Id",
    "ProductId",
    "UserId",
    "ProfileName",
    "HelpfulnessNumerator",
    "HelpfulnessDenominator",
    "Score",
    "Time",
    "Summary",
    "Text",
)
TEA = ("1", "B001", "U1", "Ann", "1", "2", "5", "1303862400", "Good tea", "I like this tea.")
CHIPS = (
    "2",
    "B002",
    "U2",
    'Bo "chips"',
    "0",
    "0",
    "1",
    "1346976000",
    "Not, as advertised",
    'Salty, "stale"\nand <br /> old.',
)


def csv_text(
    rows: Iterable[Sequence[str]] = (TEA, CHIPS), header: Sequence[str] = KAGGLE_HEADER, **dialect: Any
) -> str:
    """Return a CSV as Python's writer writes it; ``lineterminator`` is a line feed unless given."""
    sink = io.StringIO()
    writer = csv.writer(sink, **{"lineterminator": "\n", **dialect})
    writer.writerow(header)
    writer.writerows(rows)
    return sink.getvalue()


def read(
    store: ArtifactStore, *dumps: Path | str, columns: dict[str, str] | None = None, **config: Any
) -> tuple[list[dict[str, Any]], IngestSummary]:
    """Land and ingest dumps; return the rows and the summary."""
    data = DataConfig(dumps=tuple(str(dump) for dump in dumps), columns=columns or {}, **config)
    ingested = ingest(fetch(data, store), data, store)
    table = pq.read_table(store.folder(ingested) / "reviews.parquet")
    return table.to_pylist(), store.summary(ingested, IngestSummary)


def written(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    """Write a dump and return its path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path
