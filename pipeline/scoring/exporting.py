"""The stage ``export``: a trained variant as a model from raw text to probability, checked before it is shown."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, Field

from pipeline.cleaning.rules import joined
from pipeline.config import EncodingConfig, TextConfig
from pipeline.encoding import load_sequences
from pipeline.errors import ArtifactError, shown
from pipeline.scoring.errors import ExportMismatchError
from pipeline.scoring.precision import full_precision
from pipeline.scoring.records import (
    CARD_FILE,
    MODEL_FILE,
    PREDICTIONS_FILE,
    SAVED_MODEL_FOLDER,
    ExportSummary,
    ModelCard,
)
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.training.records import TrainSummary
from pipeline.vocabulary import PADDING_ID, VOCABULARY_FILE, Vocabulary

log = logging.getLogger(__name__)

EXPORT_STAGE = Stage("export", version=1)

CHECKED_ROWS = 2_000
"""Test rows that are scored again from their raw text; evenly spread over the test part."""

CHECK_BATCH_ROWS = 256

LARGEST_DIFFERENCE = 1e-4
"""Of a probability, between the judged model and the exported one. Other batches and other padding reorder float32
sums, which moves a sigmoid's value by some 1e-7; a wrong word or wrong weights move it by far more."""

LARGEST_FILE_DIFFERENCE = 1e-6
"""The same between ``model.keras`` and ``saved_model``, which compute the same graph on the same batch."""

LEAST_IDENTICAL_SHARE: dict[str, float] = {"default": 1.0, "article": 0.99}
"""Share of rows whose word ids must agree, by normalisation. The article's HTML parser has no equal among patterns;
its graph is the closest set of rules."""


class ExportParameters(BaseModel):
    """What the stage reads of the configuration."""

    normalisation: Literal["default", "article"]
    join_summary: bool
    max_length: int
    keep: Literal["last", "first"]
    threshold: float = Field(ge=0, le=1)
    title: str


@dataclass(frozen=True)
class _Sample:
    """Test rows to check: raw text, and what the pipeline made of it."""

    rows: list[int]
    reviews: list[str]
    ids: list[np.ndarray]
    probabilities: np.ndarray


@dataclass(frozen=True)
class _Check:
    """How far the exported model agrees."""

    rows: int
    identical_ids: int
    largest_difference: float


def export(
    trained: ArtifactReference,
    vocabulary: ArtifactReference,
    cleaned: ArtifactReference,
    encoded: ArtifactReference,
    predicted: ArtifactReference,
    *,
    text: TextConfig,
    encoding: EncodingConfig,
    threshold: float,
    title: str,
    store: ArtifactStore,
) -> ArtifactReference:
    """Export a judged variant as one model from raw review text to probability.

    The files (``model.keras``, ``saved_model/``, ``model.json``) are loaded back and score up to ``CHECKED_ROWS``
    test rows from their raw text. A model that reads them otherwise than it was judged is not exported.

    Args:
        trained: Artifact of ``train``.
        vocabulary: Artifact of ``fit_vocabulary``.
        cleaned: Artifact of ``clean``: the raw texts.
        encoded: Artifact of ``encode``: the word ids that the exported model must find.
        predicted: Artifact of ``predict``: the probabilities that it must give.
        text: Normalisation, and whether the summary is read.
        encoding: Longest sequence, and which end of a longer one is kept.
        threshold: Probability from which a review counts as positive.
        title: The variant's name for people.
        store: Where all of them lie and the result goes.

    Raises:
        ExportMismatchError: Word ids or probabilities differ by more than ``LEAST_IDENTICAL_SHARE`` and
            ``LARGEST_DIFFERENCE`` allow.
        ArtifactError: An input is missing or does not belong to the others.
    """
    inputs = {
        "trained": trained,
        "vocabulary": vocabulary,
        "cleaned": cleaned,
        "encoded": encoded,
        "predicted": predicted,
    }
    params = ExportParameters(
        normalisation=text.normalisation,
        join_summary=text.join_summary,
        max_length=encoding.max_length,
        keep=encoding.keep,
        threshold=threshold,
        title=title,
    )

    def build(work: Workspace) -> Outcome:
        return _build(work.folder, inputs, params, store)

    return store.produce(EXPORT_STAGE, inputs=inputs, params=params, build=build)


