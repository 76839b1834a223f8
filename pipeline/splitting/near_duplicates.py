"""Families of near-duplicates: every pair of texts above a Jaccard similarity, found without comparing all.

The search is a prefix-filtered set-similarity join: Chaudhuri, Ganti and Kaushik, "A primitive operator for
similarity joins in data cleaning" (2006); Bayardo, Ma and Srikant, "Scaling up all pairs similarity search"
(2007); the positional filter is from Xiao et al., "Efficient similarity joins for near duplicate detection" (2008).
Unlike MinHash it misses no pair, so that a promise can be built on it. The leak check searches by MinHash
(``pipeline.splitting.minhash``), so that neither can hide the other's mistake.

Why it is fast: order the shingles of every text from rare to common, the same order for all. Two texts of
similarity t share at least ⌈t · n⌉ of the n shingles of either, hence one among the first n − ⌈t · n⌉ + 1 of each.
These are rare shingles, and few texts share a rare shingle.

Why repetition cannot make it quadratic: identical texts are folded into one before; texts that share a shingle
are first compared with two neighbors only, which joins a family of copies in linear time; then only pairs that are
not yet in one family are compared. What remains above ``PAIR_BUDGET`` are thousands of texts built on one rare
phrase and otherwise different: those are counted as copies without comparison, and said so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.splitting.components import connected
from pipeline.splitting.shingles import ShingleSets, shingle_sets
from pipeline.splitting.texts import distinct_texts

log = logging.getLogger(__name__)

PAIR_BUDGET = 50_000_000
"""Candidate pairs beyond which the most crowded shingles are taken as proof of copying (about a minute of work)."""
CHUNK_PAIRS = 1_000_000
CHUNK_SHINGLES = 1_000_000
MOST_FREQUENCY_BINS = 1 << 22
"""Shingles are counted by hash: the order from rare to common needs to be the same for all texts, not exact."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NearDuplicates:
    """Which rows are copies of each other.

    Attributes:
        family_of_row: int64 [rows]. Rows of one family are linked by copies, directly or over others.
        digest_of_row: uint64 [rows], a digest of the row's text, for ordering by content.
        assumed: Texts that were put into a family uncompared, because comparing would have taken too long.
    """

    family_of_row: Integers
    digest_of_row: npt.NDArray[np.uint64]
    assumed: int


def near_duplicates(words: pa.ChunkedArray, similarity: float, *, pair_budget: int = PAIR_BUDGET) -> NearDuplicates:
    """Find the families of near-duplicates among cleaned texts.

    Args:
        words: string [rows], words joined by one space.
        similarity: Jaccard similarity of three-word shingles from which two texts are copies, above 0 and at
            most 1. Identical texts always are; texts of fewer than three words only if identical.
        pair_budget: See ``PAIR_BUDGET``.
    """
    texts = distinct_texts(words)
    family, assumed = text_families(shingle_sets(texts.texts), similarity, pair_budget=pair_budget)
    log.info("%d rows hold %d texts in %d families of near-duplicates", len(words), len(texts), len(np.unique(family)))
    return NearDuplicates(
        family_of_row=family[texts.text_of_row], digest_of_row=texts.digests[texts.text_of_row], assumed=assumed
    )


def text_families(sets: ShingleSets, similarity: float, *, pair_budget: int = PAIR_BUDGET) -> tuple[Integers, int]:
    """Return the family of each text, int64 [texts], and the number of texts that were linked uncompared."""
    index = _PrefixIndex.build(sets, similarity)
    family = np.arange(len(sets))
    for left, right in index.neighbors():
        family = _joined(sets, family, left, right, similarity)
    index = index.without_settled(family)
    index, crowded_left, crowded_right = index.within_budget(pair_budget)
    if len(crowded_left):
        family = _merged(family, crowded_left, crowded_right)
        index = index.without_settled(family)
    for left, right in index.pairs():
        family = _joined(sets, family, left, right, similarity)
    return family, len(np.union1d(crowded_left, crowded_right))


