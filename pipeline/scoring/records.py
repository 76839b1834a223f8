"""What scoring and exporting a model tell of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.store import Record
from pipeline.training.records import ExportSummary, PredictSummary

__all__ = ["ExportSummary", "ModelCard", "PredictSummary"]

MODEL_FILE = "model.keras"
SAVED_MODEL_FOLDER = "saved_model"
CARD_FILE = "model.json"
PREDICTIONS_FILE = "predictions.parquet"


class ModelCard(Record):
    """What a user of an exported model must know of it (``model.json`` beside the model)."""

    schema_version: Literal[1] = 1
    variant: str
    """Name of the trained variant, e.g. ``bi-seed1``."""
    title: str
    threshold: float = Field(ge=0, le=1)
    """Probability from which a review counts as positive."""
    normalization: Literal["default", "article"]
    include_summary: bool
    """Whether the model was trained on the review's summary, a space, and its text."""
    max_length: int = Field(ge=1)
    """Most words of a review that the model reads."""
    keep: Literal["last", "first"]
    """End of a longer review that it reads."""
    padding: Literal["masked", "unmasked"]
    vocabulary_words: int
    libraries: dict[str, str]
    """Versions of Python, TensorFlow and Keras that saved the model."""
