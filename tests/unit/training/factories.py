"""Small encoded reviews whose words determine the label, and a small variant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config import RunConfig, VariantConfig
from pipeline.encoding import EncodingSummary, Sequences, Vocabulary, VocabularySummary
from pipeline.encoding.sequences import SEQUENCE_SCHEMA
from pipeline.store import ArtifactReference, ArtifactStore
from pipeline.training.word_pairs import WordPairs, fit_word_pairs
from tests.factories import place

MAX_LENGTH = 20
WORDS = tuple(f"word{number}" for number in range(28))
UNKNOWN_ID = 1


NO_DROPOUT = {
    "dropout": (0.0,),
    "word_dropout": 0.0,
    "pair_dropout": 0.0,
    "embedding_dropout": 0.0,
    "dense_dropout": 0.0,
}


def variant(**changes: Any) -> VariantConfig:
    """Return a variant that trains in a second, without a linear part: its epochs are those of the saved model."""
    given = {
        "linear_part": False,
        "directions": ("uni",),
        "units": (4,),
        "layers": (1,),
        "embedding_dim": (4,),
        "dense_units": 4,
        "batch_size": (16,),
        "epochs": 3,
        "patience": 3,
        "learning_rate": 0.02,
    }
    return RunConfig.from_flat({"profile": "default", **given, **changes}).variants[0]


def reviews(rows: int, seed: int) -> Sequences:
    """Return reviews of 1 to 20 words; positive ones have even ids, negative ones odd ids."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, MAX_LENGTH + 1, rows)
    label = (generator.random(rows) < 0.7).astype(np.int8)
    label[:2] = (0, 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = 2 + 2 * generator.integers(0, 14, offsets[-1]) + np.repeat(1 - label, lengths)
    return Sequences(row=np.arange(rows), label=label, offsets=offsets, ids=ids.astype(np.int32))


def sequences(rows: list[list[int]], labels: list[int] | None = None) -> Sequences:
    """Return rows of these ids, with the label 0 unless labels are given."""
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    ids = np.array([number for row in rows for number in row], dtype=np.int32)
    label = np.array(labels or [0] * len(rows), dtype=np.int8)
    return Sequences(row=np.arange(len(rows)), label=label, offsets=offsets, ids=ids)


def pairs() -> WordPairs:
    """Return the pairs of words that occur twice in some of these reviews."""
    return fit_word_pairs(reviews(200, 1), 2 + len(WORDS), first_word_id=2, max_pairs=1_000)


def table(rows: Sequences) -> pa.Table:
    """Return the rows as ``encode`` writes them."""
    ids = pa.ListArray.from_arrays(pa.array(rows.offsets, pa.int32()), pa.array(rows.ids, pa.int32()))
    return pa.table([pa.array(rows.row), pa.array(rows.label), ids], schema=SEQUENCE_SCHEMA)


def place_inputs(
    store: ArtifactStore, training: Sequences | None = None, validation: Sequences | None = None, size: int = 30
) -> tuple[ArtifactReference, ArtifactReference]:
    """Put an encoded artifact and its vocabulary into the store."""
    splits = {
        "train": reviews(60, 1) if training is None else training,
        "validation": reviews(30, 2) if validation is None else validation,
        "test": reviews(20, 3),
    }
    encoded = place(
        store,
        "encode",
        EncodingSummary(max_length=MAX_LENGTH, keep="last", vocabulary_size=size, unknown_id=UNKNOWN_ID, splits=()),
        tables={f"{name}.parquet": table(rows) for name, rows in splits.items()},
    )
    summary = VocabularySummary(
        words=len(WORDS),
        size=2 + len(WORDS),
        unknown_id=UNKNOWN_ID,
        distinct_words=len(WORDS),
        tokens_counted=0,
        rows_counted=0,
        coverage=(),
        leakage=False,
    )
    file = Path(store.url) / "vocabulary.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    Vocabulary(words=WORDS, counts=(1,) * len(WORDS), unknown_id=UNKNOWN_ID).save(file)
    vocabulary = place(store, "fit_vocabulary", summary, texts={"vocabulary.json": file.read_text(encoding="utf-8")})
    return encoded, vocabulary
