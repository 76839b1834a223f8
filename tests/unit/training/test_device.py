"""The device is described and tested, and never replaced silently."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from pipeline.config import HardwareConfig
from pipeline.errors import DeviceError
from pipeline.training import device, preflight


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(device, "_has_gpu_driver", lambda: False)


@pytest.fixture
def driver_without_gpu(monkeypatch):
    monkeypatch.setattr(device, "_has_gpu_driver", lambda: True)
    monkeypatch.setattr(device, "_tensorflow_gpus", list)


def test_the_cpu_works_and_is_described(keras):
    record = preflight(HardwareConfig(device="cpu"))
    assert record.kind == "cpu"
    assert "cores" in record.name
    assert record.warning is None


@pytest.mark.parametrize("machine", ["no_gpu", "driver_without_gpu"])
def test_auto_uses_the_cpu_without_a_gpu(request, keras, machine):
    request.getfixturevalue(machine)
    record = preflight(HardwareConfig(device="auto"))
    assert (record.kind, record.warning) == ("cpu", None)


def test_auto_uses_a_gpu(monkeypatch):
    monkeypatch.setattr(device, "_has_gpu_driver", lambda: True)
    monkeypatch.setattr(device, "_tensorflow_gpus", lambda: ["GPU:0"])
    assert device.device_kind(HardwareConfig(device="auto")) == "gpu"
    assert device.device_kind(HardwareConfig(device="gpu")) == "gpu"
    assert device.device_kind(HardwareConfig(device="cpu")) == "cpu"


@pytest.mark.parametrize("machine", ["no_gpu", "driver_without_gpu"])
def test_a_missing_gpu_is_an_error_with_advice(request, machine):
    request.getfixturevalue(machine)
    with pytest.raises(DeviceError) as caught:
        preflight(HardwareConfig(device="gpu"))
    for advice in ("nvidia-smi", "Container Toolkit", "requirements/gpu.txt", "allow_cpu"):
        assert advice in str(caught.value)


def test_the_cpu_can_replace_the_gpu_with_a_warning(no_gpu, keras, caplog):
    record = preflight(HardwareConfig(device="gpu", allow_cpu=True))
    assert record.kind == "cpu"
    assert record.warning is not None
    assert record.warning in caplog.text


def test_a_device_that_fails_its_step_is_named(no_gpu, keras, monkeypatch):
    def fail(_kind: str, _number: int) -> None:
        raise RuntimeError("DNN library initialization failed\nand a long trace")

    monkeypatch.setattr(device, "_one_step", fail)
    with pytest.raises(DeviceError, match="DNN library initialization failed") as caught:
        preflight(HardwareConfig(device="cpu"))
    assert "long trace" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        (SimpleNamespace(stdout="580.65.06\n580.65.06\n"), "580.65.06"),
        (SimpleNamespace(stdout="\n"), None),
        (subprocess.TimeoutExpired("nvidia-smi", 20), None),
        (subprocess.CalledProcessError(9, "nvidia-smi"), None),
    ],
)
def test_the_driver_version_may_be_unknown(monkeypatch, answer, version):
    def run(*_arguments, **options):
        assert options["timeout"] <= 30
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(device.shutil, "which", lambda _name: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(device.subprocess, "run", run)
    assert device._driver_version() == version


def test_importing_training_loads_no_tensorflow():
    code = "import sys, pipeline.training; print({'tensorflow', 'keras', 'pandas'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
