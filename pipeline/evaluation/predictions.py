"""Predictions as the stages read them: checked once, then plain arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ArtifactError, quoted
from pipeline.evaluation.resampling import HALF, Labels, Probabilities
from pipeline.store import ArtifactReference, ArtifactStore

if TYPE_CHECKING:
    import pyarrow as pa

PREDICTIONS = "predictions.parquet"
REVIEWS = "reviews.parquet"


class PredictionsError(ArtifactError):
    """Predictions do not fit the reviews they are said to be of, or break their own format."""


@dataclass(frozen=True)
class PartPredictions:
    """One model's probabilities for one part.

    Attributes:
        rows: int64 ``[rows]``, numbers in the dump.
        labels: int8 ``[rows]``, 0 or 1.
        probabilities: float64 ``[rows]`` of 0–1; 0.5 where the model gave no usable number.
        unusable: How many those were.
    """

    rows: NDArray[np.int64]
    labels: Labels
    probabilities: Probabilities
    unusable: int = 0


@dataclass(frozen=True)
class Predictions:
    """One model's probabilities for the two parts that it was not trained on."""

    validation: PartPredictions
    test: PartPredictions


def read_predictions(store: ArtifactStore, reference: ArtifactReference, model: str | None = None) -> Predictions:
    """Read and check ``predictions.parquet`` of a ``predict`` or ``baselines`` artifact.

    Args:
        store: Where the artifact lies.
        reference: The artifact.
        model: Rows of this model only, for artifacts that hold several.

    Raises:
        PredictionsError: Columns are missing, a label is neither 0 nor 1, a row is there twice, or a part is empty.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = ["row", "split", "label", "probability"]
    path = store.folder(reference) / PREDICTIONS
    present = pq.read_schema(path).names
    wanted = [*columns, "model"] if model is not None else columns
    if missing := [name for name in wanted if name not in present]:
        raise PredictionsError(
            f"{PREDICTIONS} of {reference} lacks the columns {', '.join(missing)}; it has "
            f"{quoted(', '.join(present))}. "
            "See docs/reference/artifacts.md for the format, and run the stage that writes it again."
        )
    table = pq.read_table(path, columns=wanted)
    if model is not None:
        table = table.filter(pc.equal(table["model"], model))
    return Predictions(
        validation=_part(table, "validation", reference),
        test=_part(table, "test", reference),
    )


def part_predictions(
    rows: NDArray[np.int64], labels: Labels, probabilities: NDArray[np.floating[Any]]
) -> PartPredictions:
    """Return predictions with every probability that is no number of 0–1 replaced by 0.5 and counted.

    A model that diverged must be evaluated, and rejected, like any other: not a number is "knows nothing".
    """
    wide = probabilities.astype(np.float64)
    usable = (wide >= 0) & (wide <= 1)
    return PartPredictions(
        rows=rows,
        labels=labels,
        probabilities=np.where(usable, wide, HALF),
        unusable=int(np.count_nonzero(~usable)),
    )


def check_against_reviews(store: ArtifactStore, cleaned: ArtifactReference, predictions: Predictions) -> None:
    """Check that each predicted row is a cleaned review and bears that review's label.

    Raises:
        PredictionsError: It is not so; the message names the first row concerned.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(store.folder(cleaned) / REVIEWS, columns=["row", "label"])
    rows, labels = table["row"].to_numpy(), table["label"].to_numpy()
    order = np.argsort(rows, kind="stable")
    rows, labels = rows[order], labels[order]
    for name, part in (("validation", predictions.validation), ("test", predictions.test)):
        place = np.minimum(np.searchsorted(rows, part.rows), max(len(rows) - 1, 0))
        known = rows[place] == part.rows if len(rows) else np.zeros(len(part.rows), dtype=bool)
        if not known.all():
            unknown = part.rows[~known]
            raise PredictionsError(
                f"{len(unknown):,} {name} rows of the predictions are not among the reviews of {cleaned}, the first is "
                f"row {int(unknown[0])}. The predictions were made from other reviews; predict again."
            )
        different = labels[place] != part.labels
        if different.any():
            raise PredictionsError(
                f"{int(different.sum()):,} {name} rows of the predictions bear another label than in {cleaned}, the "
                f"first is row {int(part.rows[different][0])}. The predictions were made from other reviews; "
                "predict again."
            )


@dataclass(frozen=True)
class ReviewText:
    """A review as it was written; hostile input."""

    text: str
    summary: str | None
    stars: int | None


def review_texts(store: ArtifactStore, cleaned: ArtifactReference, rows: Iterable[int]) -> dict[int, ReviewText]:
    """Return a few reviews by row; the file is streamed, not loaded."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    wanted = pa.array(sorted(rows), type=pa.int64())
    if not len(wanted):
        return {}
    reviews = ds.dataset(store.folder(cleaned) / REVIEWS, format="parquet")
    columns = [name for name in ("row", "text", "summary", "score") if name in reviews.schema.names]
    table = reviews.to_table(columns=columns, filter=pc.is_in(pc.field("row"), value_set=wanted))
    return {
        found["row"]: ReviewText(found.get("text") or "", found.get("summary"), found.get("score"))
        for found in table.to_pylist()
    }


def _part(table: pa.Table, name: str, reference: ArtifactReference) -> PartPredictions:
    import pyarrow.compute as pc

    chosen = table.filter(pc.equal(table["split"], name))
    if not chosen.num_rows:
        raise PredictionsError(
            f"{PREDICTIONS} of {reference} has no {name} rows, so that the model cannot be evaluated. Raise the part's "
            "share in the configuration, or give more reviews."
        )
    rows, labels = chosen["row"].to_numpy(), chosen["label"].to_numpy()
    if chosen["row"].null_count or len(np.unique(rows)) != len(rows):
        raise PredictionsError(f"{PREDICTIONS} of {reference} has {name} rows twice or without a row number.")
    if not np.isin(labels, (0, 1)).all():
        raise PredictionsError(
            f"{PREDICTIONS} of {reference} has {name} labels other than 0 (negative) and 1 (positive)."
        )
    return part_predictions(rows, labels.astype(np.int8), chosen["probability"].to_numpy())
