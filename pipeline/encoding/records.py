"""What the stages ``fit_vocabulary`` and ``encode`` record."""

from __future__ import annotations

from pipeline.splitting.records import SplitName
from pipeline.store import Record


class SplitCoverage(Record):
    """How much of one part's text the vocabulary knows."""

    split: SplitName
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
    coverage: tuple[SplitCoverage, ...]
    """One figure per part, in the order train, validation, test."""
    leakage: bool
    """Whether words of validation and test rows were counted too."""

    def by_name(self, name: SplitName) -> SplitCoverage:
        """Return the coverage of that part."""
        return next(coverage for coverage in self.coverage if coverage.split == name)


class LengthPercentile(Record):
    """A percentile of the reviews' lengths."""

    percent: int
    words: int
    """Smallest length that at least ``percent`` % of the reviews do not exceed."""


class LengthBin(Record):
    """Reviews whose length lies in one range."""

    first: int
    """Shortest length of the range, in words."""
    last: int | None
    """Longest length of the range; ``None`` in the last bin, which has no end."""
    rows: int


class EncodedSplit(Record):
    """One encoded part. Lengths are those before truncation, in words that have an id."""

    name: SplitName
    rows: int
    positive: int
    tokens: int
    """Ids in the file, after truncation."""
    unknown_tokens: int
    """Of these, ids of the unknown word."""
    truncated_rows: int
    truncated_tokens: int
    """Words that truncation cut off."""
    dropped_tokens: int
    """Words that are not in the vocabulary and were dropped, because it has no unknown word."""
    empty_rows: int
    """Rows without such a word; they are encoded as one unknown word, or as nothing where there is none."""
    mean_length: float
    percentiles: tuple[LengthPercentile, ...]
    lengths: tuple[LengthBin, ...]


class EncodingSummary(Record):
    """The encoded reviews."""

    max_length: int
    keep: str
    """Which end of a long review was kept, ``last`` or ``first``."""
    vocabulary_size: int
    """Rows that an embedding of these ids needs."""
    unknown_id: int | None
    splits: tuple[EncodedSplit, ...]

    def by_name(self, name: SplitName) -> EncodedSplit:
        """Return the figures of that part."""
        return next(part for part in self.splits if part.name == name)
