"""Small dumps that the tests write and fetch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.config import DataConfig
from pipeline.readers import check_dump
from pipeline.sources import fetch
from pipeline.store import ArtifactReference, ArtifactStore

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


def written(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    """Write a dump and return its path."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def fetch_dumps(store: ArtifactStore, *dumps: Path | str) -> ArtifactReference:
    """Fetch dumps, checked as in the pipeline."""
    return fetch(DataConfig(dumps=tuple(str(dump) for dump in dumps)), store, check_dump)
