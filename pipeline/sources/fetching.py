"""The stage ``fetch``: the bytes of every dump, as received, in the store."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from pipeline.config import DEMO_DUMP, INBOX_DUMP, INBOX_FILE, KAGGLE_DUMP, DataConfig
from pipeline.errors import SourceError, quoted
from pipeline.sources.allowed_roots import require_allowed_dumps
from pipeline.sources.demo import fetch_demo
from pipeline.sources.inbox import fetch_named_file, fetch_new_files
from pipeline.sources.kaggle import fetch_kaggle
from pipeline.sources.local import find_local
from pipeline.sources.naming import safe_name, unique_names, without_secrets
from pipeline.sources.records import FetchedFile, FetchSummary, SourceVersion
from pipeline.sources.s3 import fetch_s3
from pipeline.sources.source import FoundFile, SeenFiles, Source, hash_blocks, open_regular, read_blocks, scheme_of
from pipeline.sources.web import fetch_web
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

log = logging.getLogger(__name__)

FETCH = Stage("fetch", version=1)
KEYWORDS: dict[str, Source] = {DEMO_DUMP: fetch_demo, INBOX_DUMP: fetch_new_files, KAGGLE_DUMP: fetch_kaggle}
SCHEMES: dict[str, Source] = {"http": fetch_web, "https": fetch_web, "s3": fetch_s3, "file": find_local, "": find_local}
"""What fetches a dump that is no keyword, by the scheme of its address; a path has none."""


class _Content(BaseModel):
    """The name and the bytes of one file, which identify it in the key of the artifact."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str


class _FetchParameters(BaseModel):
    """The key of the artifact: what was fetched, independent of where it came from."""

    model_config = ConfigDict(frozen=True)

    files: tuple[_Content, ...]
    demo: bool


@dataclass(frozen=True)
class UnreadableFile:
    """A file of the inbox that is not a dump."""

    name: str
    sha256: str
    bytes: int
    problem: str


@dataclass(frozen=True)
class FetchResult:
    """What one fetch found.

    Attributes:
        fetched: The artifact; ``None`` if there was nothing new.
        seen: Names of files that were skipped because their bytes were fetched before.
        unreadable: Files of the inbox that were skipped because they are not dumps.
        versions: The versions of the fetched files, for sources that name them.
    """

    fetched: ArtifactReference | None
    seen: tuple[str, ...]
    unreadable: tuple[UnreadableFile, ...]
    versions: tuple[SourceVersion, ...] = ()


class DumpCheck(Protocol):
    """Refuses files that are not dumps of reviews; ``pipeline.readers.check_dump`` is the one in use."""

    def __call__(self, path: Path, name: str, config: DataConfig, *, read_rows: bool, stars: bool) -> None:
        """Raise ``SourceError`` if a file is not a dump; ``read_rows`` also checks its columns and first rows."""


def fetch(config: DataConfig, store: ArtifactStore, check: DumpCheck) -> ArtifactReference:
    """Fetch every dump of the configuration and keep its bytes in the store.

    The key of the artifact depends on the names and digests of the files only: the same bytes are stored once.

    Args:
        config: ``dumps``; the check reads other fields.
        store: Where the artifact is written.
        check: Refuses files that are not dumps.

    Returns:
        The artifact: ``raw/<number>-<name>`` and a ``FetchSummary``.

    Raises:
        SourceError: A dump cannot be found, fetched or read.
        ConfigurationError: A dump is outside the roots that the deployment allows.
    """
    # Reviews that are only scored need no stars; training checks for them itself.
    result = fetch_new(config, store, SeenFiles(), check, stars=False)
    if result.fetched is None:
        problem = f" {result.unreadable[0].problem}" if result.unreadable else ""
        raise SourceError(f"There is no dump to read: the inbox is empty, or contains no complete dump.{problem}")
    return result.fetched


