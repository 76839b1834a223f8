"""The inbox and the batches, from file names, sizes and records; dumps are not read."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING

from pipeline.airflow.plugin import DAG_ID
from pipeline.airflow.ui.pages import describe_error
from pipeline.config import INBOX_FILE
from pipeline.dataset import DumpBatch
from pipeline.errors import SourceUnavailableError
from pipeline.settings import load_settings
from pipeline.sources.inbox import InboxListing, scan_inbox
from pipeline.sources.naming import safe_name, without_secrets

if TYPE_CHECKING:
    from pipeline.sources.source import InboxFile

PATIENCE_SECONDS = 5.0
"""Seconds that a page waits for the inbox: an unreachable object store blocks its caller for minutes."""
MAX_WAITING = 4
SHOWN_FILES = 100

_waiting = BoundedSemaphore(MAX_WAITING)


@dataclass(frozen=True)
class InboxEntry:
    """A file in the inbox.

    ``changed`` tells whether it was written after ``batch`` was received: its content may be new.
    """

    file: InboxFile
    batch: DumpBatch | None
    changed: bool

    @property
    def dump(self) -> str:
        """The dump to name in the trigger form to train on this file."""
        return f"{INBOX_FILE}{self.file.name}"

    @property
    def command(self) -> str:
        """The shell command that starts a run on this file."""
        return shlex.join(["airflow", "dags", "trigger", DAG_ID, "--conf", json.dumps({"dumps": [self.dump]})])


@dataclass(frozen=True)
class Inbox:
    """One listing of the inbox.

    Attributes:
        place: Its address without a login; ``None`` if none is configured.
        entries: Its files, newest first.
        unlisted: Number of older files that are not listed.
        skipped: Files that are not dumps, with the reasons.
        problem: Why it cannot be listed.
    """

    place: str | None = None
    entries: tuple[InboxEntry, ...] = ()
    unlisted: int = 0
    skipped: tuple[str, ...] = ()
    problem: str | None = None


def inbox(known: tuple[DumpBatch, ...]) -> Inbox:
    """Return the inbox's files, each with the batch that holds a file of its name and size.

    Args:
        known: The batches, newest first.
    """
    place = None
    try:
        url = load_settings().inbox
        if url is None:
            return Inbox()
        place = without_secrets(url)
        look = _list(url, place)
    except Exception as error:  # noqa: BLE001 - a listing raises what the object store's library raises
        return Inbox(place, problem=describe_error(error))
    # Batches record safe names.
    by_name = {(file.name, file.bytes): batch for batch in reversed(known) for file in batch.files}
    files = sorted(look.files, key=lambda file: file.modified, reverse=True)
    entries = []
    for file in files[:SHOWN_FILES]:
        batch = by_name.get((safe_name(file.name), file.bytes))
        entries.append(InboxEntry(file, batch, changed=batch is not None and file.modified >= batch.received_at))
    return Inbox(place, tuple(entries), len(files) - len(entries), tuple(map(str, look.skipped[:SHOWN_FILES])))


def _list(url: str, place: str) -> InboxListing:
    """List the inbox, or give up after ``PATIENCE_SECONDS``.

    Raises:
        SourceUnavailableError: It did not answer in time.
    """
    late = SourceUnavailableError(
        f"{place} did not answer within {PATIENCE_SECONDS:.0f} seconds. Reload the page later."
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

    # A daemon thread does not keep the server from stopping.
    Thread(target=look, name="inbox", daemon=True).start()
    try:
        found = answer.get(timeout=PATIENCE_SECONDS)
    except Empty:
        raise late from None
    if isinstance(found, Exception):
        raise found
    return found
