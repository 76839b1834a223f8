"""The records below ``<store>/collection/``: each written whole, once, and read by whoever asks what was taken.

Nothing here counts. What is new follows from the digests in the records, so a killed run, a cleared one or two at
once leave nothing to be repaired.
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
INTAKES, TAKINGS, JUDGED = "batches", "takings", "judged"

RecordType = TypeVar("RecordType", bound=Record)


class EvaluatedWindow(Record):
    """A window on which a run came to a decision."""

    batches: tuple[str, ...]
    """Keys of the fetched artifacts, oldest first."""
    run_name: str


def batches(store: ArtifactStore) -> tuple[DumpBatch, ...]:
    """Return every batch, the newest first.

    Raises:
        ArtifactError: A record is damaged: to pass over it would train on less than people think.
    """
    home = store.root / COLLECTION / INTAKES
    found = [_read(path, DumpBatch) for path in _records(home)]
    return tuple(sorted(found, key=lambda batch: (batch.received_at, batch.key), reverse=True))


def accepted_batches(store: ArtifactStore) -> tuple[DumpBatch, ...]:
    """Return the batches that may be trained on, the oldest first."""
    return tuple(batch for batch in reversed(batches(store)) if batch.outcome == "accepted")


def seen_digests(store: ArtifactStore) -> frozenset[str]:
    """Return the SHA-256 of every file that was taken, accepted or refused."""
    return frozenset(file.sha256 for batch in batches(store) for file in batch.files)


def record_batch(store: ArtifactStore, batch: DumpBatch) -> DumpBatch:
    """Keep what became of an batch; an accepted one stays accepted, with the time at which it was first taken.

    A refused one may be accepted later, by a run with other limits.
    """
    path = store.root / COLLECTION / INTAKES / f"{batch.key}.json"
    before = _read(path, DumpBatch) if _there(path) else None
    if before is not None and before.outcome == "accepted":
        return before
    _write(path, batch)
    return batch


def taking(store: ArtifactStore, run_name: str) -> BatchClaim | None:
    """Return what a run took when it first asked, or ``None``."""
    path = _taking_path(store, run_name)
    return _read(path, BatchClaim) if _there(path) else None


def record_taking(store: ArtifactStore, taken: BatchClaim) -> None:
    """Keep what a run took."""
    _write(_taking_path(store, taken.run_name), taken)


def record_evaluated(store: ArtifactStore, window: Iterable[ArtifactReference], run_name: str) -> None:
    """Keep that a run came to a decision on a window, whatever it was."""
    keys = tuple(reference.key for reference in window)
    _write(_judged_path(store, keys), EvaluatedWindow(batches=keys, run_name=run_name))


def was_evaluated(store: ArtifactStore, window: Iterable[ArtifactReference]) -> bool:
    """Return whether some run came to a decision on this very window."""
    return _there(_judged_path(store, tuple(reference.key for reference in window)))


def _taking_path(store: ArtifactStore, run_name: str) -> UPath:
    return store.root / COLLECTION / TAKINGS / f"{_digest(run_name)}.json"


def _judged_path(store: ArtifactStore, keys: tuple[str, ...]) -> UPath:
    return store.root / COLLECTION / JUDGED / f"{_digest(' '.join(keys))}.json"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _records(home: UPath) -> list[UPath]:
    return [path for path in entries(home) if path.name.endswith(".json") and not path.name.startswith(".")]


def _there(path: UPath) -> bool:
    forget_listing(path.parent)
    return bool(path.exists())


def _read(path: UPath, kind: type[RecordType]) -> RecordType:
    try:
        record: RecordType = _parsed(path.read_bytes(), kind)
    except ValidationError as error:
        raise ArtifactError(
            f"{path} is damaged or of another version of this project ({error.error_count()} fields do not fit). "
            "Restore it from a backup of the store, or remove it: its dump then counts as never taken."
        ) from error
    return record


@lru_cache(maxsize=4_096)
def _parsed(text: bytes, kind: type[RecordType]) -> RecordType:
    """Return the record; a page that lists hundreds asks for the same ones again and again."""
    return kind.model_validate_json(text)


def _write(path: UPath, record: Record) -> None:
    write_whole(path, (record.model_dump_json(indent=2) + "\n").encode())
