"""Records of the stages ``fit_vocabulary`` and ``encode``."""

from __future__ import annotations

from pipeline.splitting.records import SplitName
from pipeline.statistics import share_of
from pipeline.store import Record


class SplitCoverage(Record):
    """Coverage of the words of one split by the vocabulary."""

    split: SplitName
    tokens: int
    unknown: int
    """Tokens that are not in the vocabulary."""

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that are not in the vocabulary, 0–1."""
        return share_of(self.unknown, self.tokens)


class VocabularySummary(Record):
    """Size and coverage of the vocabulary."""

    words: int
    size: int
    """Rows of the embedding: the words, the padding and the unknown word if there is one."""
    unknown_id: int | None
    distinct_words: int
    """Distinct words before rare ones are dropped."""
    tokens_counted: int
    rows_counted: int
    coverage: tuple[SplitCoverage, ...]
    """In the order of ``SPLIT_NAMES``."""
    leakage: bool
    """Whether the vocabulary is fitted on validation and test rows too."""


class LengthPercentile(Record):
    """A percentile of the lengths of the reviews."""

    percent: int
    words: int
    """Smallest length that at least ``percent`` % of the reviews do not exceed."""


class LengthBin(Record):
    """Number of reviews in a range of lengths."""

    first: int
    """Smallest length, in words."""
    last: int | None
    """Largest length; ``None`` in the last bin, which is open."""
    rows: int


class EncodedSplit(Record):
    """One encoded split. Lengths are before truncation, in words that have an id."""

    name: SplitName
    rows: int
    positive: int
    tokens: int
    """Ids in the file, after truncation."""
    unknown_tokens: int
    """Ids of the unknown word in the file."""
    truncated_rows: int
    truncated_tokens: int
    """Words removed by truncation."""
    dropped_tokens: int
    """Words dropped because neither they nor the unknown word have an id."""
    empty_rows: int
    """Rows without words; encoded as one unknown word, or as an empty sequence if there is no unknown word."""
    mean_length: float
    percentiles: tuple[LengthPercentile, ...]
    lengths: tuple[LengthBin, ...]


class EncodingSummary(Record):
    """The encoded splits, in the order of ``SPLIT_NAMES``."""

    max_length: int
    keep: str
    """Which words of a longer review are kept, ``last`` or ``first``."""
    vocabulary_size: int
    """Rows that an embedding needs."""
    unknown_id: int | None
    splits: tuple[EncodedSplit, ...]
    summary_texts: int = 0
    """Summaries of training reviews that are training texts of their own."""
    generated_texts: int = 0
    """Generated training texts, see ``negation_examples``."""
