"""The collection: which dumps were taken, which of them a run trains on, and their reviews laid together."""

from pipeline.dataset.claims import dump_batch_of, take
from pipeline.dataset.drift import enforce_drift_limits
from pipeline.dataset.merging import DatasetPart, ingested_rows, merge, read_window
from pipeline.dataset.records import BatchClaim, ClaimedFile, DumpBatch, Window, WindowDump
from pipeline.dataset.register import (
    accepted_batches,
    batches,
    record_batch,
    record_evaluated,
    seen_digests,
    taking,
    was_evaluated,
)
from pipeline.dataset.window import choose_window

__all__ = [
    "BatchClaim",
    "ClaimedFile",
    "DatasetPart",
    "DumpBatch",
    "Window",
    "WindowDump",
    "accepted_batches",
    "batches",
    "choose_window",
    "dump_batch_of",
    "enforce_drift_limits",
    "ingested_rows",
    "merge",
    "read_window",
    "record_batch",
    "record_evaluated",
    "seen_digests",
    "take",
    "taking",
    "was_evaluated",
]
