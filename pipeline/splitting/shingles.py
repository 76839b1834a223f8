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

from pipeline.splitting.texts import int_digest, mixed

SHINGLE_WORDS = 3
CHUNK_TEXTS = 16_384
"""Texts that are cut into shingles at once: bounds the memory, not the result."""
CHUNK_PAIRS = 131_072
"""Pairs that are compared at once."""
# Odd, so that multiplying by them loses no bit (the first is 2**64 divided by the golden ratio).
_FACTORS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)


@dataclass(frozen=True)
class ShingleSets:
    """One set of shingles per text, one after the other.

    A shingle is a 62-bit hash of its three words. Ten million different shingles, as many as half a million
    reviews have, hold an expected 1e-5 pairs with the same hash, so that the similarities are exact for all purposes.

    Attributes:
        offsets: int64 [texts + 1], where each text's set begins.
        shingles: int64 [shingles], ascending within a text, each once. A text of fewer than three words has
            none: it can only be compared as a whole.
    """

    offsets: npt.NDArray[np.int64]
    shingles: npt.NDArray[np.int64]
    _matrix: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lay the sets out as a sparse matrix (texts by shingles), which shares their memory."""
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
        self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], similarity: float
    ) -> npt.NDArray[np.bool_]:
        """Return which pairs of texts have at least that Jaccard similarity, counted exactly.

        Args:
            left: int64 [pairs], texts.
            right: int64 [pairs], texts.
            similarity: |A ∩ B| / |A ∪ B| from which a pair counts, above 0.
        """
        sizes = self.sizes
        result = np.zeros(len(left), dtype=np.bool_)
        for start in range(0, len(left), CHUNK_PAIRS):
            one, other = left[start : start + CHUNK_PAIRS], right[start : start + CHUNK_PAIRS]
            common = np.diff(self._matrix[one].multiply(self._matrix[other]).indptr)
            union = sizes[one] + sizes[other] - common
            # The quotient, not a product: 4 / 5 rounds to the very number that 0.8 is.
            result[start : start + CHUNK_PAIRS] = common / np.maximum(union, 1) >= similarity
        return result


def shingle_sets(texts: pa.LargeStringArray) -> ShingleSets:
    """Cut texts into shingles of three neighboring words.

    Args:
        texts: Words separated by one space.
    """
    sizes = [np.zeros(1, dtype=np.int64)]
    shingles = [np.empty(0, dtype=np.int64)]
    known: dict[str, int] = {}
    for start in range(0, len(texts), CHUNK_TEXTS):
        chunk_sizes, chunk_shingles = _cut(texts.slice(start, CHUNK_TEXTS), known)
        sizes.append(chunk_sizes)
        shingles.append(chunk_shingles)
    return ShingleSets(offsets=np.cumsum(np.concatenate(sizes)), shingles=np.concatenate(shingles))


def _cut(texts: pa.LargeStringArray, known: dict[str, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the number of shingles of each text, and all of them; ``known`` remembers the digests of words."""
    split = pc.split_pattern(texts, " ")
    words = split.values.dictionary_encode()
    digests = np.empty(len(words.dictionary), dtype=np.uint64)
    for code, word in enumerate(words.dictionary.to_pylist()):
        if word not in known:
            known[word] = int_digest(word)
        digests[code] = known[word]
    codes = words.indices.to_numpy(zero_copy_only=False)
    ends = split.offsets.to_numpy()
    text_of_word = np.repeat(np.arange(len(texts)), np.diff(ends))
    last = len(codes) - SHINGLE_WORDS + 1
    if last <= 0:
        return np.zeros(len(texts), dtype=np.int64), np.empty(0, dtype=np.int64)
    # Each factor scatters its word before the sum, so that the order of the words counts.
    hashed = np.zeros(last, dtype=np.uint64)
    for place, factor in enumerate(_FACTORS):
        hashed += mixed(digests * np.uint64(factor))[codes[place : place + last]]
    inside = text_of_word[:last] == text_of_word[SHINGLE_WORDS - 1 :]
    shingle = (mixed(hashed[inside]) >> np.uint64(2)).astype(np.int64)
    text = text_of_word[:last][inside]
    order = np.lexsort((shingle, text))
    shingle, text = shingle[order], text[order]
    first = np.ones(len(text), dtype=np.bool_)
    first[1:] = (text[1:] != text[:-1]) | (shingle[1:] != shingle[:-1])
    return np.bincount(text[first], minlength=len(texts)).astype(np.int64), shingle[first]
