"""The stage ``export``: a trained variant as a model from raw text to probability, checked before it is published."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from pipeline.config import EncodingConfig, TextConfig
from pipeline.encoding import PADDING_ID, VOCABULARY_FILE, Vocabulary
from pipeline.scoring.checking import choose_sample, compare, read_back
from pipeline.scoring.networks import full_precision
from pipeline.scoring.records import (
    EXPORTED_MODEL_FILE,
    KERAS_FILE,
    ONNX_FILE,
    SAVED_MODEL_FOLDER,
    ExportedModel,
    ExportSummary,
)
from pipeline.scoring.text_rules import current_text_rules
from pipeline.store import ArtifactReference, ArtifactStore, Outcome, Stage, Workspace
from pipeline.training.records import TrainSummary

EXPORT_STAGE = Stage("export", version=4)


class ExportParameters(BaseModel):
    """The configuration that the stage reads."""

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
    """Export an evaluated variant as ``model.keras``, ``saved_model``, ``model.onnx`` and ``vocabulary.json``.

    Every file is loaded back, and up to ``checking.MAX_CHECKED_ROWS`` test rows are scored from their raw text. A model
    that reads or scores them differently from the evaluated one is not exported.

    Args:
        trained: Artifact of ``train``.
        vocabulary: Artifact of ``fit_vocabulary``.
        cleaned: Artifact of ``clean``: the raw texts.
        encoded: Artifact of ``encode``: the expected word ids.
        predicted: Artifact of ``predict``: the expected probabilities.
        text: Normalization, and whether the summary is read.
        encoding: Maximum length, and which end of a longer review is kept.
        threshold: Probability from which a review counts as positive.
        title: The variant's name for people.
        store: Holds the artifacts and receives the result.

    Raises:
        ExportMismatchError: Word ids or probabilities differ by more than ``checking`` allows.
        ArtifactError: An input is missing or belongs to another run.
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
    vocabulary = Vocabulary.load(store.folder(inputs["vocabulary"]) / VOCABULARY_FILE)
    network = load_model(store.folder(inputs["trained"]))
    # After load_model, which selects TensorFlow's device.
    from pipeline.scoring.model import build_model, write_saved_model
    from pipeline.scoring.onnx_model import network_to_onnx

    libraries = {name: metadata.version(name) for name in ("keras", "numpy", "onnx", "tensorflow")}
    exported = ExportedModel(
        variant=variant.name,
        **params.model_dump(),
        text_rules=current_text_rules(params.normalization),
        padding=variant.padding,
        vocabulary_words=len(vocabulary.words),
        libraries={"python": platform.python_version(), **libraries},
    )
    # What training reads for a row without words: the unknown word; without one, the id that batches put there
    # if padding is masked, else padding alone.
    stand_in = EMPTY_ROW_ID if variant.padding == "masked" else PADDING_ID
    empty_id = stand_in if vocabulary.unknown_id is None else vocabulary.unknown_id
    model = build_model(network, exported, vocabulary, empty_id=empty_id)
    model.save(folder / KERAS_FILE)
    write_saved_model(model, folder / SAVED_MODEL_FOLDER)
    (folder / ONNX_FILE).write_bytes(network_to_onnx(network))
    vocabulary.save(folder / VOCABULARY_FILE)
    (folder / EXPORTED_MODEL_FILE).write_text(exported.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with full_precision():
        check = compare(sample, read_back(folder, sample.reviews), params.normalization)
    return Outcome(
        ExportSummary(
            variant=variant.name,
            files=(EXPORTED_MODEL_FILE, KERAS_FILE, ONNX_FILE, SAVED_MODEL_FOLDER, VOCABULARY_FILE),
            checked_rows=check.rows,
            identical_ids=check.identical_ids,
            largest_difference=check.largest_difference,
            threshold=params.threshold,
        )
    )
