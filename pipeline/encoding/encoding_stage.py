"""The stage ``encode``: replaces words by ids and truncates long reviews."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.cleaning import CleanSummary
from pipeline.cleaning.words import Normalizer, normalizer
from pipeline.config import EncodingConfig
from pipeline.encoding.negation_examples import negation_examples
from pipeline.encoding.records import EncodedSplit, EncodingSummary, LengthBin, LengthPercentile
from pipeline.encoding.sequences import GENERATED_FILE, SEQUENCE_SCHEMA, SUMMARIES_FILE, split_file
from pipeline.encoding.tokens import tokenize
from pipeline.encoding.vocabulary import VOCABULARY_FILE, Vocabulary
from pipeline.splitting.records import SPLIT_NAMES, SplitName
from pipeline.splitting.splits import EXCLUDED_CODE, TRAIN, AssignedReviews, read_splits
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, RowAccount, Stage, Workspace

STAGE = Stage("encode", version=3)
PERCENTS = (5, 25, 50, 75, 90, 95, 99, 100)
BIN_WIDTH = 10
BINS = 31
"""Bins of the length histogram: 30 of ten words, and an open one."""


@dataclass(frozen=True)
class EncodedTexts:
    """Encoded texts, concatenated.

    Attributes:
        offsets: int64 [texts + 1], start of the ids of each text.
        ids: int32 [tokens].
        lengths: int64 [texts], words with an id, before truncation.
        dropped: int64 [texts], words without an id.
    """

    offsets: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int64]
    dropped: npt.NDArray[np.int64]


def encode(
    cleaned: ArtifactReference,
    splits: ArtifactReference,
    vocabulary: ArtifactReference,
    config: EncodingConfig,
    store: ArtifactStore,
) -> ArtifactReference:
    """Encode the reviews of each split as sequences of word ids.

    Args:
        cleaned: The reviews: artifact of ``build_dataset``.
        splits: Artifact of ``split`` for these reviews.
        vocabulary: Artifact of ``fit_vocabulary``.
        config: Maximum length, and which words of a longer review to keep.
        store: Artifact store.

    Returns:
        The artifact with one Parquet file per split, in the order of ``clean``, one of the training reviews' summaries
        if they are texts of their own, one of generated training texts if there are any, and an ``EncodingSummary``.
    """

    def build(work: Workspace) -> Outcome:
        words = Vocabulary.load(store.folder(vocabulary) / VOCABULARY_FILE)
        batches = read_splits(cleaned, splits, ("row", "label", "summary", "words"), store)
        # The same text rules as those of the reviews.
        normalize = normalizer(store.summary(cleaned, CleanSummary).normalization)
        return _build(work, batches, words, normalize, config)

    inputs = {"cleaned": cleaned, "splits": splits, "vocabulary": vocabulary}
    return store.produce(STAGE, inputs=inputs, params=config, build=build)


def encode_texts(texts: pa.Array, vocabulary: Vocabulary, config: EncodingConfig) -> EncodedTexts:
    """Encode cleaned texts: ``Vocabulary.ids`` and truncation, vectorized.

    A text without words becomes one unknown word, because a recurrent layer needs input. It becomes an empty sequence
    if the vocabulary has no unknown word.

    Args:
        texts: string [texts], words joined by one space.
        vocabulary: The word ids.
        config: Maximum length, and which words of a longer text to keep.
    """
    tokens = tokenize(texts)
    no_id = -1
    unknown = no_id if vocabulary.unknown_id is None else vocabulary.unknown_id
    id_of_code = np.array([vocabulary.id_of_word.get(word, unknown) for word in tokens.distinct], dtype=np.int32)
    ids = id_of_code[tokens.codes]
    text = np.repeat(np.arange(len(texts)), tokens.lengths)
    has_id = ids != no_id
    lengths = np.bincount(text[has_id], minlength=len(texts)).astype(np.int64)
    dropped = tokens.lengths - lengths
    ids = ids[has_id]
    place = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    if config.keep == "last":
        place += np.repeat(np.minimum(config.max_length - lengths, 0), lengths)
        within = place >= 0
    else:
        within = place < config.max_length
    ids = ids[within]
    kept = np.minimum(lengths, config.max_length)
    if vocabulary.unknown_id is not None:
        empty = np.flatnonzero(kept == 0)
        ids = np.insert(ids, np.cumsum(kept)[empty], vocabulary.unknown_id)
        kept = np.maximum(kept, 1)
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(kept)])
    return EncodedTexts(offsets=offsets, ids=ids, lengths=lengths, dropped=dropped)


def _build(
    work: Workspace,
    batches: Iterable[AssignedReviews],
    vocabulary: Vocabulary,
    normalize: Normalizer,
    config: EncodingConfig,
) -> Outcome:
    tallies = [_SplitTally(name) for name in SPLIT_NAMES]
    rows_in = summary_texts = 0
    with ExitStack() as open_files:

        def writer_of(file: str) -> pq.ParquetWriter:
            return open_files.enter_context(pq.ParquetWriter(work.folder / file, SEQUENCE_SCHEMA, compression="zstd"))

        writers = [writer_of(split_file(name)) for name in SPLIT_NAMES]
        summaries = writer_of(SUMMARIES_FILE) if config.summaries_as_texts else None
        for reviews in batches:
            rows_in += int((reviews.split_of_row != EXCLUDED_CODE).sum())
            for code, (tally, writer) in enumerate(zip(tallies, writers, strict=True)):
                rows = reviews.columns.filter(pa.array(reviews.split_of_row == code))
                if rows.num_rows:
                    encoded = encode_texts(rows.column("words"), vocabulary, config)
                    tally.add(encoded, rows.column("label"), vocabulary.unknown_id)
                    writer.write_batch(_sequences(rows, encoded))
                if summaries is not None and code == TRAIN:
                    words = normalize.many(text or "" for text in rows.column("summary").to_pylist())
                    with_words = pa.array([bool(text) for text in words], pa.bool_())
                    encoded = encode_texts(pa.array(words, pa.string()).filter(with_words), vocabulary, config)
                    summaries.write_batch(_sequences(rows.filter(with_words), encoded))
                    summary_texts += len(encoded.lengths)
    splits = tuple(tally.figures(config.max_length) for tally in tallies)
    generated_texts = _write_generated(
        work, round(config.negation_examples * splits[TRAIN].rows), vocabulary, normalize, config
    )
    summary = EncodingSummary(
        max_length=config.max_length,
        keep=config.keep,
        vocabulary_size=vocabulary.size,
        unknown_id=vocabulary.unknown_id,
        splits=splits,
        summary_texts=summary_texts,
        generated_texts=generated_texts,
    )
    return Outcome(summary, rows=RowAccount(rows_in=rows_in, kept=sum(split.rows for split in summary.splits)))


def _write_generated(
    work: Workspace, count: int, vocabulary: Vocabulary, normalize: Normalizer, config: EncodingConfig
) -> int:
    """Write the generated training texts, and return their number."""
    examples = negation_examples(count, vocabulary) if count else ()
    if examples:
        words = pa.array(normalize.many(example.text for example in examples), pa.string())
        labels = pa.array([example.label for example in examples], pa.int8())
        rows = pa.record_batch({"row": pa.array([-1] * len(examples), pa.int64()), "label": labels})
        with pq.ParquetWriter(work.folder / GENERATED_FILE, SEQUENCE_SCHEMA, compression="zstd") as writer:
            writer.write_batch(_sequences(rows, encode_texts(words, vocabulary, config)))
    return len(examples)


def _sequences(rows: pa.RecordBatch, encoded: EncodedTexts) -> pa.RecordBatch:
    ids = pa.ListArray.from_arrays(pa.array(encoded.offsets, pa.int32()), pa.array(encoded.ids))
    return pa.record_batch([rows.column("row"), rows.column("label"), ids], schema=SEQUENCE_SCHEMA)


@dataclass
class _SplitTally:
    """Accumulates the figures of one split over its batches."""

    name: SplitName
    positive: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    dropped_tokens: int = 0
    lengths: list[npt.NDArray[np.int64]] = field(default_factory=list)
    truncated_tokens: int = 0

    def add(self, encoded: EncodedTexts, label: pa.Array, unknown_id: int | None) -> None:
        self.positive += int(label.to_numpy().sum())
        self.tokens += len(encoded.ids)
        self.unknown_tokens += 0 if unknown_id is None else int((encoded.ids == unknown_id).sum())
        self.dropped_tokens += int(encoded.dropped.sum())
        self.lengths.append(encoded.lengths)

    def figures(self, max_length: int) -> EncodedSplit:
        lengths = np.sort(np.concatenate([np.empty(0, dtype=np.int64), *self.lengths]))
        too_long = lengths > max_length
        bins = np.bincount(np.minimum(lengths // BIN_WIDTH, BINS - 1), minlength=BINS).tolist()
        return EncodedSplit(
            name=self.name,
            rows=len(lengths),
            positive=self.positive,
            tokens=self.tokens,
            unknown_tokens=self.unknown_tokens,
            truncated_rows=int(too_long.sum()),
            truncated_tokens=int((lengths[too_long] - max_length).sum()),
            dropped_tokens=self.dropped_tokens,
            empty_rows=int((lengths == 0).sum()),
            mean_length=round(float(lengths.mean()), 3) if len(lengths) else 0.0,
            percentiles=tuple(
                LengthPercentile(percent=percent, words=int(lengths[math.ceil(len(lengths) * percent / 100) - 1]))
                for percent in PERCENTS
                if len(lengths)
            ),
            lengths=tuple(
                LengthBin(
                    first=number * BIN_WIDTH,
                    last=None if number == BINS - 1 else (number + 1) * BIN_WIDTH - 1,
                    rows=rows,
                )
                for number, rows in enumerate(bins)
            ),
        )
