"""Records of a profile: the distributions of a dump, and the drift since the previous dump."""

from __future__ import annotations

from datetime import datetime

from pipeline.statistics import Interval
from pipeline.store import ArtifactReference, Record

STAGE_OF = {"fetched": "fetch", "validated_raw": "validate_raw", "cleaned": "clean"}
"""The stage that produces each artifact of a dump."""


class ProfiledDump(Record):
    """The artifacts of one dump."""

    fetched: ArtifactReference
    validated_raw: ArtifactReference
    cleaned: ArtifactReference

    def inputs(self, prefix: str = "") -> dict[str, ArtifactReference]:
        """Return the artifacts by their stage, with ``prefix`` before each name."""
        return {prefix + stage: getattr(self, field) for field, stage in STAGE_OF.items()}


class PeriodShare(Record):
    """Reviews of one period."""

    period: str
    """``2011``, ``2011-Q3`` or ``2011-07``."""
    rows: int
    positive_share: Interval
    """Wilson interval."""


class DriftBin(Record):
    """Share of one bin of a column in this dump and in the previous one."""

    label: str
    share: float
    previous_share: float


class ColumnDrift(Record):
    """Drift of the distribution of one column since the previous dump."""

    name: str
    title: str
    bins: tuple[DriftBin, ...]
    stability_index: float
    """Population stability index: Σ (share − previous) · ln(share / previous)."""
    bound: float
    """95th percentile of the index for two random samples of the pooled rows, of the same sizes."""
    moved: bool
    """Whether the index exceeds the bound."""


class NewWord(Record):
    """A word of this dump that the previous one does not have."""

    word: str
    reviews: int
    """Reviews that contain it."""


class DumpComparison(Record):
    """This dump compared with the previous one: the dump of the last run with other raw files."""

    previous_dumps: tuple[str, ...]
    """File names of the previous dump, as fetched."""
    previous_rows: int
    previous_newest: datetime | None
    repeated_rows: int
    """Reviews of this dump whose text is also in the previous one."""
    columns: tuple[ColumnDrift, ...]
    """The column with the largest drift first."""
    positive_share_shift: Interval
    """Share of positive reviews minus the previous share, with its 95 % interval (Newcombe 1998, method 10)."""
    label_shifted: bool
    """Whether that interval excludes zero."""
    new_word_share: float
    """Share of the words of this dump (repetitions included) that the previous dump does not have."""
    new_words: tuple[NewWord, ...]
    """The most frequent of them."""
    quarantined_share: float
    previous_quarantined_share: float
    quarantine_risen: bool
    """Whether the share of quarantined rows has increased significantly (95 %)."""
    words_compared: bool = True
    """Whether the words of both dumps were made with the same rules; if not, figures of words are empty."""


class ProfileSummary(Record):
    """The profile of the clean reviews of a dump."""

    rows: int
    positive: int
    stars: tuple[int, ...]
    """Clean reviews with 1, 2, 3, 4 and 5 stars; the stage ``clean`` excludes neutral ones."""
    oldest: datetime | None
    newest: datetime | None
    """Times of the oldest and the newest review, UTC; ``None`` without times."""
    products: int | None
    users: int | None
    repeated_texts: int
    """Reviews with the text of an earlier review of this dump, by another user or at another time."""
    periods: tuple[PeriodShare, ...]
    """Label share over time, oldest first, without gaps; years, quarters or months, depending on the time span."""
    comparison: DumpComparison | None
    """``None`` for the first dump of a store."""
