"""A dump scored shard by shard. Each shard is an artifact, so a run that was killed keeps the finished shards."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from pipeline.cleaning.rules import joined
from pipeline.errors import ArtifactError, ConfigurationError
from pipeline.scoring.records import PREDICTIONS_FILE
from pipeline.scoring.scorer import WINDOW_ROWS, Scorer, Scores
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Record, RowAccount, Stage, Workspace

log = logging.getLogger(__name__)

SCORE_STAGE = Stage("score", version=2)
REVIEWS = "reviews.parquet"
EXCLUDED_FILE = "excluded.parquet"

ROWS_PER_SHARD = 50_000
"""Seconds to a minute of work on two cores, and a few hundred megabytes of memory."""
MAX_SHARDS = 1_000
"""Airflow maps a task over at most 1,024 inputs by default (``core.max_map_length``)."""

UNREADABLE = "unparseable"
NO_TEXT = "empty_text"
"""Reasons why a row is not scored, named as in the quarantine of training. The other reason there is about stars, which
a model does not read."""
NO_TEXT_DETAIL = "The text is missing or blank."

PREDICTION_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.int64()),
        pa.field("probability", pa.float32()),
        pa.field("label", pa.int8()),
        pa.field("sentiment", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("unknown_word_share", pa.float32(), nullable=False),
    ]
)
EXCLUDED_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.int64()),
        pa.field("file", pa.string(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)
_COLUMNS = ("row", "file", "line", "id", "summary", "text", "problem", "problem_detail")


class Shard(Record):
    """Consecutive rows of an ingested dump."""

    first_row: int = Field(ge=0)
    rows: int = Field(ge=1)

    @property
    def title(self) -> str:
        """The rows for people, counted from 1."""
        return f"rows {self.first_row + 1:,}–{self.first_row + self.rows:,}"


class ScoreSummary(Record):
    """One scored shard."""

    model: str
    """The model's title, for people."""
    model_version: str
    """Its export, ``export/KEY``."""
    threshold: float
    runtime: str
    """The library that computed the network, with its version."""
    first_row: int
    rows_in: int
    rows: int
    """Rows scored; ``excluded.parquet`` has the others."""
    positive: int
    """Rows from the threshold on."""
    unsure: int
    """Rows too near the threshold, or with too many unknown words."""
    unknown: int
    """Rows without a known word, which have no probability."""
    excluded: dict[str, int]
    seconds: float


