"""Trains on one and on two devices in a process of its own: TensorFlow divides a device only before its first use.

``python -m tests.unit.training.replicas_child FOLDER`` leaves ``trained.npz`` there: for each training the figures of
its epochs, the probabilities of the saved network and its weights.
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
from pipeline.training import TrainSummary, load_model, predict_probabilities, replicas, train
from pipeline.training.device import use_device
from pipeline.training.training_log import TrainingLog
from tests.unit.training.example import place_inputs, reviews, variant

DEVICES = 2
ROWS = 61
"""Cut into batches of 15 and 16 rows: the devices' parts of a batch of 15 differ in size."""


class BrokenOffError(Exception):
    """Ends a training after its first epoch."""


def trained(devices: int, folder: Path, *, interrupted: bool = False) -> dict[str, Any]:
    """Train by the stage, as if these devices were GPUs."""
    # Dropout falls otherwise on two devices.
    chosen = variant(directions=("bi",), dropout=(0.0,), epochs=2, class_weights="balanced")
    store = ArtifactStore(str(folder / "store"))
    inputs = place_inputs(store, training=reviews(ROWS, 1))
    cpus = [f"CPU:{number}" for number in range(devices)]
    strategy = replicas.strategy_for(1) if devices == 1 else replicas.mirrored(*cpus)
    with (
        mock.patch("pipeline.training.stage.gpu_count", return_value=devices),
        mock.patch("pipeline.training.replicas.strategy_for", return_value=strategy),
    ):
        if interrupted:
            with mock.patch.object(TrainingLog, "add", side_effect=BrokenOffError), contextlib.suppress(BrokenOffError):
                train(*inputs, chosen, HardwareConfig(device="cpu"), store)
        reference = train(*inputs, chosen, HardwareConfig(device="cpu"), store)
    summary, model = store.summary(reference, TrainSummary), load_model(store.folder(reference))
    return {
        "epochs": np.array([[record.loss, record.accuracy, record.validation_loss] for record in summary.epochs]),
        "probability": predict_probabilities(model, reviews(30, 2)),
        "weights": np.concatenate([np.ravel(value) for value in model.get_weights()]),
        "resumed": np.array(summary.resumed_from_epoch or 0),
        "replicas": np.array(strategy.num_replicas_in_sync),
        "gpus in the key": np.array(store.manifest(reference).params.get("gpus", 1)),
    }


def main(folder: Path) -> None:
    """Train on one device in one go, and on two with an interruption after the first epoch."""
    use_device("cpu")
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * DEVICES)
    found = {"one": trained(1, folder / "one"), "two": trained(DEVICES, folder / "two", interrupted=True)}
    np.savez(
        folder / "trained.npz",
        **{f"{name}: {what}": value for name, told in found.items() for what, value in told.items()},
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
