"""Content-addressed artifacts, published whole or not at all, and never computed twice.

An artifact is a folder ``<store>/artifacts/<stage>/<key>/`` with the files of the stage, ``summary.json`` (its results)
and ``manifest.json`` (its provenance). The key is a digest of the stage's name and version, of the keys of its inputs,
and of the configuration fields that it reads. In a folder store, a finished folder is renamed into place. In an object
store, the manifest is written last. An artifact without a manifest does not exist.
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
from pipeline.store.files import changed_at, exclusive_lock, files_below, remove_atomically, sync, write_whole
from pipeline.store.manifest import ArtifactReference, FileRecord, Manifest, Record, RowAccount

log = logging.getLogger(__name__)

# By name, so that s3fs is imported only with the first such path.
register_implementation("s3", "pipeline.store.s3.ObjectPath", clobber=True)

SummaryType = TypeVar("SummaryType", bound=Record)

MANIFEST = "manifest.json"
SUMMARY = "summary.json"
LAST_USED = ".used"
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
    "vaderSentiment",
)


@dataclass(frozen=True)
class Stage:
    """A stage of the workflow.

    Attributes:
        name: Lower-case name; also the folder in the store.
        version: Raised whenever the same inputs would give another result, so that old artifacts are not reused.
    """

    name: str
    version: int = 1


@dataclass(frozen=True)
class Workspace:
    """The folders of a running stage.

    Attributes:
        folder: Empty local folder; its files become the artifact.
        checkpoint_dir: Local folder that survives a kill; the next attempt at the same key finds it. It is removed when
            the artifact is complete.
        key: The artifact's key.
        remote_checkpoint_dir: Place in an object store for checkpoints, so that another worker can resume; ``None`` for
            a folder store.
    """

    folder: Path
    checkpoint_dir: Path
    key: str
    remote_checkpoint_dir: UPath | None = None

    def restore_checkpoint(self, name: str) -> None:
        """Copy a checkpoint file from the store to ``checkpoint_dir``, unless the local file is newer.

        A local file is newer if its upload failed.
        """
        if self.remote_checkpoint_dir is None:
            return
        local, remote = self.checkpoint_dir / name, self.remote_checkpoint_dir / name
        local_time, remote_time = changed_at(UPath(local)), changed_at(remote)
        if remote_time is None or (local_time is not None and local_time > remote_time):
            return
        with contextlib.suppress(FileNotFoundError):
            write_whole(UPath(local), remote.read_bytes())

    def save_checkpoint(self, name: str) -> None:
        """Copy a file of ``checkpoint_dir`` to the store, for an attempt on another machine.

        A failure is only logged: it must not end hours of work, and this machine still has the file.
        """
        if self.remote_checkpoint_dir is None:
            return
        try:
            (self.remote_checkpoint_dir / name).write_bytes((self.checkpoint_dir / name).read_bytes())
        except OSError as error:
            log.warning("%s cannot be saved in the store for other machines: %s", name, quoted(error, 300))


@dataclass(frozen=True)
class Outcome:
    """The result of a stage.

    Attributes:
        summary: Its figures, stored as ``summary.json``.
        rows: The row account, for stages that keep or drop rows.
    """

    summary: Record
    rows: RowAccount | None = None


@dataclass(frozen=True)
class ArtifactStore:
    """A store at a folder or a fsspec URL such as ``s3://bucket/prefix``.

    Attributes:
        url: The root of the store. Credentials of an object store are not part of it (:mod:`pipeline.store.login`).
        cache: Local folder for work in progress and copies of remote artifacts. By default a folder store uses its own
            root, so that a rename stays on one file system.
        reuse_only: Whether ``produce`` fails instead of computing what the store does not hold.
    """

    url: str
    cache: Path | None = None
    reuse_only: bool = False
    _root: UPath = field(init=False, repr=False, compare=False)
    _local: Path = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Resolve the root; nothing is written or requested yet.

        Raises:
            ConfigurationError: The URL is not an ``s3://`` address, or contains a login, which messages would show.
        """
        if self.url.startswith("s3a://"):
            raise ConfigurationError(
                f"The address of the store {quoted(self.url, 200)} begins with s3a://, which only Hadoop knows. Write "
                "s3://."
            )
        if not self.is_folder and _holds_login(self.url):
            raise ConfigurationError(
                f"The address of the store ({self.url.partition(':')[0]}://…) contains a login. Begin it with the "
                "bucket; credentials belong in the environment or in an Airflow connection "
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
        """Whether the store is a folder, on this machine or on a disk that the workers share."""
        return "://" not in self.url or self.url.startswith("file://")

    def checkpoint_dirs(self, stage: Stage) -> Iterator[Path]:
        """Yield the checkpoint folders of a stage's unfinished artifacts on this machine, the latest change first."""
        folders = [path for path in (self._local / "resumable" / stage.name).glob("*") if path.is_dir()]
        yield from sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)

    @property
    def in_progress(self) -> Path:
        """A folder for unfinished work on the disk of ``local``, created if needed."""
        folder = self._local / "in_progress"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def root(self) -> UPath:
        """The root of the store."""
        if not self.is_folder:
            # Opened here, so that all paths below share one login.
            self._root.fs  # noqa: B018 - the property opens the file system and caches it
        return self._root

    def produce(
        self,
        stage: Stage,
        *,
        inputs: Mapping[str, ArtifactReference],
        params: BaseModel | None,
        build: Callable[[Workspace], Outcome],
    ) -> ArtifactReference:
        """Return the artifact of a stage, computing it only if the store does not have it.

        Args:
            stage: Name and version of the stage.
            inputs: The artifacts that ``build`` reads, by role.
            params: The configuration fields that ``build`` reads, and no others, since they are part of the key.
            build: Writes the artifact's files into ``Workspace.folder``. If it raises, only
                ``Workspace.checkpoint_dir`` remains.
        """
        params_json = {} if params is None else params.model_dump(mode="json")
        key = _key(stage, inputs, params_json)
        reference = ArtifactReference(stage=stage.name, key=key)
        if self._touch_if_present(reference):
            done = self.manifest(reference)
            log.info("%s: reused, computed %s in %.1f s", reference, f"{done.started_at:%Y-%m-%d %H:%M}", done.seconds)
            return reference

        if self.reuse_only:
            raise ArtifactError(
                f"The store {quoted(self.url)} holds no artifact of the stage `{stage.name}` for these dumps and "
                "parameters. Run without --from, or with the parameters of an earlier run."
            )
        with exclusive_lock(self._lock(reference)):
            if self._touch_if_present(reference):
                log.info("%s: computed by another process meanwhile", reference)
                return reference
            return self._compute(stage, reference, inputs=inputs, params_json=params_json, build=build)

    def _compute(
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
            self._touch_if_present(needed)
        started, clock = datetime.now(UTC), time.perf_counter()
        checkpoint_dir = self._local / "resumable" / stage.name / key
        folder = Path(tempfile.mkdtemp(prefix=f"{stage.name}-{key[:12]}-", dir=self.in_progress))
        # mkdtemp creates it with mode 0700, but other workers read a shared store.
        folder.chmod(0o777 & ~_umask())
        remote = None if self.is_folder else self.root / "resumable" / stage.name / key
        try:
            outcome = build(Workspace(folder, checkpoint_dir, key, remote))
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
            self._publish(folder, reference)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if remote is not None and checkpoint_dir.exists():
            _remove_checkpoints(remote)
        shutil.rmtree(checkpoint_dir, ignore_errors=True)
        log.info("%s: done in %.1f s", reference, manifest.seconds)
        return reference

    def find(
        self, stage: Stage, *, inputs: Mapping[str, ArtifactReference], params: BaseModel | None
    ) -> ArtifactReference | None:
        """Return the artifact that ``produce`` would reuse; ``None`` if it would compute one."""
        key = _key(stage, inputs, {} if params is None else params.model_dump(mode="json"))
        reference = ArtifactReference(stage=stage.name, key=key)
        return reference if self.has(reference) else None

    def has(self, reference: ArtifactReference) -> bool:
        """Return whether the artifact exists and is complete."""
        return bool((self._home(reference) / MANIFEST).exists())

    def manifest(self, reference: ArtifactReference) -> Manifest:
        """Return the provenance of an artifact.

        Raises:
            ArtifactError: The artifact is missing or its manifest cannot be read.
        """
        return self._read(reference, MANIFEST, Manifest)

    def summary(self, reference: ArtifactReference, kind: type[SummaryType]) -> SummaryType:
        """Return the summary that a stage wrote.

        Raises:
            ArtifactError: The artifact is missing or has another schema.
        """
        return self._read(reference, SUMMARY, kind)

    def folder(self, reference: ArtifactReference) -> Path:
        """Return a local folder with the artifact's files; a remote artifact is downloaded once.

        Raises:
            ArtifactError: The artifact is missing.
        """
        home = self._home(reference)
        if not self.has(reference):
            raise ArtifactError(
                f"The store {quoted(self.url)} holds no complete artifact {reference}. "
                "Run the stage that produces it, or use the store that has it."
            )
        if self.is_folder:
            return Path(str(home))
        local = self._local / "artifacts" / reference.stage / reference.key
        if (local / MANIFEST).exists():
            return local
        download = Path(tempfile.mkdtemp(prefix="download-", dir=self.in_progress))
        try:
            for name, record in self.manifest(reference).files.items():
                target = download / name
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(home / name, target)
                if _file_digest(target) != record.sha256:
                    raise ArtifactError(
                        f"{reference}: {quoted(name)} does not match the digest in its manifest; two machines may have "
                        f"written it at once. Remove {quoted(str(home), 200)} and run again."
                    )
            (download / MANIFEST).write_bytes((home / MANIFEST).read_bytes())
            _rename_unless_present(download, local)
        finally:
            shutil.rmtree(download, ignore_errors=True)
        return local

    def artifacts(self, stage: str | None = None) -> tuple[ArtifactReference, ...]:
        """Return every artifact, or those of one stage, in the order of stage and key, also those without a manifest.

        Raises:
            OSError: The store cannot be listed.
        """
        self.root.fs.invalidate_cache()
        found = []
        for name in _names(self.root / "artifacts") if stage is None else [stage]:
            for key in _names(self.root / "artifacts" / name):
                # Other names do not belong to this project.
                with contextlib.suppress(ValidationError):
                    found.append(ArtifactReference(stage=name, key=key))
        return tuple(found)

    def last_used(self, reference: ArtifactReference) -> datetime | None:
        """Return when an artifact was produced, reused or read by a later stage; ``None`` if it does not exist.

        For a folder without a manifest, this is the latest change of a file in it.
        """
        home = self._home(reference)
        produced = changed_at(home / MANIFEST)
        if produced is None:
            return max((file.changed_at for file in files_below(home)), default=None)
        return max(produced, (None if self.is_folder else changed_at(home / LAST_USED)) or produced)

    def remove(self, reference: ArtifactReference, *, last_used: datetime) -> bool:
        """Remove an artifact, for all readers at once, unless it was used after ``last_used``.

        Returns:
            Whether this call removed it.

        Raises:
            ArtifactError: It cannot be moved or deleted.
        """

        def used(place: UPath) -> bool:
            marker = place / MANIFEST if self.is_folder else self._home(reference) / LAST_USED
            return (changed_at(marker) or last_used) > last_used

        with exclusive_lock(self._lock(reference), wait=False) as locked:
            now = self.last_used(reference) if locked else None
            if now is None or now > last_used:
                return False
            try:
                if not self.is_folder:
                    # The local copy goes first: without the remote artifact, no later clean-up would find it.
                    copy = UPath(self._local / "artifacts" / reference.stage / reference.key)
                    remove_atomically(copy, MANIFEST, lambda _: False, in_progress=self.in_progress)
                return remove_atomically(self._home(reference), MANIFEST, used, in_progress=self.in_progress)
            except OSError as error:
                raise ArtifactError(
                    f"{reference} cannot be removed from the store {quoted(self.url)}: {quoted(error, 200)}. Give this "
                    "user write access there, or remove it as its owner."
                ) from error

    def being_produced(self) -> frozenset[ArtifactReference]:
        """Return the artifacts that processes of this machine are computing now."""
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
        """This machine's folder with ``in_progress/``, ``resumable/`` and ``locks/``; for a folder store, its root."""
        return self._local

    def _touch_if_present(self, reference: ArtifactReference) -> bool:
        """Return whether an artifact exists, and mark it as used now, so that a clean-up keeps it.

        It is checked again after the mark. A clean-up hides the artifact before it reads the mark, so one side always
        notices the other.
        """
        if not self.has(reference):
            return False
        try:
            if self.is_folder:
                os.utime(str(self._home(reference) / MANIFEST))
            else:
                (self._home(reference) / LAST_USED).write_bytes(b"")
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning(
                "%s cannot be marked as used (%s); a clean-up sees only its age.", reference, quoted(error, 300)
            )
        return self.has(reference)

    def _lock(self, reference: ArtifactReference) -> Path:
        return self._local / "locks" / f"{reference.stage}-{reference.key}"

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
                f"{error.error_count()} fields are invalid. Remove the folder of the artifact and run again."
            ) from error

    def _publish(self, folder: Path, reference: ArtifactReference) -> None:
        """Make a finished folder visible, whole or not at all."""
        home = self._home(reference)
        if self.is_folder:
            for path in [*folder.rglob("*"), folder]:
                sync(path)
            _rename_unless_present(folder, Path(str(home)))
            return
        if self.has(reference):
            # Another machine was faster. Its files stay, so that no reader gets files of both.
            return
        for file in sorted(folder.rglob("*"), key=lambda path: path.name == MANIFEST):
            if file.is_file():
                _copy(file, home / file.relative_to(folder).as_posix())


