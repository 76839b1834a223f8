"""What the tests of evaluation and promotion place in a store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.cleaning.records import CleanSummary
from pipeline.splitting.records import SplitSummary
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.training.records import PredictSummary
from tests.support import place

CLEAN = CleanSummary(
    normalisation="default", summary_joined=True, stop_words="", steps=(), positive=0, negative=0, notes=()
)
SPLIT = SplitSummary(strategy="grouped", group_by="product", parts=(), notes=())


def reviews(
    store: ArtifactStore,
    labels: Sequence[int] | NDArray[np.int8],
    *,
    texts: Sequence[str] | None = None,
    words: Sequence[str] | None = None,
    rows: Sequence[int] | NDArray[np.int64] | None = None,
) -> ArtifactReference:
    """Place cleaned reviews."""
    count = len(labels)
    table = pa.table(
        {
            "row": pa.array(np.arange(count) if rows is None else rows, pa.int64()),
            "label": pa.array(labels, pa.int8()),
            "text": pa.array([f"review {i}" for i in range(count)] if texts is None else list(texts)),
            "words": pa.array(["word"] * count if words is None else list(words)),
        }
    )
    return place(store, "clean", CLEAN, tables={"reviews.parquet": table})


def split(store: ArtifactStore, parts: Sequence[str], *, rows: Sequence[int] | None = None) -> ArtifactReference:
    """Place a split."""
    table = pa.table(
        {
            "row": pa.array(np.arange(len(parts)) if rows is None else rows, pa.int64()),
            "part": pa.array(list(parts), pa.string()),
        }
    )
    return place(store, "split", SPLIT, tables={"parts.parquet": table})


def predictions(
    store: ArtifactStore,
    labels: Sequence[int] | NDArray[np.int8],
    probabilities: Sequence[float] | NDArray[np.float64],
    parts: Sequence[str],
    *,
    model: str = "bi-seed1",
    rows: Sequence[int] | NDArray[np.int64] | None = None,
) -> ArtifactReference:
    """Place one model's predictions."""
    table = pa.table(
        {
            "row": pa.array(np.arange(len(labels)) if rows is None else rows, pa.int64()),
            "part": pa.array(list(parts), pa.string()),
            "label": pa.array(labels, pa.int8()),
            "probability": pa.array(np.asarray(probabilities, dtype=np.float32), pa.float32()),
        }
    )
    summary = PredictSummary(model=model, rows=len(labels), seconds=0.0)
    return place(store, "predict", summary, tables={"predictions.parquet": table}, label=model)
