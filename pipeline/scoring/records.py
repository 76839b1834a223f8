"""Files and records of predictions and exported models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.errors import ArtifactError
from pipeline.scoring.calibration import Calibration
from pipeline.scoring.text_rules import TextRules
from pipeline.store import Record
from pipeline.training.records import ExportSummary, PredictSummary

__all__ = ["ExportMismatchError", "ExportSummary", "ExportedModel", "PredictSummary"]

KERAS_FILE = "model.keras"
ONNX_FILE = "model.onnx"
SAVED_MODEL_FOLDER = "saved_model"
EXPORTED_MODEL_FILE = "model.json"
PREDICTIONS_FILE = "predictions.parquet"


class ExportMismatchError(ArtifactError):
    """The exported model reads or scores reviews differently from the model that was evaluated."""


class ExportedModel(Record):
    """What a user of an exported model must know about it (``model.json`` in the export's folder)."""

    schema_version: Literal[3] = 3
    variant: str
    """Name of the trained variant, e.g. ``bi-seed1``."""
    title: str
    threshold: float = Field(ge=0, le=1)
    """Probability from which a review counts as positive: 0.5 after calibration."""
    calibration: Calibration
    """How the output layer was rescaled."""
    min_confidence: float = Field(ge=0.5, lt=1)
    """Probability of the more probable class below which the answer is ``unsure``."""
    normalization: Literal["default", "article"]
    text_rules: TextRules
    """The text rules at the time of the export."""
    include_summary: bool
    """Whether the model was trained on the review's summary, a space, and its text."""
    max_length: int = Field(ge=1)
    """Maximum number of words of a review that the model reads."""
    keep: Literal["last", "first"]
    """Which end of a longer review the model reads."""
    padding: Literal["masked", "unmasked"]
    vocabulary_words: int
    libraries: dict[str, str]
    """Versions of Python and of the libraries that wrote the files."""
