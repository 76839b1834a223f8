"""Tokenizes columns of cleaned text into flat arrays, without a Python loop over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Tokens:
    """The words of several texts, concatenated.

    Attributes:
        offsets: int64 [texts + 1], start of the words of each text.
        codes: int32 [words], index of each word in ``distinct``.
        distinct: The distinct words by first appearance.
    """

    offsets: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    distinct: list[str]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Words per text, int64 [texts]."""
        return np.diff(self.offsets)


def tokenize(texts: pa.Array) -> Tokens:
    """Split texts at their spaces. A missing or empty text has no words.

    Args:
        texts: string or large_string [texts], words joined by one space.
    """
    texts = pc.fill_null(texts.cast(pa.large_string()), "")
    split = pc.split_pattern(texts, " ")
    words = split.flatten()
    lengths = pc.list_value_length(split).to_numpy(zero_copy_only=False).astype(np.int64)
    empty = pc.equal(words, "").to_numpy(zero_copy_only=False)
    if empty.any():
        # An empty text gives one empty word, and so does a double space, which cleaning never leaves.
        text = np.repeat(np.arange(len(texts)), lengths)[~empty]
        lengths = np.bincount(text, minlength=len(texts)).astype(np.int64)
        words = words.filter(pa.array(~empty))
    encoded = words.dictionary_encode()
    return Tokens(
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
        codes=encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        distinct=encoded.dictionary.to_pylist(),
    )
