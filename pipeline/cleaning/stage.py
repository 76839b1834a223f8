"""The stage ``clean``: validated reviews → labeled reviews with their words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.cleaning.funnel import DUPLICATE, HELPFULNESS, KEPT, NEUTRAL, NO_WORDS, REASONS, FunnelResult, run_funnel
from pipeline.cleaning.parallel import processes_for, words_in_order
from pipeline.cleaning.records import CleanSummary, FunnelStep
from pipeline.cleaning.rules import stop_words_sha256
from pipeline.cleaning.spool import COLUMNS, KeptReviews
from pipeline.config import TextConfig
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace

log = logging.getLogger(__name__)

REVIEWS = "reviews.parquet"
EXCLUDED = "excluded.parquet"
SPOOL = "kept.arrow"

SLICE_ROWS = 16_384
SLICE_BYTES = 32 * 2**20
"""Limits of a slice; a slice is also a row group of the output."""

PROGRESS_ROWS = 100_000

STEP_NAMES = {
    NEUTRAL: "drop neutral scores",
    DUPLICATE: "drop duplicates",
    HELPFULNESS: "drop more helpful votes than votes",
    NO_WORDS: "drop reviews without words",
}
"""The name of each step by the reason of the rows that it excludes."""

_SCHEMA = pa.schema(
    [
        *COLUMNS,
        pa.field("label", pa.int8(), nullable=False),
        pa.field("words", pa.string(), nullable=False),
    ]
)
_EXCLUDED_SCHEMA = pa.schema(
    [pa.field("row", pa.int64(), nullable=False), pa.field("reason", pa.string(), nullable=False)]
)


def clean(
    validated: ArtifactReference, config: TextConfig, store: ArtifactStore, processes: int = 0
) -> ArtifactReference:
    """Exclude neutral and duplicate reviews, label the rest and turn their texts into words.

    Output as in docs/reference/artifacts.md, in ProductId order (stable by id, then row). ``default`` also excludes
    rows without any word; ``article`` keeps them, as the counts of docs/explanation/replicated_experiment.md do.

    Args:
        validated: Artifact of ``validate_raw``.
        config: How text becomes words.
        store: The store.
        processes: Most processes that clean text; 0: one per core. The result does not depend on it.

    Raises:
        CleaningError: A validated review has no score, or a child process ended early.
    """
    return store.produce(
        Stage("clean", version=3),
        inputs={"validated": validated},
        params=config,
        build=lambda work: _build(work, store.folder(validated) / REVIEWS, config, processes),
    )


def _build(work: Workspace, source: Path, config: TextConfig, processes: int) -> Outcome:
    funnel_result = run_funnel(source, deduplicate=config.deduplicate)
    spool = work.folder / SPOOL
    kept = KeptReviews.spooled(source, spool, funnel_result.reasons == KEPT)
    without_words = _write_reviews(work.folder / REVIEWS, kept, funnel_result, config, processes)
    spool.unlink()
    reasons = funnel_result.reasons.copy()
    reasons[without_words] = 1 + REASONS.index(NO_WORDS)
    _write_excluded(work.folder / EXCLUDED, funnel_result.rows, reasons)
    return _outcome(funnel_result, reasons, config)


def _outcome(funnel_result: FunnelResult, reasons: npt.NDArray[np.int8], config: TextConfig) -> Outcome:
    applied = [NEUTRAL, DUPLICATE, HELPFULNESS, NO_WORDS]
    if not config.deduplicate:
        applied.remove(DUPLICATE)
    if not _needs_words(config):
        applied.remove(NO_WORDS)
    gone = {reason: int((reasons == 1 + REASONS.index(reason)).sum()) for reason in applied}
    left = len(reasons)
    steps = [FunnelStep(name="read", reason=None, rows=left)]
    for reason, count in gone.items():
        left -= count
        steps.append(FunnelStep(name=STEP_NAMES[reason], reason=reason, rows=left))
    labels = funnel_result.labels[reasons == KEPT]
    summary = CleanSummary(
        normalization=config.normalization,
        summary_joined=config.include_summary,
        stop_words_sha256=stop_words_sha256(config.normalization),
        steps=tuple(steps),
        positive=int(labels.sum()),
        negative=int((1 - labels).sum()),
        notes=funnel_result.notes,
    )
    excluded = {reason: count for reason, count in gone.items() if count}
    log.info("clean: %d of %d reviews kept, excluded: %s", len(labels), len(reasons), excluded or "none")
    return Outcome(summary, rows=RowAccount(rows_in=len(reasons), kept=len(labels), excluded=excluded))


def _needs_words(config: TextConfig) -> bool:
    """Return whether rows without any word are excluded: ``article`` keeps them, as the article did."""
    return config.normalization == "default"


def _write_excluded(target: Path, rows: npt.NDArray[np.int64], reasons: npt.NDArray[np.int8]) -> None:
    gone = np.flatnonzero(reasons != KEPT)
    gone = gone[np.argsort(rows[gone], kind="stable")]
    names = np.array(REASONS, dtype=object)[reasons[gone] - 1]
    pq.write_table(pa.table({"row": rows[gone], "reason": names}, schema=_EXCLUDED_SCHEMA), target, compression="zstd")


def _write_reviews(
    target: Path, kept: KeptReviews, funnel_result: FunnelResult, config: TextConfig, processes: int
) -> npt.NDArray[np.int64]:
    """Clean and write slice by slice; return the input positions of rows without words, which are not written."""
    slices = list(_slices(funnel_result.order, funnel_result.text_bytes))
    processes = min(processes_for(len(funnel_result.order), processes), max(1, len(slices)))
    log.info(
        "clean: %d reviews, normalization %s, %d processes", len(funnel_result.order), config.normalization, processes
    )
    read = ["summary", "text"] if config.include_summary else ["text"]
    texts = (kept.rows(positions, read) for positions in slices)
    without_words, done = [], 0
    with (
        closing(words_in_order(texts, config.normalization, processes)) as cleaned,
        pq.ParquetWriter(target, _SCHEMA, compression="zstd") as writer,
    ):
        for positions, words in zip(slices, cleaned, strict=True):
            keep = np.ones(len(positions), dtype=bool)
            if _needs_words(config):
                keep = np.asarray(pc.not_equal(words, "").to_numpy(zero_copy_only=False), dtype=bool)
                without_words.append(positions[~keep])
            if keep.any():
                batch = kept.rows(positions[keep], COLUMNS.names)
                labels = pa.array(funnel_result.labels[positions[keep]])
                last = words.filter(pa.array(keep)).cast(pa.string())
                writer.write_batch(pa.record_batch([*batch.columns, labels, last], schema=_SCHEMA))
            if done // PROGRESS_ROWS != (done + len(positions)) // PROGRESS_ROWS:
                log.info("clean: %d of %d reviews", done + len(positions), len(funnel_result.order))
            done += len(positions)
    return np.concatenate([np.empty(0, dtype=np.int64), *without_words])


def _slices(order: npt.NDArray[np.int64], text_bytes: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """Cut the output's rows into runs of at most ``SLICE_ROWS`` rows and about ``SLICE_BYTES`` bytes of text."""
    ends = np.cumsum(text_bytes[order])
    start = 0
    while start < len(order):
        before = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, before + SLICE_BYTES, side="right"))
        stop = max(start + 1, min(stop, start + SLICE_ROWS))
        yield order[start:stop]
        start = stop
