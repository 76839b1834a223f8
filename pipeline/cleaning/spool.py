"""The kept reviews in a memory-mapped file: readable in any order, without keeping them in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.cleaning.funnel import BATCH_ROWS
from pipeline.validation.tables import CLEANED

COLUMNS = pa.schema(
    [
        field.with_nullable(field.name not in {"row", "score"})
        for field in CLEANED
        if field.name not in {"label", "words"}
    ]
)
"""Columns that ``clean`` copies unchanged."""


@dataclass(frozen=True)
class KeptReviews:
    """The kept reviews, addressed by their position in the input.

    Attributes:
        batches: Views of the file.
        starts: int64 ``[batches]``, position of the first row of each batch among the kept rows.
        places: int64 ``[input rows]``, position of each input row among the kept rows.
    """

    batches: tuple[pa.RecordBatch, ...]
    starts: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]

    @classmethod
    def spooled(cls, source: Path, spool: Path, keep: npt.NDArray[np.bool_]) -> KeptReviews:
        """Copy the kept rows from Parquet into an Arrow file, batch by batch.

        Args:
            source: ``reviews.parquet`` of ``validate_raw``.
            spool: File to write; the caller removes it.
            keep: bool ``[input rows]``, which rows are kept.
        """
        done = 0
        with pq.ParquetFile(source) as file, pa.ipc.new_file(str(spool), COLUMNS) as writer:
            for batch in file.iter_batches(BATCH_ROWS, columns=COLUMNS.names, use_threads=False):
                part = batch.filter(pa.array(keep[done : done + len(batch)]))
                done += len(batch)
                # By name, because a reader returns columns in the order of the file. Rows that an earlier version of
                # `validate_raw` wrote have no column `split`; the batch registry still names such artifacts.
                columns = [
                    part[field.name].cast(field.type)
                    if field.name in part.schema.names
                    else pa.nulls(len(part), field.type)
                    for field in COLUMNS
                ]
                writer.write_batch(pa.record_batch(columns, schema=COLUMNS))
        return cls.mapped(spool, np.cumsum(keep, dtype=np.int64) - 1)

    @classmethod
    def mapped(cls, spool: Path, places: npt.NDArray[np.int64]) -> KeptReviews:
        """Map an Arrow file into memory.

        Args:
            spool: The file.
            places: int64 ``[input rows]``, position of each input row in the file.
        """
        reader = pa.ipc.open_file(pa.memory_map(str(spool)))
        batches = tuple(reader.get_batch(number) for number in range(reader.num_record_batches))
        starts = np.cumsum([0, *(len(batch) for batch in batches)], dtype=np.int64)[:-1]
        return cls(batches, starts, places)

    def rows(self, positions: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.RecordBatch:
        """Return rows in the order of ``positions``.

        Args:
            positions: int64 ``[rows]``, at least one position in the input.
            columns: Names of the columns.
        """
        places = self.places[positions]
        ascending = np.argsort(places, kind="stable")
        places = places[ascending]
        # Each batch is read once: its rows are the run of places between two cuts.
        cuts = np.searchsorted(places, [*self.starts, np.iinfo(np.int64).max])
        parts = [
            batch.select(list(columns)).take(pa.array(places[start:stop] - first))
            for batch, first, start, stop in zip(self.batches, self.starts, cuts[:-1], cuts[1:], strict=True)
            if start < stop
        ]
        gathered = pa.Table.from_batches(parts).combine_chunks()
        back = np.argsort(ascending, kind="stable")
        return gathered.take(pa.array(back)).combine_chunks().to_batches()[0]
