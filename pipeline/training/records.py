"""Records of training, prediction and export."""

from __future__ import annotations

from pipeline.config import VariantConfig
from pipeline.store import Record


class EpochRecord(Record):
    """Metrics of one epoch."""

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
    """Device of a training."""

    kind: str
    """``cpu`` or ``gpu``."""
    name: str
    driver: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    warning: str | None = None
    """Set if a GPU was requested and the CPU was used."""


class LinearPartSummary(Record):
    """How the network and its linear part were combined, and what each gives on the validation split."""

    network_weight: float
    """Weight of the network's log-odds."""
    linear_weight: float
    network_validation_auc: float
    """ROC-AUC of the network alone; the epochs' figures are of the network alone too."""
    linear_validation_auc: float
    validation_auc: float
    """ROC-AUC of both together: of the model that is saved."""


class TrainSummary(Record):
    """A trained variant."""

    variant: VariantConfig
    weights: int
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    restored_epoch: int
    """Epoch whose weights the model has."""
    stopped_early: bool
    resumed_from_epoch: int | None
    device: DeviceRecord
    seconds: float
    label_entropy: float
    """Entropy of the training labels in nats: the loss of a model that knows only the share of each class."""
    linear_part: LinearPartSummary | None = None


class PredictSummary(Record):
    """Predictions of one model for the validation and test rows (``predictions.parquet``)."""

    model: str
    rows: int
    seconds: float
    """Of the network alone, without loading it."""


class ExportSummary(Record):
    """The exported model, which maps raw text to a probability."""

    variant: str
    files: tuple[str, ...]
    checked_rows: int
    identical_ids: int
    """Checked rows for which the exported model and the pipeline give the same word ids."""
    largest_difference: float
    """Largest absolute difference of the probabilities among the checked rows."""
    threshold: float
    onnx_bytes: int | None = None
    """Size of ``model.onnx``; ``None`` for an export of an earlier version."""