def _build(
    folder: Path, inputs: dict[str, ArtifactReference], params: ExportParameters, store: ArtifactStore
) -> Outcome:
    from pipeline.training.batches import EMPTY_ROW_ID
    from pipeline.training.prediction import load_model

    variant = store.summary(inputs["trained"], TrainSummary).variant
    words = Vocabulary.load(store.folder(inputs["vocabulary"]) / VOCABULARY_FILE)
    network = load_model(store.folder(inputs["trained"]))
    # After load_model, which settles TensorFlow on its device.
    from pipeline.scoring.model import build_model, write_saved_model
    from pipeline.scoring.normalisation import normaliser

    # As a row without words was read in training: the unknown word where there is one; else, behind a mask, the
    # stand-in of the batches; else padding alone.
    stand_in = EMPTY_ROW_ID if variant.padding == "masked" else PADDING_ID
    model = build_model(
        network,
        normaliser(params.normalisation),
        words=words.words,
        unknown_id=words.unknown_id,
        max_length=params.max_length,
        keep=params.keep,
        padding=variant.padding,
        empty_id=stand_in if words.unknown_id is None else words.unknown_id,
    )
    model.save(folder / MODEL_FILE)
    write_saved_model(model, folder / SAVED_MODEL_FOLDER)
    card = ModelCard(
        variant=variant.name,
        title=params.title,
        threshold=params.threshold,
        normalisation=params.normalisation,
        join_summary=params.join_summary,
        max_length=params.max_length,
        keep=params.keep,
        padding=variant.padding,
        vocabulary_words=len(words.words),
        libraries={
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("keras", "numpy", "tensorflow")},
        },
    )
    (folder / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with full_precision():
        check = _check(folder, _sample(inputs, params, store), params.normalisation)
    return Outcome(
        ExportSummary(
            variant=variant.name,
            files=(CARD_FILE, MODEL_FILE, SAVED_MODEL_FOLDER),
            checked_rows=check.rows,
            identical_ids=check.identical_ids,
            largest_difference=check.largest_difference,
            threshold=params.threshold,
        )
    )


def _sample(inputs: dict[str, ArtifactReference], params: ExportParameters, store: ArtifactStore) -> _Sample:
    """Choose test rows evenly and gather their raw text, word ids and probabilities."""
    sequences = load_sequences(store, inputs["encoded"], "test")
    count = min(len(sequences), CHECKED_ROWS)
    chosen = np.linspace(0, max(0, len(sequences) - 1), count).round().astype(np.int64)
    numbers = sequences.row[chosen].tolist()
    wanted = pc.field("row").isin(numbers)
    texts = pq.read_table(
        store.folder(inputs["cleaned"]) / "reviews.parquet", columns=["row", "summary", "text"], filters=wanted
    ).to_pylist()
    predictions = pq.read_table(
        store.folder(inputs["predicted"]) / PREDICTIONS_FILE,
        columns=["row", "probability"],
        filters=wanted & (pc.field("part") == "test"),
    ).to_pylist()
    reviews = {
        item["row"]: joined(item["summary"], item["text"] or "") if params.join_summary else item["text"] or ""
        for item in texts
    }
    probabilities = {item["row"]: item["probability"] for item in predictions}
    for found, role in ((reviews, "cleaned"), (probabilities, "predicted")):
        strays = [row for row in numbers if row not in found]
        if strays:
            raise ArtifactError(
                f"{len(strays)} of {len(numbers)} checked test rows of {inputs['encoded']} are not in "
                f"{inputs[role]}, e.g. row {strays[0]}. The artifacts are of different runs; export from one run's."
            )
    return _Sample(
        rows=numbers,
        reviews=[reviews[row] for row in numbers],
        ids=[sequences.ids[sequences.offsets[place] : sequences.offsets[place + 1]] for place in chosen],
        probabilities=np.array([probabilities[row] for row in numbers], np.float32),
    )


def _check(folder: Path, sample: _Sample, normalisation: str) -> _Check:
    """Load both files back, score the sample from its raw text and hold the result against the pipeline's."""
    identical = np.zeros(len(sample.rows), bool)
    probabilities = np.zeros(len(sample.rows), np.float32)
    both = _both_files(folder)
    first_stray: tuple[int, list[int]] | None = None
    order = sorted(range(len(sample.rows)), key=lambda index: len(sample.reviews[index]))
    for start in range(0, len(order), CHECK_BATCH_ROWS):
        batch = order[start : start + CHECK_BATCH_ROWS]
        ids, scored = both([sample.reviews[index] for index in batch])
        probabilities[batch] = scored
        for index, found in zip(batch, ids, strict=True):
            expected = sample.ids[index]
            # A row without words is not empty: one stand-in keeps it from being wholly masked.
            padding = found[max(1, len(expected)) :]
            identical[index] = np.array_equal(found[: len(expected)], expected) and not padding.any()
            if not identical[index] and first_stray is None:
                first_stray = (index, found[found != 0].tolist())
    difference = float(np.abs(probabilities - sample.probabilities)[identical].max(initial=0.0))
    share = float(identical.mean()) if len(identical) else 1.0
    log.info(
        "export: %d of %d checked test rows read alike (%.2f %%), largest difference of a probability %.1e",
        identical.sum(), len(identical), 100 * share, difference,
    )  # fmt: skip
    if share < LEAST_IDENTICAL_SHARE[normalisation] and first_stray is not None:
        index, found_ids = first_stray
        raise ExportMismatchError(
            f"The exported model reads {len(identical) - identical.sum()} of {len(identical)} checked test rows "
            f"otherwise than the pipeline ({100 * share:.2f} % alike; at least "
            f"{100 * LEAST_IDENTICAL_SHARE[normalisation]:g} % are needed), so it was not exported. First: row "
            f"{sample.rows[index]}, word ids {shown(sample.ids[index].tolist(), 120)}, the model's "
            f"{shown(found_ids, 120)}, text {shown(sample.reviews[index], 200)}. A text rule reads otherwise in RE2 than in Python; see "
            "pipeline/cleaning/rules.py."
        )
    if not difference <= LARGEST_DIFFERENCE:
        worst = int(np.argmax(np.where(identical, np.abs(probabilities - sample.probabilities), -1)))
        raise ExportMismatchError(
            f"The exported model scores reviews otherwise than the model that was judged: probabilities of rows with "
            f"the same words differ by up to {difference:.2g} (at most {LARGEST_DIFFERENCE:g} is allowed), so it was "
            f"not exported. Worst: row {sample.rows[worst]}, judged at {sample.probabilities[worst]:.6f}, exported "
            f"{probabilities[worst]:.6f}. Predictions and model are of different trainings, or padding differs; run "
            "`predict` and `export` again on one machine."
        )
    return _Check(rows=len(identical), identical_ids=int(identical.sum()), largest_difference=difference)


def _both_files(folder: Path) -> Callable[[list[str]], tuple[np.ndarray, np.ndarray]]:
    """Return a function that scores texts with ``model.keras`` and insists that ``saved_model`` says the same."""
    import tensorflow as tf

    from pipeline.scoring.model import (
        IDS_NAME,
        INPUT_NAME,
        OUTPUT_NAME,
        SCORE_SIGNATURE,
        load_exported,
        with_word_ids,
    )

    loaded = with_word_ids(load_exported(folder / MODEL_FILE))
    traced = tf.function(
        lambda reviews: loaded(reviews, training=False), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    served = tf.saved_model.load(str(folder / SAVED_MODEL_FOLDER))
    score, look_up = served.signatures[SCORE_SIGNATURE], served.signatures[IDS_NAME]

    def both(reviews: list[str]) -> tuple[np.ndarray, np.ndarray]:
        texts = tf.constant([review.encode("utf-8", "surrogatepass") for review in reviews], tf.string)
        ids, probabilities = (np.asarray(value) for value in traced(texts))
        served_ids = np.asarray(look_up(**{INPUT_NAME: texts})[IDS_NAME])
        served_probabilities = np.asarray(score(**{INPUT_NAME: texts})[OUTPUT_NAME])
        difference = float(np.abs(probabilities - served_probabilities).max(initial=0.0))
        if not np.array_equal(ids, served_ids) or not difference <= LARGEST_FILE_DIFFERENCE:
            raise ExportMismatchError(
                f"{MODEL_FILE} and {SAVED_MODEL_FOLDER} of one export disagree (probabilities by {difference:.2g}, "
                f"word ids {'alike' if np.array_equal(ids, served_ids) else 'different'}), so neither was kept. "
                "TensorFlow and Keras may not fit together; install the versions of requirements.txt."
            )
        return ids, probabilities

    return both
