"""Finds duplicate reviews by numbers and digests, without texts in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

COINCIDENCE_CHARACTERS = 50
"""Texts shorter than this are often written by several people (docs/decisions/0002-cleaning.md)."""
DAY_SECONDS = 24 * 60 * 60

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


def coincidences(reviews: pa.Table, characters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return int64 ``[rows]``: a key that keeps apart short texts of which nothing shows that one person wrote them.

    A short text without user, profile name and time of day equals another one only if both have the same review id.
    All other rows have the key −1, so that their other columns decide.

    Args:
        reviews: ``id``, ``time`` (Unix seconds), ``user_id`` and, if it is known, ``profile_name``.
        characters: int64 ``[rows]``, the length of each text.
    """
    rows = len(reviews)
    anonymous = characters < COINCIDENCE_CHARACTERS
    for name in ("user_id", "profile_name"):
        if name in reviews.column_names:
            anonymous &= np.asarray(pc.equal(pc.fill_null(reviews[name], ""), "").to_numpy(), dtype=bool)
    # Midnight is a day without a time: many people write on one day.
    seconds = pc.fill_null(reviews["time"], 0).to_numpy().astype(np.int64)
    anonymous &= seconds % DAY_SECONDS == 0
    known_id = np.asarray(pc.is_valid(reviews["id"]).to_numpy(), dtype=bool)
    return np.where(anonymous, np.where(known_id, rows + value_codes(reviews["id"]), np.arange(rows)), -1)


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
