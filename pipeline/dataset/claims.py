"""Batch claims: which raw files a run works on, and which batches it trains on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, time

from pipeline.config import DatasetConfig, RunConfig
from pipeline.dataset.records import BatchClaim, ClaimedFile, DumpBatch
from pipeline.dataset.registry import accepted_batches, batches, find_claim, record_batch, record_claim, was_evaluated
from pipeline.errors import EmptyWindowError, NothingNewError, SourceError
from pipeline.readers import check_dump
from pipeline.sources import FetchSummary, InboxFile, SeenFiles, UnreadableFile, fetch, fetch_new
from pipeline.sources.naming import safe_name
from pipeline.store import ArtifactReference, ArtifactStore

log = logging.getLogger(__name__)


def claim_batch(config: RunConfig, store: ArtifactStore, run_name: str) -> BatchClaim:
    """Fetch the raw files that a run works on.

    An experiment on named dumps fetches those. Every other run claims, in this order: what it claimed before (if it was
    cleared, or killed and repeated), the named dumps whose bytes the batch registry does not have, or the newest dump
    of a training window on which no run came to a decision yet.

    Args:
        config: The run's configuration.
        store: The store of the raw files and the batch registry.
        run_name: The run's name.

    Raises:
        NothingNewError: There is no new dump, and the training window was evaluated already.
        EmptyWindowError: The training window has no dump.
        SourceError: A dump cannot be fetched or read.
    """
    now = datetime.now(UTC)
    if not config.collects:
        fetched = fetch(config.data, store, check_dump)
        return BatchClaim(run_name=run_name, received_at=now, fetched=fetched, new=True)
    claim = find_claim(store, run_name)
    if claim is not None and store.has(claim.fetched):
        log.info("This run claimed its dumps at %s and uses them again.", f"{claim.received_at:%Y-%m-%d %H:%M}")
        return claim
    claim = None
    if config.dataset.as_of is None:
        claim = _claim_new_files(config, store, run_name, now)
    if claim is None:
        claim = _claim_window(config.dataset, store, run_name, now)
    record_claim(store, claim)
    return claim


def _claim_new_files(config: RunConfig, store: ArtifactStore, run_name: str, now: datetime) -> BatchClaim | None:
    fetch_result = fetch_new(config.data, store, _seen_files(batches(store)), check_dump)
    for unreadable in fetch_result.unreadable:
        record_batch(store, _refused(unreadable, run_name, now))
    if fetch_result.seen:
        log.info("Skipped, because their content was received before: %s", ", ".join(fetch_result.seen))
    if fetch_result.fetched is not None:
        return BatchClaim(
            run_name=run_name,
            received_at=now,
            fetched=fetch_result.fetched,
            new=True,
            versions=fetch_result.versions,
        )
    if fetch_result.unreadable:
        raise SourceError(f"The inbox has no new file that can be read. {fetch_result.unreadable[0].problem}")
    return None


def _claim_window(config: DatasetConfig, store: ArtifactStore, run_name: str, now: datetime) -> BatchClaim:
    accepted = [batch for batch in accepted_batches(store) if not batch.demo]
    if config.as_of is None and not accepted:
        raise NothingNewError("There is no new dump, and the batch registry is empty. Put a dump into the inbox.")
    window = choose_window(accepted, config, demo=False)
    fetched = [batch.fetched for batch in window if batch.fetched is not None]
    if config.as_of is None and was_evaluated(store, fetched):
        raise NothingNewError(
            f"There is no new dump, and a model of all {len(window)} dumps of the training window was evaluated "
            "already: there is no reason to train again. Put a new dump into the inbox."
        )
    return BatchClaim(run_name=run_name, received_at=now, fetched=fetched[-1], new=False)


def choose_window(accepted: Sequence[DumpBatch], config: DatasetConfig, *, demo: bool) -> tuple[DumpBatch, ...]:
    """Return the batches of the training window, oldest first.

    Args:
        accepted: Every accepted batch, oldest first.
        config: Which of them; the window ``these`` means all, because it names no batches of the registry.
        demo: Whether the run reads generated reviews: those and real ones are never trained on together.

    Raises:
        EmptyWindowError: The window has no batch.
    """
    same_kind = [batch for batch in accepted if batch.demo == demo]
    known = [batch for batch in same_kind if config.as_of is None or batch.received_at <= config.as_of]
    chosen = known
    if config.window == "last":
        chosen = known[-config.window_dumps :]
    elif config.window == "since" and config.window_since is not None:
        first = datetime.combine(config.window_since, time.min, UTC)
        chosen = [batch for batch in known if batch.received_at >= first]
    if not chosen:
        until = "now" if config.as_of is None else f"{config.as_of:%Y-%m-%d %H:%M %Z}"
        raise EmptyWindowError(
            f"The batch registry has {len(same_kind)} accepted batches, {len(known)} of them until {until}, and the "
            f"training window `{config.window}` has none of those. Put a dump into the inbox, or choose another window."
        )
    return tuple(chosen)


def _seen_files(known: Sequence[DumpBatch]) -> SeenFiles:
    """Return what the sources may skip, from all batches, newest first."""
    received = {(file.name, file.bytes): batch.received_at for batch in reversed(known) for file in batch.files}

    def unchanged(file: InboxFile) -> bool:
        received_at = received.get((safe_name(file.name), file.bytes))
        return received_at is not None and file.modified < received_at

    return SeenFiles(
        received=frozenset(file.sha256 for batch in known for file in batch.files),
        accepted=frozenset(file.sha256 for batch in known if batch.outcome == "accepted" for file in batch.files),
        unchanged=unchanged,
        # Oldest first, so that the newest version of an origin wins.
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


def batch_of(
    claim: BatchClaim,
    store: ArtifactStore,
    *,
    validated_raw: ArtifactReference | None,
    rows: int | None,
    refused_because: str | None = None,
) -> DumpBatch:
    """Return the record of a run's batch and its outcome.

    Args:
        claim: What the run claimed.
        store: The store of the raw files.
        validated_raw: Artifact of ``validate_raw``, if the run got so far.
        rows: Clean reviews, if the run got so far.
        refused_because: Why they may not be trained on; ``None`` if they may.
    """
    fetched = store.summary(claim.fetched, FetchSummary)
    return DumpBatch(
        run_name=claim.run_name,
        received_at=claim.received_at,
        outcome="accepted" if refused_because is None else "refused",
        reason=refused_because,
        files=tuple(ClaimedFile(name=file.name, sha256=file.sha256, bytes=file.bytes) for file in fetched.files),
        demo=fetched.demo,
        rows=rows,
        fetched=claim.fetched,
        validated_raw=validated_raw,
        versions=claim.versions,
    )
