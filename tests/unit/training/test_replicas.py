"""Several devices train like one. Two CPU devices replace GPUs."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.config import HardwareConfig
from pipeline.errors import DeviceError, TrainingError
from pipeline.training import device
from pipeline.training.model import build_model
from pipeline.training.trainer import fit
from tests.unit.training.factories import MAX_LENGTH, reviews, variant

CHILD_LIMIT_SECONDS = 240


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Results of the trainings on one and on two devices; see ``replicas_child``."""
    folder = tmp_path_factory.mktemp("replicas")
    command = [sys.executable, "-m", "tests.unit.training.replicas_child", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / "trained.npz") as arrays:
        return dict(arrays)


def test_two_devices_train_like_one(trained):
    """The same batches, including uneven ones, with weighted rows; only the order of additions differs."""
    assert trained["two: replicas"] == trained["two: gpus in the key"] == 2
    assert trained["one: gpus in the key"] == 1
    for what in ("epochs", "probability", "weights"):
        np.testing.assert_allclose(trained[f"two: {what}"], trained[f"one: {what}"], rtol=1e-4, atol=2e-6, err_msg=what)


def test_two_devices_resume_after_an_interruption(trained):
    """Without the state of the optimizer, the second epoch would end with other weights."""
    assert trained["two: resumed"] == 1
    assert len(trained["two: epochs"]) == 2


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(device, "_has_gpu_driver", lambda: True)
    monkeypatch.setattr(device, "_tensorflow_gpus", lambda: ["GPU:0", "GPU:1"])


@pytest.mark.parametrize(("requested", "kind", "used"), [(1, "gpu", 1), (2, "gpu", 2), (0, "gpu", 2), (0, "cpu", 1)])
def test_one_gpu_trains_unless_more_are_requested(two_gpus, requested, kind, used):
    assert device.gpu_count(HardwareConfig(gpus=requested), kind) == used
    assert device.gpu_count(HardwareConfig(), kind) == 1


def test_missing_gpus_are_an_error(two_gpus):
    with pytest.raises(DeviceError, match="3 GPUs per training were requested") as caught:
        device.gpu_count(HardwareConfig(gpus=3), "gpu")
    assert "this task sees 2" in str(caught.value)


def test_a_process_that_computes_on_one_gpu_refuses_two(keras):
    with pytest.raises(DeviceError, match="needs 2 GPUs"):
        device.strategy_for(2)


def test_batches_too_small_to_share_are_refused(keras, tmp_path, monkeypatch):
    model = build_model(variant(), 30)
    scope = model.distribute_strategy.scope
    many = SimpleNamespace(num_replicas_in_sync=17, scope=scope)
    monkeypatch.setattr(type(model), "distribute_strategy", many)
    with pytest.raises(TrainingError, match="17 GPUs cannot share batches of 15 rows"):
        fit(
            model,
            variant(),
            reviews(60, 1),
            reviews(30, 2),
            max_length=MAX_LENGTH,
            device="gpu",
            checkpoint_dir=tmp_path / "checkpoint",
            artifact=tmp_path,
        )
