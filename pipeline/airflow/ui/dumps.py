"""The inbox, and what became of each dump: read from names, sizes and records, never from the dumps themselves."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING

from pipeline.airflow.ui.pages import told
from pipeline.errors import PipelineError, SourceUnavailableError
from pipeline.settings import load_settings
from pipeline.sources.naming import safe_name, without_secrets
from pipeline.store import ArtifactStore

if TYPE_CHECKING:
    from pipeline.dataset import DumpBatch
    from pipeline.sources.inbox import InboxFile, InboxListing

PATIENCE_SECONDS = 5.0
"""How long a page waits for the inbox: an object store that is away keeps its caller for minutes."""
MOST_WAITING = 4
SHOWN_FILES = 100

_waiting = BoundedSemaphore(MOST_WAITING)


@dataclass(frozen=True)
class Arrival:
    """A file in the inbox.

    Attributes:
        file: Its name, size and time.
        taken: The newest batch that holds a file of this name and size, if any.
        changed: Whether the file was written to after that batch: its content may be new.
    """

    file: InboxFile
    taken: DumpBatch | None
    changed: bool


@dataclass(frozen=True)
class Inbox:
    """The inbox at one look.

    Attributes:
        place: Where it is, without a login; ``None`` where none is set.
        arrivals: Its files, the newest first.
        left_out: How many older ones are not among them.
        passed_over: What lies there and is no dump, with the reasons.
        problem: Why it cannot be listed.
    """

    place: str | None = None
    arrivals: tuple[Arrival, ...] = ()
    left_out: int = 0
    passed_over: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Taken:
    """The batches.

    Attributes:
        batches: Newest first; none where one of them cannot be read.
        problem: Why they cannot be read.
    """

    batches: tuple[DumpBatch, ...] = ()
    problem: str | None = None


def taken(store: ArtifactStore) -> Taken:
    """Return what was taken so far."""
    from pipeline.dataset import batches

    try:
        return Taken(batches(store))
    except (PipelineError, OSError) as error:
        return Taken(problem=told(error))


def inbox(known: tuple[DumpBatch, ...]) -> Inbox:
    """Return the inbox's files, each with the batch that took a file of its name and size.

    Args:
        known: The batches, newest first.
    """
    place = None
    try:
        url = load_settings().inbox
        if url is None:
            return Inbox()
        place = without_secrets(url) if "://" in url else url
        look = _look_into(url, place)
    except Exception as error:  # noqa: BLE001 - a listing raises what the object store's library raises
        return Inbox(place, problem=told(error))
    # What was taken bears its safe name already.
    by_name = {(file.name, file.bytes): batch for batch in reversed(known) for file in batch.files}
    files = sorted(look.files, key=lambda file: file.modified, reverse=True)
    arrivals = []
    for file in files[:SHOWN_FILES]:
        batch = by_name.get((safe_name(file.name), file.bytes))
        arrivals.append(Arrival(file, batch, changed=batch is not None and file.modified >= batch.received_at))
    return Inbox(place, tuple(arrivals), len(files) - len(arrivals), tuple(map(str, look.skipped[:SHOWN_FILES])))


def _look_into(url: str, place: str) -> InboxListing:
    """Look into the inbox, or give up after a while.

    Raises:
        SourceUnavailableError: It did not answer in time.
    """
    from pipeline.sources.inbox import scan_inbox

    late = SourceUnavailableError(
        f"{place} has not answered within {PATIENCE_SECONDS:.0f} seconds. Look again later; runs wait longer."
    )
    if not _waiting.acquire(blocking=False):
        raise late
    answer: SimpleQueue[InboxListing | Exception] = SimpleQueue()

    def look() -> None:
        try:
            answer.put(scan_inbox(url))
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            answer.put(error)
        finally:
            _waiting.release()

    # A daemon, so that a server that is told to stop does not wait for it.
    Thread(target=look, name="inbox", daemon=True).start()
    try:
        found = answer.get(timeout=PATIENCE_SECONDS)
    except Empty:
        raise late from None
    if isinstance(found, Exception):
        raise found
    return found
