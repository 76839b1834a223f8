"""The stage ``export``: a trained variant as a model from raw text to probability, checked before it is shown."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from pipeline.config import EncodingConfig, TextConfig
from pipeline.encoding import PADDING_ID, VOCABULARY_FILE, Vocabulary
from pipeline.scoring.checking import choose_sample, compare, read_back
from pipeline.scoring.precision import full_precision
from pipeline.scoring.records import (
    CARD_FILE,
    MODEL_FILE,
    SAVED_MODEL_FOLDER,
    ExportSummary,
    ModelCard,
)
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.training.records import TrainSummary

EXPORT_STAGE = Stage("export", version=2)


class ExportParameters(BaseModel):
    """What the stage reads of the configuration."""

    normalization: Literal["default", "article"]
    include_summary: bool
    max_length: int
    keep: Literal["last", "first"]
    threshold: float = Field(ge=0, le=1)
    title: str


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

    The files are loaded back as a user would load them, and score up to ``checking.CHECKED_ROWS`` test rows from
    their raw text. A model that reads them otherwise than it was judged is not exported.

    Args:
        trained: Artifact of ``train``.
        vocabulary: Artifact of ``fit_vocabulary``.
        cleaned: Artifact of ``clean``: the raw texts.
        encoded: Artifact of ``encode``: the word ids that the exported model must find.
        predicted: Artifact of ``predict``: the probabilities that it must give.
        text: Normalization, and whether the summary is read.
        encoding: Longest sequence, and which end of a longer one is kept.
        threshold: Probability from which a review counts as positive.
        title: The variant's name for people.
        store: Where all of them lie and the result goes.

    Raises:
        ExportMismatchError: Word ids or probabilities differ by more than ``checking.LEAST_IDENTICAL_SHARE`` and
            ``checking.LARGEST_DIFFERENCE`` allow.
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
        normalization=text.normalization,
        include_summary=text.include_summary,
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
    sample = choose_sample(
        inputs["cleaned"], inputs["encoded"], inputs["predicted"], store, include_summary=params.include_summary
    )
    words = Vocabulary.load(store.folder(inputs["vocabulary"]) / VOCABULARY_FILE)
    network = load_model(store.folder(inputs["trained"]))
    # After load_model, which settles TensorFlow on its device.
    from pipeline.scoring.light import WEIGHTS_FILE, save_weights
    from pipeline.scoring.model import build_model, write_saved_model
    from pipeline.scoring.normalization import normalizer

    # As a row without words was read in training: the unknown word where there is one; else, behind a mask, the
    # stand-in of the batches; else padding alone.
    stand_in = EMPTY_ROW_ID if variant.padding == "masked" else PADDING_ID
    empty_id = stand_in if words.unknown_id is None else words.unknown_id
    model = build_model(
        network,
        normalizer(params.normalization),
        words=words.words,
        unknown_id=words.unknown_id,
        max_length=params.max_length,
        keep=params.keep,
        padding=variant.padding,
        empty_id=empty_id,
    )
    model.save(folder / MODEL_FILE)
    save_weights(network, activation=variant.activation, empty_id=empty_id, path=folder / WEIGHTS_FILE)
    words.save(folder / VOCABULARY_FILE)
    write_saved_model(model, folder / SAVED_MODEL_FOLDER)
    card = ModelCard(
        variant=variant.name,
        title=params.title,
        threshold=params.threshold,
        normalization=params.normalization,
        include_summary=params.include_summary,
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
        check = compare(sample, read_back(folder, sample.reviews), params.normalization)
    return Outcome(
        ExportSummary(
            variant=variant.name,
            files=(CARD_FILE, MODEL_FILE, SAVED_MODEL_FOLDER, VOCABULARY_FILE, WEIGHTS_FILE),
            checked_rows=check.rows,
            identical_ids=check.identical_ids,
            largest_difference=check.largest_difference,
            threshold=params.threshold,
        )
    )
