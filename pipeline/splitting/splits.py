"""The file of a split, and reading cleaned reviews with the split of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import ArtifactError
from pipeline.splitting.records import SPLIT_NAMES
from pipeline.store import ArtifactReference, ArtifactStore

SPLITS_FILE = "splits.parquet"
SPLITS_SCHEMA = pa.schema([pa.field("row", pa.int64(), nullable=False), pa.field("split", pa.string(), nullable=False)])
TRAIN, VALIDATION, TEST = range(len(SPLIT_NAMES))
EXCLUDED_CODE = -1
BATCH_ROWS = 32_768
"""Rows read at once; limits memory only."""


@dataclass(frozen=True)
class AssignedReviews:
    """A batch of cleaned reviews in their order.

    Attributes:
        columns: The requested columns.
        split_of_row: int8 [rows], index in ``SPLIT_NAMES``, or ``EXCLUDED_CODE``.
    """

    columns: pa.RecordBatch
    split_of_row: npt.NDArray[np.int8]


def read_splits(
    cleaned: ArtifactReference, splits: ArtifactReference, columns: Sequence[str], store: ArtifactStore
) -> Iterator[AssignedReviews]:
    """Yield the cleaned reviews in batches, each row with its split.

    Args:
        cleaned: Artifact of ``clean``.
        splits: Artifact of ``split`` for these reviews.
        columns: Columns of the cleaned reviews to read.
        store: Artifact store.

    Raises:
        ArtifactError: The splits are of other reviews.
    """
    path = store.folder(cleaned) / "reviews.parquet"
    codes = split_codes(pq.read_table(path, columns=["row"]).column("row").to_numpy(), splits, store)
    begin = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            yield AssignedReviews(batch, codes[begin : begin + batch.num_rows])
            begin += batch.num_rows


def split_codes(rows: npt.NDArray[np.int64], splits: ArtifactReference, store: ArtifactStore) -> npt.NDArray[np.int8]:
    """Return the split of each row: its index in ``SPLIT_NAMES``, or ``EXCLUDED_CODE``.

    Args:
        rows: int64 [rows], the column ``row`` of the cleaned reviews.
        splits: Artifact of ``split`` for these reviews.
        store: Artifact store.

    Raises:
        ArtifactError: The splits are of other reviews.
    """
    table = pq.read_table(store.folder(splits) / SPLITS_FILE, columns=["row", "split"]).combine_chunks()
    codes = pc.index_in(table.column("split"), value_set=pa.array(SPLIT_NAMES))
    if codes.null_count:
        raise ArtifactError(f"{SPLITS_FILE} of {splits} has splits other than {', '.join(SPLIT_NAMES)}; split again.")
    assigned = table.column("row").to_numpy()
    places = pc.index_in(pa.array(rows), value_set=pa.array(assigned))
    if len(rows) - places.null_count != len(assigned):
        raise ArtifactError(
            f"{SPLITS_FILE} of {splits} has rows twice, or rows that the cleaned reviews do not have; split again."
        )
    return np.asarray(pc.fill_null(codes.take(places), EXCLUDED_CODE), dtype=np.int8)
