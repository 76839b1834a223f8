"""Several devices for one training: the same training, whoever takes part. Two CPU devices stand in for GPUs."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.config import HardwareConfig
from pipeline.errors import DeviceError, TrainingError
from pipeline.training import device, replicas
from pipeline.training.model import build_model
from pipeline.training.trainer import fit
from tests.unit.training.example import MAX_LENGTH, reviews, variant

CHILD_LIMIT_SECONDS = 240


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the trainings on one and on two devices ended with; see ``replicas_child``."""
    folder = tmp_path_factory.mktemp("replicas")
    command = [sys.executable, "-m", "tests.unit.training.replicas_child", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / "trained.npz") as arrays:
        return dict(arrays)


def test_two_devices_train_as_one_does(trained):
    """The same batches, uneven ones among them, with each row's weight: sums in another order, nothing else."""
    assert trained["two: replicas"] == trained["two: gpus in the key"] == 2
    assert trained["one: gpus in the key"] == 1
    for what in ("epochs", "probability", "weights"):
        np.testing.assert_allclose(trained[f"two: {what}"], trained[f"one: {what}"], rtol=1e-4, atol=2e-6, err_msg=what)


def test_they_went_on_after_an_interruption(trained):
    """The optimizer's state among the rest: without it, the second epoch would end with other weights."""
    assert trained["two: resumed"] == 1
    assert len(trained["two: epochs"]) == 2


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(device, "_gpu_may_be_there", lambda: True)
    monkeypatch.setattr(device, "_tensorflow_gpus", lambda: ["GPU:0", "GPU:1"])


@pytest.mark.parametrize(("asked", "kind", "taken"), [(1, "gpu", 1), (2, "gpu", 2), (0, "gpu", 2), (0, "cpu", 1)])
def test_one_gpu_trains_unless_more_are_asked_for(two_gpus, asked, kind, taken):
    assert device.gpu_count(HardwareConfig(gpus=asked), kind) == taken
    assert device.gpu_count(HardwareConfig(), kind) == 1


def test_more_gpus_than_there_are_is_an_error_with_advice(two_gpus):
    with pytest.raises(DeviceError, match="3 GPUs per training were asked for") as caught:
        device.gpu_count(HardwareConfig(gpus=3), "gpu")
    assert "this task sees 2" in str(caught.value)


def test_a_process_that_computes_on_one_gpu_refuses_two(keras):
    with pytest.raises(DeviceError, match="a process of its own"):
        replicas.strategy_for(2)


def test_batches_too_small_to_share_are_refused(keras, tmp_path, monkeypatch):
    model = build_model(variant(), 30)
    scope = model.distribute_strategy.scope
    many = SimpleNamespace(num_replicas_in_sync=17, scope=scope)
    monkeypatch.setattr(type(model), "distribute_strategy", many)
    with pytest.raises(TrainingError, match="batches of 15 rows cannot be shared by 17 GPUs"):
        fit(
            model,
            variant(),
            reviews(60, 1),
            reviews(30, 2),
            max_length=MAX_LENGTH,
            device="gpu",
            durable=tmp_path / "durable",
            artifact=tmp_path,
        )
