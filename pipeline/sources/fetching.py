"""The stage ``fetch``: every dump's bytes, as they came, in the store."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from pipeline.config import DEMO_DUMP, INBOX_DUMP, KAGGLE_DUMP, DataConfig
from pipeline.errors import SourceError, quoted
from pipeline.settings import load_settings, variable
from pipeline.sources.allowed_roots import require_allowed_dumps
from pipeline.sources.demo import write_demo_dump
from pipeline.sources.inbox import InboxFile, fetch_inbox, list_inbox
from pipeline.sources.kaggle import ORIGIN as KAGGLE_ORIGIN
from pipeline.sources.kaggle import fetch_kaggle
from pipeline.sources.local import find_local
from pipeline.sources.naming import safe_name, unique_names, without_secrets
from pipeline.sources.records import FetchedFile, FetchSummary, KnownVersion, SourceVersion
from pipeline.sources.s3 import fetch_objects
from pipeline.sources.staging import FoundFile, NotModified, copied, open_regular
from pipeline.sources.web import download
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

log = logging.getLogger(__name__)

FETCH = Stage("fetch", version=1)
DEMO_FILE = "demo_reviews.csv"


class _Content(BaseModel):
    """One file's name and bytes: what makes a fetched dump the same or another one."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str


class _FetchParameters(BaseModel):
    """The key of a landing is what was fetched, wherever it came from."""

    model_config = ConfigDict(frozen=True)

    files: tuple[_Content, ...]
    demo: bool


@dataclass(frozen=True)
class UnreadableFile:
    """A file that nobody named and that is no dump.

    Attributes:
        name: Its safe name.
        sha256: Of its bytes.
        bytes: Their number.
        problem: What is wrong with it, and what to do.
    """

    name: str
    sha256: str
    bytes: int
    problem: str


@dataclass(frozen=True)
class SeenFiles:
    """What was taken before, so that it is not taken again.

    Attributes:
        taken: SHA-256 of every file that was taken, to leave out of what the inbox holds.
        accepted: Those of them that may be trained on already, to leave out of dumps given by name too.
        unchanged: Whether a file of the inbox is surely one of those, by name, size and time, without reading it.
        versions: What the servers of http(s) addresses and Kaggle said of the versions that were taken, by origin.
    """

    taken: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    unchanged: Callable[[InboxFile], bool] = lambda _: False
    versions: Mapping[str, KnownVersion] = field(default_factory=dict)


@dataclass(frozen=True)
class FetchResult:
    """What came of looking for dumps.

    Attributes:
        fetched: The artifact; ``None`` if there was nothing new.
        known: Names of files left out because their bytes were taken before.
        unreadable: Files of the inbox that are no dumps, left out.
        versions: Which versions of their sources the fetched files are, as far as servers tell.
    """

    fetched: ArtifactReference | None
    known: tuple[str, ...]
    unreadable: tuple[UnreadableFile, ...]
    versions: tuple[SourceVersion, ...] = ()


class DumpCheck(Protocol):
    """Refuses files that are not dumps of reviews; ``pipeline.readers.check_dump`` is the one in use."""

    def __call__(self, path: Path, name: str, config: DataConfig, *, read_rows: bool, stars: bool) -> None:
        """Raise ``SourceError`` if a file is not a dump of reviews.

        Args:
            path: The file.
            name: Its name in messages.
            config: Column mapping, delimiter and encoding.
            read_rows: Whether its columns and first rows are read, too.
            stars: Whether it must have a score column; only checked if rows are read.
        """


def fetch(config: DataConfig, store: ArtifactStore, check: DumpCheck) -> ArtifactReference:
    """Find or fetch every dump of the configuration and keep its bytes in the store.

    The artifact's key is made of the files' names and digests: the same bytes are fetched once, and a dump that has
    changed under the same name is another artifact.

    Args:
        config: ``dumps``, and ``encoding`` for text that would look binary without it.
        store: Where the artifact goes.
        check: Refuses files that are not dumps.

    Returns:
        The artifact: ``raw/<number>-<name>`` and a ``FetchSummary``.

    Raises:
        SourceError: A dump cannot be found or fetched, or is none (empty, a Git-LFS pointer, a web page, a program,
            an unsafe archive, …).
    """
    # Reviews that are only scored need no stars; who trains on them asks for them.
    fetch_result = fetch_new(config, store, SeenFiles(), check, stars=False)
    if fetch_result.fetched is None:
        problem = f" {fetch_result.unreadable[0].problem}" if fetch_result.unreadable else ""
        raise SourceError(f"There is no dump to read: the inbox is empty, or holds no whole dump.{problem}")
    return fetch_result.fetched


