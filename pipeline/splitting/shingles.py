"""Texts as sets of three-word shingles, and their exact Jaccard similarity.

Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman and Ullman, "Mining of
Massive Datasets", chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.splitting.records import MIN_WORDS
from pipeline.splitting.texts import int_digest, mixed

SHINGLE_WORDS = 3
CHUNK_TEXTS = 16_384
"""Texts processed at once; limits memory only."""
CHUNK_PAIRS = 131_072
"""Pairs compared at once; limits memory only."""
# Odd numbers, so that multiplication is invertible (the first is 2**64 divided by the golden ratio).
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)


@dataclass(frozen=True)
class ShingleSets:
    """One set of shingles per text, concatenated.

    A shingle is a 62-bit hash of its three words. Half a million reviews have about ten million distinct shingles; the
    expected number of hash collisions among them is 1e-5, so the similarities are exact in practice.

    Attributes:
        offsets: int64 [texts + 1], start of the set of each text.
        shingles: int64 [shingles], ascending and distinct within a text. Short texts have none.
    """

    offsets: npt.NDArray[np.int64]
    shingles: npt.NDArray[np.int64]
    _matrix: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Create a sparse matrix (texts × shingles) that shares the memory of the sets."""
        from scipy.sparse import csr_array

        ones = np.ones(len(self.shingles), dtype=np.int8)
        matrix = csr_array((ones, self.shingles, self.offsets), shape=(len(self), 2**62), copy=False)
        matrix.has_sorted_indices = True
        matrix.has_canonical_format = True
        object.__setattr__(self, "_matrix", matrix)

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.offsets) - 1

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Shingles per text, int64 [texts]."""
        return np.diff(self.offsets)

    def similar(
        self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], threshold: float
    ) -> npt.NDArray[np.bool_]:
        """Return which pairs of texts have at least this Jaccard similarity, bool [pairs].

        Args:
            left: int64 [pairs], index of a text.
            right: int64 [pairs], index of a text.
            threshold: Smallest |A ∩ B| / |A ∪ B|, above 0.
        """
        sizes = self.sizes
        result = np.zeros(len(left), dtype=np.bool_)
        for start in range(0, len(left), CHUNK_PAIRS):
            one, other = left[start : start + CHUNK_PAIRS], right[start : start + CHUNK_PAIRS]
            common = np.diff(self._matrix[one].multiply(self._matrix[other]).indptr)
            union = sizes[one] + sizes[other] - common
            # A quotient, not a product: 4 / 5 rounds to the same float as 0.8.
            result[start : start + CHUNK_PAIRS] = common / np.maximum(union, 1) >= threshold
        return result


def shingle_sets(texts: pa.LargeStringArray, *, min_words: int = MIN_WORDS) -> ShingleSets:
    """Return the shingles of three consecutive words of each text.

    Args:
        texts: Words separated by one space.
        min_words: Words below which a text gets no shingles, at least ``SHINGLE_WORDS``.
    """
    sizes = [np.zeros(1, dtype=np.int64)]
    shingles = [np.empty(0, dtype=np.int64)]
    known: dict[str, int] = {}
    for start in range(0, len(texts), CHUNK_TEXTS):
        chunk_sizes, chunk_shingles = _cut(texts.slice(start, CHUNK_TEXTS), known, min_words)
        sizes.append(chunk_sizes)
        shingles.append(chunk_shingles)
    return ShingleSets(offsets=np.cumsum(np.concatenate(sizes)), shingles=np.concatenate(shingles))


def _cut(
    texts: pa.LargeStringArray, known: dict[str, int], min_words: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the number of shingles per text and all shingles. ``known`` caches the digests of words."""
    split = pc.split_pattern(texts, " ")
    words = split.values.dictionary_encode()
    digests = np.empty(len(words.dictionary), dtype=np.uint64)
    for code, word in enumerate(words.dictionary.to_pylist()):
        if word not in known:
            known[word] = int_digest(word)
        digests[code] = known[word]
    codes = words.indices.to_numpy(zero_copy_only=False)
    ends = split.offsets.to_numpy()
    counts = np.diff(ends)
    text_of_word = np.repeat(np.arange(len(texts)), counts)
    last = len(codes) - SHINGLE_WORDS + 1
    if last <= 0:
        return np.zeros(len(texts), dtype=np.int64), np.empty(0, dtype=np.int64)
    # A different factor per position, so that the order of the words matters.
    hashed = np.zeros(last, dtype=np.uint64)
    for place, factor in enumerate(_FACTORS):
        hashed += mixed(digests * np.uint64(factor))[codes[place : place + last]]
    inside = (text_of_word[:last] == text_of_word[SHINGLE_WORDS - 1 :]) & (counts >= min_words)[text_of_word[:last]]
    shingle = (mixed(hashed[inside]) >> np.uint64(2)).astype(np.int64)
    text = text_of_word[:last][inside]
    order = np.lexsort((shingle, text))
    shingle, text = shingle[order], text[order]
    first = np.ones(len(text), dtype=np.bool_)
    first[1:] = (text[1:] != text[:-1]) | (shingle[1:] != shingle[:-1])
    return np.bincount(text[first], minlength=len(texts)).astype(np.int64), shingle[first]
