"""Content-addressed artifacts: written aside, made durable, then shown at once, and never computed twice.

An artifact is a folder ``<store>/artifacts/<stage>/<key>/`` with the stage's files, ``summary.json`` (the
stage's own figures) and ``manifest.json`` (its provenance). The key is a digest of the stage's name and
version, of its inputs' keys and of the configuration fields that it read, so the same question finds the
same answer. A folder store is renamed into place; an object store receives the manifest last, and an
artifact without a manifest does not exist.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import logging
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from upath import UPath
from upath.registry import register_implementation

from pipeline.errors import ArtifactError, ConfigurationError, quoted
from pipeline.store.files import changed_at, files_below, vanish, written_aside
from pipeline.store.manifest import ArtifactReference, FileRecord, Manifest, Record, RowAccount

log = logging.getLogger(__name__)

# By name: s3fs is imported when the first such path is made.
register_implementation("s3", "pipeline.store.s3.ObjectPath", clobber=True)

SummaryType = TypeVar("SummaryType", bound=Record)

MANIFEST = "manifest.json"
SUMMARY = "summary.json"
USED = ".used"
RECORDED_LIBRARIES = (
    "apache-airflow",
    "great-expectations",
    "keras",
    "lxml",
    "nltk",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "tensorflow",
)


@dataclass(frozen=True)
class Stage:
    """A step of the workflow.

    Attributes:
        name: Lower-case name; also the folder in the store.
        version: Raised whenever the same inputs would give another result, so that old artifacts rest.
    """

    name: str
    version: int = 1


@dataclass(frozen=True)
class Workspace:
    """Where a stage writes while it works.

    Attributes:
        folder: Empty local folder; what lies in it at the end becomes the artifact.
        durable: Local folder that survives a kill and is found again by the next attempt at the same key
            (checkpoints); removed when the artifact is complete.
        key: The artifact's key, for stages that name things after it.
        shared: Where workers share no disk, the place in the store for what another one needs to go on.
    """

    folder: Path
    durable: Path
    key: str
    shared: UPath | None = None

    def recall(self, name: str) -> None:
        """Put a file of ``durable`` there as the last attempt kept it, on whichever machine that was.

        One that is here already and younger could not be kept: it stays.
        """
        if self.shared is None:
            return
        here, there = changed_at(UPath(self.durable / name)), changed_at(self.shared / name)
        if here and there and here > there:
            return
        with contextlib.suppress(FileNotFoundError):
            content = (self.shared / name).read_bytes()
            self.durable.mkdir(parents=True, exist_ok=True)
            with written_aside(self.durable, content) as aside:
                aside.replace(self.durable / name)

    def keep(self, name: str) -> None:
        """Let the next attempt find a file of ``durable`` as it is now, on whichever machine that will be.

        A store that fails must not end hours of work: then it is a warning, and this machine still has the file.
        """
        if self.shared is None:
            return
        try:
            (self.shared / name).write_bytes((self.durable / name).read_bytes())
        except OSError as error:
            log.warning("%s cannot be kept in the store for another machine: %s", name, quoted(error, 300))


@dataclass(frozen=True)
class Outcome:
    """What a stage says when it is done.

    Attributes:
        summary: The stage's own figures, kept as ``summary.json``.
        rows: Where its rows went, for stages that keep or drop rows.
    """

    summary: Record
    rows: RowAccount | None = None


@dataclass(frozen=True)
class ArtifactStore:
    """A store at a folder or a fsspec URL such as ``s3://bucket/prefix``.

    Attributes:
        url: The store's root. Credentials of an object store are no part of it (:mod:`pipeline.store.login`).
        cache: Local folder for work in progress and for copies of remote artifacts; for a folder store it
            defaults to a place inside the store, so that a rename stays on one file system.
        reuse_only: Whether ``produce`` fails instead of computing what the store does not hold.
    """

    url: str
    cache: Path | None = None
    reuse_only: bool = False
    _root: UPath = field(init=False, repr=False, compare=False)
    _local: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Resolve the root; nothing is written, and no object store asked, before the first artifact.

        Raises:
            ConfigurationError: The URL holds a login, which every message about the store would show.
        """
        if self.url.startswith("s3a://"):
            raise ConfigurationError(
                f"The address of the store {quoted(self.url, 200)} begins with s3a://, Hadoop's name of it. Write s3://."
            )
        if not self.is_folder and _holds_login(self.url):
            raise ConfigurationError(
                f"The address of the store ({self.url.partition(':')[0]}://…) holds a login. Let the bucket stand "
                "first; credentials belong in the environment or in an Airflow connection "
                "(docs/how-to/use_an_object_store.md)."
            )
        root = UPath(self.url)
        if self.is_folder:
            root = UPath(Path(self.url.removeprefix("file://")).expanduser().absolute())
        object.__setattr__(self, "_root", root)
        local = self.cache
        if local is None:
            local = Path(str(root)) if self.is_folder else _cache_of(self.url)
        object.__setattr__(self, "_local", local)

    @property
    def is_folder(self) -> bool:
        """Whether the store is a folder of this machine (or of a disk shared by the workers)."""
        return "://" not in self.url or self.url.startswith("file://")

    def in_progress(self, stage: Stage) -> Iterator[Path]:
        """Yield the durable folders of a stage's unfinished artifacts on this machine, the latest change first."""
        folders = [path for path in (self._local / "resumable" / stage.name).glob("*") if path.is_dir()]
        yield from sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)

    @property
    def root(self) -> UPath:
        """The store's root."""
        if not self.is_folder:
            # Opened here, every path below it goes by the same login, and none asks for one of its own.
            self._root.fs  # noqa: B018 - it is made, and remembered, when it is asked for
        return self._root

    def produce(
        self,
        stage: Stage,
        *,
        inputs: Mapping[str, ArtifactReference],
        params: BaseModel | None,
        build: Callable[[Workspace], Outcome],
    ) -> ArtifactReference:
        """Return the stage's artifact, computing it only if the store does not hold it yet.

        Args:
            stage: Name and version of the step.
            inputs: The artifacts that ``build`` reads, by role.
            params: The configuration fields that ``build`` reads, and no others: they are part of the key.
            build: Writes the artifact's files into ``Workspace.folder``. If it raises, nothing is kept but
                ``Workspace.durable``.
        """
        params_json = {} if params is None else params.model_dump(mode="json")
        key = _key(stage, inputs, params_json)
        reference = ArtifactReference(stage=stage.name, key=key)
        if self._taken(reference):
            done = self.manifest(reference)
            log.info("%s: reused, computed %s in %.1f s", reference, f"{done.started_at:%Y-%m-%d %H:%M}", done.seconds)
            return reference

        if self.reuse_only:
            raise ArtifactError(
                f"The store {quoted(self.url)} holds no artifact of the stage `{stage.name}` for these dumps and "
                "parameters. Run without --from, or with the parameters of an earlier run."
            )
        with _only_one_process(self._local / "locks" / f"{stage.name}-{key}"):
            if self._taken(reference):
                log.info("%s: made by another process meanwhile", reference)
                return reference
            return self._computed(stage, reference, inputs=inputs, params_json=params_json, build=build)

    def _computed(
        self,
        stage: Stage,
        reference: ArtifactReference,
        *,
        inputs: Mapping[str, ArtifactReference],
        params_json: dict[str, Any],
        build: Callable[[Workspace], Outcome],
    ) -> ArtifactReference:
        key = reference.key
        for needed in inputs.values():
            self._taken(needed)
        started, clock = datetime.now(UTC), time.perf_counter()
        in_progress = self._local / "in_progress"
        in_progress.mkdir(parents=True, exist_ok=True)
        durable = self._local / "resumable" / stage.name / key
        folder = Path(tempfile.mkdtemp(prefix=f"{stage.name}-{key[:12]}-", dir=in_progress))
        # mkdtemp gives 0700; a shared store is read by other workers under the user's own umask.
        folder.chmod(0o777 & ~_umask())
        shared = None if self.is_folder else self.root / "resumable" / stage.name / key
        try:
            outcome = build(Workspace(folder=folder, durable=durable, key=key, shared=shared))
            (folder / SUMMARY).write_text(outcome.summary.model_dump_json(indent=2) + "\n", encoding="utf-8")
            manifest = Manifest(
                stage=stage.name,
                stage_version=stage.version,
                key=key,
                inputs=dict(inputs),
                params=params_json,
                rows=outcome.rows,
                files=_file_records(folder),
                libraries=_library_versions(),
                python=platform.python_version(),
                machine=f"{platform.machine()}, {os.cpu_count()} cores",
                started_at=started,
                seconds=round(time.perf_counter() - clock, 3),
                peak_memory_bytes=_peak_memory_bytes(),
            )
            (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
            self._show(folder, reference)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if shared is not None and durable.exists():
            _forget(shared)
        shutil.rmtree(durable, ignore_errors=True)
        log.info("%s: done in %.1f s", reference, manifest.seconds)
        return reference

    def find(
        self, stage: Stage, *, inputs: Mapping[str, ArtifactReference], params: BaseModel | None
    ) -> ArtifactReference | None:
        """Return the artifact that ``produce`` would reuse, or ``None`` if it would have to compute one."""
        key = _key(stage, inputs, {} if params is None else params.model_dump(mode="json"))
        reference = ArtifactReference(stage=stage.name, key=key)
        return reference if self.has(reference) else None

    def has(self, reference: ArtifactReference) -> bool:
        """Return whether the artifact is there and complete."""
        return bool((self._home(reference) / MANIFEST).exists())

    def manifest(self, reference: ArtifactReference) -> Manifest:
        """Return the artifact's provenance.

        Raises:
            ArtifactError: The artifact is missing or its manifest cannot be read.
        """
        return self._read(reference, MANIFEST, Manifest)

    def summary(self, reference: ArtifactReference, kind: type[SummaryType]) -> SummaryType:
        """Return the stage's own figures.

        Raises:
            ArtifactError: The artifact is missing or was written in another schema.
        """
        return self._read(reference, SUMMARY, kind)

    def folder(self, reference: ArtifactReference) -> Path:
        """Return a local folder with the artifact's files; a remote artifact is fetched once.

        Raises:
            ArtifactError: The artifact is missing.
        """
        home = self._home(reference)
        if not self.has(reference):
            raise ArtifactError(
                f"The store {quoted(self.url)} holds no complete artifact {reference}. "
                "Run the stage that makes it, or point to the store that does."
            )
        if self.is_folder:
            return Path(str(home))
        local = self._local / "artifacts" / reference.stage / reference.key
        if (local / MANIFEST).exists():
            return local
        fetched = Path(tempfile.mkdtemp(prefix="fetch-", dir=_made(self._local / "in_progress")))
        try:
            for name, record in self.manifest(reference).files.items():
                target = fetched / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with (home / name).open("rb") as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
                if _file_digest(target) != record.sha256:
                    raise ArtifactError(
                        f"{reference}: {quoted(name)} is not the file that its manifest tells of; two machines may "
                        "have "
                        f"written it at once. Remove {quoted(str(home), 200)} and run again."
                    )
            (fetched / MANIFEST).write_bytes((home / MANIFEST).read_bytes())
            _rename_or_yield(fetched, local)
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
        return local

    def artifacts(self) -> tuple[ArtifactReference, ...]:
        """Return every artifact by stage and key; also folders without a manifest, which count as absent."""
        self.root.fs.invalidate_cache()
        found = []
        for stage in _names(self.root / "artifacts"):
            for key in _names(self.root / "artifacts" / stage):
                # Whatever else lies there was put there by somebody, and is theirs.
                with contextlib.suppress(ValidationError):
                    found.append(ArtifactReference(stage=stage, key=key))
        return tuple(found)

    def last_used(self, reference: ArtifactReference) -> datetime | None:
        """Return when an artifact was made, or reused or asked for by a later stage; ``None`` if it is not there.

        For a folder without a manifest it is the latest change of a file in it.
        """
        home = self._home(reference)
        made = changed_at(home / MANIFEST)
        if made is None:
            return max((file.changed_at for file in files_below(home)), default=None)
        return max(made, (None if self.is_folder else changed_at(self._mark(reference))) or made)

    def remove(self, reference: ArtifactReference, *, last_used: datetime) -> bool:
        """Remove an artifact, at once for every reader, unless it was used after ``last_used``.

        Returns:
            Whether it is gone by this call.

        Raises:
            ArtifactError: It cannot be moved or deleted.
        """

        def used(place: UPath) -> bool:
            if self.is_folder:
                return (changed_at(place / MANIFEST) or last_used) > last_used
            return (changed_at(self._mark(reference)) or last_used) > last_used

        lock = self._local / "locks" / f"{reference.stage}-{reference.key}"
        with _only_one_process(lock, wait=False) as alone:
            now = self.last_used(reference) if alone else None
            if now is None or now > last_used:
                return False
            in_progress = self._local / "in_progress"
            try:
                if not self.is_folder:
                    # The copy on this machine goes first: nothing would lead a later clean-up to it.
                    copy = UPath(self._local / "artifacts" / reference.stage / reference.key)
                    vanish(copy, MANIFEST, lambda _: False, in_progress=in_progress)
                return vanish(self._home(reference), MANIFEST, used, in_progress=in_progress)
            except OSError as error:
                raise ArtifactError(
                    f"{reference} cannot be removed from the store {quoted(self.url)}: {quoted(error, 200)}. Give this "
                    "user the right to write there, or remove it as its owner."
                ) from error

    def being_made(self) -> frozenset[ArtifactReference]:
        """Return the artifacts that processes of this machine are working on at this moment."""
        found = set()
        for lock in (self._local / "locks").glob("*-*"):
            stage, _, key = lock.name.rpartition("-")
            with contextlib.suppress(ValidationError, FileNotFoundError), lock.open("r") as handle:
                reference = ArtifactReference(stage=stage, key=key)
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.add(reference)
        return frozenset(found)

    @property
    def local(self) -> Path:
        """This machine's folder with ``in_progress/``, ``resumable/`` and ``locks/``; a folder store's own."""
        return self._local

    def _taken(self, reference: ArtifactReference) -> bool:
        """Return whether an artifact is there, marked as used now: a clean-up that has looked before then spares it.

        Asked again after the mark is set, since a clean-up hides first and looks for marks then: of the two, one
        sees the other.
        """
        if not self.has(reference):
            return False
        try:
            if self.is_folder:
                os.utime(str(self._home(reference) / MANIFEST))
            else:
                self._mark(reference).write_bytes(b"")
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning(
                "%s cannot be marked as used (%s); a clean-up goes by its age.", reference, quoted(str(error), 300)
            )
        return self.has(reference)

    def _mark(self, reference: ArtifactReference) -> UPath:
        """Return the empty object that says when an artifact was used last; a folder's manifest can say so itself."""
        return self._home(reference) / USED

    def _home(self, reference: ArtifactReference) -> UPath:
        return self.root / "artifacts" / reference.stage / reference.key

    def _read(self, reference: ArtifactReference, name: str, kind: type[SummaryType]) -> SummaryType:
        try:
            text = (self._home(reference) / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ArtifactError(
                f"The store {quoted(self.url)} holds no complete artifact {reference} ({name} is missing)."
            ) from None
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            raise ArtifactError(
                f"{name} of artifact {reference} is damaged or was written by another version of this project: "
                f"{error.error_count()} fields do not fit. Remove that artifact's folder and run again."
            ) from error

    def _show(self, folder: Path, reference: ArtifactReference) -> None:
        """Make a finished folder visible, whole or not at all."""
        home = self._home(reference)
        if self.is_folder:
            _sync(folder)
            _rename_or_yield(folder, Path(str(home)))
            return
        if self.has(reference):
            # Another machine was first with the same key: theirs stands, and no reader gets files of both.
            return
        for file in sorted(folder.rglob("*"), key=lambda path: path.name == MANIFEST):
            if file.is_file():
                target = home / file.relative_to(folder).as_posix()
                with file.open("rb") as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)


def _holds_login(url: str) -> bool:
    """Return whether a remote address begins with more than a name; a secret may hold a slash before its ``@``."""
    first = url.partition("://")[2].partition("/")[0]
    return "@" in first or (":" in first and not first.startswith("arn:"))


def _forget(shared: UPath) -> None:
    """Remove what was kept for another attempt; what cannot be removed takes room and does no harm."""
    try:
        for file in files_below(shared):
            shared.fs.rm_file((shared / file.name).path)
    except OSError as error:
        log.warning("%s cannot be emptied, which may be done by hand: %s", shared, quoted(error, 300))


def _names(place: UPath) -> list[str]:
    """Return the names of the folders at a place, links left out."""
    try:
        return sorted(entry.name for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _key(stage: Stage, inputs: Mapping[str, ArtifactReference], params: Mapping[str, object]) -> str:
    question = {
        "stage": stage.name,
        "version": stage.version,
        "inputs": {role: [reference.stage, reference.key] for role, reference in inputs.items()},
        "params": params,
    }
    canonical = json.dumps(question, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def _file_records(folder: Path) -> dict[str, FileRecord]:
    records = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest = _file_digest(file)
        records[file.relative_to(folder).as_posix()] = FileRecord(bytes=file.stat().st_size, sha256=digest)
    return records


@functools.cache
def _library_versions() -> dict[str, str]:
    versions = {}
    for name in RECORDED_LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _rename_or_yield(source: Path, target: Path) -> None:
    """Rename a folder into place; where another process was first with the same key, theirs stands."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        if not (target / MANIFEST).exists():
            raise
        return
    handle = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _only_one_process(lock: Path, *, wait: bool = True) -> Iterator[bool]:
    """Let one process of this machine at a time work on a key, so that no two share a checkpoint.

    The others wait for it or, where they do not ``wait``, go on with ``False``.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            lock.unlink(missing_ok=True)


def _cache_of(url: str) -> Path:
    """Return this machine's folder for copies of a remote store's artifacts: one per store."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        caches = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:
        # A container's user may have no home.
        caches = Path(tempfile.gettempdir())
    return caches / "review-sentiment" / hashlib.sha256(url.encode()).hexdigest()[:16]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
