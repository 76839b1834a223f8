"""What the stage ``ingest`` records."""

from __future__ import annotations

from pipeline.store import Record


class IngestedFile(Record):
    """How one raw file (or one member of an archive) was read."""

    name: str
    format: str
    """``csv``, ``json_lines``, ``parquet`` or ``snap``."""
    compression: str | None
    encoding: str | None
    delimiter: str | None
    rows: int
    problem_rows: int
    column_mapping: dict[str, str]
    """The column of the file for each of our columns."""


class IngestSummary(Record):
    """The typed dump."""

    files: tuple[IngestedFile, ...]
    rows: int
    problem_rows: int
    missing_columns: tuple[str, ...]
    """Optional columns that no file had; the official split does not count, since few dumps have one."""
    notes: tuple[str, ...]
    """What that limits, in sentences for the report."""
    demo: bool
