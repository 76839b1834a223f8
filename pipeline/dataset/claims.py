"""What a run works on: new dumps, or what the collection holds, or nothing because there is no reason to train."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.config import RunConfig
from pipeline.dataset.records import BatchClaim, ClaimedFile, DumpBatch
from pipeline.dataset.register import (
    accepted_batches,
    batches,
    record_batch,
    record_taking,
    taking,
    was_evaluated,
)
from pipeline.dataset.window import choose_window
from pipeline.errors import NothingNewError, SourceError
from pipeline.readers import check_dump
from pipeline.sources import FetchSummary, InboxFile, SeenFiles, UnreadableFile, fetch, fetch_new
from pipeline.sources.naming import safe_name
from pipeline.store import ArtifactReference, ArtifactStore

log = logging.getLogger(__name__)


def take(config: RunConfig, store: ArtifactStore, run_name: str) -> BatchClaim:
    """Land what a run works on.

    An experiment on named dumps fetches those, whatever they are. A run that adds to the collection and asks again
    (cleared, or killed and repeated) gets what it got first; otherwise the dumps that the configuration names, but for
    those whose bytes the collection holds already; and where none is new, or the run is to train as of an earlier
    moment, the newest dump of the window, provided that the window waits for a judgment.

    Args:
        config: What the run was told.
        store: Where dumps are fetched and the collection is kept.
        run_name: The run's name.

    Raises:
        NothingNewError: There is no new dump, and the window was judged already.
        EmptyWindowError: No dump was known at the moment asked for.
        SourceError: A dump cannot be fetched or read.
    """
    if not config.collects:
        return BatchClaim(
            run_name=run_name, received_at=datetime.now(UTC), fetched=fetch(config.data, store, check_dump), new=True
        )
    before = taking(store, run_name)
    if before is not None and store.has(before.fetched):
        log.info("This run took its dumps at %s already and keeps to them.", f"{before.received_at:%Y-%m-%d %H:%M}")
        return before
    taken = _take(config, store, run_name)
    record_taking(store, taken)
    return taken


def _take(config: RunConfig, store: ArtifactStore, run_name: str) -> BatchClaim:
    now = datetime.now(UTC)
    if config.dataset.as_of is not None:
        return _from_collection(config, store, run_name, now)
    known = batches(store)
    fetch_result = fetch_new(config.data, store, _known_files(known), check_dump)
    for unreadable in fetch_result.unreadable:
        record_batch(store, _refused(unreadable, run_name, now))
    if fetch_result.seen:
        log.info("Left out, since their content was taken before: %s", ", ".join(fetch_result.seen))
    if fetch_result.fetched is not None:
        versions = fetch_result.versions
        return BatchClaim(run_name=run_name, received_at=now, fetched=fetch_result.fetched, new=True, versions=versions)
    if fetch_result.unreadable:
        raise SourceError(f"The inbox holds nothing new that can be read. {fetch_result.unreadable[0].problem}")
    return _from_collection(config, store, run_name, now)


def _from_collection(config: RunConfig, store: ArtifactStore, run_name: str, now: datetime) -> BatchClaim:
    accepted = [batch for batch in accepted_batches(store) if not batch.demo]
    if config.dataset.as_of is None and not accepted:
        raise NothingNewError("There is no new dump, and the collection is empty. Put a dump into the inbox.")
    window = choose_window(accepted, config.dataset, demo=False)
    fetched = _fetch_results(window)
    if config.dataset.as_of is None and was_evaluated(store, fetched):
        raise NothingNewError(
            f"There is no new dump, and a model of all {len(window)} dumps of the window was judged already: there is "
            "no reason to train again."
        )
    return BatchClaim(run_name=run_name, received_at=now, fetched=fetched[-1], new=False)


def _fetch_results(window: Sequence[DumpBatch]) -> list[ArtifactReference]:
    return [batch.fetched for batch in window if batch.fetched is not None]


def _known_files(known: Sequence[DumpBatch]) -> SeenFiles:
    seen = {(file.name, file.bytes): batch.received_at for batch in reversed(known) for file in batch.files}

    def unchanged(file: InboxFile) -> bool:
        received_at = seen.get((safe_name(file.name), file.bytes))
        return received_at is not None and file.modified < received_at

    return SeenFiles(
        received=frozenset(file.sha256 for batch in known for file in batch.files),
        accepted=frozenset(file.sha256 for batch in known if batch.outcome == "accepted" for file in batch.files),
        unchanged=unchanged,
        # The oldest first, so that the newest stays.
        versions={one.origin: one.version for batch in reversed(known) for one in batch.versions},
    )


def _refused(file: UnreadableFile, run_name: str, now: datetime) -> DumpBatch:
    return DumpBatch(
        run_name=run_name,
        received_at=now,
        outcome="refused",
        reason=file.problem,
        files=(ClaimedFile(name=file.name, sha256=file.sha256, bytes=file.bytes),),
        demo=False,
        fetched=None,
    )


def dump_batch_of(
    taken: BatchClaim,
    store: ArtifactStore,
    *,
    validated_raw: ArtifactReference | None,
    rows: int | None,
    refused_because: str | None = None,
) -> DumpBatch:
    """Return the record of what became of a run's dumps.

    Args:
        taken: What the run took.
        store: Where the fetched files lie.
        validated_raw: The validated reviews, where the run came so far.
        rows: Clean reviews, where the run came so far.
        refused_because: Why they may not be trained on; ``None`` if they may.
    """
    fetched = store.summary(taken.fetched, FetchSummary)
    return DumpBatch(
        run_name=taken.run_name,
        received_at=taken.received_at,
        outcome="accepted" if refused_because is None else "refused",
        reason=refused_because,
        files=tuple(ClaimedFile(name=file.name, sha256=file.sha256, bytes=file.bytes) for file in fetched.files),
        demo=fetched.demo,
        rows=rows,
        fetched=taken.fetched,
        validated_raw=validated_raw,
        versions=taken.versions,
    )
