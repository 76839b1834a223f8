"""The first values of each column of a file, from which columns are chosen before the file is read.

A file that has no rows or cannot be read, or in which a name occurs twice, has an empty sample: its reader says why.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.readers.columns import SAMPLE_ROWS
from pipeline.readers.dialects import Dialect, long_fields, without_carriage_returns
from pipeline.readers.scalars import Scalar

Sample = dict[str, Sequence[Scalar]]


def sample_csv(lines: Sequence[str], dialect: Dialect) -> Sample:
    """Return the values of the records below the header that are as wide as it is.

    Args:
        lines: The first lines of the file.
        dialect: How its records are written.
    """
    records = []
    whole = map(without_carriage_returns, lines[dialect.skipped_lines :])
    try:
        with long_fields():
            for record in dialect.reader(whole, strict=False):
                if record:
                    records.append(record)
                if len(records) > SAMPLE_ROWS:
                    break
    except csv.Error:
        pass
    header = [name.strip() for name in records[0]] if records else []
    rows = [record for record in records[1:] if len(record) == len(header)]
    return _by_column(header, list(zip(*rows, strict=True)))


def sample_json_lines(lines: Sequence[str]) -> Sample:
    """Return the plain values of the objects on the first lines of a JSON lines file."""
    objects = []
    for line in itertools.islice(lines, SAMPLE_ROWS):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            objects.append(found)
    keys = list(dict.fromkeys(key for found in objects for key in found))
    return {key: [_plain(found.get(key)) for found in objects] for key in keys}


def sample_parquet(path: Path) -> Sample:
    """Return the first values of the columns of a Parquet file that are not nested."""
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            schema = file.schema_arrow
            names = [name for name in schema.names if schema.names.count(name) == 1]
            flat = [name for name in names if not pa.types.is_nested(schema.field(name).type)]
            batch = next(file.iter_batches(SAMPLE_ROWS, columns=flat, use_threads=False), None)
            if batch is None or len(names) < len(schema.names):
                return {}
            return {name: batch.column(name).to_pylist() if name in flat else [] for name in names}
    except (pa.ArrowException, OSError, ValueError):
        return {}


def _by_column(header: Sequence[str], columns: Sequence[Sequence[Scalar]]) -> Sample:
    if len(set(header)) < len(header) or len(columns) < len(header):
        return {}
    return dict(zip(header, columns, strict=True))


def _plain(value: object) -> Scalar:
    return value if isinstance(value, str | int | float) else None
