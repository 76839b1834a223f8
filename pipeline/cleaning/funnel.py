"""The cleaning funnel: which reviews are kept and in which order, found without cleaning any text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.cleaning.duplicates import (
    COINCIDENCE_CHARACTERS,
    TEXT_DIGEST,
    coincidences,
    first_equal,
    text_digests,
    value_codes,
)
from pipeline.errors import CleaningError, quoted
from pipeline.readers.ratings import NEUTRAL_SCORE
from pipeline.validation.tables import KEPT as KEPT_COLUMNS

NEUTRAL, DUPLICATE, HELPFULNESS, NO_WORDS = "neutral_score", "duplicate", "helpfulness_above_denominator", "no_words"
KEPT = 0
"""Reason number of kept rows; excluded rows have 1 + the position of their reason in ``REASONS``."""
REASONS = (NEUTRAL, DUPLICATE, HELPFULNESS, NO_WORDS)

KEYS = tuple(name for name in KEPT_COLUMNS.names if name not in {"file", "line", "summary", "text", "split"})
BATCH_ROWS = 16_384


@dataclass(frozen=True)
class FunnelResult:
    """Which rows are kept, in which order.

    Attributes:
        rows: int64 ``[input rows]``, the column ``row``.
        reasons: int8 ``[input rows]``, ``KEPT`` or 1 + the position in ``REASONS``.
        order: int64 ``[kept rows]``, input positions in the order of the output: by product, id and row.
        labels: int8 ``[input rows]``, 1 for a score above neutral, else 0.
        text_bytes: int64 ``[input rows]``, UTF-8 length of summary and text.
        notes: What could not be done.
    """

    rows: npt.NDArray[np.int64]
    reasons: npt.NDArray[np.int8]
    order: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    text_bytes: npt.NDArray[np.int64]
    notes: tuple[str, ...]


def run_funnel(reviews: Path, *, deduplicate: bool) -> FunnelResult:
    """Run the cleaning funnel over a Parquet file of reviews.

    Neutral scores are excluded first. The rest is sorted by product, id and row, missing values last. Of rows with
    equal user, profile name, time and text the first is kept (missing values are equal, as in pandas). Short texts of
    which nothing identifies the person need an equal id, too (:func:`pipeline.cleaning.duplicates.coincidences`). Then
    rows with more helpful votes than votes are excluded. Source: docs/explanation/replicated_experiment.md.

    Texts are read in batches and compared by 128 bits of BLAKE2b: the memory needed is some hundred bytes per row.

    Args:
        reviews: ``reviews.parquet`` of ``validate_raw``.
        deduplicate: Whether duplicates are excluded.

    Raises:
        CleaningError: A row has no score.
    """
    keys = pq.read_table(reviews, columns=list(KEYS))
    score = keys["score"]
    if score.null_count:
        row = keys.filter(pc.is_null(score))["row"][0].as_py()
        raise CleaningError(
            f"{score.null_count} validated reviews have no score, the first is row {row} of {quoted(reviews.name)}. "
            "Validation quarantines such rows: remove the folder of its artifact and run again."
        )
    reasons = np.zeros(len(keys), dtype=np.int8)
    reasons[_mask(pc.equal(score, NEUTRAL_SCORE))] = 1 + REASONS.index(NEUTRAL)

    by_product = [(name, "ascending") for name in ("product_id", "id", "row")]
    order = pc.sort_indices(keys, sort_keys=by_product).to_numpy().astype(np.int64)
    order = order[reasons[order] == KEPT]

    digests, text_bytes, characters = _texts(reviews)
    notes = []
    if deduplicate:
        if len(keys) and all(keys[name].null_count == len(keys) for name in ("user_id", "profile_name", "time")):
            notes.append(
                "The dump has no users, profile names and times: equal texts count as duplicates from "
                f"{COINCIDENCE_CHARACTERS} characters on, shorter ones only with equal ids."
            )
        same = [digests["first"], digests["second"], coincidences(keys, characters)]
        same += [value_codes(keys[name]) for name in ("user_id", "profile_name", "time")]
        first = first_equal([column[order] for column in same])
        repeated = order[first != np.arange(len(order))]
        reasons[repeated] = 1 + REASONS.index(DUPLICATE)

    too_helpful = _mask(pc.greater(keys["helpfulness_numerator"], keys["helpfulness_denominator"]))
    reasons[too_helpful & (reasons == KEPT)] = 1 + REASONS.index(HELPFULNESS)
    return FunnelResult(
        rows=keys["row"].to_numpy().astype(np.int64),
        reasons=reasons,
        order=order[reasons[order] == KEPT],
        labels=_mask(pc.greater(score, NEUTRAL_SCORE)).astype(np.int8),
        text_bytes=text_bytes,
        notes=tuple(notes),
    )


def _texts(reviews: Path) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return of the texts ``TEXT_DIGEST`` ``[rows]``, the bytes with the summaries and the characters, int64 each."""
    digests = bytearray()
    lengths, characters = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    with pq.ParquetFile(reviews) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=["summary", "text"], use_threads=False):
            digests += text_digests(batch["text"].to_pylist())
            sizes = [pc.fill_null(pc.binary_length(batch[name]), 0) for name in ("summary", "text")]
            lengths.append(pc.add(*sizes).to_numpy(zero_copy_only=False).astype(np.int64))
            characters.append(pc.fill_null(pc.utf8_length(batch["text"]), 0).to_numpy(zero_copy_only=False))
    return (
        np.frombuffer(digests, dtype=TEXT_DIGEST),
        np.concatenate(lengths),
        np.concatenate(characters).astype(np.int64),
    )


def _mask(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(column, False).to_numpy(), dtype=bool)
