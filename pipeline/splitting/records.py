"""Records and errors of the stages ``split`` and ``check_leakage``."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pipeline.errors import ConfigurationError, ContractViolationError
from pipeline.store import Record

MIN_WORDS = 8
"""Words from which two texts are compared. People write "good product" or "value for money" independently of each
other, so equal short texts are no evidence of a copy. In 184,869 reviews of a shop with 957 products and four words on
average, they would connect 84 % of all reviews to one group; with this limit, 6 %."""
SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")
LeakageKind = Literal["identical_text", "near_duplicate", "identical_short_text", "product", "user"]


class SplitImpossibleError(ConfigurationError):
    """The reviews lack a value that the strategy needs."""


class UnusableSplitError(ContractViolationError):
    """A split is empty or has reviews of one class only."""


class SplitInfo(Record):
    """Size and content of one split."""

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
    """The three splits, in the order of ``SPLIT_NAMES``."""

    strategy: str
    group_by: str
    splits: tuple[SplitInfo, ...]
    notes: tuple[str, ...]
    """Deviations from the configuration and limits of the scores, as sentences."""
    groups: int | None = None
    """Number of groups, where groups were assigned (``grouped``, or ``column`` without validation rows)."""
    largest_group: int | None = None
    """Rows of the largest group."""

    def by_name(self, name: SplitName) -> SplitInfo:
        """Return one split."""
        return next(split for split in self.splits if split.name == name)


class LeakageFigure(Record):
    """Test rows that are known from training or validation in one way."""

    kind: LeakageKind
    rows: int
    share: float
    """Share of the test rows, 0–1."""
    guaranteed: bool
    """Whether the strategy guarantees zero."""


class LeakageSummary(Record):
    """Result of the leakage check."""

    figures: tuple[LeakageFigure, ...]
    vocabulary_leakage: bool
    """Whether the vocabulary is fitted on validation and test rows too."""

    @property
    def violated(self) -> tuple[LeakageFigure, ...]:
        """Guarantees that the split does not keep."""
        return tuple(figure for figure in self.figures if figure.guaranteed and figure.rows)
