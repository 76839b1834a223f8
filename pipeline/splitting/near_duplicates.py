"""Clusters of near-duplicates: all pairs of texts above a Jaccard similarity, found without comparing all pairs.

The search is a prefix-filtered set similarity join: Chaudhuri, Ganti and Kaushik, "A primitive operator for
similarity joins in data cleaning" (2006); Bayardo, Ma and Srikant, "Scaling up all pairs similarity search" (2007).
The positional filter is from Xiao et al., "Efficient similarity joins for near duplicate detection" (2008). Unlike
MinHash, it misses no pair, so the split can guarantee zero. The leakage check uses MinHash (``minhash``), so a mistake
in one search does not hide a mistake in the other.

Why it is fast: sort the shingles of every text from rare to frequent, in the same order for all texts. Two texts of
similarity t share at least ⌈t · n⌉ of the n shingles of either, hence one among the first n − ⌈t · n⌉ + 1 of each.
These shingles are rare, and few texts share a rare shingle.

Why repetition does not make it quadratic: identical texts are merged first. Texts that share a shingle are then
compared with two neighbors only, which joins a cluster of near-duplicates in linear time. After that, only pairs that
are not yet in one cluster are compared. If more than ``PAIR_BUDGET`` pairs remain, thousands of otherwise different
texts share one rare phrase. Those count as near-duplicates without comparison, and a note says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.splitting.records import MIN_WORDS
from pipeline.splitting.shingles import ShingleSets, shingle_sets
from pipeline.splitting.texts import distinct_texts

log = logging.getLogger(__name__)

PAIR_BUDGET = 50_000_000
"""Maximum number of compared pairs (about a minute of work)."""
CHUNK_PAIRS = 1_000_000
CHUNK_SHINGLES = 1_000_000
MAX_FREQUENCY_BINS = 1 << 22
"""Shingles are counted by hash: their order must be the same for all texts, but need not be exact."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NearDuplicates:
    """Near-duplicates among the rows.

    Attributes:
        cluster_of_row: int64 [rows]. The rows of a cluster are near-duplicates, directly or through other rows.
        digest_of_row: uint64 [rows], digest of the text, for an order by content.
        uncompared: Texts that were added to a cluster without comparison, see ``PAIR_BUDGET``.
    """

    cluster_of_row: Integers
    digest_of_row: npt.NDArray[np.uint64]
    uncompared: int


def near_duplicates(
    words: pa.ChunkedArray, threshold: float, *, min_words: int = MIN_WORDS, pair_budget: int = PAIR_BUDGET
) -> NearDuplicates:
    """Find the clusters of near-duplicates among cleaned texts.

    Args:
        words: string [rows], words joined by one space.
        threshold: Jaccard similarity of three-word shingles (0–1] from which two texts are near-duplicates. Identical
            texts always are.
        min_words: Words below which a text is not compared; even identical short texts are no near-duplicates.
        pair_budget: See ``PAIR_BUDGET``.
    """
    texts = distinct_texts(words)
    sets = shingle_sets(texts.texts, min_words=min_words)
    cluster, uncompared = cluster_texts(sets, threshold, pair_budget=pair_budget)
    cluster_of_row = cluster[texts.text_of_row]
    short = np.flatnonzero(sets.sizes[texts.text_of_row] == 0)
    cluster_of_row[short] = len(texts) + np.arange(len(short))
    log.info(
        "%d rows, %d distinct texts, %d clusters of near-duplicates",
        len(words),
        len(texts),
        len(np.unique(cluster_of_row)),
    )
    return NearDuplicates(cluster_of_row, texts.digests[texts.text_of_row], uncompared)


def cluster_texts(sets: ShingleSets, threshold: float, *, pair_budget: int = PAIR_BUDGET) -> tuple[Integers, int]:
    """Return the cluster of each text, int64 [texts], and the number of texts that were joined uncompared."""
    index = _PrefixIndex.build(sets, threshold)
    cluster = np.arange(len(sets))
    for left, right in index.neighbors():
        cluster = _join_similar(sets, cluster, left, right, threshold)
    index = index.without_joined(cluster)
    index, crowded_left, crowded_right = index.within_budget(pair_budget)
    if len(crowded_left):
        cluster = _join(cluster, crowded_left, crowded_right)
        index = index.without_joined(cluster)
    for left, right in index.pairs():
        cluster = _join_similar(sets, cluster, left, right, threshold)
    return cluster, len(np.union1d(crowded_left, crowded_right))


