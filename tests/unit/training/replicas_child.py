"""Trains on one and on two devices in a separate process, because TensorFlow divides a device only before first use.

``python -m tests.unit.training.replicas_child FOLDER`` writes ``trained.npz``: for each training the metrics of its
epochs, the predictions of the saved network and its weights.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from pipeline.config import HardwareConfig
from pipeline.store import ArtifactStore
from pipeline.training import Predictor, TrainSummary, load_model, train
from pipeline.training.device import mirrored, strategy_for, use_device
from pipeline.training.training_log import TrainingLog
from tests.unit.training.factories import NO_DROPOUT, place_inputs, reviews, variant

DEVICES = 2
ROWS = 61
"""Gives batches of 15 and 16 rows; the shards of a batch of 15 differ in size."""


class InterruptionError(Exception):
    """Ends a training after its first epoch."""


def trained(devices: int, folder: Path, *, interrupted: bool = False) -> dict[str, Any]:
    """Run the stage as if these devices were GPUs."""
    # Dropout differs between one and two devices.
    chosen = variant(directions=("bi",), **NO_DROPOUT, epochs=2, class_weights="balanced")
    store = ArtifactStore(str(folder / "store"))
    inputs = place_inputs(store, training=reviews(ROWS, 1))
    cpus = [f"CPU:{number}" for number in range(devices)]
    strategy = strategy_for(1) if devices == 1 else mirrored(*cpus)
    with (
        mock.patch("pipeline.training.stage.gpu_count", return_value=devices),
        mock.patch("pipeline.training.stage.strategy_for", return_value=strategy),
    ):
        if interrupted:
            with (
                mock.patch.object(TrainingLog, "add", side_effect=InterruptionError),
                contextlib.suppress(InterruptionError),
            ):
                train(*inputs, chosen, HardwareConfig(device="cpu"), store)
        reference = train(*inputs, chosen, HardwareConfig(device="cpu"), store)
    summary, model = store.summary(reference, TrainSummary), load_model(store.folder(reference))
    return {
        "epochs": np.array([[record.loss, record.accuracy, record.validation_loss] for record in summary.epochs]),
        "probability": Predictor(model)(reviews(30, 2)),
        "weights": np.concatenate([np.ravel(value) for value in model.get_weights()]),
        "resumed": np.array(summary.resumed_from_epoch or 0),
        "replicas": np.array(strategy.num_replicas_in_sync),
        "gpus in the key": np.array(store.manifest(reference).params.get("gpus", 1)),
    }


def main(folder: Path) -> None:
    """Train on one device, and on two with an interruption after the first epoch."""
    use_device("cpu")
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * DEVICES)
    results = {"one": trained(1, folder / "one"), "two": trained(DEVICES, folder / "two", interrupted=True)}
    np.savez(
        folder / "trained.npz",
        **{f"{name}: {what}": value for name, result in results.items() for what, value in result.items()},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