def fetch_new(
    config: DataConfig, store: ArtifactStore, seen: SeenFiles, check: DumpCheck, *, stars: bool = True
) -> FetchResult:
    """Fetch the dumps whose bytes were not fetched before.

    A file of the inbox that is not a dump of reviews is skipped and reported, so that other files need not wait for it.
    A dump that the user named must be readable.

    Args:
        config: As for :func:`fetch`.
        store: Where the artifact is written.
        seen: What was fetched before.
        check: As for :func:`fetch`.
        stars: Whether a file of the inbox without a score column is skipped, too.

    Raises:
        SourceError: As for :func:`fetch`.
        ConfigurationError: As for :func:`fetch`.
    """
    require_allowed_dumps(config.dumps)
    # On the disk of the store, so that fetched files are moved instead of copied.
    with tempfile.TemporaryDirectory(prefix="staging-", dir=store.in_progress) as staging:
        found = _find(config.dumps, Path(staging), seen)
        skipped: list[str] = []
        readable: list[tuple[FoundFile, _Content]] = []
        unreadable: list[UnreadableFile] = []
        for file, name in zip(found, unique_names([safe_name(file.name) for file in found]), strict=True):
            with open_regular(file.path, name, follow_links=not file.in_inbox) as stream:
                size, sha256 = hash_blocks(read_blocks(stream), name)
            if sha256 in (seen.received if file.unattended else seen.accepted):
                skipped.append(name)
                continue
            try:
                check(file.path, name, config, read_rows=file.unattended, stars=stars)
            except SourceError as error:
                if not file.unattended:
                    raise
                log.warning("%s of the inbox is skipped: %s", quoted(name), error)
                unreadable.append(UnreadableFile(name, sha256, size, str(error)))
            else:
                readable.append((file, _Content(name=name, sha256=sha256)))
        if not readable:
            return FetchResult(None, tuple(skipped), tuple(unreadable))
        demo = any(file.demo for file, _ in readable)
        fetched = store.produce(
            FETCH,
            inputs={},
            params=_FetchParameters(files=tuple(content for _, content in readable), demo=demo),
            build=lambda work: _build(work, readable, demo=demo),
        )
        versions = tuple(
            SourceVersion(origin=file.origin, version=file.version) for file, _ in readable if file.version
        )
        return FetchResult(fetched, tuple(skipped), tuple(unreadable), versions)


def _find(dumps: Sequence[str], staging: Path, seen: SeenFiles) -> list[FoundFile]:
    found: list[FoundFile] = []
    for number, dump in enumerate(dumps):
        folder = staging / str(number)
        folder.mkdir()
        found += _source_of(dump)(dump, folder, seen)
    return found


def _source_of(dump: str) -> Source:
    if dump.startswith(INBOX_FILE):
        return fetch_named_file
    source = KEYWORDS.get(dump) or SCHEMES.get(scheme_of(dump))
    if source is not None:
        return source
    raise SourceError(
        f"The dump {quoted(without_secrets(dump), 200)} begins with {quoted(scheme_of(dump))}://, which is not "
        "supported. Give a path, http://, https://, s3://, 'kaggle', 'inbox', 'inbox:NAME' or 'demo'."
    )


def _build(work: Workspace, readable: Sequence[tuple[FoundFile, _Content]], *, demo: bool) -> Outcome:
    files = []
    (work.folder / "raw").mkdir()
    for number, (file, content) in enumerate(readable):
        path = f"raw/{number}-{content.name}"
        target = work.folder / path
        if file.staged:
            shutil.move(file.path, target)
            size = target.stat().st_size
        else:
            with open_regular(file.path, content.name, follow_links=not file.in_inbox) as source:
                size, sha256 = hash_blocks(read_blocks(source), content.name, copy_to=target)
            if sha256 != content.sha256:
                raise SourceError(
                    f"{quoted(content.name)} changed while it was read. Wait until it is complete and run again."
                )
        files.append(FetchedFile(name=content.name, path=path, origin=file.origin, bytes=size, sha256=content.sha256))
        log.info("fetched %s from %s: %d bytes", quoted(content.name), quoted(file.origin, 200), size)
    return Outcome(FetchSummary(files=tuple(files), demo=demo))
