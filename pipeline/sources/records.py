"""What the stage ``fetch`` records."""

from __future__ import annotations

from pipeline.store import Record


class KnownVersion(Record):
    """What a server said of the version that it handed out: enough to ask it later for what is new."""

    etag: str | None = None
    """Its ``ETag`` header, as it came."""
    last_modified: str | None = None
    """Its ``Last-Modified`` header, as it came."""
    number: int | None = None
    """The version's number at Kaggle."""


class SourceVersion(Record):
    """Which version of a source was taken."""

    origin: str
    """Where it lies, without credentials."""
    version: KnownVersion


class FetchedFile(Record):
    """One raw file, kept in the artifact as it came."""

    name: str
    path: str
    """Where it lies inside the artifact's folder."""
    origin: str
    """Where it came from, without credentials or query."""
    bytes: int
    sha256: str


class FetchSummary(Record):
    """The raw files of a run."""

    files: tuple[FetchedFile, ...]
    demo: bool
    """Whether this is the generated demo dump, which every page must then say."""
