"""The batch registry: the records below ``<store>/collection/``, each written once, as a whole.

The registry keeps no counters or positions. Which files are new follows from the digests in the records, so that
killed, cleared and concurrent runs leave nothing to repair.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from pipeline.dataset.records import BatchClaim, DumpBatch
from pipeline.errors import ArtifactError
from pipeline.store import ArtifactReference, ArtifactStore, Record
from pipeline.store.files import entries, forget_listing, write_whole

if TYPE_CHECKING:
    from upath import UPath

log = logging.getLogger(__name__)

COLLECTION = "collection"
BATCHES, CLAIMS, EVALUATED = "batches", "claims", "evaluated"

RecordType = TypeVar("RecordType", bound=Record)


class EvaluatedWindow(Record):
    """A training window on which a run came to a decision."""

    batches: tuple[str, ...]
    """Keys of the fetched artifacts, oldest first."""
    run_name: str


def batches(store: ArtifactStore) -> tuple[DumpBatch, ...]:
    """Return all batches, newest first.

    Raises:
        ArtifactError: A record is damaged. Skipping it would silently make the training window smaller.
    """
    files = [path for path in entries(store.root / COLLECTION / BATCHES) if path.name.endswith(".json")]
    found = [_read(path, DumpBatch) for path in files if not path.name.startswith(".")]
    return tuple(sorted(found, key=lambda batch: (batch.received_at, batch.key), reverse=True))


def accepted_batches(store: ArtifactStore) -> tuple[DumpBatch, ...]:
    """Return the batches that may be trained on, oldest first."""
    return tuple(batch for batch in reversed(batches(store)) if batch.outcome == "accepted")


def seen_digests(store: ArtifactStore) -> frozenset[str]:
    """Return the SHA-256 of every file of an accepted or refused batch."""
    return frozenset(file.sha256 for batch in batches(store) for file in batch.files)


def record_batch(store: ArtifactStore, batch: DumpBatch) -> DumpBatch:
    """Record a batch and return the valid record: a batch that was accepted before keeps its first record.

    A refused batch may be accepted later, by a run with other limits.
    """
    path = store.root / COLLECTION / BATCHES / f"{batch.key}.json"
    recorded = _read(path, DumpBatch) if _exists(path) else None
    if recorded is not None and recorded.outcome == "accepted":
        return recorded
    _write(path, batch)
    return batch


def find_claim(store: ArtifactStore, run_name: str) -> BatchClaim | None:
    """Return the claim of a run, or ``None`` if it has none."""
    path = _claim_path(store, run_name)
    return _read(path, BatchClaim) if _exists(path) else None


def record_claim(store: ArtifactStore, claim: BatchClaim) -> None:
    """Record the claim of a run."""
    _write(_claim_path(store, claim.run_name), claim)


def record_evaluated(store: ArtifactStore, window: Iterable[ArtifactReference], run_name: str) -> None:
    """Record that a run came to a decision on a training window."""
    keys = tuple(reference.key for reference in window)
    _write(_evaluated_path(store, keys), EvaluatedWindow(batches=keys, run_name=run_name))


def was_evaluated(store: ArtifactStore, window: Iterable[ArtifactReference]) -> bool:
    """Return whether a run came to a decision on exactly this training window."""
    return _exists(_evaluated_path(store, tuple(reference.key for reference in window)))


def _claim_path(store: ArtifactStore, run_name: str) -> UPath:
    return store.root / COLLECTION / CLAIMS / f"{_digest(run_name)}.json"


def _evaluated_path(store: ArtifactStore, keys: tuple[str, ...]) -> UPath:
    return store.root / COLLECTION / EVALUATED / f"{_digest(' '.join(keys))}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _exists(path: UPath) -> bool:
    forget_listing(path.parent)
    return bool(path.exists())


def _read(path: UPath, kind: type[RecordType]) -> RecordType:
    try:
        record: RecordType = _parsed(path.read_bytes(), kind)
    except ValidationError as error:
        raise ArtifactError(
            f"{path} is damaged or belongs to another version of this project ({error.error_count()} invalid fields). "
            "Restore it from a backup of the store, or remove it: its files then count as never received."
        ) from error
    return record


@lru_cache(maxsize=4_096)
def _parsed(text: bytes, kind: type[RecordType]) -> RecordType:
    """Return the record; cached, because pages that list hundreds of records read them again and again."""
    return kind.model_validate_json(text)


def _write(path: UPath, record: Record) -> None:
    write_whole(path, (record.model_dump_json(indent=2) + "\n").encode())
