"""Where a model fails: test rows that share a property, and how far the model falls short of itself there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.encoding import VOCABULARY_FILE, Vocabulary
from pipeline.encoding.tokens import tokenize
from pipeline.evaluation.predictions import REVIEWS, PartPredictions
from pipeline.evaluation.records import ConfusionMatrix, Slice
from pipeline.evaluation.rules import FEW_ROWS
from pipeline.statistics import generator, percentile_interval, share_of, wilson_interval
from pipeline.store import ArtifactReference, ArtifactStore

if TYPE_CHECKING:
    import pyarrow as pa

FEW_CLASS_ROWS = 30
"""Rows of a class below which a slice has no balanced accuracy: its recall would move by three points with one row."""

NEGATION = r"(?i)\b(?:no|not|nor|never|none|nothing|neither|cannot|without)\b|n['’]t\b"
"""Words that turn a sentence round, in the raw text; the n't of contractions stands there still."""

SHOUTING_SHARE = 0.3
"""Share of a review's words in capitals from which it shouts; names and abbreviations alone stay far below. The bound
hardly matters: of 8,766 Amazon reviews 71 have 20 % of their words in capitals, 64 have 30 % and 62 have half."""
SHOUTED_WORD = r"\b[A-Z]{2,}\b"
ANY_WORD = r"\b[A-Za-z]{2,}\b"

LENGTHS = (15, 30, 60, 150)
"""Words after cleaning; near the quartiles 21, 33 and 53 of 8,766 Amazon reviews, with a slice for either end."""
PRODUCT_REVIEWS = (1, 5, 20, 100)
"""Clean reviews of the same product, each bound about four times the one before."""
UNKNOWN_WORDS = (0.0, 0.05)
"""Shares of a review's words: none, and one in twenty."""
BLOCK_ROWS = 16_384
"""Reviews cut into words at a time: as single strings, the words of all are several times their text."""