def plan_shards(
    ingested: ArtifactReference, store: ArtifactStore, rows_per_shard: int = ROWS_PER_SHARD
) -> tuple[Shard, ...]:
    """Cut an ingested dump into shards of equal size; the last one may be smaller.

    Args:
        ingested: Artifact of ``ingest``.
        store: Holds the artifact.
        rows_per_shard: Maximum rows of a shard.

    Raises:
        ConfigurationError: ``rows_per_shard`` is below 1, or would need more than ``MAX_SHARDS`` shards.
        ArtifactError: The artifact is missing.
    """
    # Imported here: see publish_predictions.
    from pipeline.readers import IngestSummary

    rows = store.summary(ingested, IngestSummary).rows
    minimum = max(1, -(-rows // MAX_SHARDS))
    if rows_per_shard < minimum:
        raise ConfigurationError(
            f"Rows per shard is {rows_per_shard}, but a dump of {rows:,} rows may have at most {MAX_SHARDS:,} shards; "
            f"set it to {minimum:,} or more (recommended: {max(ROWS_PER_SHARD, minimum):,})."
        )
    starts = range(0, rows, rows_per_shard)
    return tuple(Shard(first_row=start, rows=min(rows_per_shard, rows - start)) for start in starts)


def score_shard(
    exported: ArtifactReference, ingested: ArtifactReference, shard: Shard, store: ArtifactStore
) -> ArtifactReference:
    """Score one shard of an ingested dump, or reuse its scores.

    Stars, votes and times are ignored, so rows with faults only in these are scored too. Rows that cannot be read, or
    have no text, are excluded with the reason.

    Args:
        exported: Artifact of ``export``, or one that ``exports.choose_model`` adopted.
        ingested: Artifact of ``ingest``.
        shard: The rows to score.
        store: Holds the artifacts and receives the result.

    Returns:
        Artifact with ``predictions.parquet`` (row int64, id int64, probability float32, label int8 at the model's
        threshold, sentiment string, model_version string, unknown_word_share float32) and
        ``excluded.parquet`` (row, id, file, line, reason, detail), both in the order of the rows, and a
        ``ScoreSummary``.

    Raises:
        ArtifactError: An artifact is missing or damaged, or the shard belongs to another dump.
    """

    def build(work: Workspace) -> Outcome:
        return _build(work, exported, store.folder(exported), store.folder(ingested) / REVIEWS, shard)

    return store.produce(SCORE_STAGE, inputs={"exported": exported, "ingested": ingested}, params=shard, build=build)


def _build(work: Workspace, exported: ArtifactReference, model: Path, source: Path, shard: Shard) -> Outcome:
    started = time.perf_counter()
    scorer = Scorer.load(model)
    version = f"{exported.stage}/{exported.key}"
    reasons: Counter[str] = Counter()
    seen = scored = positive = 0
    sentiments: Counter[str] = Counter()
    waiting: list[pa.RecordBatch] = []

    with (
        pq.ParquetWriter(work.folder / PREDICTIONS_FILE, PREDICTION_SCHEMA, compression="zstd") as predictions,
        pq.ParquetWriter(work.folder / EXCLUDED_FILE, EXCLUDED_SCHEMA, compression="zstd") as excluded,
    ):

        def windows() -> Iterator[list[str]]:
            nonlocal seen
            for batch in rows_of(source, shard):
                seen += batch.num_rows
                reason = _reasons(batch)
                readable = pc.is_null(reason)
                unscored = batch.append_column("reason", reason).filter(pc.invert(readable))
                if unscored.num_rows:
                    excluded.write_batch(_excluded(unscored))
                    reasons.update(unscored["reason"].to_pylist())
                rows = batch.filter(readable)
                if rows.num_rows:
                    waiting.append(rows.select(["row", "id"]))
                    yield _texts(rows, include_summary=scorer.model.include_summary)

        for scores in scorer.score(windows()):
            batch = _predictions(waiting.pop(0), scores, scorer, version)
            predictions.write_batch(batch)
            scored += batch.num_rows
            positive += pc.sum(batch["label"]).as_py() or 0
            sentiments.update(batch["sentiment"].to_pylist())
    if seen != shard.rows:
        raise ArtifactError(
            f"The dump ends after {shard.first_row + seen:,} rows, before the shard of {shard.title}. The plan "
            "belongs to another dump; plan and score again."
        )
    seconds = time.perf_counter() - started
    log.info("score: %s in %.1f s with %s, %d excluded", shard.title, seconds, scorer.runtime, sum(reasons.values()))
    summary = ScoreSummary(
        model=scorer.model.title,
        model_version=version,
        threshold=scorer.threshold,
        runtime=scorer.runtime,
        first_row=shard.first_row,
        rows_in=seen,
        rows=scored,
        positive=positive,
        unsure=sentiments["unsure"],
        unknown=sentiments["unknown"],
        excluded=dict(sorted(reasons.items())),
        seconds=round(seconds, 3),
    )
    return Outcome(summary, rows=RowAccount(rows_in=seen, kept=scored, excluded=summary.excluded))


def rows_of(source: Path, shard: Shard) -> Iterator[pa.RecordBatch]:
    """Yield a shard's rows, at most ``WINDOW_ROWS`` at a time; only the row groups that hold some are read.

    Args:
        source: ``reviews.parquet`` of ``ingest``.
        shard: The rows.
    """
    with pq.ParquetFile(source) as file:
        end, stop = 0, shard.first_row + shard.rows
        for group in range(file.num_row_groups):
            start, end = end, end + file.metadata.row_group(group).num_rows
            if end <= shard.first_row:
                continue
            if start >= stop:
                return
            position = start
            for batch in file.iter_batches(WINDOW_ROWS, row_groups=[group], columns=list(_COLUMNS), use_threads=False):
                first = max(0, shard.first_row - position)
                last = min(batch.num_rows, stop - position)
                position += batch.num_rows
                if first < last:
                    yield batch.slice(first, last - first)


def _reasons(batch: pa.RecordBatch) -> pa.Array:
    """Return string ``[rows]``: why a row cannot be scored, or null."""
    unreadable = pc.fill_null(pc.equal(batch["problem"], UNREADABLE), fill_value=False)
    blank = pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(batch["text"])), 0), fill_value=True)
    nothing = pa.scalar(None, pa.string())
    return pc.if_else(unreadable, UNREADABLE, pc.if_else(blank, NO_TEXT, nothing))


def _excluded(rows: pa.RecordBatch) -> pa.RecordBatch:
    unreadable = pc.equal(rows["reason"], UNREADABLE)
    detail = pc.if_else(unreadable, rows["problem_detail"], pa.scalar(NO_TEXT_DETAIL))
    columns = [rows[name] for name in EXCLUDED_SCHEMA.names[:-1]]
    return pa.record_batch([*columns, detail], schema=EXCLUDED_SCHEMA)


def _texts(rows: pa.RecordBatch, *, include_summary: bool) -> list[str]:
    texts: list[str] = rows["text"].to_pylist()
    if not include_summary:
        return texts
    return [joined(summary, text) for summary, text in zip(rows["summary"].to_pylist(), texts, strict=True)]


def _predictions(rows: pa.RecordBatch, scores: Scores, scorer: Scorer, version: str) -> pa.RecordBatch:
    probability = scores.probability
    valid = (probability >= 0) & (probability <= 1)
    if not valid.all():
        raise ArtifactError(
            f"The model {version} gives {probability[~valid][0]} for a review, which is not a probability (0 to 1). "
            "Its file is damaged; export the model again."
        )
    columns = [
        rows["row"],
        rows["id"],
        pa.array(probability, mask=~scores.has_known_word),
        pa.array((probability >= np.float32(scorer.threshold)).astype(np.int8), mask=~scores.has_known_word),
        pa.array(scorer.answers(scores), pa.string()),
        pa.repeat(pa.scalar(version), rows.num_rows),
        pa.array(scores.unknown_word_share),
    ]
    return pa.record_batch(columns, schema=PREDICTION_SCHEMA)
