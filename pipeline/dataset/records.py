"""Records of the batch registry and of the training window."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from pipeline.sources.records import SourceVersion
from pipeline.store import ArtifactReference, Record


class ClaimedFile(Record):
    """One raw file of a batch."""

    name: str
    sha256: str
    bytes: int


class DumpBatch(Record):
    """Dump files that were received together, and their outcome (``collection/batches/<key>.json``)."""

    schema_version: Literal[1] = 1
    run_name: str
    received_at: AwareDatetime
    outcome: Literal["accepted", "refused"]
    reason: str | None = None
    """Why it was refused."""
    files: tuple[ClaimedFile, ...]
    demo: bool
    rows: int | None = None
    """Clean reviews, including those that repeat other batches."""
    fetched: ArtifactReference | None
    """The raw files; ``None`` if the file is not a dump."""
    validated_raw: ArtifactReference | None = None
    versions: tuple[SourceVersion, ...] = ()
    """The versions that the sources named, so that the next run asks only for newer ones."""

    @property
    def key(self) -> str:
        """Name of the record: the key of the fetched artifact, or the digest of a file that is not a dump."""
        return self.fetched.key if self.fetched is not None else self.files[0].sha256[:32]


class BatchClaim(Record):
    """The raw files that a run works on, recorded so that a cleared run uses the same (``collection/claims/``)."""

    schema_version: Literal[1] = 1
    run_name: str
    received_at: AwareDatetime
    fetched: ArtifactReference
    new: bool
    """Whether the files are new; if not, the run trains on batches of the registry."""
    versions: tuple[SourceVersion, ...] = ()


class WindowDump(Record):
    """One batch of a training window."""

    fetched: ArtifactReference
    files: tuple[ClaimedFile, ...]
    received_at: AwareDatetime
    rows: int
    """Clean reviews of the batch."""
    repeated: int
    """Of these, duplicates of reviews of earlier batches, which are excluded."""


class Window(Record):
    """The batches that a model is trained on, oldest first (``window.json`` of a ``merge`` artifact)."""

    schema_version: Literal[1] = 1
    dumps: tuple[WindowDump, ...]
