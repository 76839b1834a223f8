"""What cleaning did."""

from __future__ import annotations

from pipeline.store import Record


class FunnelStep(Record):
    """Rows left after one step of the funnel."""

    name: str
    reason: str | None
    """Reason of the rows excluded in this step; ``None`` for the first step."""
    rows: int


class CleanSummary(Record):
    """The cleaned reviews."""

    normalization: str
    summary_joined: bool
    stop_words: str
    """Which stop-word list was used and whether it was checked against NLTK's corpus."""
    steps: tuple[FunnelStep, ...]
    positive: int
    negative: int
    notes: tuple[str, ...]
    """What could not be done, e.g. duplicates without a user column."""