@dataclass(frozen=True)
class Dimension:
    """One property of reviews and the values that cut them into slices.

    Attributes:
        name: As in :class:`Slice`.
        title: For a reader.
        labels: What each value means.
        values: int64 ``[rows]``, the place of each row's value among ``labels``; −1 where it is not known.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    values: NDArray[np.int64]


def slices(
    test: PartPredictions,
    threshold: float,
    *,
    cleaned: ArtifactReference,
    vocabulary: ArtifactReference,
    store: ArtifactStore,
    samples: int,
) -> tuple[Slice, ...]:
    """Return every slice of the test part, the worst gap first, those too small to tell last.

    Args:
        test: One model's probabilities for the test part.
        threshold: Least probability that counts as positive.
        cleaned: The reviews, for their properties; a missing column gives no slices.
        vocabulary: The words that the model knows.
        store: Where both lie.
        samples: Resamples behind each gap's interval.
    """
    right = (test.probabilities >= threshold) == (test.labels == 1)
    matrix = ConfusionMatrix(
        true_negative=int((right & (test.labels == 0)).sum()),
        false_positive=int((~right & (test.labels == 0)).sum()),
        false_negative=int((~right & (test.labels == 1)).sum()),
        true_positive=int((right & (test.labels == 1)).sum()),
    )
    known = Vocabulary.load(store.folder(vocabulary) / VOCABULARY_FILE)
    found = [
        _slice(dimension, place, test.labels[rows], right[rows], whole=matrix, samples=samples)
        for dimension in dimensions_of(reviews_of(store, cleaned, test.rows), known)
        for place in range(len(dimension.labels))
        # A kind that holds every review tells nothing that the scores do not.
        if 0 < len(rows := np.flatnonzero(dimension.values == place)) < len(right)
    ]
    # Ties keep the order of the dimensions.
    return tuple(sorted(found, key=lambda one: (one.too_small, one.gap.value)))


def _slice(
    dimension: Dimension,
    place: int,
    labels: NDArray[np.int8],
    right: NDArray[np.bool_],
    *,
    whole: ConfusionMatrix,
    samples: int,
) -> Slice:
    rows, negatives = len(labels), int((labels == 0).sum())
    positives = rows - negatives
    hits_negative, hits_positive = int(right[labels == 0].sum()), int(right[labels == 1].sum())
    random = generator(f"slice {dimension.name} {place}")
    expected, gap, of_gap = 0.0, 0.0, np.zeros(samples)
    recalls, of_recalls = [], []
    for in_slice, hits, in_all, all_hits in (
        (negatives, hits_negative, whole.true_negative + whole.false_positive, whole.true_negative),
        (positives, hits_positive, whole.true_positive + whole.false_negative, whole.true_positive),
    ):
        if not in_slice:
            continue
        # Resampling a class's rows and counting the right ones is a binomial draw. The slice is a part of the whole, so
        # that both are drawn together: a slice that is nearly everything has nearly no gap, and a narrow interval.
        drawn = random.binomial(in_slice, hits / in_slice, samples)
        outside = in_all - in_slice
        drawn_outside = random.binomial(outside, share_of(all_hits - hits, outside), samples)
        expected += in_slice / rows * all_hits / in_all
        gap += in_slice / rows * (hits / in_slice - all_hits / in_all)
        of_gap += in_slice / rows * (drawn / in_slice - (drawn + drawn_outside) / in_all)
        recalls.append(hits / in_slice)
        of_recalls.append(drawn / in_slice)
    balanced = None
    if min(negatives, positives) >= FEW_CLASS_ROWS:
        balanced = percentile_interval(sum(recalls) / 2, (of_recalls[0] + of_recalls[1]) / 2)
    return Slice(
        dimension=dimension.name,
        dimension_title=dimension.title,
        label=dimension.labels[place],
        rows=rows,
        negative_rows=negatives,
        accuracy=wilson_interval(hits_negative + hits_positive, rows),
        expected_accuracy=expected,
        gap=percentile_interval(gap, of_gap),
        balanced_accuracy=balanced,
        too_small=rows < FEW_ROWS,
    )


def reviews_of(store: ArtifactStore, cleaned: ArtifactReference, rows: NDArray[np.int64]) -> pa.Table:
    """Return the test reviews in the order of ``rows``, with how many reviews of all their product has."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = store.folder(cleaned) / REVIEWS
    present = pq.read_schema(path).names
    wanted = ["score", "time", "product_id", "helpfulness_numerator", "helpfulness_denominator", "text", "words"]
    columns = ["row", *(name for name in wanted if name in present)]
    # Streamed: the texts of the training part need not be in memory.
    chosen = pa.array(rows)
    parts = [
        part
        for batch in pq.ParquetFile(path).iter_batches(columns=columns)
        if (part := batch.filter(pc.is_in(batch["row"], value_set=chosen))).num_rows
    ]
    table = pa.Table.from_batches(parts) if parts else pq.read_schema(path).empty_table().select(columns)
    order = np.argsort(table["row"].to_numpy(), kind="stable")
    place = order[np.searchsorted(table["row"].to_numpy(), rows, sorter=order)]
    table = table.take(pa.array(place))
    if "product_id" in columns:
        products = pq.read_table(path, columns=["product_id"])["product_id"]
        counted = products.drop_null().value_counts()
        place_of = pc.index_in(table["product_id"], counted.field("values"))
        table = table.append_column("product_reviews", counted.field("counts").take(place_of))
    return table