def _joined(sets: ShingleSets, family: Integers, left: Integers, right: Integers, similarity: float) -> Integers:
    """Return the families after comparing the pairs that are not yet in one."""
    apart = family[left] != family[right]
    if not apart.any():
        return family
    low, high = np.minimum(left[apart], right[apart]), np.maximum(left[apart], right[apart])
    pairs = np.unique(low * len(sets) + high)
    low, high = pairs // len(sets), pairs % len(sets)
    similar = sets.similar(low, high, similarity)
    return _merged(family, low[similar], high[similar])


def _merged(family: Integers, left: Integers, right: Integers) -> Integers:
    if not len(left):
        return family
    return connected(len(family), family[left], family[right])[family]


@dataclass(frozen=True)
class _PrefixIndex:
    """The rare shingles of each text, sorted by shingle and, among its texts, by size.

    Attributes:
        shingle: int64 [entries].
        text: int64 [entries].
        size: int64 [entries], shingles of the text.
        position: int64 [entries], place of the shingle in the text, from rare to common.
        similarity: Jaccard similarity that is looked for.
    """

    shingle: Integers
    text: Integers
    size: Integers
    position: Integers
    similarity: float

    @classmethod
    def build(cls, sets: ShingleSets, similarity: float) -> _PrefixIndex:
        """Collect the prefixes in chunks of texts; shingles that only one text has are left out."""
        frequency = np.zeros(min(MOST_FREQUENCY_BINS, 1 << len(sets.shingles).bit_length()), dtype=np.int64)
        for start in range(0, len(sets.shingles), CHUNK_SHINGLES):
            bins = sets.shingles[start : start + CHUNK_SHINGLES] % len(frequency)
            frequency += np.bincount(bins, minlength=len(frequency))
        parts = [_prefixes(sets, first, last, frequency, similarity) for first, last in _chunks(sets.offsets)]
        shingle, text, position = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        size = sets.sizes[text]
        order = np.lexsort((text, size, shingle))
        index = cls(shingle[order], text[order], size[order], position[order], similarity)
        return index._only(index._bucket_sizes() > 1)

    def neighbors(self) -> Iterator[tuple[Integers, Integers]]:
        """Yield each text with the first of its shingle's texts, and with the one before it."""
        first = np.repeat(self._starts(), self._bucket_lengths())
        yield self.text[first], self.text
        before = np.maximum(np.arange(len(self.text)) - 1, first)
        yield self.text[before], self.text

    def pairs(self) -> Iterator[tuple[Integers, Integers]]:
        """Yield the candidate pairs: texts that share a rare shingle and whose sizes and positions allow a copy."""
        partners = self._partners()
        ends = np.cumsum(partners)
        start, done = 0, 0
        while start < len(partners):
            stop = max(start + 1, int(np.searchsorted(ends, done + CHUNK_PAIRS, side="right")))
            count = partners[start:stop]
            left = np.repeat(np.arange(start, stop), count)
            right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
            done, start = int(ends[stop - 1]), stop
            # A pair's first common shingle leaves no more in common than the shorter rest behind it.
            rest = np.minimum(self.size[left] - self.position[left], self.size[right] - self.position[right])
            needed = _ceiling(self.similarity / (1 + self.similarity) * (self.size[left] + self.size[right]))
            possible = rest >= needed
            yield self.text[left[possible]], self.text[right[possible]]

    def without_settled(self, family: Integers) -> _PrefixIndex:
        """Return the index without the shingles all of whose texts are in one family."""
        if not len(self.text):
            return self
        starts = self._starts()
        families = family[self.text]
        settled = np.minimum.reduceat(families, starts) == np.maximum.reduceat(families, starts)
        return self._only(np.repeat(~settled, self._bucket_lengths()))

    def within_budget(self, pair_budget: int) -> tuple[_PrefixIndex, Integers, Integers]:
        """Split off the shingles with the most texts until the others have few enough pairs.

        Returns:
            The index without them, and the links that tie the texts of each of them together.
        """
        nothing = np.empty(0, dtype=np.int64)
        partners = self._partners()
        if partners.sum() <= pair_budget:
            return self, nothing, nothing
        # By size, not one by one, so that the order of equals cannot matter.
        bucket_sizes = self._bucket_sizes()
        pairs_up_to = np.cumsum(np.bincount(bucket_sizes, weights=partners))
        limit = int(np.searchsorted(pairs_up_to, pair_budget, side="right")) - 1
        crowded = self._only(bucket_sizes > limit)
        crowd = len(np.unique(crowded.text))
        log.warning("%d texts share rare phrases with over %d others: counted as near-duplicates", crowd, limit)
        first_text, text = next(crowded.neighbors())
        return self._only(bucket_sizes <= limit), first_text, text

    def _partners(self) -> Integers:
        """Return how many later texts of the same shingle are small enough to be a copy of each entry's text."""
        if not len(self.text):
            return np.empty(0, dtype=np.int64)
        bucket = np.repeat(np.arange(len(self._starts())), self._bucket_lengths())
        widest = int(self.size.max()) + 2
        largest = np.minimum(np.floor(self.size / self.similarity + 1e-6).astype(np.int64), widest - 1)
        ends = np.searchsorted(bucket * widest + self.size, bucket * widest + largest, side="right")
        return np.asarray(ends - np.arange(len(self.text)) - 1, dtype=np.int64)

    def _starts(self) -> Integers:
        change = np.ones(len(self.shingle), dtype=np.bool_)
        change[1:] = self.shingle[1:] != self.shingle[:-1]
        return np.flatnonzero(change)

    def _bucket_lengths(self) -> Integers:
        return np.diff(np.append(self._starts(), len(self.shingle)))

    def _bucket_sizes(self) -> Integers:
        """Return for each entry how many texts have its shingle in their prefix."""
        lengths = self._bucket_lengths()
        return np.repeat(lengths, lengths)

    def _only(self, wanted: npt.NDArray[np.bool_]) -> _PrefixIndex:
        columns = (self.shingle[wanted], self.text[wanted], self.size[wanted], self.position[wanted])
        return _PrefixIndex(*columns, self.similarity)