def _holds_login(url: str) -> bool:
    """Return whether the first part of a remote address is more than a name."""
    first = url.partition("://")[2].partition("/")[0]
    return "@" in first or (":" in first and not first.startswith("arn:"))


def _remove_checkpoints(remote: UPath) -> None:
    """Remove the checkpoints of a finished artifact from an object store; a failure only wastes space."""
    try:
        for file in files_below(remote):
            remote.fs.rm_file((remote / file.name).path)
    except OSError as error:
        log.warning("%s cannot be emptied; a clean-up will do it: %s", remote, quoted(error, 300))


def _names(place: UPath) -> list[str]:
    """Return the names of the folders at a place, without links."""
    try:
        return sorted(entry.name for entry in place.iterdir() if entry.is_dir() and not entry.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _key(stage: Stage, inputs: Mapping[str, ArtifactReference], params: Mapping[str, object]) -> str:
    identity = {
        "stage": stage.name,
        "version": stage.version,
        "inputs": {role: [reference.stage, reference.key] for role, reference in inputs.items()},
        "params": params,
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
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


def _copy(source: Path | UPath, target: Path | UPath) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _rename_unless_present(source: Path, target: Path) -> None:
    """Rename a folder into place; if another process was faster, its artifact stays."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        if not (target / MANIFEST).exists():
            raise
        return
    sync(target.parent)


def _cache_of(url: str) -> Path:
    """Return this machine's folder for copies of a remote store's artifacts."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        caches = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:
        # The user of a container may have no home folder.
        caches = Path(tempfile.gettempdir())
    return caches / "review-sentiment" / hashlib.sha256(url.encode()).hexdigest()[:16]


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