def dimensions_of(reviews: pa.Table, vocabulary: Vocabulary) -> Iterator[Dimension]:
    """Yield each property that the reviews have a column for."""
    import pyarrow.compute as pc

    if (stars := _numbers(reviews, "score")) is not None:
        yield Dimension("stars", "Stars", ("1 star", "2 stars", "4 stars", "5 stars"), _places(stars, (1, 2, 4, 5)))
    texts = reviews["text"].combine_chunks()
    lengths, unknown = _word_counts(reviews["words"].combine_chunks(), vocabulary)
    yield Dimension(
        "length",
        "Length in words",
        _ranges(LENGTHS, "word"),
        np.searchsorted(np.array(LENGTHS), lengths).astype(np.int64),
    )
    if (seconds := _numbers(reviews, "time")) is not None:
        years = np.array(
            [-1 if np.isnan(second) else datetime.fromtimestamp(second, UTC).year for second in seconds], dtype=np.int64
        )
        known = tuple(int(year) for year in np.unique(years) if year >= 0)
        yield Dimension("year", "Year", tuple(map(str, known)), _places(years.astype(np.float64), known))
    if (counts := _numbers(reviews, "product_reviews")) is not None:
        yield Dimension(
            "product_reviews",
            "Reviews of the product",
            _ranges(PRODUCT_REVIEWS, "review"),
            np.where(np.isnan(counts), -1, np.searchsorted(np.array(PRODUCT_REVIEWS), counts)).astype(np.int64),
        )
    helpful, votes = _numbers(reviews, "helpfulness_numerator"), _numbers(reviews, "helpfulness_denominator")
    if helpful is not None and votes is not None:
        with np.errstate(invalid="ignore"):
            value = np.where(votes == 0, 0, np.where(2 * helpful >= votes, 1, 2))
        untold = np.isnan(votes) | np.isnan(helpful)
        yield Dimension(
            "votes", "Votes by readers", ("no votes", "found helpful", "found unhelpful"), np.where(untold, -1, value)
        )
    yield Dimension("negation", "Negation", ("without a negation", "with a negation"), _negated(texts).astype(np.int64))
    shouted = pc.count_substring_regex(texts, SHOUTED_WORD).to_numpy(zero_copy_only=False)
    written = pc.count_substring_regex(texts, ANY_WORD).to_numpy(zero_copy_only=False)
    yield Dimension(
        "capitals",
        "Capitals",
        ("ordinary capitals", "shouting (many words in capitals)"),
        ((written > 0) & (shouted >= SHOUTING_SHARE * written)).astype(np.int64),
    )
    yield Dimension(
        "unknown_words",
        "Words that the model does not know",
        ("all words known", "up to 5 % unknown", "more than 5 % unknown"),
        np.searchsorted(np.array(UNKNOWN_WORDS), unknown / np.maximum(lengths, 1)).astype(np.int64),
    )


def _negated(texts: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - a pyarrow StringArray, which has no stub
    """Return whether each raw text holds a negation."""
    import pyarrow.compute as pc

    found: NDArray[np.bool_] = pc.match_substring_regex(texts, NEGATION).to_numpy(zero_copy_only=False)
    return found


def _word_counts(
    words: Any,  # noqa: ANN401 - a pyarrow StringArray, which has no stub
    vocabulary: Vocabulary,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each review's words and those of them that the vocabulary lacks, both int64 ``[rows]``."""
    known = frozenset(vocabulary.words)
    lengths, unknown = np.zeros(len(words), dtype=np.int64), np.zeros(len(words), dtype=np.int64)
    for start in range(0, len(words), BLOCK_ROWS):
        table, block = tokenize(words.slice(start, BLOCK_ROWS)), slice(start, start + BLOCK_ROWS)
        lacking = np.array([word not in known for word in table.distinct], dtype=bool)
        up_to = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lacking[table.codes])])
        lengths[block], unknown[block] = table.lengths, np.diff(up_to[table.offsets])
    return lengths, unknown


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64] | None:
    """Return a column as float64 with NaN for what is missing; ``None`` where nothing is there."""
    if name not in table.column_names or table[name].null_count == len(table):
        return None
    values: NDArray[np.float64] = table[name].to_pandas().to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _places(values: NDArray[np.float64], known: tuple[int, ...]) -> NDArray[np.int64]:
    place = np.full(len(values), -1, dtype=np.int64)
    for number, value in enumerate(known):
        place[values == value] = number
    return place


def _ranges(bounds: tuple[int, ...], unit: str) -> tuple[str, ...]:
    """Return a label per range: up to the first bound, between two, and above the last."""
    first = f"1 {unit}" if bounds[0] == 1 else f"up to {bounds[0]} {unit}s"
    between = [f"{low + 1}–{high} {unit}s" for low, high in pairwise(bounds)]
    return (first, *between, f"over {bounds[-1]} {unit}s")
