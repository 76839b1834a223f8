"""What fitting the vocabulary found."""

from __future__ import annotations

from pipeline.splitting.records import PartName
from pipeline.store import Record


class PartCoverage(Record):
    """How much of one part's text the vocabulary knows."""

    part: PartName
    tokens: int
    """Words of all its rows, repetitions included."""
    unknown: int
    """Of these, words that the vocabulary lacks."""

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that the model cannot read, 0–1."""
        return self.unknown / self.tokens if self.tokens else 0.0


class VocabularySummary(Record):
    """The vocabulary, in figures."""

    words: int
    size: int
    """Rows of the embedding: the words, the padding and the unknown word if there is one."""
    unknown_id: int | None
    distinct_words: int
    """Different words that were counted, before the rare ones were dropped."""
    tokens_counted: int
    rows_counted: int
    coverage: tuple[PartCoverage, ...]
    """One figure per part, in the order train, validation, test."""
    leak: bool
    """Whether words of validation and test rows were counted too."""

    def part(self, name: PartName) -> PartCoverage:
        """Return the coverage of that part."""
        return next(coverage for coverage in self.coverage if coverage.part == name)
