"""The way from a dump to its rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.config import DataConfig
from pipeline.readers import IngestSummary, check_dump, ingest
from pipeline.sources import fetch
from pipeline.store import ArtifactStore


def read(
    store: ArtifactStore, *dumps: Path | str, columns: dict[str, str] | None = None, **config: Any
) -> tuple[list[dict[str, Any]], IngestSummary]:
    """Fetch and ingest dumps; return the rows and the summary."""
    data = DataConfig(dumps=tuple(str(dump) for dump in dumps), columns=columns or {}, **config)
    ingested = ingest(fetch(data, store, check_dump), data, store)
    table = pq.read_table(store.folder(ingested) / "reviews.parquet")
    return table.to_pylist(), store.summary(ingested, IngestSummary)
