"""Records of cleaning."""

from __future__ import annotations

from pipeline.store import Record


class FunnelStep(Record):
    """Rows left after one step of the funnel."""

    name: str
    reason: str | None
    """Reason of the rows excluded in this step; ``None`` for the first step."""
    rows: int


class CleanSummary(Record):
    """Counts of the clean reviews, and the rules that their words were made with."""

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
        """The rules that the words were made with: words of two dumps are comparable only if these are equal."""
        return self.normalization, self.summary_joined, self.stop_words_sha256