def _prefixes(
    sets: ShingleSets, first: int, last: int, frequency: Integers, similarity: float
) -> tuple[Integers, Integers, Integers]:
    """Return shingle, text and position of the rare shingles of the texts from ``first`` up to ``last``."""
    sizes = sets.sizes[first:last]
    begin, end = sets.offsets[first], sets.offsets[last]
    shingle = sets.shingles[begin:end]
    text = np.repeat(np.arange(first, last), sizes)
    order = np.lexsort((shingle, frequency[shingle % len(frequency)], text))
    position = np.arange(len(shingle)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    prefix: Integers = sizes + 1 - _ceiling(np.multiply(sizes, similarity, dtype=np.float64))
    rare = position < np.repeat(prefix, sizes)
    return shingle[order][rare], text[rare], position[rare]


def _chunks(offsets: Integers) -> Iterator[tuple[int, int]]:
    """Yield ranges of texts with about ``CHUNK_SHINGLES`` shingles."""
    first, texts = 0, len(offsets) - 1
    while first < texts or first == 0:
        wanted = int(np.searchsorted(offsets, offsets[first] + CHUNK_SHINGLES, side="right")) - 1
        last = min(max(wanted, first + 1), texts)
        yield first, last
        if last == texts:
            return
        first = last


def _ceiling(values: npt.NDArray[np.float64]) -> Integers:
    """Round up, but not for an excess that only floating point has made."""
    return np.ceil(values - 1e-6).astype(np.int64)
