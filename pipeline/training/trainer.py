"""Fit one network: epochs, early stopping, checkpoints."""

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
from pipeline.training.batches import batch_count, epoch_batches
from pipeline.training.checkpoint import Array, Checkpoint
from pipeline.training.device import TOWERS, DeviceKind
from pipeline.training.metrics import log_losses, roc_auc
from pipeline.training.model import plain_twin
from pipeline.training.prediction import Predictor
from pipeline.training.records import EpochRecord
from pipeline.training.steps import TrainingStep
from pipeline.training.training_log import TrainingLog, counted

if TYPE_CHECKING:
    import keras

    from pipeline.encoding import Sequences

log = logging.getLogger(__name__)

CHECK_EVERY_STEPS = 16
"""Steps between looks at the loss: each look waits for a GPU."""

SMALLEST_TOWER = 16
"""Rows of half a batch below which splitting it costs more than it gives."""


@dataclass(frozen=True)
class FitResult:
    """How a training ended.

    Attributes:
        network: The fitted network in float32, on one device: the one that was given, where it is so.
        epochs: All finished epochs, those before a resume among them.
        best_epoch: Epoch of the lowest validation loss, from 1.
        restored_epoch: Epoch whose weights the network has now.
        stopped_early: Whether the validation loss had stopped falling.
        resumed_from_epoch: Last finished epoch that was found, if one was.
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
    durable: Path,
    artifact: Path,
    precision: Precision = "float32",
    jit_compile: bool = False,
    checkpointed: Callable[[], None] = lambda: None,
) -> FitResult:
    """Fit the model in place.

    Adam on binary cross-entropy; after each epoch the validation loss, accuracy and AUC, and a checkpoint. It ends
    after ``variant.epochs`` epochs, or when the validation loss has not fallen for ``variant.patience`` of them.
    With balanced class weights the validation loss is weighted too: stopping follows what is being learned. The
    validation figures are those of the network that is saved, in float32, whatever the training computes in.

    Args:
        model: As ``build_model`` gives it.
        variant: How to fit.
        training: Rows to learn from; both classes must occur, as in ``validation``.
        validation: Rows to follow the progress on.
        max_length: Words of a row at most.
        device: What the model runs on.
        durable: Holds the checkpoint and the journal; a second call with the same arguments goes on from there and
            ends, on a CPU, with the same weights as a training that was never interrupted.
        artifact: Receives ``epochs.jsonl`` and ``tensorboard/``.
        precision: What the model was built for.
        jit_compile: Let XLA compile the step; the model must have been built without cuDNN.
        checkpointed: Called after each epoch, when its checkpoint is written.

    Raises:
        TrainingError: A part cannot be trained on, or the loss is no number any more.
    """
    _check_parts(training, validation)
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
    resumed = run.resume(durable)
    journal = TrainingLog(durable, variant.name, variant.epochs, run.epochs)
    while not run.finished:
        record = run.epoch()
        run.checkpoint().save(durable)
        checkpointed()
        journal.add(record, run.best_epoch)
    journal.finish(artifact)
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
    """A training on its way."""

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
                f"Keras runs on the backend {quoted(keras.backend.backend())}, but training needs TensorFlow. Unset "
                "KERAS_BACKEND, or set it to tensorflow."
            )
        self._model = model
        self._variant = variant
        self._training = training
        self._validation = validation
        self._max_length = max_length
        self._class_weight = class_weights(training.label, variant)
        strategy = model.distribute_strategy
        with strategy.scope():
            self._optimizer = optimizer_for(variant, precision)
            self._optimizer.build(model.trainable_variables)
        self._batches = batch_count(len(training.label), variant.batch_size)
        smallest = len(training.label) // self._batches
        replicas = strategy.num_replicas_in_sync
        if smallest < replicas:
            raise TrainingError(
                f"{variant.name}: batches of {smallest} rows cannot be shared by {replicas} GPUs. Take larger batches, "
                "a larger dump, or fewer GPUs (gpus)."
            )
        towers = TOWERS if device == "cpu" and smallest >= TOWERS * SMALLEST_TOWER else 1
        self._step = TrainingStep(model, self._optimizer, towers, jit_compile=jit_compile)
        as_saved = precision == "float32" and replicas == 1 and not jit_compile
        self.network = model if as_saved else plain_twin(model, variant)
        self._predict = Predictor(self.network)
        self._best: tuple[Array, ...] = ()
        self.epochs: list[EpochRecord] = []
        if len(training.label) < variant.batch_size:
            log.warning(
                "%s: only %d training rows, fewer than the batch size %d; each epoch is a single step.",
                variant.name,
                len(training.label),
                variant.batch_size,
            )

    @property
    def best_epoch(self) -> int:
        """Epoch of the lowest validation loss, the first of equals."""
        return min(self.epochs, key=lambda record: (record.validation_loss, record.epoch)).epoch

    @property
    def stopped_early(self) -> bool:
        """Whether the patience is used up."""
        return bool(self.epochs) and len(self.epochs) - self.best_epoch >= self._variant.patience

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to run."""
        return len(self.epochs) >= self._variant.epochs or self.stopped_early

    def epoch(self) -> EpochRecord:
        """Run one epoch and look at the validation rows."""
        number = len(self.epochs) + 1
        started = time.perf_counter()
        loss, right = self._train(number)
        seconds = time.perf_counter() - started
        self._take_over()
        label = self._validation.label
        probability = self._predict(self._validation)
        losses = log_losses(label, probability) * self._class_weight[label]
        rows = len(self._training.label)
        record = EpochRecord(
            epoch=number,
            loss=loss / rows,
            accuracy=right / rows,
            validation_loss=float(losses.mean()),
            validation_accuracy=float(((probability >= 0.5) == (label == 1)).mean()),  # noqa: PLR2004
            validation_auc=roc_auc(label, probability),
            seconds=round(seconds, 3),
            reviews_per_second=round(rows / seconds, 1),
        )
        self.epochs.append(record)
        if self._variant.restore_best_weights and self.best_epoch == number:
            self._best = tuple(self.network.get_weights())
        return record

    def restore_best(self) -> int:
        """Give the network the weights of its best epoch and return that epoch."""
        self.network.set_weights(list(self._best))
        return self.best_epoch

    def checkpoint(self) -> Checkpoint:
        """Return the state after the last epoch."""
        return Checkpoint(
            epochs=tuple(self.epochs),
            model=_values(self._model.variables),
            optimizer=_values(self._optimizer.variables),
            best=self._best,
        )

    def resume(self, folder: Path) -> int | None:
        """Take up the state of a checkpoint, if there is one, and return its last epoch."""
        found = Checkpoint.load(folder)
        if found is None or not found.epochs:
            return None
        if not found.fits(self._model.variables, self._optimizer.variables):
            log.warning("The checkpoint is of another model; training starts again from its first epoch.")
            return None
        for variables, values in (
            (self._model.variables, found.model),
            (self._optimizer.variables, found.optimizer),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self._take_over()
        self._best = found.best
        self.epochs = list(found.epochs)
        log.info("%s: resumed after epoch %d of %d", self._variant.name, len(self.epochs), self._variant.epochs)
        return len(self.epochs)

    def _take_over(self) -> None:
        """Give the network that is judged and saved the weights of the one that is trained, where they are two."""
        if self.network is not self._model:
            self.network.set_weights(self._model.get_weights())

    def _train(self, number: int) -> tuple[float, float]:
        """Take the steps of one epoch; returns the summed loss in nats and the rows that were right."""
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
        for step, batch in enumerate(counted(batches, title, self._batches), start=1):
            label = self._training.label[batch.rows]
            pending.append(self._step(batch.ids, label.astype(np.float32), self._class_weight[label]))
            if step % CHECK_EVERY_STEPS == 0 or step == self._batches:
                totals += np.sum([result.numpy() for result in pending], axis=0, dtype=np.float64)
                pending.clear()
                if not math.isfinite(totals[0]):
                    raise TrainingError(
                        f"{self._variant.name}: the loss became {totals[0]} at step {step} of epoch {number}. Lower "
                        f"the learning rate (it is {self._variant.learning_rate:g}; try a tenth), take another "
                        f"activation (it is {self._variant.activation}), or check pre-trained vectors for huge values."
                    )
        return float(totals[0]), float(totals[1])


def optimizer_for(variant: VariantConfig, precision: Precision) -> keras.Optimizer:
    """Return Adam; for float16 with a loss scale that grows and shrinks by itself, and skips steps that overflow."""
    import keras

    adam = keras.optimizers.Adam(variant.learning_rate)
    return keras.optimizers.LossScaleOptimizer(adam) if precision == "mixed_float16" else adam


def _check_parts(training: Sequences, validation: Sequences) -> None:
    for name, part in (("training", training), ("validation", validation)):
        positive = int((part.label == 1).sum())
        if not 0 < positive < len(part.label):
            kind = "is empty" if not len(part.label) else f"holds {'only' if positive else 'no'} positive reviews"
            raise TrainingError(
                f"The {name} part {kind} ({len(part.label)} rows). A classifier needs both classes in it, to learn "
                "from and to choose its best epoch and threshold on. Take a larger dump, or another share or seed "
                "of the split."
            )


def class_weights(label: npt.NDArray[np.int8], variant: VariantConfig) -> npt.NDArray[np.float32]:
    """Return the weight of a negative and of a positive row, float32 ``[2]``; over all rows they average 1."""
    if variant.class_weights == "none":
        return np.ones(2, dtype=np.float32)
    counts = np.bincount(label, minlength=2)
    return (len(label) / (2 * counts)).astype(np.float32)


def _values(variables: list[Any]) -> tuple[Array, ...]:
    return tuple(np.asarray(variable.numpy()) for variable in variables)
