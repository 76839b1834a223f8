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
    stop_words_sha256: str
    """Digest of the stop words that were dropped (``rules.stop_words_sha256``)."""
    steps: tuple[FunnelStep, ...]
    positive: int
    negative: int
    notes: tuple[str, ...]
    """What could not be done, e.g. duplicates without a user column."""

    @property
    def text_rules(self) -> tuple[str, bool, str]:
        """What made words of the texts: the words of two dumps compare only if these are equal."""
        return self.normalization, self.summary_joined, self.stop_words_sha256
