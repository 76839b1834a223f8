"""What the stage ``ingest`` records."""

from __future__ import annotations

from pydantic import Field

from pipeline.store import Record


class IngestedFile(Record):
    """How one raw file (or one member of an archive) was read."""

    name: str
    format: str
    """``csv``, ``json_lines``, ``json``, ``parquet``, ``excel`` or ``snap``."""
    compression: str | None
    encoding: str | None
    delimiter: str | None
    quotes: str | None = None
    """How the fields of a CSV file are quoted, in words."""
    sheet: str | None = None
    """The sheet of a workbook that was read."""
    lines_by_encoding: dict[str, int] = Field(default_factory=dict)
    """Lines by the encoding that each was read in; empty if the user or a byte-order mark named one."""
    unreadable_characters: int = 0
    """Characters of those lines that match ``encodings.UNREADABLE``."""
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
    """Optional columns that no file had."""
    notes: tuple[str, ...]
    """What that limits, in sentences for the report."""
    demo: bool
