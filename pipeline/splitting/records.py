"""What splitting did, and what the leak check found."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pipeline.store import Record

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")
LeakageKind = Literal["identical_text", "near_duplicate", "product", "user"]


class SplitInfo(Record):
    """One part of the split."""

    name: SplitName
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
    """The three splits."""

    strategy: str
    group_by: str
    splits: tuple[SplitInfo, ...]
    notes: tuple[str, ...]
    """What could not be done as asked, and what a reader of the scores must know, in sentences."""
    groups: int | None = None
    """Groups that were kept whole (``grouped`` only)."""
    largest_group: int | None = None
    """Rows of the largest of them."""

    def by_name(self, name: SplitName) -> SplitInfo:
        """Return the part of that name."""
        return next(part for part in self.splits if part.name == name)


class LeakageFigure(Record):
    """How much of the test part is known from the other two."""

    kind: LeakageKind
    rows: int
    """Test rows concerned."""
    share: float
    """Of the test rows, 0–1."""
    guaranteed: bool
    """Whether the strategy guarantees zero."""


class LeakageSummary(Record):
    """The leak check."""

    figures: tuple[LeakageFigure, ...]
    vocabulary_leakage: bool
    """Whether the vocabulary counts words of validation and test rows."""

    @property
    def violated(self) -> tuple[LeakageFigure, ...]:
        """Guarantees that the split does not keep."""
        return tuple(figure for figure in self.figures if figure.guaranteed and figure.rows)
