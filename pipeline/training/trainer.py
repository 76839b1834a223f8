"""Trains one network: epochs, early stopping, checkpoints."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.config import Precision, VariantConfig
from pipeline.errors import ConfigurationError, TrainingError, quoted
from pipeline.statistics import log_losses
from pipeline.training.batches import batch_count, epoch_batches
from pipeline.training.checkpoint import Array, Checkpoint
from pipeline.training.device import CPU_SHARDS, DeviceKind
from pipeline.training.model import float32_copy
from pipeline.training.optimizer import averaged_weights, optimizer_for
from pipeline.training.prediction import Predictor
from pipeline.training.records import EpochRecord
from pipeline.training.steps import TrainingStep
from pipeline.training.training_log import TrainingLog, with_progress_bar

if TYPE_CHECKING:
    import keras

    from pipeline.encoding import Sequences

log = logging.getLogger(__name__)

CHECK_EVERY_STEPS = 16
"""Steps between checks of the loss, because each check waits for the GPU."""

MIN_SHARD_ROWS = 16
"""Rows of a shard below which sharding does not pay off."""


@dataclass(frozen=True)
class FitResult:
    """Result of a training.

    Attributes:
        network: The trained network in float32, on one device.
        epochs: All finished epochs, including those before a resume.
        best_epoch: Epoch of the lowest validation loss, counted from 1.
        restored_epoch: Epoch whose weights the network has.
        stopped_early: Whether early stopping ended the training.
        resumed_from_epoch: Last epoch of the checkpoint, if the training was resumed.
    """

    network: keras.Model
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    restored_epoch: int
    stopped_early: bool
    resumed_from_epoch: int | None


def fit(
    model: keras.Model,
    variant: VariantConfig,
    training: Sequences,
    validation: Sequences,
    *,
    max_length: int,
    device: DeviceKind,
    checkpoint_dir: Path,
    artifact: Path,
    precision: Precision = "float32",
    jit_compile: bool = False,
    on_checkpoint: Callable[[], None] = lambda: None,
) -> FitResult:
    """Train the model in place with Adam on the binary cross-entropy.

    Each epoch ends with the validation metrics and a checkpoint. The training ends after ``variant.epochs`` epochs, or
    when the validation loss has not decreased for ``variant.patience`` epochs. With balanced class weights, the
    validation loss is weighted too. The validation metrics are those of the saved float32 network, whatever the
    precision of the training.

    Args:
        model: From ``build_model``.
        variant: Hyperparameters.
        training: Training rows of both classes.
        validation: Validation rows of both classes.
        max_length: Maximum words of a row.
        device: Device of the model.
        checkpoint_dir: Folder of the checkpoint and the training log. A second call with the same arguments resumes
            from it and ends, on a CPU, with the same weights as an uninterrupted training.
        artifact: Receives ``epochs.jsonl`` and ``tensorboard/``.
        precision: Precision that the model was built with.
        jit_compile: Compile the step with XLA; the model must be built without cuDNN.
        on_checkpoint: Called after each checkpoint.

    Raises:
        TrainingError: A split has reviews of one class only, or the loss is not finite.
    """
    _check_splits(training, validation)
    run = _Run(
        model,
        variant,
        training,
        validation,
        max_length=max_length,
        device=device,
        precision=precision,
        jit_compile=jit_compile,
    )
    resumed = run.resume(checkpoint_dir)
    training_log = TrainingLog(checkpoint_dir, variant.name, variant.epochs, run.epochs)
    while not run.finished:
        record = run.epoch()
        run.checkpoint().save(checkpoint_dir)
        on_checkpoint()
        training_log.add(record, run.best_epoch)
    training_log.finish(artifact)
    restored = run.restore_best() if variant.restore_best_weights else len(run.epochs)
    return FitResult(
        network=run.network,
        epochs=tuple(run.epochs),
        best_epoch=run.best_epoch,
        restored_epoch=restored,
        stopped_early=run.stopped_early,
        resumed_from_epoch=resumed,
    )


class _Run:
    """State of a training."""

    def __init__(
        self,
        model: keras.Model,
        variant: VariantConfig,
        training: Sequences,
        validation: Sequences,
        *,
        max_length: int,
        device: DeviceKind,
        precision: Precision,
        jit_compile: bool,
    ) -> None:
        import keras

        if keras.backend.backend() != "tensorflow":
            raise ConfigurationError(
                f"Keras uses the backend {quoted(keras.backend.backend())}, but training needs tensorflow. Unset "
                "KERAS_BACKEND, or set it to tensorflow."
            )
        self._model = model
        self._variant = variant
        self._training = training
        self._validation = validation
        self._max_length = max_length
        self._class_weight = class_weights(training.label, variant)
        self._batches = batch_count(len(training.label), variant.batch_size)
        strategy = model.distribute_strategy
        with strategy.scope():
            self._optimizer = optimizer_for(variant, precision, self._batches)
            self._optimizer.build(model.trainable_variables)
        smallest = len(training.label) // self._batches
        replicas = strategy.num_replicas_in_sync
        if smallest < replicas:
            raise TrainingError(
                f"{variant.name}: {replicas} GPUs cannot share batches of {smallest} rows. Use larger batches, a "
                "larger dump, or fewer GPUs (gpus)."
            )
        shards = CPU_SHARDS if device == "cpu" and smallest >= CPU_SHARDS * MIN_SHARD_ROWS else 1
        self._step = TrainingStep(model, self._optimizer, shards, jit_compile=jit_compile)
        is_saved_as_trained = (
            precision == "float32" and replicas == 1 and not jit_compile and not variant.weight_averaging
        )
        self.network = model if is_saved_as_trained else float32_copy(model, variant)
        self._predict = Predictor(self.network)
        self._best: tuple[Array, ...] = ()
        self.epochs: list[EpochRecord] = []
        if len(training.label) < variant.batch_size:
            log.warning(
                "%s: %d training rows are fewer than the batch size %d; each epoch is a single step.",
                variant.name,
                len(training.label),
                variant.batch_size,
            )

    @property
    def best_epoch(self) -> int:
        """First epoch with the lowest validation loss."""
        return min(self.epochs, key=lambda record: (record.validation_loss, record.epoch)).epoch

    @property
    def stopped_early(self) -> bool:
        """Whether the validation loss has not decreased for ``patience`` epochs."""
        return bool(self.epochs) and len(self.epochs) - self.best_epoch >= self._variant.patience

    @property
    def finished(self) -> bool:
        return len(self.epochs) >= self._variant.epochs or self.stopped_early

    def epoch(self) -> EpochRecord:
        """Train for one epoch and evaluate the validation rows."""
        from sklearn.metrics import roc_auc_score

        number = len(self.epochs) + 1
        started = time.perf_counter()
        loss, correct = self._train(number)
        seconds = time.perf_counter() - started
        self._sync_weights()
        label = self._validation.label
        probability = self._predict(self._validation)
        losses = log_losses(label, probability) * self._class_weight[label]
        rows = len(self._training.label)
        record = EpochRecord(
            epoch=number,
            loss=loss / rows,
            accuracy=correct / rows,
            validation_loss=float(losses.mean()),
            validation_accuracy=float(((probability >= 0.5) == (label == 1)).mean()),  # noqa: PLR2004
            validation_auc=float(roc_auc_score(label, probability)),
            seconds=round(seconds, 3),
            reviews_per_second=round(rows / seconds, 1),
        )
        self.epochs.append(record)
        if self._variant.restore_best_weights and self.best_epoch == number:
            self._best = tuple(self.network.get_weights())
        return record

    def restore_best(self) -> int:
        """Restore the weights of the best epoch and return its number."""
        self.network.set_weights(list(self._best))
        return self.best_epoch

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(
            epochs=tuple(self.epochs),
            model=_values(self._model.variables),
            optimizer=_values(self._optimizer.variables),
            best=self._best,
        )

    def resume(self, folder: Path) -> int | None:
        """Restore the checkpoint if there is one, and return its last epoch."""
        found = Checkpoint.load(folder)
        if found is None or not found.epochs:
            return None
        if not found.fits(self._model.variables, self._optimizer.variables):
            log.warning("The checkpoint belongs to another model; training starts again at the first epoch.")
            return None
        for variables, values in (
            (self._model.variables, found.model),
            (self._optimizer.variables, found.optimizer),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self._sync_weights()
        self._best = found.best
        self.epochs = list(found.epochs)
        log.info("%s: resumed after epoch %d of %d", self._variant.name, len(self.epochs), self._variant.epochs)
        return len(self.epochs)

    def _sync_weights(self) -> None:
        """Copy the weights of the trained model, or their average, to the network that is evaluated and saved."""
        if self.network is self._model:
            return
        self.network.set_weights(self._model.get_weights())
        averages = averaged_weights(self._optimizer)
        if averages is not None:
            for variable, average in zip(self.network.trainable_variables, averages, strict=True):
                variable.assign(average)

    def _train(self, number: int) -> tuple[float, float]:
        """Run the steps of one epoch; returns the summed loss in nats and the number of correct rows."""
        batches = epoch_batches(
            self._training,
            batch_size=self._variant.batch_size,
            max_length=self._max_length,
            seed=self._variant.seed,
            epoch=number,
            fixed_width=self._variant.padding == "unmasked",
        )
        title = f"{self._variant.name}, epoch {number} of {self._variant.epochs}"
        totals = np.zeros(2)
        pending: list[Any] = []
        for step, batch in enumerate(with_progress_bar(batches, title, self._batches), start=1):
            label = self._training.label[batch.rows]
            pending.append(self._step(batch.ids, label.astype(np.float32), self._class_weight[label]))
            if step % CHECK_EVERY_STEPS == 0 or step == self._batches:
                totals += np.sum([result.numpy() for result in pending], axis=0, dtype=np.float64)
                pending.clear()
                if not math.isfinite(totals[0]):
                    raise TrainingError(
                        f"{self._variant.name}: the loss is {totals[0]} at step {step} of epoch {number}. Lower the "
                        f"learning rate (now {self._variant.learning_rate:g}), use another activation (now "
                        f"{self._variant.activation}), or check the pre-trained vectors for large values."
                    )
        return float(totals[0]), float(totals[1])


def _check_splits(training: Sequences, validation: Sequences) -> None:
    for name, split in (("training", training), ("validation", validation)):
        positive = int((split.label == 1).sum())
        if not 0 < positive < len(split.label):
            raise TrainingError(
                f"The {name} split has {positive} positive and {len(split.label) - positive} negative reviews; "
                "training needs both classes. Use a larger dump, or another size or seed of the split."
            )


def class_weights(label: npt.NDArray[np.int8], variant: VariantConfig) -> npt.NDArray[np.float32]:
    """Return the weights of a negative and a positive row, float32 ``[2]``; their mean over all rows is 1."""
    if variant.class_weights == "none":
        return np.ones(2, dtype=np.float32)
    counts = np.bincount(label, minlength=2)
    return (len(label) / (2 * counts)).astype(np.float32)


def _values(variables: list[Any]) -> tuple[Array, ...]:
    return tuple(np.asarray(variable.numpy()) for variable in variables)
