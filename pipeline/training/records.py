"""What training a variant tells of it."""

from __future__ import annotations

from pipeline.config import VariantConfig
from pipeline.store import Record


class EpochRecord(Record):
    """One epoch."""

    epoch: int
    """Counted from 1."""
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_auc: float
    seconds: float
    reviews_per_second: float


class DeviceRecord(Record):
    """Where a model was trained."""

    kind: str
    """``cpu`` or ``gpu``."""
    name: str
    driver: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    warning: str | None = None
    """Set when a GPU was asked for and the CPU was taken."""


class TrainSummary(Record):
    """A trained variant."""

    variant: VariantConfig
    weights: int
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    restored_epoch: int
    """Epoch whose weights the model ends with."""
    stopped_early: bool
    resumed_from_epoch: int | None
    device: DeviceRecord
    seconds: float
    label_entropy: float
    """Of the training labels, in nats: the loss of a model that only knows their share."""


class PredictSummary(Record):
    """The probabilities of one model for validation and test rows (``predictions.parquet``)."""

    model: str
    rows: int
    seconds: float


class ExportSummary(Record):
    """The exported model, from raw text to probability."""

    variant: str
    files: tuple[str, ...]
    checked_rows: int
    identical_ids: int
    """Of the checked rows, how many got the same word ids from the exported model as from the pipeline."""
    largest_difference: float
    """Largest absolute difference of a probability among those rows."""
    threshold: float
