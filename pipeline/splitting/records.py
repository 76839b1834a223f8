"""What splitting did, and what the leak check found."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pipeline.store import Record

PartName = Literal["train", "validation", "test"]
PART_NAMES: tuple[PartName, ...] = ("train", "validation", "test")
LeakKind = Literal["identical_text", "near_duplicate", "product", "user"]


class PartSummary(Record):
    """One part of the split."""

    name: PartName
    rows: int
    positive: int
    products: int | None
    users: int | None
    first_review: datetime | None
    last_review: datetime | None

    @property
    def positive_share(self) -> float:
        """Share of positive reviews, 0–1."""
        return self.positive / self.rows if self.rows else 0.0


class SplitSummary(Record):
    """The three parts."""

    strategy: str
    group_by: str
    parts: tuple[PartSummary, ...]
    notes: tuple[str, ...]
    """What could not be done as asked, and what a reader of the scores must know, in sentences."""
    groups: int | None = None
    """Groups that were kept whole (``grouped`` only)."""
    largest_group: int | None = None
    """Rows of the largest of them."""

    def part(self, name: PartName) -> PartSummary:
        """Return the part of that name."""
        return next(part for part in self.parts if part.name == name)


class LeakageFigure(Record):
    """How much of the test part is known from the other two."""

    kind: LeakKind
    rows: int
    """Test rows concerned."""
    share: float
    """Of the test rows, 0–1."""
    promised: bool
    """Whether the strategy promises zero."""


class LeakageSummary(Record):
    """The leak check."""

    figures: tuple[LeakageFigure, ...]
    vocabulary_leak: bool
    """Whether the vocabulary counts words of validation and test rows."""

    @property
    def broken(self) -> tuple[LeakageFigure, ...]:
        """Promises that do not hold."""
        return tuple(figure for figure in self.figures if figure.promised and figure.rows)
