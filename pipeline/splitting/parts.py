"""Which part each row belongs to, as the later stages read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ArtifactError
from pipeline.splitting.records import PART_NAMES
from pipeline.store import ArtifactReference, ArtifactStore

PARTS_FILE = "parts.parquet"
PARTS_SCHEMA = pa.schema([pa.field("row", pa.int64(), nullable=False), pa.field("part", pa.string(), nullable=False)])
TRAIN, VALIDATION, TEST = range(len(PART_NAMES))
EXCLUDED_CODE = -1
BATCH_ROWS = 32_768
"""Rows that are read at once: bounds the memory, not the result."""


@dataclass(frozen=True)
class AssignedReviews:
    """Some cleaned reviews, in their order, with the part of each.

    Attributes:
        columns: The columns asked for.
        part_of_row: int8 [rows], place in ``PART_NAMES``, or ``EXCLUDED_CODE``.
    """

    columns: pa.RecordBatch
    part_of_row: npt.NDArray[np.int8]


def read_parts(
    cleaned: ArtifactReference, parts: ArtifactReference, columns: Sequence[str], store: ArtifactStore
) -> Iterator[AssignedReviews]:
    """Yield the cleaned reviews in batches, each row with its part.

    Args:
        cleaned: Artifact of ``clean``.
        parts: Artifact of ``split``, made from it.
        columns: Columns of the cleaned reviews to read.
        store: Where the artifacts lie.

    Raises:
        ArtifactError: The parts were made from other reviews.
    """
    path = store.folder(cleaned) / "reviews.parquet"
    codes = part_codes(pq.read_table(path, columns=["row"]).column("row").to_numpy(), parts, store)
    begin = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
            yield AssignedReviews(batch, codes[begin : begin + batch.num_rows])
            begin += batch.num_rows


def part_codes(rows: npt.NDArray[np.int64], parts: ArtifactReference, store: ArtifactStore) -> npt.NDArray[np.int8]:
    """Return the part of each of these rows: its place in ``PART_NAMES``, or ``EXCLUDED_CODE``.

    Args:
        rows: int64 [rows], the column ``row`` of the cleaned reviews.
        parts: Artifact of ``split``, made from the same reviews.
        store: Where it lies.

    Raises:
        ArtifactError: The parts were made from other reviews.
    """
    table = pq.read_table(store.folder(parts) / PARTS_FILE, columns=["row", "part"])
    dealt = table.column("row").to_numpy()
    names = table.column("part").combine_chunks().dictionary_encode()
    code_of_name = [PART_NAMES.index(name) if name in PART_NAMES else None for name in names.dictionary.to_pylist()]
    if None in code_of_name:
        raise ArtifactError(f"{PARTS_FILE} of {parts} names other parts than {', '.join(PART_NAMES)}; split again.")
    dealt_codes = np.array(code_of_name, dtype=np.int8)[names.indices.to_numpy(zero_copy_only=False)]
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    place = np.minimum(np.searchsorted(ordered, dealt), max(len(rows) - 1, 0))
    if len(dealt) and (not len(rows) or (ordered[place] != dealt).any() or len(np.unique(dealt)) != len(dealt)):
        raise ArtifactError(f"{PARTS_FILE} of {parts} deals rows that the cleaned reviews do not have; split again.")
    codes = np.full(len(rows), EXCLUDED_CODE, dtype=np.int8)
    codes[order[place]] = dealt_codes
    return codes
