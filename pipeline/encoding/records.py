"""What encoding found."""

from __future__ import annotations

from pipeline.splitting.records import PartName
from pipeline.store import Record


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


class EncodedPart(Record):
    """One encoded part. Lengths are those before truncation, in words that have an id."""

    name: PartName
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
    parts: tuple[EncodedPart, ...]

    def part(self, name: PartName) -> EncodedPart:
        """Return the figures of that part."""
        return next(part for part in self.parts if part.name == name)
