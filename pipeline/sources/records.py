"""What the stage ``fetch`` records."""

from __future__ import annotations

from pipeline.store import Record


class KnownVersion(Record):
    """How a server names one version of a file, for asking later whether there is a newer one."""

    etag: str | None = None
    """The ``ETag`` header as received."""
    last_modified: str | None = None
    """The ``Last-Modified`` header as received."""
    number: int | None = None
    """The version number at Kaggle."""


class SourceVersion(Record):
    """Which version of a source was fetched."""

    origin: str
    """Where the source is, without credentials."""
    version: KnownVersion


class FetchedFile(Record):
    """One raw file, kept in the artifact as received."""

    name: str
    path: str
    """Path inside the folder of the artifact."""
    origin: str
    """Where it came from, without credentials or query."""
    bytes: int
    sha256: str


class FetchSummary(Record):
    """The raw files of a run."""

    files: tuple[FetchedFile, ...]
    demo: bool
    """Whether this is the generated demo dump; every page must then say so."""