def connected(count: int, left: Integers, right: Integers) -> Integers:
    """Return the connected component of each of ``count`` nodes, int64 [count], numbered from 0.

    Args:
        count: Number of nodes.
        left: int64 [edges], one end of each edge.
        right: int64 [edges], the other end.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not count:
        return np.empty(0, dtype=np.int64)
    edges = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    _, labels = connected_components(edges, directed=False)
    return np.asarray(labels, dtype=np.int64)


def _join_similar(sets: ShingleSets, cluster: Integers, left: Integers, right: Integers, threshold: float) -> Integers:
    """Compare the pairs that are not yet in one cluster, and return the new clusters."""
    apart = cluster[left] != cluster[right]
    if not apart.any():
        return cluster
    low, high = np.minimum(left[apart], right[apart]), np.maximum(left[apart], right[apart])
    pairs = np.unique(low * len(sets) + high)
    low, high = pairs // len(sets), pairs % len(sets)
    similar = sets.similar(low, high, threshold)
    return _join(cluster, low[similar], high[similar])


def _join(cluster: Integers, left: Integers, right: Integers) -> Integers:
    if not len(left):
        return cluster
    return connected(len(cluster), cluster[left], cluster[right])[cluster]


@dataclass(frozen=True)
class _PrefixIndex:
    """The rare shingles of each text, sorted by shingle and, among its texts, by size.

    Attributes:
        shingle: int64 [entries].
        text: int64 [entries].
        size: int64 [entries], shingles of the text.
        position: int64 [entries], index of the shingle in the text, from rare to frequent.
        threshold: Jaccard similarity from which two texts are near-duplicates.
    """

    shingle: Integers
    text: Integers
    size: Integers
    position: Integers
    threshold: float

    @classmethod
    def build(cls, sets: ShingleSets, threshold: float) -> _PrefixIndex:
        """Collect the prefixes in chunks of texts, without shingles that only one text has."""
        frequency = np.zeros(min(MAX_FREQUENCY_BINS, 1 << len(sets.shingles).bit_length()), dtype=np.int64)
        for start in range(0, len(sets.shingles), CHUNK_SHINGLES):
            bins = sets.shingles[start : start + CHUNK_SHINGLES] % len(frequency)
            frequency += np.bincount(bins, minlength=len(frequency))
        chunks = [_prefixes(sets, first, last, frequency, threshold) for first, last in _chunks(sets.offsets)]
        shingle, text, position = (np.concatenate(columns) for columns in zip(*chunks, strict=True))
        size = sets.sizes[text]
        order = np.lexsort((text, size, shingle))
        index = cls(shingle[order], text[order], size[order], position[order], threshold)
        return index._only(index._bucket_sizes() > 1)

    def neighbors(self) -> Iterator[tuple[Integers, Integers]]:
        """Yield each text with the first text of the same shingle, then with the previous one."""
        first = np.repeat(self._starts(), self._bucket_lengths())
        yield self.text[first], self.text
        before = np.maximum(np.arange(len(self.text)) - 1, first)
        yield self.text[before], self.text

    def pairs(self) -> Iterator[tuple[Integers, Integers]]:
        """Yield the candidate pairs: texts with a common rare shingle, filtered by size and position."""
        partners = self._partners()
        ends = np.cumsum(partners)
        start, done = 0, 0
        while start < len(partners):
            stop = max(start + 1, int(np.searchsorted(ends, done + CHUNK_PAIRS, side="right")))
            count = partners[start:stop]
            left = np.repeat(np.arange(start, stop), count)
            right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
            done, start = int(ends[stop - 1]), stop
            # After the first common shingle, the pair has at most the shorter remainder in common.
            rest = np.minimum(self.size[left] - self.position[left], self.size[right] - self.position[right])
            needed = _ceiling(self.threshold / (1 + self.threshold) * (self.size[left] + self.size[right]))
            possible = rest >= needed
            yield self.text[left[possible]], self.text[right[possible]]

    def without_joined(self, cluster: Integers) -> _PrefixIndex:
        """Return the index without the shingles whose texts are all in one cluster."""
        if not len(self.text):
            return self
        starts = self._starts()
        clusters = cluster[self.text]
        joined = np.minimum.reduceat(clusters, starts) == np.maximum.reduceat(clusters, starts)
        return self._only(np.repeat(~joined, self._bucket_lengths()))

    def within_budget(self, pair_budget: int) -> tuple[_PrefixIndex, Integers, Integers]:
        """Remove the shingles with the most texts until the others have at most ``pair_budget`` pairs.

        Returns:
            The index without them, and pairs that connect the texts of each removed shingle.
        """
        nothing = np.empty(0, dtype=np.int64)
        partners = self._partners()
        if partners.sum() <= pair_budget:
            return self, nothing, nothing
        # All shingles of one size together, so that their order does not matter.
        bucket_sizes = self._bucket_sizes()
        pairs_up_to = np.cumsum(np.bincount(bucket_sizes, weights=partners))
        limit = int(np.searchsorted(pairs_up_to, pair_budget, side="right")) - 1
        crowded = self._only(bucket_sizes > limit)
        crowd = len(np.unique(crowded.text))
        log.warning("%d texts share rare phrases with over %d others; counted as near-duplicates", crowd, limit)
        first_text, text = next(crowded.neighbors())
        return self._only(bucket_sizes <= limit), first_text, text

    def _partners(self) -> Integers:
        """Return for each entry how many later texts of its shingle are small enough to be a near-duplicate."""
        if not len(self.text):
            return np.empty(0, dtype=np.int64)
        bucket = np.repeat(np.arange(len(self._starts())), self._bucket_lengths())
        widest = int(self.size.max()) + 2
        largest = np.minimum(np.floor(self.size / self.threshold + 1e-6).astype(np.int64), widest - 1)
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
        return _PrefixIndex(*columns, self.threshold)


def _prefixes(
    sets: ShingleSets, first: int, last: int, frequency: Integers, threshold: float
) -> tuple[Integers, Integers, Integers]:
    """Return shingle, text and position of the rare shingles of the texts in [first, last)."""
    sizes = sets.sizes[first:last]
    begin, end = sets.offsets[first], sets.offsets[last]
    shingle = sets.shingles[begin:end]
    text = np.repeat(np.arange(first, last), sizes)
    order = np.lexsort((shingle, frequency[shingle % len(frequency)], text))
    position = np.arange(len(shingle)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    prefix: Integers = sizes + 1 - _ceiling(np.multiply(sizes, threshold, dtype=np.float64))
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
    """Round up, but ignore an excess caused by floating point."""
    return np.ceil(values - 1e-6).astype(np.int64)
