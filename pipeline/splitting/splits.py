"""Which part each row belongs to, as the later stages read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ArtifactError
from pipeline.splitting.records import SPLIT_NAMES
from pipeline.store import ArtifactReference, ArtifactStore

SPLITS_FILE = "splits.parquet"
SPLITS_SCHEMA = pa.schema([pa.field("row", pa.int64(), nullable=False), pa.field("split", pa.string(), nullable=False)])
TRAIN, VALIDATION, TEST = range(len(SPLIT_NAMES))
EXCLUDED_CODE = -1
BATCH_ROWS = 32_768
"""Rows that are read at once: bounds the memory, not the result."""


@dataclass(frozen=True)
class AssignedReviews:
    """Some cleaned reviews, in their order, with the part of each.

    Attributes:
        columns: The columns asked for.
        split_of_row: int8 [rows], place in ``SPLIT_NAMES``, or ``EXCLUDED_CODE``.
    """

    columns: pa.RecordBatch
    split_of_row: npt.NDArray[np.int8]


def read_splits(
    cleaned: ArtifactReference, splits: ArtifactReference, columns: Sequence[str], store: ArtifactStore
) -> Iterator[AssignedReviews]:
    """Yield the cleaned reviews in batches, each row with its part.

    Args:
        cleaned: Artifact of ``clean``.
        splits: Artifact of ``split``, made from it.
        columns: Columns of the cleaned reviews to read.
        store: Where the artifacts lie.

    Raises:
        ArtifactError: The splits were made from other reviews.
    """
    path = store.folder(cleaned) / "reviews.parquet"
    codes = split_codes(pq.read_table(path, columns=["row"]).column("row").to_numpy(), splits, store)
    begin = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            yield AssignedReviews(batch, codes[begin : begin + batch.num_rows])
            begin += batch.num_rows


def split_codes(rows: npt.NDArray[np.int64], splits: ArtifactReference, store: ArtifactStore) -> npt.NDArray[np.int8]:
    """Return the part of each of these rows: its place in ``SPLIT_NAMES``, or ``EXCLUDED_CODE``.

    Args:
        rows: int64 [rows], the column ``row`` of the cleaned reviews.
        splits: Artifact of ``split``, made from the same reviews.
        store: Where it lies.

    Raises:
        ArtifactError: The splits were made from other reviews.
    """
    table = pq.read_table(store.folder(splits) / SPLITS_FILE, columns=["row", "split"])
    assigned = table.column("row").to_numpy()
    names = table.column("split").combine_chunks().dictionary_encode()
    code_of_name = [SPLIT_NAMES.index(name) if name in SPLIT_NAMES else None for name in names.dictionary.to_pylist()]
    if None in code_of_name:
        raise ArtifactError(f"{SPLITS_FILE} of {splits} names other splits than {', '.join(SPLIT_NAMES)}; split again.")
    dealt_codes = np.array(code_of_name, dtype=np.int8)[names.indices.to_numpy(zero_copy_only=False)]
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    place = np.minimum(np.searchsorted(ordered, assigned), max(len(rows) - 1, 0))
    unknown = len(assigned) and (not len(rows) or (ordered[place] != assigned).any())
    if unknown or len(np.unique(assigned)) != len(assigned):
        raise ArtifactError(f"{SPLITS_FILE} of {splits} has rows that the cleaned reviews do not have; split again.")
    codes = np.full(len(rows), EXCLUDED_CODE, dtype=np.int8)
    codes[order[place]] = dealt_codes
    return codes
