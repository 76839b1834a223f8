"""Reads from the clean reviews of a dump what its profile needs, in one pass and without keeping texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.cleaning.duplicates import TEXT_DIGEST, text_digests
from pipeline.profiling.periods import EARLIEST_SECOND, LATEST_SECOND

REVIEWS = "reviews.parquet"
BATCH_ROWS = 16_384
COLUMNS = ("product_id", "user_id", "time", "score", "helpfulness_denominator", "text", "label", "words")


@dataclass
class Vocabulary:
    """The words of a dump.

    Attributes:
        occurrences: Occurrences of each word.
        unknown_reviews: Reviews with each word that is not in ``known``.
        known: string ``[words]``, the words of the previous dump; ``None`` if there is none to compare with.
    """

    known: pa.Array | None = None
    occurrences: Counter[str] = field(default_factory=Counter)
    unknown_reviews: Counter[str] = field(default_factory=Counter)

    def add(self, words: pa.Array) -> None:
        """Count the words of some reviews.

        Args:
            words: string ``[reviews]``, words joined by one space.
        """
        split = pc.split_pattern(pc.fill_null(words, ""), " ")
        flat, reviews = split.flatten(), pc.list_parent_indices(split)
        # An empty text is split into one empty word.
        is_word = pc.not_equal(flat, "")
        flat, reviews = flat.filter(is_word), reviews.filter(is_word)
        _count(self.occurrences, flat)
        if self.known is not None:
            unknown = pc.invert(pc.is_in(flat, value_set=self.known))
            once = flat.filter(unknown).dictionary_encode()
            review_and_word = np.stack([reviews.filter(unknown).to_numpy(), once.indices.to_numpy()])
            _count(self.unknown_reviews, once.dictionary.take(pa.array(np.unique(review_and_word, axis=1)[1])))


@dataclass
class CleanReviews:
    """The columns of the clean reviews of a dump, as numbers.

    Attributes:
        labels: int8 ``[reviews]``, 1 positive, 0 negative.
        stars: int64 ``[reviews]``.
        word_counts: int64 ``[reviews]``, words after normalization.
        characters: int64 ``[reviews]``, Unicode characters of the text as written.
        votes: int64 ``[reviews with votes]``, votes on helpfulness.
        times: int64 ``[reviews with a time]``, Unix seconds of the years 1 to 9999.
        timed_labels: int8 ``[reviews with a time]``.
        texts: fixed-size binary ``[reviews with a text]``, the digest of each text.
        products: Number of reviews by product.
        users: All users.
        vocabulary: The words.
    """

    labels: npt.NDArray[np.int8]
    stars: npt.NDArray[np.int64]
    word_counts: npt.NDArray[np.int64]
    characters: npt.NDArray[np.int64]
    votes: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    timed_labels: npt.NDArray[np.int8]
    texts: pa.Array
    products: Counter[str]
    users: set[str]
    vocabulary: Vocabulary

    @property
    def rows(self) -> int:
        """Reviews."""
        return len(self.labels)

    @property
    def positive(self) -> int:
        """Reviews with 4 or 5 stars."""
        return int(self.labels.sum())

    @property
    def product_sizes(self) -> npt.NDArray[np.int64]:
        """Reviews of each product, int64 ``[products]``."""
        return np.fromiter(self.products.values(), dtype=np.int64, count=len(self.products))

    @property
    def newest(self) -> int | None:
        """The newest review's time in Unix seconds."""
        return int(self.times.max()) if len(self.times) else None

    @property
    def oldest(self) -> int | None:
        """The oldest review's time in Unix seconds."""
        return int(self.times.min()) if len(self.times) else None


def read_clean_reviews(folder: Path, known_words: pa.Array | None = None) -> CleanReviews:
    """Read the clean reviews of a dump batch by batch.

    Args:
        folder: Folder of the artifact of ``clean``.
        known_words: string ``[words]``, the words of the previous dump; reviews with other words are counted.
    """
    gathered: dict[str, list[npt.NDArray[np.int64]]] = {
        name: [np.empty(0, dtype=np.int64)]
        for name in ("labels", "stars", "word_counts", "characters", "votes", "times", "timed_labels")
    }
    digests = bytearray()
    products: Counter[str] = Counter()
    users: set[str] = set()
    vocabulary = Vocabulary(known=known_words)
    for batch in _batches(folder / REVIEWS):
        column = {name: batch.column(name) for name in COLUMNS}
        text = column["text"].drop_null()
        words = pc.fill_null(column["words"], "")
        dated = pc.fill_null(
            pc.and_(pc.greater_equal(column["time"], EARLIEST_SECOND), pc.less_equal(column["time"], LATEST_SECOND)),
            False,
        )
        found = {
            "labels": column["label"],
            "stars": column["score"],
            # Words are joined by one space, so there is one more word than spaces.
            "word_counts": pc.if_else(pc.equal(words, ""), 0, pc.add(pc.count_substring(words, " "), 1)),
            "characters": pc.utf8_length(text),
            "votes": column["helpfulness_denominator"].drop_null(),
            "times": column["time"].filter(dated),
            "timed_labels": column["label"].filter(dated),
        }
        for name, values in found.items():
            gathered[name].append(values.to_numpy(zero_copy_only=False).astype(np.int64))
        digests += text_digests(text.to_pylist())
        _count(products, column["product_id"].drop_null())
        users.update(column["user_id"].drop_null().unique().to_pylist())
        vocabulary.add(words)
    whole: dict[str, Any] = {name: np.concatenate(parts) for name, parts in gathered.items()}
    for name in ("labels", "timed_labels"):
        whole[name] = whole[name].astype(np.int8)
    texts = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(TEXT_DIGEST.itemsize), len(digests) // TEXT_DIGEST.itemsize, [None, pa.py_buffer(digests)]
    )
    return CleanReviews(**whole, texts=texts, products=products, users=users, vocabulary=vocabulary)


def _batches(reviews: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(reviews) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=list(COLUMNS), use_threads=False)


def _count(counter: Counter[str], values: pa.Array) -> None:
    """Add the occurrences of each value (string ``[values]``, no nulls) to a counter."""
    counted = pc.value_counts(values)
    counter.update(dict(zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)))
