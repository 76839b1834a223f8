"""Watches the inbox for new dumps and tells Airflow of them, as the asset ``new_dumps`` (docs/how-to/deliver_dumps.md).

Airflow's own file triggers delete what they found. This one only looks: what is new is decided by the store's
collection, which holds the digests of everything that was taken. So a triggerer that starts again loses no file, and
tells of none that was taken already.

The triggerer imports this module by its name, as Airflow puts the folder of plugins on the path of every process; a DAG
file imports it too, so everything heavy is imported when a look is taken.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from pipeline.settings import load_settings

if TYPE_CHECKING:
    from pipeline.sources.inbox import InboxFile, InboxListing

log = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 600.0
"""Longest time between two looks while the inbox cannot be reached."""
MAX_LOGGED = 1000
"""Most reasons that are remembered as told; after that they are told once more."""
NAMED_FILES = 50
"""Most files that an event names; it counts all."""


def new_dumps_asset(store: str) -> Asset:
    """Return the asset that new dumps update, watched where the environment names an inbox.

    Args:
        store: Path or URL of the artifact store with the collection; the triggerer must see the same one there.
    """
    settings = load_settings()
    watchers = []
    if settings.inbox is not None:
        trigger = DumpWatcher(_absolute(settings.inbox), _absolute(store), settings.inbox_poll_seconds)
        watchers.append(AssetWatcher(name="inbox", trigger=trigger))
    return Asset(name="new_dumps", group="review_sentiment", watchers=watchers)


def _absolute(place: str) -> str:
    """Return a folder's path from the root: the triggerer may work in another folder than who reads the DAG file."""
    return place if "://" in place else str(Path(place).expanduser().absolute())


class DumpWatcher(BaseEventTrigger):
    """Yields an event for the dumps that have become complete since the look before.

    Its payload is ``{"count": …, "files": [{"name": …, "bytes": …, "sha256": …}, …]}``, with ``NAMED_FILES`` files at
    most.
    """

    def __init__(self, inbox: str, store: str, poll_seconds: float) -> None:
        """Keep what to watch.

        Args:
            inbox: A folder or ``s3://bucket/prefix/``.
            store: Path or URL of the artifact store with the collection.
            poll_seconds: Time between two looks.
        """
        super().__init__()
        self.inbox = inbox
        self.store = store
        self.poll_seconds = poll_seconds
        self._before: tuple[InboxFile, ...] = ()
        self._digests: dict[Any, str] = {}
        self._told: set[str] = set()
        self._known: frozenset[str] = frozenset()
        self._logged: set[str] = set()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path and arguments, from which the triggerer makes it anew."""
        return "pipeline.airflow.dump_watcher.DumpWatcher", {
            "inbox": self.inbox,
            "store": self.store,
            "poll_seconds": self.poll_seconds,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; never end, whatever a look meets."""
        from pipeline.airflow.store_login import use_store_connection

        use_store_connection()
        every = self.poll_seconds
        failures = 0
        while True:
            try:
                new = await self._new_dumps()
            except Exception as error:  # noqa: BLE001 - a watcher that ends would never be started again
                if not failures:
                    log.warning("The inbox cannot be watched for now; looking again, less often: %s", error)
                failures += 1
                await self._pause(min(every * 2 ** min(failures, 16), max(every, MAX_PAUSE_SECONDS)))
                continue
            if failures:
                log.warning("The inbox can be watched again, after %d looks in vain.", failures)
                failures = 0
            if new:
                yield TriggerEvent(_payload(new))
            await self._pause(every)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _new_dumps(self) -> dict[str, InboxFile]:
        """Take one look and return, by digest, the settled files that nobody was told of and no batch holds."""
        from pipeline.sources.inbox import stable_files

        look = await asyncio.to_thread(self._look)
        self._log_once(map(str, look.skipped))
        ready = stable_files(self._before, look.files)
        self._before = look.files
        self._forget(look.files)
        # One file after the other, so that stopping the triggerer need not wait for all of them.
        found: dict[str, InboxFile] = {}
        for file in ready:
            digest = self._digests.get(file.version) or await asyncio.to_thread(self._digest, file)
            if digest is None:
                continue
            self._digests[file.version] = digest
            if digest not in self._told:
                found.setdefault(digest, file)
        if found.keys() - self._known:
            self._known = await asyncio.to_thread(self._known_digests)
        new = {digest: file for digest, file in found.items() if digest not in self._known}
        self._told |= new.keys()
        return new

    def _look(self) -> InboxListing:
        from pipeline.sources.inbox import scan_inbox

        return scan_inbox(self.inbox)

    def _digest(self, file: InboxFile) -> str | None:
        """Return a file's digest; ``None`` if it cannot be read now, so that it is tried at the next look."""
        from pipeline.errors import PipelineError
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
        """Keep digests of what is there only."""
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

    named = list(new.items())[:NAMED_FILES]
    return {
        "count": len(new),
        "files": [{"name": safe_name(file.name), "bytes": file.bytes, "sha256": digest} for digest, file in named],
    }
