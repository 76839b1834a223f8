"""The stage ``merge``: the clean reviews of several batches as one table, as if they had arrived in one dump."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from pipeline.cleaning.duplicates import TEXT_DIGEST, coincidences, first_equal, text_digests, value_codes
from pipeline.cleaning.records import CleanSummary, FunnelStep
from pipeline.cleaning.spool import KeptReviews
from pipeline.dataset.records import DumpBatch, Window, WindowDump
from pipeline.errors import ArtifactError
from pipeline.readers.records import IngestSummary
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace

log = logging.getLogger(__name__)

MERGE = Stage("merge", version=2)
REVIEWS, EXCLUDED, WINDOW = "reviews.parquet", "excluded.parquet", "window.json"
REPEATED = "repeated_across_dumps"
"""Reason of rows that repeat a review of an earlier batch."""
SLICE_ROWS = 16_384
"""Rows that are read and written at once, and rows of a row group."""

_EXCLUDED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("fetched", pa.string(), nullable=False),
        pa.field("row_in_dump", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)


class _MergeParameters(BaseModel):
    """The parameters in the key: the digests of the raw files, and whether duplicates are excluded."""

    model_config = ConfigDict(frozen=True)

    dumps: tuple[tuple[str, ...], ...]
    """The SHA-256 of the files of each batch, oldest first."""
    deduplicate: bool


@dataclass(frozen=True)
class DatasetPart:
    """One batch's clean reviews.

    Attributes:
        batch: The batch.
        cleaned: Its artifact of ``clean``.
        ingested_rows: Its rows before any were excluded: its share of the row numbers of the window.
    """

    batch: DumpBatch
    cleaned: ArtifactReference
    ingested_rows: int

    @property
    def fetched(self) -> ArtifactReference:
        """The raw files.

        Raises:
            ArtifactError: The batch was refused before anything was fetched.
        """
        if self.batch.fetched is None:
            raise ArtifactError(
                f"Batch {self.batch.key} has no raw files and cannot be trained on. Restore its record from a backup "
                "of the store."
            )
        return self.batch.fetched


def merge(parts: Sequence[DatasetPart], store: ArtifactStore, *, deduplicate: bool) -> ArtifactReference:
    """Merge the clean reviews of a training window.

    Rows get new numbers: the rows of a batch follow those of the batch before. Of reviews with equal user, time and
    text the one of the earliest batch is kept; short texts of unknown people need an equal id, too, as in ``clean``.
    No text is cleaned again. Order, columns and summary are those of ``clean``, so that later stages do not depend on
    the number of batches.

    Args:
        parts: At least one, oldest first, all cleaned by the same rules.
        store: The store.
        deduplicate: Whether duplicates are excluded.

    Returns:
        An artifact with ``reviews.parquet``, ``excluded.parquet`` and ``window.json`` (a ``Window``); its summary is a
        ``CleanSummary``.

    Raises:
        ArtifactError: A part is missing, or was cleaned by other rules.
    """
    return store.produce(
        MERGE,
        inputs={f"cleaned {number:04}": part.cleaned for number, part in enumerate(parts)},
        params=_MergeParameters(
            dumps=tuple(tuple(file.sha256 for file in part.batch.files) for part in parts),
            deduplicate=deduplicate,
        ),
        build=lambda work: _build(work, parts, store, deduplicate=deduplicate),
    )


def read_window(merged: ArtifactReference, store: ArtifactStore) -> Window:
    """Return the training window of a ``merge`` artifact.

    Raises:
        ArtifactError: It is missing or damaged.
    """
    try:
        return Window.model_validate_json((store.folder(merged) / WINDOW).read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{WINDOW} of {merged} cannot be read. Remove the folder of that artifact and run again."
        ) from error


def ingested_rows(validated_raw: ArtifactReference, store: ArtifactStore) -> int:
    """Return how many rows a validated dump had before any were excluded."""
    return store.summary(store.manifest(validated_raw).inputs["ingested"], IngestSummary).rows


def _build(work: Workspace, parts: Sequence[DatasetPart], store: ArtifactStore, *, deduplicate: bool) -> Outcome:
    summaries = [store.summary(part.cleaned, CleanSummary) for part in parts]
    _require_same_rules(parts, summaries)
    files = [store.folder(part.cleaned) / REVIEWS for part in parts]
    keys = [_Keys.read(file) for file in files]
    counts = [len(key.rows) for key in keys]
    part_of = np.repeat(np.arange(len(parts)), counts)
    rows = np.concatenate([key.rows + offset for key, offset in zip(keys, _offsets(parts), strict=True)])
    repeated = _repeated(keys, part_of) if deduplicate else np.zeros(len(rows), dtype=bool)
    _write(work.folder / REVIEWS, files, keys, rows, repeated)
    _write_excluded(work.folder / EXCLUDED, parts, rows, part_of, repeated)
    gone = np.bincount(part_of[repeated], minlength=len(parts))
    window = Window(
        dumps=tuple(
            WindowDump(
                fetched=part.fetched,
                files=part.batch.files,
                received_at=part.batch.received_at,
                rows=count,
                repeated=int(copies),
            )
            for part, count, copies in zip(parts, counts, gone, strict=True)
        )
    )
    (work.folder / WINDOW).write_text(window.model_dump_json(indent=2) + "\n", encoding="utf-8")
    labels = np.concatenate([key.labels for key in keys])[~repeated]
    duplicates, kept = int(repeated.sum()), len(labels)
    log.info("merge: %d reviews of %d dumps, %d duplicates of earlier dumps excluded", kept, len(parts), duplicates)
    summary = summaries[-1].model_copy(
        update={
            "steps": (
                FunnelStep(name="read", reason=None, rows=len(rows)),
                FunnelStep(name="drop reviews of earlier dumps", reason=REPEATED, rows=kept),
            ),
            "positive": int(labels.sum()),
            "negative": int(kept - labels.sum()),
            "notes": tuple(dict.fromkeys(note for summary in summaries for note in summary.notes)),
        }
    )
    return Outcome(
        summary, rows=RowAccount(rows_in=len(rows), kept=kept, excluded={REPEATED: duplicates} if duplicates else {})
    )


def _require_same_rules(parts: Sequence[DatasetPart], summaries: Sequence[CleanSummary]) -> None:
    rules = [summary.text_rules for summary in summaries]
    for part, rule in zip(parts, rules, strict=True):
        if rule != rules[-1]:
            raise ArtifactError(
                f"{part.cleaned} was cleaned by other rules ({_rules_in_words(rule)}) than {parts[-1].cleaned} "
                f"({_rules_in_words(rules[-1])}). Clean both with the same configuration and version of this project."
            )


def _rules_in_words(rules: tuple[str, bool, str]) -> str:
    normalization, summary_joined, stop_words_sha256 = rules
    return (
        f"normalization {normalization}, {'summary and text' if summary_joined else 'text only'}, "
        f"stop words {stop_words_sha256[:12]}"
    )


@dataclass(frozen=True)
class _Keys:
    """What the order and the duplicates of a batch's reviews depend on, without texts.

    Attributes:
        table: ``product_id`` and ``id`` for the order; ``user_id`` and ``time``.
        rows: int64 ``[rows]``, row numbers in the dump.
        labels: int8 ``[rows]``.
        digests: ``TEXT_DIGEST`` ``[rows]``, digests of the texts.
        characters: int64 ``[rows]``, lengths of the texts.
    """

    table: pa.Table
    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    digests: npt.NDArray[np.void]
    characters: npt.NDArray[np.int64]

    @classmethod
    def read(cls, file: Path) -> _Keys:
        """Read the keys of one batch; the texts are read some rows at a time."""
        table = pq.read_table(file, columns=["row", "product_id", "id", "user_id", "time", "label"])
        digests, characters = bytearray(), [np.empty(0, dtype=np.int64)]
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(SLICE_ROWS, columns=["text"], use_threads=False):
                digests += text_digests(batch["text"].to_pylist())
                characters.append(pc.fill_null(pc.utf8_length(batch["text"]), 0).to_numpy(zero_copy_only=False))
        return cls(
            table=table.select(["product_id", "id", "user_id", "time"]),
            rows=table["row"].to_numpy(),
            labels=table["label"].to_numpy(),
            digests=np.frombuffer(digests, dtype=TEXT_DIGEST),
            characters=np.concatenate(characters).astype(np.int64),
        )


def _repeated(keys: Sequence[_Keys], part_of: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Return which reviews repeat one of an earlier batch, bool ``[rows]``."""
    table = pa.concat_tables([key.table for key in keys])
    digests = np.concatenate([key.digests for key in keys])
    characters = np.concatenate([key.characters for key in keys])
    same: list[npt.NDArray[np.generic]] = [digests["first"], digests["second"], coincidences(table, characters)]
    same += [value_codes(table[name]) for name in ("user_id", "time")]
    return part_of > part_of[first_equal(same)]


