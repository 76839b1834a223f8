"""Finds duplicate reviews by numbers and digests, without texts in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TEXT_DIGEST = np.dtype([("first", "<u8"), ("second", "<u8")])
"""128 bits of BLAKE2b."""


def text_digests(texts: Iterable[str | None]) -> bytes:
    """Return the digests of all texts, concatenated; read them with ``np.frombuffer`` and ``TEXT_DIGEST``."""
    # A missing text differs from an empty one. The byte 0xFF never occurs in UTF-8.
    return b"".join(
        hashlib.blake2b(b"\xff" if text is None else text.encode(), digest_size=TEXT_DIGEST.itemsize).digest()
        for text in texts
    )


def value_codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return int64 ``[rows]``, equal numbers for equal values; null counts as a value."""
    # One array, so that all values share one dictionary.
    encoded = pa.concat_arrays(column.chunks or [pa.array([], column.type)]).dictionary_encode(null_encoding="encode")
    codes: npt.NDArray[np.int64] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def first_equal(columns: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.int64]:
    """Return for each row the position of the first row with equal values in all columns, int64 ``[rows]``."""
    rows = len(columns[0])
    # The sort is stable, so the first of equal rows stays first.
    order = np.lexsort(columns)
    starts = np.ones(rows, dtype=bool)
    if rows:
        starts[1:] = np.logical_or.reduce([column[order][1:] != column[order][:-1] for column in columns])
    first = np.empty(rows, dtype=np.int64)
    first[order] = order[np.maximum.accumulate(np.where(starts, np.arange(rows), 0))]
    return first
