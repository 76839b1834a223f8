"""Distinct texts in an order that depends on their content only, and stable hashes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

DIGEST_BYTES = 8


@dataclass(frozen=True)
class DistinctTexts:
    """The distinct values of a column of texts.

    Attributes:
        texts: Each text once, sorted by digest. The order of the rows does not matter.
        text_of_row: int64 [rows], index in ``texts``.
        digests: uint64 [texts], the first eight bytes of the BLAKE2b digest.
    """

    texts: pa.LargeStringArray
    text_of_row: npt.NDArray[np.int64]
    digests: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        """Return the number of distinct texts."""
        return len(self.texts)


def distinct_texts(words: pa.ChunkedArray | pa.Array) -> DistinctTexts:
    """Return the distinct texts of a string column; a missing text counts as an empty one."""
    column = words if isinstance(words, pa.ChunkedArray) else pa.chunked_array([words])
    encoded = pc.fill_null(column.cast(pa.large_string()), "").combine_chunks().dictionary_encode()
    digests = np.fromiter(
        (int_digest(text.as_py()) for text in encoded.dictionary), dtype=np.uint64, count=len(encoded.dictionary)
    )
    order = np.argsort(digests, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return DistinctTexts(
        texts=encoded.dictionary.take(pa.array(order)),
        text_of_row=place[encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)],
        digests=digests[order],
    )


def empty_as_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the column with empty strings replaced by nulls."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)


def int_digest(text: str) -> int:
    """Return the first 64 bits of the BLAKE2b digest of a text. Unlike ``hash``, it is the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest(), "little")


def mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Hash 64-bit values (finalizer of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
