"""What the tests of evaluation and promotion place in a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.cleaning.records import CleanSummary
from pipeline.config import RunConfig, VariantConfig
from pipeline.encoding import VOCABULARY_FILE, Vocabulary, VocabularySummary
from pipeline.evaluation import MAJORITY_BOUND, ClassScores, ConfusionMatrix, EvaluationSummary, Scores
from pipeline.evaluation.records import VariantIdentity
from pipeline.splitting.records import SplitSummary
from pipeline.statistics import Interval
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.training.records import PredictSummary
from tests.factories import place

CLEAN = CleanSummary(
    normalization="default", summary_joined=True, stop_words_sha256="", steps=(), positive=0, negative=0, notes=()
)
SPLIT = SplitSummary(strategy="grouped", group_by="product", splits=(), notes=())


def reviews(
    store: ArtifactStore,
    labels: Sequence[int] | NDArray[np.int8],
    *,
    texts: Sequence[str] | None = None,
    words: Sequence[str] | None = None,
    rows: Sequence[int] | NDArray[np.int64] | None = None,
    **columns: pa.Array,
) -> ArtifactReference:
    """Place cleaned reviews; ``columns`` come on top of those that every test needs."""
    count = len(labels)
    table = pa.table(
        {
            "row": pa.array(np.arange(count) if rows is None else rows, pa.int64()),
            "label": pa.array(labels, pa.int8()),
            "text": pa.array([f"review {i}" for i in range(count)] if texts is None else list(texts)),
            "words": pa.array(["word"] * count if words is None else list(words)),
            **columns,
        }
    )
    return place(store, "clean", CLEAN, tables={"reviews.parquet": table})


def vocabulary(store: ArtifactStore, words: Sequence[str] = ("word",)) -> ArtifactReference:
    """Place a vocabulary."""
    frozen = Vocabulary(tuple(words), (1,) * len(words), 1)
    frozen.save(path := Path(store.url) / VOCABULARY_FILE)
    summary = VocabularySummary(
        words=len(words), size=frozen.size, unknown_id=1, distinct_words=len(words), tokens_counted=0, rows_counted=0,
        coverage=(), leakage=False,
    )  # fmt: skip
    return place(store, "fit_vocabulary", summary, texts={VOCABULARY_FILE: path.read_text(encoding="utf-8")})


def split(store: ArtifactStore, parts: Sequence[str], *, rows: Sequence[int] | None = None) -> ArtifactReference:
    """Place a split."""
    table = pa.table(
        {
            "row": pa.array(np.arange(len(parts)) if rows is None else rows, pa.int64()),
            "split": pa.array(list(parts), pa.string()),
        }
    )
    return place(store, "split", SPLIT, tables={"splits.parquet": table})


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
            "split": pa.array(list(parts), pa.string()),
            "label": pa.array(labels, pa.int8()),
            "probability": pa.array(np.asarray(probabilities, dtype=np.float32), pa.float32()),
        }
    )
    summary = PredictSummary(model=model, rows=len(labels), seconds=0.0)
    return place(store, "predict", summary, tables={"predictions.parquet": table}, label=model)


def variant(direction: str = "bi", seed: int = 1, units: int | None = None) -> VariantConfig:
    """Return a variant; with ``units``, the sweep varies them."""
    first = RunConfig().variants[0]
    varied: dict[str, Any] = {} if units is None else {"units": units, "varied": ("units",)}
    return first.model_copy(update={"direction": direction, "seed": seed, **varied})


def evaluation(
    model: str = "bi-seed1",
    *,
    variant: VariantConfig | None = None,
    title: str | None = None,
    threshold: float = 0.5,
    validation: float = 0.9,
    low: float = 0.88,
    value: float | None = None,
    negative_rows: int = 500,
    positive_rows: int = 2500,
    called_positive: int | None = None,
    unusable: int = 0,
) -> EvaluationSummary:
    """Return a judged model; ``low`` and ``value`` are of the test's balanced accuracy."""
    value = low + 0.01 if value is None else value
    rows = negative_rows + positive_rows
    called = positive_rows if called_positive is None else called_positive
    figure = Interval(value=value, low=low, high=value + 0.01)
    of_class = ClassScores(precision=figure, recall=figure, f1=figure, rows=negative_rows)
    return EvaluationSummary(
        model=model,
        kind="variant",
        title=model if title is None else title,
        variant=None if variant is None else VariantIdentity.of(variant),
        threshold=threshold,
        threshold_source="0.5, as configured",
        scores=Scores(
            rows=rows,
            accuracy=figure,
            balanced_accuracy=figure,
            roc_auc=figure,
            pr_auc=figure,
            negative_pr_auc=figure,
            matthews=figure,
            log_loss=figure,
            brier_score=figure,
            calibration_error=figure,
            negative=of_class,
            positive=of_class.model_copy(update={"rows": positive_rows}),
            confusion=ConfusionMatrix(
                true_negative=max(rows - called, 0), false_positive=0, false_negative=0, true_positive=called
            ),
            predicted_positive_share=called / rows,
            probability_spread=0.3,
        ),
        validation_balanced_accuracy=validation,
        no_better_than_majority=not low > MAJORITY_BOUND,
        warnings=(),
        mistakes=(),
        unusable_probabilities=unusable,
    )
