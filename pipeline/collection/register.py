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

from pipeline.collection.records import Intake, Taking
from pipeline.errors import ArtifactError
from pipeline.store import ArtifactReference, ArtifactStore, Record
from pipeline.store.files import entries, forget_listing, write_whole

if TYPE_CHECKING:
    from upath import UPath

log = logging.getLogger(__name__)

COLLECTION = "collection"
INTAKES, TAKINGS, JUDGED = "intakes", "takings", "judged"

RecordType = TypeVar("RecordType", bound=Record)


class JudgedWindow(Record):
    """A window on which a run came to a decision."""

    intakes: tuple[str, ...]
    """Keys of the landed artifacts, oldest first."""
    run_name: str


def intakes(store: ArtifactStore) -> tuple[Intake, ...]:
    """Return every intake, the newest first.

    Raises:
        ArtifactError: A record is damaged: to pass over it would train on less than people think.
    """
    home = store.root / COLLECTION / INTAKES
    found = [_read(path, Intake) for path in _records(home)]
    return tuple(sorted(found, key=lambda intake: (intake.taken_at, intake.key), reverse=True))


def accepted_intakes(store: ArtifactStore) -> tuple[Intake, ...]:
    """Return the intakes that may be trained on, the oldest first."""
    return tuple(intake for intake in reversed(intakes(store)) if intake.outcome == "accepted")


def known_digests(store: ArtifactStore) -> frozenset[str]:
    """Return the SHA-256 of every file that was taken, accepted or refused."""
    return frozenset(file.sha256 for intake in intakes(store) for file in intake.files)


def record_intake(store: ArtifactStore, intake: Intake) -> Intake:
    """Keep what became of an intake; an accepted one stays accepted, with the time at which it was first taken.

    A refused one may be accepted later, by a run with other limits.
    """
    path = store.root / COLLECTION / INTAKES / f"{intake.key}.json"
    before = _read(path, Intake) if _there(path) else None
    if before is not None and before.outcome == "accepted":
        return before
    _write(path, intake)
    return intake


def taking(store: ArtifactStore, run_name: str) -> Taking | None:
    """Return what a run took when it first asked, or ``None``."""
    path = _taking_path(store, run_name)
    return _read(path, Taking) if _there(path) else None


def record_taking(store: ArtifactStore, taken: Taking) -> None:
    """Keep what a run took."""
    _write(_taking_path(store, taken.run_name), taken)


def record_judged(store: ArtifactStore, window: Iterable[ArtifactReference], run_name: str) -> None:
    """Keep that a run came to a decision on a window, whatever it was."""
    keys = tuple(reference.key for reference in window)
    _write(_judged_path(store, keys), JudgedWindow(intakes=keys, run_name=run_name))


def was_judged(store: ArtifactStore, window: Iterable[ArtifactReference]) -> bool:
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
