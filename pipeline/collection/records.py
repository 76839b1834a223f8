"""What the collection remembers: intakes, what a run took, and the window that a model was trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from pipeline.ingest.records import SourceVersion
from pipeline.store import ArtifactReference, Record


class TakenFile(Record):
    """One raw file, by what it holds."""

    name: str
    sha256: str
    bytes: int


class Intake(Record):
    """What one run took, and what became of it (``collection/intakes/<key>.json``)."""

    schema_version: Literal[1] = 1
    run_name: str
    taken_at: AwareDatetime
    outcome: Literal["accepted", "refused"]
    reason: str | None = None
    """Why it was refused."""
    files: tuple[TakenFile, ...]
    demo: bool
    rows: int | None = None
    """Clean reviews, duplicates with other intakes counted."""
    landed: ArtifactReference | None
    """The raw files; ``None`` for a file that could not be opened as a dump."""
    validated_raw: ArtifactReference | None = None
    versions: tuple[SourceVersion, ...] = ()
    """Which versions of their sources the files are, so that the next run asks for newer ones only."""

    @property
    def key(self) -> str:
        """Name of the record: the landed artifact's key, or that of the bytes that could not be landed."""
        return self.landed.key if self.landed is not None else self.files[0].sha256[:32]


class Taking(Record):
    """Which raw files a run works on; kept, so that clearing the run takes the same (``collection/takings/``)."""

    schema_version: Literal[1] = 1
    run_name: str
    taken_at: AwareDatetime
    landed: ArtifactReference
    new: bool
    """Whether the files were new; else the run trains on what the collection holds."""
    versions: tuple[SourceVersion, ...] = ()


class WindowDump(Record):
    """One intake's part in a window."""

    landed: ArtifactReference
    files: tuple[TakenFile, ...]
    taken_at: AwareDatetime
    rows: int
    """Clean reviews that came in."""
    repeated: int
    """Of these, copies of reviews of earlier intakes."""


class Window(Record):
    """The intakes that a model is trained on, oldest first (``window.json`` of a ``merge`` artifact)."""

    schema_version: Literal[1] = 1
    dumps: tuple[WindowDump, ...]
