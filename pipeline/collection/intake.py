"""What a run works on: new dumps, or what the collection holds, or nothing because there is no reason to train."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from pipeline.collection.records import Intake, TakenFile, Taking
from pipeline.collection.register import (
    accepted_intakes,
    intakes,
    record_intake,
    record_taking,
    taking,
    was_judged,
)
from pipeline.collection.window import choose_window
from pipeline.config import RunConfig
from pipeline.errors import NothingNewError, SourceError
from pipeline.ingest import InboxFile, KnownFiles, LandSummary, UnreadableFile, land, land_new
from pipeline.ingest.naming import safe_name
from pipeline.store import ArtifactReference, ArtifactStore

log = logging.getLogger(__name__)


def take(config: RunConfig, store: ArtifactStore, run_name: str) -> Taking:
    """Land what a run works on.

    An experiment on named dumps lands those, whatever they are. A run that adds to the collection and asks again
    (cleared, or killed and repeated) gets what it got first; otherwise the dumps that the configuration names, but for
    those whose bytes the collection holds already; and where none is new, or the run is to train as of an earlier
    moment, the newest dump of the window, provided that the window waits for a judgement.

    Args:
        config: What the run was told.
        store: Where dumps are landed and the collection is kept.
        run_name: The run's name.

    Raises:
        NothingNewError: There is no new dump, and the window was judged already.
        EmptyWindowError: No dump was known at the moment asked for.
        SourceError: A dump cannot be fetched or read.
    """
    if not config.collects:
        return Taking(run_name=run_name, taken_at=datetime.now(UTC), landed=land(config.data, store), new=True)
    before = taking(store, run_name)
    if before is not None and store.has(before.landed):
        log.info("This run took its dumps at %s already and keeps to them.", f"{before.taken_at:%Y-%m-%d %H:%M}")
        return before
    taken = _take(config, store, run_name)
    record_taking(store, taken)
    return taken


def _take(config: RunConfig, store: ArtifactStore, run_name: str) -> Taking:
    now = datetime.now(UTC)
    if config.collection.as_of is not None:
        return _from_collection(config, store, run_name, now)
    known = intakes(store)
    landing = land_new(config.data, store, _known_files(known))
    for unreadable in landing.unreadable:
        record_intake(store, _refused(unreadable, run_name, now))
    if landing.known:
        log.info("Left out, since their content was taken before: %s", ", ".join(landing.known))
    if landing.landed is not None:
        versions = landing.versions
        return Taking(run_name=run_name, taken_at=now, landed=landing.landed, new=True, versions=versions)
    if landing.unreadable:
        raise SourceError(f"The inbox holds nothing new that can be read. {landing.unreadable[0].problem}")
    return _from_collection(config, store, run_name, now)


def _from_collection(config: RunConfig, store: ArtifactStore, run_name: str, now: datetime) -> Taking:
    accepted = [intake for intake in accepted_intakes(store) if not intake.demo]
    if config.collection.as_of is None and not accepted:
        raise NothingNewError("There is no new dump, and the collection is empty. Put a dump into the inbox.")
    window = choose_window(accepted, config.collection, demo=False)
    landed = _landings(window)
    if config.collection.as_of is None and was_judged(store, landed):
        raise NothingNewError(
            f"There is no new dump, and a model of all {len(window)} dumps of the window was judged already: there is "
            "no reason to train again."
        )
    return Taking(run_name=run_name, taken_at=now, landed=landed[-1], new=False)


def _landings(window: Sequence[Intake]) -> list[ArtifactReference]:
    return [intake.landed for intake in window if intake.landed is not None]


def _known_files(known: Sequence[Intake]) -> KnownFiles:
    seen = {(file.name, file.bytes): intake.taken_at for intake in reversed(known) for file in intake.files}

    def unchanged(file: InboxFile) -> bool:
        taken_at = seen.get((safe_name(file.name), file.bytes))
        return taken_at is not None and file.modified < taken_at

    return KnownFiles(
        taken=frozenset(file.sha256 for intake in known for file in intake.files),
        accepted=frozenset(file.sha256 for intake in known if intake.outcome == "accepted" for file in intake.files),
        unchanged=unchanged,
        # The oldest first, so that the newest stays.
        versions={one.origin: one.version for intake in reversed(known) for one in intake.versions},
    )


def _refused(file: UnreadableFile, run_name: str, now: datetime) -> Intake:
    return Intake(
        run_name=run_name,
        taken_at=now,
        outcome="refused",
        reason=file.problem,
        files=(TakenFile(name=file.name, sha256=file.sha256, bytes=file.bytes),),
        demo=False,
        landed=None,
    )


def intake_of(
    taken: Taking,
    store: ArtifactStore,
    *,
    validated_raw: ArtifactReference | None,
    rows: int | None,
    refused_because: str | None = None,
) -> Intake:
    """Return the record of what became of a run's dumps.

    Args:
        taken: What the run took.
        store: Where the landed files lie.
        validated_raw: The validated reviews, where the run came so far.
        rows: Clean reviews, where the run came so far.
        refused_because: Why they may not be trained on; ``None`` if they may.
    """
    landed = store.summary(taken.landed, LandSummary)
    return Intake(
        run_name=taken.run_name,
        taken_at=taken.taken_at,
        outcome="accepted" if refused_because is None else "refused",
        reason=refused_because,
        files=tuple(TakenFile(name=file.name, sha256=file.sha256, bytes=file.bytes) for file in landed.files),
        demo=landed.demo,
        rows=rows,
        landed=taken.landed,
        validated_raw=validated_raw,
        versions=taken.versions,
    )
