"""What the stage ``ingest`` records."""

from __future__ import annotations

from pydantic import Field

from pipeline.store import Record


class UnknownValues(Record):
    """Values of an optional column that could not be read and count as unknown."""

    rows: int
    first: str
    """``file:line (value)`` of the first one."""


class RatingScaleRecord(Record):
    """The scale of the ratings, which became scores from 1 to 5."""

    name: str
    """``1-5``, ``words`` and the like, as in the parameter ``rating_scale``; ``labels`` or ``thresholds``."""
    automatic: bool
    """Whether it was recognized by the values; otherwise a parameter stated it."""
    sentiments: str
    """Which ratings are negative, neutral and positive, in words."""


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
    passed_over: tuple[str, ...] = ()
    """Columns with a recognized name that are not read, with the reason."""


class IngestSummary(Record):
    """The typed dump."""

    files: tuple[IngestedFile, ...]
    rows: int
    problem_rows: int
    missing_columns: tuple[str, ...]
    """Optional columns that no file had; the official split does not count, since few dumps have one."""
    notes: tuple[str, ...]
    """What that limits, in sentences for the report."""
    unknown_values: dict[str, UnknownValues] = Field(default_factory=dict)
    """Values of optional columns that could not be read, by column."""
    rating_scale: RatingScaleRecord | None = None
    """``None`` for reviews that are only scored, and in summaries of earlier versions."""
    demo: bool