def _write(
    target: Path,
    files: Sequence[Path],
    keys: Sequence[_Keys],
    rows: npt.NDArray[np.int64],
    repeated: npt.NDArray[np.bool_],
) -> None:
    """Write the kept reviews by product, id and row."""
    order = _order(keys, rows)
    order = order[~repeated[order]]
    spool = target.with_suffix(".arrow")
    schema = pq.read_schema(files[0]).remove_metadata()
    try:
        with pa.ipc.new_file(str(spool), schema) as spooled:
            for batch in _numbered(files, rows, schema):
                spooled.write_batch(batch)
        reviews = KeptReviews.mapped(spool, np.arange(len(rows)))
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for start in range(0, len(order), SLICE_ROWS):
                writer.write_batch(reviews.rows(order[start : start + SLICE_ROWS], schema.names))
    finally:
        spool.unlink(missing_ok=True)


def _order(keys: Sequence[_Keys], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    table = pa.concat_tables([key.table.select(["product_id", "id"]) for key in keys]).append_column(
        "row", pa.array(rows)
    )
    by_product = [(name, "ascending") for name in ("product_id", "id", "row")]
    found: npt.NDArray[np.int64] = pc.sort_indices(table, sort_keys=by_product).to_numpy().astype(np.int64)
    return found


def _numbered(files: Sequence[Path], rows: npt.NDArray[np.int64], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield all reviews of the batches with their new row numbers."""
    done = 0
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(SLICE_ROWS, use_threads=False):
                numbered = {"row": pa.array(rows[done : done + len(batch)])}
                done += len(batch)
                columns = [numbered.get(field.name, batch[field.name]).cast(field.type) for field in schema]
                yield pa.record_batch(columns, schema=schema)


def _write_excluded(
    target: Path,
    parts: Sequence[DatasetPart],
    rows: npt.NDArray[np.int64],
    part_of: npt.NDArray[np.intp],
    repeated: npt.NDArray[np.bool_],
) -> None:
    gone = np.flatnonzero(repeated)
    gone = gone[np.argsort(rows[gone], kind="stable")]
    offsets = _offsets(parts)
    fetched = np.array([part.fetched.key for part in parts], dtype=object)
    table = pa.table(
        {
            "row": rows[gone],
            "fetched": pa.array(fetched[part_of[gone]], pa.string()),
            "row_in_dump": rows[gone] - offsets[part_of[gone]],
            "reason": pa.array([REPEATED] * len(gone), pa.string()),
        },
        schema=_EXCLUDED_SCHEMA,
    )
    pq.write_table(table, target, compression="zstd")


def _offsets(parts: Sequence[DatasetPart]) -> npt.NDArray[np.int64]:
    """Return, int64 ``[parts]``, the row number in the window of row 0 of each part."""
    return np.cumsum([0, *(part.ingested_rows for part in parts[:-1])], dtype=np.int64)
