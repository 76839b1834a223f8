"""Parquet dumps, read in batches of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import SourceError, quoted
from pipeline.readers.columns import HELPFULNESS, resolve_columns
from pipeline.readers.encodings import decode
from pipeline.readers.schema import RAW_CHARACTERS, REQUIRED_COLUMNS, TEXT_COLUMNS
from pipeline.readers.values import Chunk

CHUNK_ROWS = 4_096
_DAMAGED = "the file is damaged or was cut short. Write or download it again"


class ParquetReader:
    """The rows of a Parquet file, in chunks; a row's ``line`` is its number in the file, from 1."""

    def __init__(
        self, path: Path, name: str, mapping: Mapping[str, str], *, required: Sequence[str] = REQUIRED_COLUMNS
    ) -> None:
        """Read the footer of a file; it must have the required columns.

        Raises:
            SourceError: The file is damaged, or a required column is missing or nested.
        """
        self._name = name
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
            schema = self._file.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as error:
            raise SourceError(
                f"{quoted(name)} begins as Parquet but cannot be opened ({_reason(error)}): {_DAMAGED}."
            ) from None
        positions = resolve_columns(schema.names, mapping, name, required=required)
        self.columns = {ours: schema.names[position] for ours, position in positions.items()}
        for ours, theirs in self.columns.items():
            kind = schema.field(theirs).type
            if pa.types.is_nested(kind) and not (ours == HELPFULNESS and pa.types.is_list(kind)):
                raise SourceError(
                    f"{quoted(name)}: column {quoted(theirs)}, read as {ours!r}, is of type {quoted(kind)}; "
                    "expected text or numbers. Map another column with the parameter Column mapping (columns)."
                )

    def chunks(self) -> Iterator[Chunk]:
        """Yield every row in the order of the file.

        Raises:
            SourceError: The file is damaged; the message says after which row.
        """
        row = 0
        wanted = list(self.columns.values())
        try:
            for batch in self._file.iter_batches(batch_size=CHUNK_ROWS, columns=wanted, use_threads=False):
                chunk = Chunk(lines=list(range(row + 1, row + 1 + batch.num_rows)))
                for ours, theirs in self.columns.items():
                    chunk.values[ours] = _values(batch.column(theirs), ours)
                chunk.raws = _Raws(batch)
                yield chunk
                row += batch.num_rows
        except (pa.ArrowException, OSError, ValueError) as error:
            raise SourceError(
                f"{quoted(self._name)} cannot be read after row {row:,} of {self._file.metadata.num_rows:,} "
                f"({_reason(error)}): {_DAMAGED}."
            ) from None
        finally:
            self._file.close()


class _Raws(list[str]):
    """Rows as text, created on demand: only rows with a problem need it."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        super().__init__()
        self._batch = batch

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - the signature of list
        return str(self._batch.slice(index, 1).to_pylist()[0])[:RAW_CHARACTERS]


def _values(column: pa.Array, ours: str) -> list[Any]:
    """Return the values of a column in the form that the converter expects."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if ours == HELPFULNESS and pa.types.is_list(kind):
        return [None if pair is None else "/".join(str(part) for part in pair) for pair in column.to_pylist()]
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("s", kind.tz), safe=False).cast(pa.int64()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return [None if value is None else decode(value) for value in column.to_pylist()]
    if pa.types.is_floating(kind):
        # pandas writes a missing number as NaN.
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    if (ours in TEXT_COLUMNS and not pa.types.is_string(kind)) or pa.types.is_boolean(kind) or _is_decimal(kind):
        column = column.cast(pa.string())
    return column.to_pylist()  # type: ignore[no-any-return]


def _is_decimal(kind: pa.DataType) -> bool:
    return pa.types.is_decimal(kind)  # type: ignore[no-any-return]


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
