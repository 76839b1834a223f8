"""A tiny trained pipeline: reviews, words, a vocabulary, networks with random weights, and their exports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.cleaning import CleanSummary
from pipeline.cleaning.rules import joined
from pipeline.config import EncodingConfig, ExportConfig, RunConfig, TextConfig, VariantConfig
from pipeline.encoding import (
    VOCABULARY_FILE,
    EncodingSummary,
    Vocabulary,
    VocabularySummary,
    encode_texts,
    load_sequences,
)
from pipeline.encoding.sequences import SEQUENCE_SCHEMA
from pipeline.scoring import export, predict
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage
from pipeline.training.records import DeviceRecord, TrainSummary
from pipeline.training.word_pairs import fit_word_pairs
from tests.factories import Given, place
from tests.unit.cleaning.factories import normalize

NOUNS = ("coffee", "tea", "dog food", "sauce", "chips &amp; dip", "bread<br />milk", "sugar")
OPINIONS = ("love", "won't buy", "didn&#39;t like", "NOT good", "great", "awful", "don\u2019t know", "5 stars for")
ENDINGS = (
    "!",
    " <a href='http://x.y'>here</a>.",
    " at www.shop.com",
    " it's cheap\x00",
    "\n\n\u2014 ok \u00e9t\u00e9",
    "",
)

HOSTILE_TEXTS = [
    "",
    " ",
    "\x00",
    "love\ud83d tea",
    "<br />",
    "<" * 500,
    "& &amp; &amp;amp; &#39; &#x110000; &lt;b&gt;",
    "a<b <i>love</i <b",
    "K\u212a \u0130 \u017f won\u2019t WON'T \u00e2\u20ac\u2122t",
    "\u202e evol \u200b tea\u00a0coffee\u3000great\u2028sauce\x1cbread\x85milk",
    "love" * 5_000,
    "not " * 400,
    "http://x.y/<br>great www.love.com\ntea",
    "\U0001f600 \u8336 5 stars \u0664\u0665",
    "=cmd|' /C calc'!A0",
    f"awful {'x' * 100_500} love great tea",
]


@dataclass(frozen=True)
class World:
    """References to everything that ``export`` reads, with its configuration."""

    store: ArtifactStore
    variant: VariantConfig
    text: TextConfig
    encoding: EncodingConfig
    answers: ExportConfig
    vocabulary: ArtifactReference
    cleaned: ArtifactReference
    encoded: ArtifactReference
    trained: ArtifactReference
    reviews: list[dict[str, Any]]

    def predict(self) -> ArtifactReference:
        return predict(self.trained, self.encoded, self.store)

    def export(self, **changes: Any) -> ArtifactReference:
        arguments = {
            "trained": self.trained,
            "vocabulary": self.vocabulary,
            "cleaned": self.cleaned,
            "encoded": self.encoded,
            "predicted": changes.pop("predicted", None) or self.predict(),
            "text": self.text,
            "encoding": self.encoding,
            "answers": self.answers,
            "threshold": 0.4,
            "title": "Both ways, seed 1",
            "store": self.store,
        }
        return export(**{**arguments, **changes})

    @property
    def test_reviews(self) -> list[dict[str, Any]]:
        return [review for review in self.reviews if review["split"] == "test"]

    @property
    def texts(self) -> list[str]:
        """Every review as the model was trained on it."""
        read = self.text.include_summary
        return [joined(review["summary"], review["text"]) if read else review["text"] for review in self.reviews]


def make_reviews(rows: int = 90) -> list[dict[str, Any]]:
    """Return deterministic reviews of awkward text; the last third is the test split."""
    reviews = []
    for row in range(rows):
        noun, opinion, ending = NOUNS[row % 7], OPINIONS[row % 8], ENDINGS[row % 6]
        text = " ".join([f"I {opinion} this {noun}{ending}"] * (1 + row % 5))
        split = ("train", "validation", "test")[row * 3 // rows]
        summary = None if row % 11 == 0 else f"{opinion} it"
        reviews.append({"row": row * 3, "summary": summary, "text": text, "label": row % 2, "split": split})
    # A review without any word left must still be scored, as the unknown word.
    reviews[-1] |= {"summary": "The", "text": "<br />"}
    return reviews


def build_world(store: ArtifactStore, profile: str, known: slice, **flat: Any) -> World:
    """Place every artifact that ``export`` reads; ``known`` selects the words of the vocabulary."""
    from pipeline.training.model import build_model

    config = RunConfig.from_flat(
        {
            "profile": profile,
            "units": (3,),
            "embedding_dim": (4,),
            "dense_units": 2,
            "activation": ("tanh",),
            "max_length": 9,
            **flat,
        }
    )
    variant, text, encoding = config.variants[0], config.text, config.encoding
    label = f"{profile}-{flat}"
    reviews = make_reviews()
    for review in reviews:
        review["words"] = normalize(review["summary"], review["text"], text)
    words = list(dict.fromkeys(" ".join(review["words"] for review in reviews).split()))
    unknown_id = None if known == slice(None) else 1
    frozen = Vocabulary(tuple(words[known]), (1,) * len(words[known]), unknown_id)
    frozen.save(Path(store.url) / VOCABULARY_FILE)
    vocabulary = place(
        store,
        "fit_vocabulary",
        VocabularySummary(
            words=len(frozen.words), size=frozen.size, unknown_id=unknown_id, distinct_words=len(words),
            tokens_counted=0, rows_counted=0, coverage=(), leakage=False,
        ),
        texts={VOCABULARY_FILE: (Path(store.url) / VOCABULARY_FILE).read_text()},
        label=label,
    )  # fmt: skip
    columns = {name: [review[name] for review in reviews] for name in ("row", "summary", "text", "label", "words")}
    cleaned = place(
        store,
        "clean",
        CleanSummary(
            normalization=text.normalization, summary_joined=text.include_summary, stop_words_sha256="", steps=(),
            positive=0, negative=0, notes=(),
        ),
        tables={"reviews.parquet": pa.table(columns)},
        label=label,
    )  # fmt: skip
    tables = {}
    for split in ("train", "validation", "test"):
        chosen = [review for review in reviews if review["split"] == split]
        coded = encode_texts(pa.array([review["words"] for review in chosen]), frozen, encoding)
        ids = pa.ListArray.from_arrays(pa.array(coded.offsets, pa.int32()), pa.array(coded.ids))
        tables[f"{split}.parquet"] = pa.table(
            [[review["row"] for review in chosen], [review["label"] for review in chosen], ids],
            schema=SEQUENCE_SCHEMA,
        )
    encoded = place(
        store,
        "encode",
        EncodingSummary(
            max_length=encoding.max_length, keep=encoding.keep, vocabulary_size=frozen.size, unknown_id=unknown_id,
            splits=(),
        ),
        tables=tables,
        label=label,
    )  # fmt: skip
    pairs = None
    if variant.word_pairs:
        rows = load_sequences(store, encoded, "train")
        pairs = fit_word_pairs(rows, frozen.size, frozen.first_word_id, variant.word_pairs)
    model = build_model(variant, frozen.size, pairs=pairs, max_length=encoding.max_length)
    trained = place_training(store, variant, model, label)
    return World(store, variant, text, encoding, config.export, vocabulary, cleaned, encoded, trained, reviews)


def place_training(store: ArtifactStore, variant: VariantConfig, model: Any, label: str) -> ArtifactReference:
    """Put a network into the store as if it had been trained."""
    for number, layer in enumerate((layer for layer in model.layers if layer.weights), start=1):
        # Large weights, so that probabilities differ from row to row.
        generator = np.random.default_rng(number)
        if layer.name in {"embedding", "pair_vectors"}:
            layer.set_weights([generator.normal(0, 2, weights.shape) for weights in layer.get_weights()])
        elif layer.name in {"dense", "probability"}:
            kernel, bias = layer.get_weights()
            layer.set_weights([generator.normal(0, 4, kernel.shape), bias])
    summary = TrainSummary(
        variant=variant, weights=model.count_params(), epochs=(), best_epoch=1, restored_epoch=1, stopped_early=False,
        resumed_from_epoch=None, device=DeviceRecord(kind="cpu", name="test"), seconds=0.0, label_entropy=0.69,
    )  # fmt: skip

    def build(work: Any) -> Outcome:
        model.save(work.folder / "model.keras")
        return Outcome(summary)

    return store.produce(Stage("train"), inputs={}, params=Given(label=label), build=build)


def keras_probabilities(folder: Path, texts: list[str]) -> np.ndarray:
    """Return what ``model.keras`` computes from the last 100,000 characters of raw texts, float32 ``[texts]``."""
    import tensorflow as tf

    from pipeline.scoring.model import load_exported

    encoded = [text[-100_000:].encode("utf-8", "surrogatepass") for text in texts]
    return np.asarray(load_exported(folder / "model.keras")(tf.constant(encoded, tf.string), training=False))
