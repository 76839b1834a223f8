"""Near-duplicates of known texts by MinHash: signatures in bands, each candidate verified.

Broder (1997); banding as in Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4. The search can
miss a pair, with a probability of at most ``MISS_PROBABILITY`` at the threshold and less above it. It never reports a
pair below the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.splitting.shingles import ShingleSets

BANDS = 32
MAX_ROWS_PER_BAND = 8
MISS_PROBABILITY = 1e-6
SEED = 20_110_411
"""Seed of the hash functions; fixed, so that the same reviews always give the same figures."""
MAX_COMPARISONS = 512
"""Known texts that one text is compared with per band. A text with more candidates is boilerplate."""
CHUNK_SHINGLES = 1_000_000


def rows_per_band(threshold: float) -> int:
    """Return the largest number of rows per band whose miss probability at the threshold is low enough.

    A band of r rows matches with probability tʳ, so all b bands miss with probability (1 − tʳ)ᵇ.
    """
    rows = MAX_ROWS_PER_BAND
    while rows > 1 and (1 - threshold**rows) ** BANDS > MISS_PROBABILITY:
        rows -= 1
    return rows


def duplicates_of_known(
    sets: ShingleSets, queries: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_], threshold: float
) -> npt.NDArray[np.bool_]:
    """Return which of the query texts are near-duplicates of a known text.

    Args:
        sets: Shingles of all texts.
        queries: bool [texts].
        known: bool [texts].
        threshold: Jaccard similarity from which two texts are near-duplicates.

    Returns:
        bool [texts], true only for queries. A query that is known itself counts. A text without shingles never does.
    """
    long_enough = sets.sizes > 0
    found = queries & known & long_enough
    known_texts = np.flatnonzero(known & long_enough)
    generator = np.random.default_rng(SEED)
    for _ in range(BANDS):
        factors = generator.integers(0, 2**63, size=rows_per_band(threshold), dtype=np.uint64) * np.uint64(2) + 1
        open_texts = np.flatnonzero(queries & long_enough & ~found)
        if not len(open_texts) or not len(known_texts):
            break
        keys = _band_keys(sets, factors)
        order = np.argsort(keys[known_texts], kind="stable")
        candidates, sorted_keys = known_texts[order], keys[known_texts][order]
        first = np.searchsorted(sorted_keys, keys[open_texts], side="left")
        count = np.searchsorted(sorted_keys, keys[open_texts], side="right") - first
        found[_verified(sets, _Candidates(open_texts, candidates, first, count), threshold)] = True
    return found


@dataclass(frozen=True)
class _Candidates:
    """The known texts in the same bucket of a band as each open text.

    Attributes:
        open_texts: int64 [open], queries without a match so far.
        known_texts: int64 [known], sorted by bucket.
        first: int64 [open], start of the bucket of each open text in ``known_texts``.
        count: int64 [open], known texts in that bucket.
    """

    open_texts: npt.NDArray[np.int64]
    known_texts: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]


def _verified(sets: ShingleSets, candidates: _Candidates, threshold: float) -> npt.NDArray[np.int64]:
    """Return the open texts that are near-duplicates of one of their candidates.

    The candidates are compared in steps of growing size, and a text drops out at its first match. A cluster of
    thousands of near-duplicates therefore costs one comparison per text.
    """
    found = np.zeros(len(candidates.open_texts), dtype=np.bool_)
    count = np.minimum(candidates.count, MAX_COMPARISONS)
    begin, step = 0, 1
    while True:
        going = np.flatnonzero((count > begin) & ~found)
        if not len(going):
            return candidates.open_texts[found]
        width = np.minimum(count[going], begin + step) - begin
        left = np.repeat(going, width)
        inside = np.arange(len(left)) - np.repeat(np.cumsum(width) - width, width)
        right = candidates.known_texts[candidates.first[left] + begin + inside]
        found[left[sets.similar(candidates.open_texts[left], right, threshold)]] = True
        begin, step = begin + step, step * 2


def _band_keys(sets: ShingleSets, factors: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return one key per text, uint64 [texts]. Keys are equal if the smallest hash under each factor is.

    Hashes are multiply-shift (Dietzfelbinger et al. 1997) of shingles, which are random 62-bit numbers already. Texts
    without shingles get 0.
    """
    texts = np.flatnonzero(sets.sizes > 0)
    keys = np.zeros(len(sets), dtype=np.uint64)
    starts = sets.offsets[texts]
    position = 0
    while position < len(texts):
        stop = max(position + 1, int(np.searchsorted(starts, starts[position] + CHUNK_SHINGLES)))
        chunk = texts[position:stop]
        shingles = sets.shingles[sets.offsets[chunk[0]] : sets.offsets[chunk[-1] + 1]].astype(np.uint64)
        # Texts without shingles are empty, so the starts of the others suffice.
        begins = sets.offsets[chunk] - sets.offsets[chunk[0]]
        for factor in factors:
            smallest = np.minimum.reduceat(((shingles * factor) >> np.uint64(32)).astype(np.uint32), begins)
            keys[chunk] = keys[chunk] * np.uint64(0x9E3779B97F4A7C15) + smallest + np.uint64(1)
        position = stop
    return keys
