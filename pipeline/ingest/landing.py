"""The stage ``land``: every dump's bytes, as they came, in the store."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.config import DEMO_DUMP, KAGGLE_DUMP, DataConfig
from pipeline.errors import SourceError, shown
from pipeline.ingest.containers import members
from pipeline.ingest.demo import write_demo_dump
from pipeline.ingest.http_source import download
from pipeline.ingest.kaggle_source import fetch_kaggle
from pipeline.ingest.local_source import find_local
from pipeline.ingest.naming import safe_name, unique_names, without_secrets
from pipeline.ingest.object_store_source import fetch_objects
from pipeline.ingest.records import LandedFile, LandSummary
from pipeline.ingest.staging import FoundFile, copied, open_regular
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace

log = logging.getLogger(__name__)

LAND = Stage("land", version=1)
DEMO_FILE = "demo_reviews.csv"


class _Content(BaseModel):
    """One file's name and bytes: what makes a landed dump the same or another one."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str


class _LandParameters(BaseModel):
    """The key of a landing is what was landed, wherever it came from."""

    model_config = ConfigDict(frozen=True)

    files: tuple[_Content, ...]
    demo: bool


def land(config: DataConfig, store: ArtifactStore) -> ArtifactReference:
    """Find or fetch every dump of the configuration and keep its bytes in the store.

    The artifact's key is made of the files' names and digests: the same bytes are landed once, and a dump that has
    changed under the same name is another artifact.

    Args:
        config: ``dumps``, and ``encoding`` for text that would look binary without it.
        store: Where the artifact goes.

    Returns:
        The artifact: ``raw/<number>-<name>`` and a ``LandSummary``.

    Raises:
        SourceError: A dump cannot be found or fetched, or is none (empty, a Git-LFS pointer, a web page, a program,
            an unsafe archive, …).
    """
    with tempfile.TemporaryDirectory(prefix="staging-", dir=_staging_parent(store)) as staging:
        found = _find(config.dumps, Path(staging))
        names = unique_names([safe_name(file.name) for file in found])
        for file, name in zip(found, names, strict=True):
            with open_regular(file.path, name):
                pass
            members(file.path, name, encoding_known=config.encoding is not None)
        contents = [_content(file, name) for file, name in zip(found, names, strict=True)]
        return store.produce(
            LAND,
            inputs={},
            params=_LandParameters(files=tuple(contents), demo=any(file.demo for file in found)),
            build=lambda work: _build(work, found, contents),
        )


def _build(work: Workspace, found: list[FoundFile], contents: list[_Content]) -> Outcome:
    landed = []
    (work.folder / "raw").mkdir()
    for number, (file, content) in enumerate(zip(found, contents, strict=True)):
        path = f"raw/{number}-{content.name}"
        target = work.folder / path
        if file.fetched:
            shutil.move(file.path, target)
            size = target.stat().st_size
        else:
            with open_regular(file.path, content.name) as source:
                size, digest = copied(source, target, content.name)
            if digest != content.sha256:
                raise SourceError(
                    f"{shown(content.name)} changed while it was read. Wait until it is complete and run again."
                )
        landed.append(LandedFile(name=content.name, path=path, origin=file.origin, bytes=size, sha256=content.sha256))
        log.info("landed %s from %s: %d bytes", shown(content.name), shown(file.origin, 200), size)
    return Outcome(LandSummary(files=tuple(landed), demo=any(file.demo for file in found)))


def _find(dumps: tuple[str, ...], staging: Path) -> list[FoundFile]:
    found: list[FoundFile] = []
    for number, dump in enumerate(dumps):
        folder = staging / str(number)
        folder.mkdir()
        scheme, separator, rest = dump.partition("://")
        scheme = scheme.lower()
        if dump == DEMO_DUMP:
            path = folder / DEMO_FILE
            write_demo_dump(path)
            found.append(FoundFile(path, DEMO_FILE, "demo", fetched=True, demo=True))
        elif dump == KAGGLE_DUMP:
            found.append(fetch_kaggle())
        elif not separator or scheme == "file":
            found.extend(find_local(rest if separator else dump))
        elif scheme in {"http", "https"}:
            found.append(download(dump, folder))
        elif scheme == "s3":
            found.extend(fetch_objects(dump, folder))
        else:
            raise SourceError(
                f"The dump {shown(without_secrets(dump), 200)} begins with {shown(scheme)}://, which "
                "cannot be fetched. "
                "Give a path, http://, https://, s3://, 'kaggle' or 'demo'."
            )
    return found


def _content(file: FoundFile, name: str) -> _Content:
    with open_regular(file.path, name) as stream:
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
