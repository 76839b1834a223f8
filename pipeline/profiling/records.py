"""What a dump's profile holds: its shape, and how it differs from the dump before."""

from __future__ import annotations

from datetime import datetime

from pipeline.statistics import Interval
from pipeline.store import Record


class PeriodShare(Record):
    """Reviews of one period."""

    period: str
    """``2011``, ``2011-Q3`` or ``2011-07``."""
    rows: int
    positive_share: Interval
    """Wilson interval."""


class DriftBin(Record):
    """Share of one range of a column, now and before."""

    label: str
    share: float
    previous_share: float


class ColumnDrift(Record):
    """How far a column's distribution has moved since the previous dump."""

    name: str
    title: str
    bins: tuple[DriftBin, ...]
    stability_index: float
    """Population stability index: Σ (share − previous) · ln(share / previous)."""
    bound: float
    """What the index stays below in 95 % of two random halves of the pooled rows of the same sizes."""
    moved: bool
    """Whether the index passes the bound."""


class NewWord(Record):
    """A word of this dump that the previous one does not have."""

    word: str
    reviews: int
    """Reviews that hold it."""


class DumpComparison(Record):
    """This dump beside the one that the last run with another dump read."""

    previous_dumps: tuple[str, ...]
    """File names of the previous dump, as fetched."""
    previous_rows: int
    previous_newest: datetime | None
    repeated_rows: int
    """Reviews of this dump whose text stands in the previous one too."""
    columns: tuple[ColumnDrift, ...]
    """The most moved first."""
    positive_share_shift: Interval
    """Share of positive reviews now minus before, with its 95 % interval (Newcombe 1998, from Wilson's)."""
    label_shifted: bool
    """Whether that interval leaves out zero."""
    new_word_share: float
    """Share of this dump's words (repetitions counted) that the previous dump does not have."""
    new_words: tuple[NewWord, ...]
    """The most frequent of them."""
    quarantined_share: float
    previous_quarantined_share: float
    quarantine_risen: bool
    """Whether more rows than before are excluded, beyond chance (95 %)."""
    words_compared: bool = True
    """Whether the same rules made words of both dumps; where not, the figures of words are left empty."""


class ProfileSummary(Record):
    """The clean reviews of a dump in figures."""

    rows: int
    positive: int
    stars: tuple[int, ...]
    """Clean reviews with 1, 2, 3, 4, 5 stars; neutral ones are excluded before."""
    oldest: datetime | None
    newest: datetime | None
    """Of the reviews' own times, UTC; ``None`` without a time column."""
    products: int | None
    users: int | None
    repeated_texts: int
    """Reviews whose text an earlier review of this dump has too (by another user, or they would be duplicates)."""
    periods: tuple[PeriodShare, ...]
    """Label share over time, oldest first, without gaps; periods are years, quarters or months by the dump's span."""
    comparison: DumpComparison | None
    """``None`` for the first dump of a store."""
