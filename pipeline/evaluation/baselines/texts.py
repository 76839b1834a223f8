"""What baselines read: the reviews of each split, cleaned and as written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pipeline.cleaning.records import CleanSummary
from pipeline.errors import ArtifactError
from pipeline.store import ArtifactReference, ArtifactStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SplitName = Literal["train", "validation", "test"]
HELD_OUT: tuple[SplitName, ...] = ("validation", "test")


class BaselinesError(ArtifactError):
    """The baselines cannot be fitted on these reviews."""


@dataclass(frozen=True)
class SplitReviews:
    """The reviews of one split.

    Attributes:
        rows: int64 ``[rows]``, numbers in the dump.
        labels: int8 ``[rows]``.
        words: Their words as cleaning leaves them, joined by single spaces.
        texts: The reviews as they were written, with their summary if cleaning joined it; hostile input. Empty for
            the training split, whose texts no baseline reads.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int8]
    words: list[str]
    texts: list[str]


Reviews = Mapping[SplitName, SplitReviews]


class FittedBaseline(Protocol):
    """A fitted baseline."""

    def probabilities(self, reviews: SplitReviews) -> NDArray[np.float64]:
        """Return the probability that each review is positive, float64 ``[rows]``."""

    def save(self, folder: Path) -> int:
        """Write the model's file, if it has one, and return the size of the model in bytes."""


def read_reviews(cleaned: ArtifactReference, parts: ArtifactReference, store: ArtifactStore) -> Reviews:
    """Read the reviews of each split; rows that the split excluded are left out.

    Raises:
        BaselinesError: The split is of other reviews.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline.cleaning.rules import joined
    from pipeline.evaluation.predictions import REVIEWS

    path = store.folder(cleaned) / REVIEWS
    with_summary = store.summary(cleaned, CleanSummary).summary_joined and "summary" in pq.read_schema(path).names
    columns = ["row", "label", "words", "text", *(["summary"] if with_summary else [])]
    reviews = pq.read_table(path, columns=columns)
    split = pq.read_table(store.folder(parts) / "splits.parquet", columns=["row", "split"])
    rows, known = split["row"].to_numpy(), reviews["row"].to_numpy()
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, rows, sorter=order), max(len(known) - 1, 0))
    places = order[place] if len(known) else place
    if not len(known) or (known[places] != rows).any():
        raise BaselinesError(
            f"The split {parts} holds rows that are not among the reviews of {cleaned}; split these reviews again."
        )
    labels, split_of_row = reviews["label"].to_numpy()[places].astype(np.int8), split["split"].to_numpy()
    found: dict[SplitName, SplitReviews] = {}
    for name in ("train", *HELD_OUT):
        chosen = np.flatnonzero(split_of_row == name)
        taken = reviews.take(pa.array(places[chosen]))
        texts: list[str] = [] if name == "train" else [text or "" for text in taken["text"].to_pylist()]
        if texts and with_summary:
            summaries = taken["summary"].to_pylist()
            texts = [joined(summary or "", text) for summary, text in zip(summaries, texts, strict=True)]
        found[name] = SplitReviews(rows[chosen], labels[chosen], taken["words"].to_pylist(), texts)
    return found
