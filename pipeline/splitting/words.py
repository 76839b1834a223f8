"""Columns of cleaned text as flat arrays of words, without a Python loop over rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class WordTable:
    """The words of some texts, one text after the other.

    Attributes:
        offsets: int64 [texts + 1], where each text's words begin.
        codes: int32 [words], each word's place in ``distinct``.
        distinct: The different words by first appearance.
    """

    offsets: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    distinct: list[str]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Words per text, int64 [texts]."""
        return np.diff(self.offsets)


def cut_into_words(texts: pa.Array) -> WordTable:
    """Cut texts at their spaces; a missing or empty text has no words.

    Args:
        texts: string or large_string [texts], words joined by one space.
    """
    texts = pc.fill_null(texts.cast(pa.large_string()), "")
    split = pc.split_pattern(texts, " ")
    words = split.flatten()
    lengths = pc.list_value_length(split).to_numpy(zero_copy_only=False).astype(np.int64)
    blank = pc.equal(words, "").to_numpy(zero_copy_only=False)
    if blank.any():
        # An empty text is cut into one empty word; so is a doubled space, which cleaning never leaves.
        text = np.repeat(np.arange(len(texts)), lengths)[~blank]
        lengths = np.bincount(text, minlength=len(texts)).astype(np.int64)
        words = words.filter(pa.array(~blank))
    folded = words.dictionary_encode()
    return WordTable(
        offsets=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)]),
        codes=folded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        distinct=folded.dictionary.to_pylist(),
    )