def fetch_new(
    config: DataConfig, store: ArtifactStore, known: SeenFiles, check: DumpCheck, *, stars: bool = True
) -> FetchResult:
    """Land the dumps whose bytes were not taken before.

    A file of the inbox that cannot be read as a dump of reviews is left out and told of: the others should not wait
    for it. A dump that was given by name must be readable.

    Args:
        config: As for :func:`fetch`.
        store: Where the artifact goes.
        known: What was taken before.
        check: As for :func:`fetch`.
        stars: Whether a file of the inbox without a score column is left out, too.

    Raises:
        SourceError: As for :func:`fetch`.
        ConfigurationError: A dump lies outside the places that the deployment reads from.
    """
    require_allowed_dumps(config.dumps)
    with tempfile.TemporaryDirectory(prefix="staging-", dir=_staging_parent(store)) as staging:
        readable: list[tuple[FoundFile, _Content]] = []
        left_out: list[str] = []
        unreadable: list[UnreadableFile] = []
        found, not_modified = _find(config.dumps, Path(staging), known)
        left_out += [answer.origin for answer in not_modified]
        names = unique_names([safe_name(file.name) for file in found])
        for file, name in zip(found, names, strict=True):
            content = _content(file, name)
            if content.sha256 in (known.taken if file.unattended else known.accepted):
                left_out.append(name)
                continue
            try:
                check(file.path, name, config, read_rows=file.unattended, stars=stars)
            except SourceError as error:
                if not file.unattended:
                    raise
                log.warning("%s of the inbox is passed over: %s", quoted(name), error)
                unreadable.append(UnreadableFile(name, content.sha256, file.path.stat().st_size, str(error)))
                continue
            readable.append((file, content))
        if not readable:
            return FetchResult(None, tuple(left_out), tuple(unreadable))
        files, contents = [file for file, _ in readable], [content for _, content in readable]
        fetched = store.produce(
            FETCH,
            inputs={},
            params=_FetchParameters(files=tuple(contents), demo=any(file.demo for file in files)),
            build=lambda work: _build(work, files, contents),
        )
        versions = (SourceVersion(origin=file.origin, version=file.version) for file in files if file.version)
        return FetchResult(fetched, tuple(left_out), tuple(unreadable), tuple(versions))


def _build(work: Workspace, found: list[FoundFile], contents: list[_Content]) -> Outcome:
    fetched = []
    (work.folder / "raw").mkdir()
    for number, (file, content) in enumerate(zip(found, contents, strict=True)):
        path = f"raw/{number}-{content.name}"
        target = work.folder / path
        if file.fetched:
            shutil.move(file.path, target)
            size = target.stat().st_size
        else:
            with open_regular(file.path, content.name, follow_links=not file.unattended) as source:
                size, digest = copied(source, target, content.name)
            if digest != content.sha256:
                raise SourceError(
                    f"{quoted(content.name)} changed while it was read. Wait until it is complete and run again."
                )
        fetched.append(FetchedFile(name=content.name, path=path, origin=file.origin, bytes=size, sha256=content.sha256))
        log.info("fetched %s from %s: %d bytes", quoted(content.name), quoted(file.origin, 200), size)
    return Outcome(FetchSummary(files=tuple(fetched), demo=any(file.demo for file in found)))


def _find(dumps: tuple[str, ...], staging: Path, known: SeenFiles) -> tuple[list[FoundFile], list[NotModified]]:
    """Return the files behind the dumps, and the sources that hold no newer version."""
    found: list[FoundFile] = []
    not_modified: list[NotModified] = []
    answers: list[FoundFile | NotModified] = []
    for number, dump in enumerate(dumps):
        folder = staging / str(number)
        folder.mkdir()
        scheme, separator, rest = dump.partition("://")
        scheme = scheme.lower()
        if dump == DEMO_DUMP:
            path = folder / DEMO_FILE
            write_demo_dump(path)
            found.append(FoundFile(path, DEMO_FILE, "demo", fetched=True, demo=True))
        elif dump == INBOX_DUMP:
            found.extend(_from_inbox(folder, known))
        elif dump == KAGGLE_DUMP:
            answers.append(fetch_kaggle(known.versions.get(KAGGLE_ORIGIN, KnownVersion()).number))
        elif not separator or scheme == "file":
            found.extend(find_local(rest if separator else dump))
        elif scheme in {"http", "https"}:
            # An origin is without its query, and two queries are two files.
            version = None if "?" in dump else known.versions.get(without_secrets(dump))
            answers.append(download(dump, folder, version))
        elif scheme == "s3":
            found.extend(fetch_objects(dump, folder))
        else:
            raise SourceError(
                f"The dump {quoted(without_secrets(dump), 200)} begins with {quoted(scheme)}://, which "
                "cannot be fetched. "
                "Give a path, http://, https://, s3://, 'kaggle', 'inbox' or 'demo'."
            )
        found += [answer for answer in answers if isinstance(answer, FoundFile)]
        not_modified += [answer for answer in answers if isinstance(answer, NotModified)]
        answers.clear()
    return found, not_modified


def _from_inbox(folder: Path, known: SeenFiles) -> list[FoundFile]:
    url = load_settings().inbox
    if url is None:
        raise SourceError(
            f"The dump {quoted(INBOX_DUMP)} needs an inbox; {variable('inbox')} names none. Set it to a folder or an "
            "s3:// "
            "prefix for the process that runs this step, or name a dump."
        )
    complete = [file for file in list_inbox(url) if file.complete and not known.unchanged(file)]
    return [replace(file, unattended=True) for file in fetch_inbox(url, complete, folder)]


def _content(file: FoundFile, name: str) -> _Content:
    with open_regular(file.path, name, follow_links=not file.unattended) as stream:
        _, digest = copied(stream, None, name)
    return _Content(name=name, sha256=digest)


def _staging_parent(store: ArtifactStore) -> Path | None:
    """Return a folder on the store's own disk, so that what was fetched is moved and not copied."""
    parent = Path(str(store.root)) if store.is_folder else store.cache
    if parent is None:
        return None
    parent = parent / "in_progress"
    parent.mkdir(parents=True, exist_ok=True)
    return parent
