"""The trigger that watches the inbox and updates the asset ``new_dumps`` (docs/how-to/deliver_dumps.md).

Airflow's own file triggers delete the files that they find. This one only lists them: the batch registry in the store
holds the digests of all files received before, so a restarted triggerer neither loses a file nor reports one twice.

A DAG file imports this module, so heavy modules are imported when the inbox is scanned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from pipeline.errors import PipelineError
from pipeline.settings import load_settings

if TYPE_CHECKING:
    from pipeline.sources.inbox import InboxListing
    from pipeline.sources.source import InboxFile

log = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 600.0
"""Longest time between two scans while the inbox is unreachable."""
MAX_LOGGED = 1000
"""Reasons that are remembered as logged; beyond this number they are logged again."""
MAX_NAMED_FILES = 50
"""Files that an event names; it counts all of them."""


def new_dumps_asset(store: str) -> Asset:
    """Return the asset that new dumps update, with a watcher if an inbox is configured.

    Args:
        store: Path or URL of the artifact store with the batch registry; the triggerer must reach it.
    """
    settings = load_settings()
    watchers = []
    if settings.inbox is not None:
        trigger = DumpWatcher(_absolute(settings.inbox), _absolute(store), settings.inbox_poll_seconds)
        watchers.append(AssetWatcher(name="inbox", trigger=trigger))
    return Asset(name="new_dumps", group="review_sentiment", watchers=watchers)


def _absolute(place: str) -> str:
    """Return an absolute path: the triggerer may have another working directory than the DAG processor."""
    return place if "://" in place else str(Path(place).expanduser().absolute())


class DumpWatcher(BaseEventTrigger):
    """Yields an event for the dumps that have become complete since the previous scan.

    The payload: ``{"count": …, "files": [{"name": …, "bytes": …, "sha256": …}, …]}``, at most ``MAX_NAMED_FILES``
    files.
    """

    def __init__(self, inbox: str, store: str, poll_seconds: float) -> None:
        """Keep the arguments; nothing is read yet.

        Args:
            inbox: A folder or ``s3://bucket/prefix/``.
            store: Path or URL of the artifact store with the batch registry.
            poll_seconds: Seconds between two scans.
        """
        super().__init__()
        self.inbox = inbox
        self.store = store
        self.poll_seconds = poll_seconds
        self._before: tuple[InboxFile, ...] = ()
        self._digests: dict[Any, str] = {}
        self._reported: set[str] = set()
        self._known: frozenset[str] = frozenset()
        self._logged: set[str] = set()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and the arguments with which the triggerer creates it."""
        return "pipeline.airflow.dump_watcher.DumpWatcher", {
            "inbox": self.inbox,
            "store": self.store,
            "poll_seconds": self.poll_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Scan until the triggerer stops; an error makes the scans less frequent."""
        from pipeline.airflow.store_login import use_store_connection

        use_store_connection()
        every = self.poll_seconds
        failures = 0
        while True:
            try:
                new = await self._new_dumps()
            except Exception as error:  # noqa: BLE001 - a watcher that ends is not started again
                if not failures:
                    log.warning("The inbox is unreachable; scanning less often: %s", error)
                failures += 1
                await self._pause(min(every * 2 ** min(failures, 16), max(every, MAX_PAUSE_SECONDS)))
                continue
            if failures:
                log.warning("Inbox reachable again after %d failed scans.", failures)
                failures = 0
            if new:
                yield TriggerEvent(_payload(new))
            await self._pause(every)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _new_dumps(self) -> dict[str, InboxFile]:
        """Scan once and return, by digest, the complete files that are neither reported nor in a batch."""
        from pipeline.sources.inbox import stable_files

        listing = await asyncio.to_thread(self._scan)
        self._log_once(map(str, listing.skipped))
        ready = stable_files(self._before, listing.files)
        self._before = listing.files
        self._forget(listing.files)
        # One file at a time, so that the triggerer can stop in between.
        found: dict[str, InboxFile] = {}
        for file in ready:
            digest = self._digests.get(file.version) or await asyncio.to_thread(self._digest, file)
            if digest is None:
                continue
            self._digests[file.version] = digest
            if digest not in self._reported:
                found.setdefault(digest, file)
        if found.keys() - self._known:
            self._known = await asyncio.to_thread(self._known_digests)
        new = {digest: file for digest, file in found.items() if digest not in self._known}
        self._reported |= new.keys()
        return new

    def _scan(self) -> InboxListing:
        from pipeline.sources.inbox import scan_inbox

        return scan_inbox(self.inbox)

    def _digest(self, file: InboxFile) -> str | None:
        """Return a file's digest; ``None`` if it cannot be read now: the next scan tries again."""
        from pipeline.sources.inbox import inbox_digest

        try:
            return inbox_digest(self.inbox, file)
        except PipelineError as error:
            self._log_once([str(error)])
            return None

    def _known_digests(self) -> frozenset[str]:
        from pipeline.dataset import seen_digests
        from pipeline.store import ArtifactStore

        return seen_digests(ArtifactStore(self.store))

    def _forget(self, files: Iterable[InboxFile]) -> None:
        """Drop the digests of files that are gone."""
        there = {file.version for file in files}
        self._digests = {version: digest for version, digest in self._digests.items() if version in there}

    def _log_once(self, reasons: Iterable[str]) -> None:
        if len(self._logged) > MAX_LOGGED:
            self._logged.clear()
        for reason in reasons:
            if reason not in self._logged:
                self._logged.add(reason)
                log.warning("inbox: %s", reason)


def _payload(new: dict[str, InboxFile]) -> dict[str, Any]:
    from pipeline.sources.naming import safe_name

    named = list(new.items())[:MAX_NAMED_FILES]
    return {
        "count": len(new),
        "files": [{"name": safe_name(file.name), "bytes": file.bytes, "sha256": digest} for digest, file in named],
    }
