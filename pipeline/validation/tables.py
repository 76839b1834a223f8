"""The tables that validation reads and writes, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ArtifactError, quoted
from pipeline.readers.schema import REVIEW_SCHEMA as INGESTED
from pipeline.store import ArtifactReference

BATCH_ROWS = 65_536
"""Rows in memory at a time, and rows of a row group: about 30 MB of reviews."""

PROBLEM_COLUMNS = ("problem", "problem_detail", "raw")

# All nullable: a missing column is filled with nulls, and the contract reports it.
KEPT = pa.schema([field.with_nullable(True) for field in INGESTED if field.name not in PROBLEM_COLUMNS])
"""``reviews.parquet`` of ``validate_raw``."""

QUARANTINE = pa.schema(
    [
        *KEPT,
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("raw", pa.string()),
    ]
)
"""``quarantine.parquet`` of ``validate_raw``."""

CLEANED = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.int64()),
        ("product_id", pa.string()),
        ("user_id", pa.string()),
        ("time", pa.int64()),
        ("score", pa.int8()),
        ("helpfulness_numerator", pa.int32()),
        ("helpfulness_denominator", pa.int32()),
        ("summary", pa.string()),
        ("text", pa.string()),
        ("split", pa.string()),
        ("label", pa.int8()),
        ("words", pa.string()),
    ]
)
"""``reviews.parquet`` of ``clean``."""


@contextmanager
def open_table(path: Path, reference: ArtifactReference) -> Iterator[pq.ParquetFile]:
    """Open a table of an artifact.

    Raises:
        ArtifactError: The file is missing or damaged, also if the damage is found only while rows are read.
    """
    try:
        with pq.ParquetFile(path) as table:
            yield table
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(
            f"{path.name} of artifact {reference} cannot be read ({quoted(error, 200)}). "
            "Remove the folder of that artifact and run again."
        ) from error


def read_batches(table: pq.ParquetFile, schema: pa.Schema, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Yield ``columns`` in the types of ``schema``, at most ``BATCH_ROWS`` rows at a time.

    A column that is missing or does not fit its type is read as nulls: the contract names it, and the row rules apply
    to the nulls.
    """
    found = [name for name in columns if name in table.schema_arrow.names]
    types = {name: schema.field(name).type for name in columns}
    for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=found):
        arrays = [
            _as_type(batch.column(name), types[name]) if name in found else pa.nulls(batch.num_rows, types[name])
            for name in columns
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _as_type(column: pa.Array, expected: pa.DataType) -> pa.Array:
    if column.type == expected:
        return column
    try:
        return column.cast(expected)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(len(column), expected)


def typed_name(field: pa.Field) -> str:
    """Return a column with its type, ``score: int8``; all of Arrow's layouts of a string count as ``string``."""
    is_string = pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type)
    return f"{field.name}: {'string' if is_string else field.type}"


def columns_frame(found: pa.Schema, expected: pa.Schema) -> pa.Table:
    """Return the frame ``columns``: one row per expected column that exists.

    Its columns are ``column`` (the name) and ``column_and_type`` (``score: int8``). Unexpected columns are left out,
    because their names come from outside.
    """
    fields = [field for field in found if field.name in expected.names]
    return pa.table(
        {
            "column": pa.array([field.name for field in fields], pa.string()),
            "column_and_type": pa.array([typed_name(field) for field in fields], pa.string()),
        }
    )
