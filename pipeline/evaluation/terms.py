"""Words and word pairs of many short texts as a sparse matrix, counted with sorted arrays in blocks of rows.

The result equals scikit-learn's ``CountVectorizer(token_pattern=r"[^ ]+", ngram_range=(1, 2), min_df=…)``, which keeps
a Python dictionary of every pair of the corpus before it drops the rare ones; here the memory is that of the token
numbers, of one block and of the distinct pairs as integers. ``bench/evaluation.py`` compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa
    from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

Codes = NDArray[np.int64]
BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class TokenRows:
    """Texts as token numbers.

    Attributes:
        tokens: int32 ``[tokens]``, all rows one after another.
        starts: int64 ``[rows + 1]``, where each row begins in ``tokens``.
        words: The word of each token number, in order of first appearance.
    """

    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: pa.ChunkedArray) -> TokenRows:
        """Split texts at single spaces; an empty text has no tokens."""
        import pyarrow as pa
        import pyarrow.compute as pc

        split = pc.split_pattern(pc.fill_null(texts, ""), " ")
        # Splitting "" gives one empty token; so do double spaces. An empty token is no word.
        flat = pa.chunked_array([chunk.flatten() for chunk in split.chunks], type=pa.string())
        lengths = pc.list_value_length(split).to_numpy().astype(np.int64)
        filled = pc.not_equal(flat, "").to_numpy().astype(bool)
        row_of_token = np.repeat(np.arange(len(lengths)), lengths)[filled]
        starts = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(np.bincount(row_of_token, minlength=len(lengths)), out=starts[1:])
        # Chunk by chunk: one array of strings may hold 2 GB at most.
        encoded = flat.filter(pa.array(filled)).dictionary_encode().unify_dictionaries()
        tokens = [chunk.indices.to_numpy() for chunk in encoded.chunks]
        words = encoded.chunk(0).dictionary.to_pylist() if tokens else []
        return cls(np.concatenate([np.empty(0, dtype=np.int32), *tokens]).astype(np.int32), starts, tuple(words))

    @property
    def rows(self) -> int:
        """Number of texts."""
        return len(self.starts) - 1


@dataclass(frozen=True)
class TermVocabulary:
    """The terms kept: a code below ``words`` is a word, above it a pair ``words + first·words + second``.

    Attributes:
        codes: int64 ``[terms]``, ascending.
        words: Number of distinct words behind the codes.
    """

    codes: Codes
    words: int

    @classmethod
    def fit(cls, texts: TokenRows, rows: NDArray[np.int64], *, min_rows: int, most: int) -> TermVocabulary:
        """Keep the terms that stand in at least ``min_rows`` of ``rows``; the ``most`` frequent ones at most."""
        codes, frequency = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        for block in _blocks(rows):
            block_codes, starts = _term_codes(texts, block)
            distinct, matrix = _counts(block_codes, starts)
            block_frequency = np.bincount(matrix.indices, minlength=len(distinct))
            codes, place = np.unique(np.concatenate([codes, distinct]), return_inverse=True)
            frequency = np.bincount(
                place, weights=np.concatenate([frequency, block_frequency]), minlength=len(codes)
            ).astype(np.int64)
        kept = np.flatnonzero(frequency >= min_rows)
        if len(kept) > most:
            kept = np.sort(kept[np.argsort(-frequency[kept], kind="stable")[:most]])
        return cls(codes[kept], len(texts.words))

    def count(self, texts: TokenRows, rows: NDArray[np.int64]) -> csr_matrix:
        """Return how often each term stands in each of ``rows``: float64 ``[rows, terms]``, indices sorted."""
        from scipy.sparse import csr_matrix, vstack

        blocks = []
        for block in _blocks(rows):
            codes, starts = _term_codes(texts, block)
            place = np.minimum(np.searchsorted(self.codes, codes), max(len(self.codes) - 1, 0))
            known = self.codes[place] == codes if len(self.codes) else np.zeros(len(codes), dtype=bool)
            known_before = np.concatenate([[0], np.cumsum(known)])
            matrix = csr_matrix(
                (np.ones(known_before[-1]), place[known].astype(np.int32), known_before[starts]),
                shape=(len(block), len(self.codes)),
            )
            matrix.sum_duplicates()
            blocks.append(matrix)
        return vstack(blocks, format="csr") if blocks else csr_matrix((0, len(self.codes)))

    def term(self, place: int, words: tuple[str, ...]) -> str:
        """Return a term as text; the words of a pair are joined by a space."""
        code = int(self.codes[place])
        if code < self.words:
            return words[code]
        first, second = divmod(code - self.words, self.words)
        return f"{words[first]} {words[second]}"


def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS)]


def _term_codes(texts: TokenRows, rows: NDArray[np.int64]) -> tuple[Codes, NDArray[np.int64]]:
    """Return the codes of all words and pairs of some rows, row after row, and where each row begins."""
    lengths = texts.starts[rows + 1] - texts.starts[rows]
    ends = np.cumsum(lengths)
    positions = np.arange(int(lengths.sum())) + np.repeat(texts.starts[rows] - (ends - lengths), lengths)
    tokens = texts.tokens[positions].astype(np.int64)
    # Each row contributes its words and then its pairs: 2·length − 1 codes, none where it is empty.
    pairs = np.maximum(lengths - 1, 0)
    starts = np.concatenate([[0], np.cumsum(lengths + pairs)])
    row_of_token = np.repeat(np.arange(len(rows)), lengths)
    codes = np.empty(starts[-1], dtype=np.int64)
    within = np.arange(len(tokens)) - np.repeat(ends - lengths, lengths)
    codes[starts[row_of_token] + within] = tokens
    begins_pair = np.flatnonzero(row_of_token[:-1] == row_of_token[1:]) if len(tokens) else np.empty(0, dtype=np.int64)
    row_of_pair = row_of_token[begins_pair]
    vocabulary = len(texts.words)
    codes[starts[row_of_pair] + lengths[row_of_pair] + within[begins_pair]] = (
        vocabulary + tokens[begins_pair] * vocabulary + tokens[begins_pair + 1]
    )
    return codes, starts


def _counts(codes: Codes, starts: NDArray[np.int64]) -> tuple[Codes, csr_matrix]:
    """Return the distinct codes and their counts by row."""
    from scipy.sparse import csr_matrix

    distinct, place = np.unique(codes, return_inverse=True)
    matrix = csr_matrix((np.ones(len(codes)), place, starts), shape=(len(starts) - 1, len(distinct)))
    matrix.sum_duplicates()
    return distinct, matrix
