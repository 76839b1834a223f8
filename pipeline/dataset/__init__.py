"""The batch registry, the training window, and the merge of its reviews."""

from pipeline.dataset.claims import batch_of, choose_window, claim_batch
from pipeline.dataset.drift import enforce_drift_limits
from pipeline.dataset.merging import DatasetPart, ingested_rows, merge, read_window
from pipeline.dataset.records import DumpBatch
from pipeline.dataset.registry import (
    accepted_batches,
    batches,
    find_claim,
    record_batch,
    record_evaluated,
    seen_digests,
)

__all__ = [
    "DatasetPart",
    "DumpBatch",
    "accepted_batches",
    "batch_of",
    "batches",
    "choose_window",
    "claim_batch",
    "enforce_drift_limits",
    "find_claim",
    "ingested_rows",
    "merge",
    "read_window",
    "record_batch",
    "record_evaluated",
    "seen_digests",
]
