"""What the collection remembers: batches, what a run took, and the window that a model was trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from pipeline.sources.records import SourceVersion
from pipeline.store import ArtifactReference, Record


class ClaimedFile(Record):
    """One raw file, by what it holds."""

    name: str
    sha256: str
    bytes: int


class DumpBatch(Record):
    """What one run took, and what became of it (``collection/batches/<key>.json``)."""

    schema_version: Literal[1] = 1
    run_name: str
    received_at: AwareDatetime
    outcome: Literal["accepted", "refused"]
    reason: str | None = None
    """Why it was refused."""
    files: tuple[ClaimedFile, ...]
    demo: bool
    rows: int | None = None
    """Clean reviews, duplicates with other batches counted."""
    fetched: ArtifactReference | None
    """The raw files; ``None`` for a file that could not be opened as a dump."""
    validated_raw: ArtifactReference | None = None
    versions: tuple[SourceVersion, ...] = ()
    """Which versions of their sources the files are, so that the next run asks for newer ones only."""

    @property
    def key(self) -> str:
        """Name of the record: the fetched artifact's key, or that of the bytes that could not be fetched."""
        return self.fetched.key if self.fetched is not None else self.files[0].sha256[:32]


class BatchClaim(Record):
    """Which raw files a run works on; kept, so that clearing the run takes the same (``collection/takings/``)."""

    schema_version: Literal[1] = 1
    run_name: str
    received_at: AwareDatetime
    fetched: ArtifactReference
    new: bool
    """Whether the files were new; else the run trains on what the collection holds."""
    versions: tuple[SourceVersion, ...] = ()


class WindowDump(Record):
    """One batch's part in a window."""

    fetched: ArtifactReference
    files: tuple[ClaimedFile, ...]
    received_at: AwareDatetime
    rows: int
    """Clean reviews that came in."""
    repeated: int
    """Of these, copies of reviews of earlier batches."""


class Window(Record):
    """The batches that a model is trained on, oldest first (``window.json`` of a ``merge`` artifact)."""

    schema_version: Literal[1] = 1
    dumps: tuple[WindowDump, ...]
