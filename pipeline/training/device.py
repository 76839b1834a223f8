"""Chooses, prepares and tests the device before a training starts."""

from __future__ import annotations

import functools
import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipeline.config import HardwareConfig
from pipeline.errors import DeviceError, quoted
from pipeline.training.records import DeviceRecord

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger(__name__)

DeviceKind = Literal["cpu", "gpu"]

DRIVER_QUERY_SECONDS = 20
"""Timeout, because nvidia-smi hangs on a broken driver."""

CPU_SHARDS = 2
"""Shards of a batch that a CPU computes in parallel. The matrix products of an LSTM step are too small to be computed
by several threads (docs/decisions/0004-training.md)."""

_GPU_DEVICE_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")
"""Device files of the NVIDIA driver and of WSL."""

_NO_GPU = (
    "A GPU was requested (device = gpu), but {reason}. Check `nvidia-smi` (driver), the NVIDIA Container Toolkit and "
    "`--gpus` (containers), and whether requirements/gpu.txt is installed (tensorflow[and-cuda]). To train on the CPU "
    "instead, choose device = cpu, or set allow_cpu."
)


def device_kind(hardware: HardwareConfig) -> DeviceKind:
    """Return the kind of device to train on.

    TensorFlow takes seconds to load, so it is loaded only if the machine has an NVIDIA driver.

    Raises:
        DeviceError: A GPU was requested but is missing, and the CPU is not allowed.
    """
    if hardware.device == "cpu":
        return "cpu"
    if _has_gpu_driver() and _tensorflow_gpus():
        return "gpu"
    if hardware.device == "gpu" and not hardware.allow_cpu:
        raise DeviceError(_NO_GPU.format(reason=_why_no_gpu()))
    return "cpu"


def gpu_count(hardware: HardwareConfig, kind: DeviceKind) -> int:
    """Return the number of GPUs that share one training; 1 on a CPU.

    Raises:
        DeviceError: More GPUs were requested than TensorFlow finds.
    """
    if kind == "cpu" or hardware.gpus == 1:
        return 1
    available = len(_tensorflow_gpus())
    if hardware.gpus > available:
        raise DeviceError(
            f"{hardware.gpus} GPUs per training were requested (gpus), but this task sees {available}. Request fewer, "
            "or all (0); check CUDA_VISIBLE_DEVICES and `--gpus` of the container."
        )
    return hardware.gpus or available


def use_device(kind: DeviceKind, gpus: int = 1) -> None:
    """Load TensorFlow and configure the device. Call this before the first model of a process.

    On a CPU, one operation runs per shard, and the cores are divided between them. On a GPU, memory is allocated as
    needed, so two models can share the GPU. Unused GPUs stay free.

    Args:
        kind: CPU or GPU.
        gpus: Number of GPUs for this process.

    Raises:
        DeviceError: The CPU was requested, but this process already computes on a GPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    if kind == "gpu":
        visible = _tensorflow_gpus()[:gpus]
        _configure(
            lambda: (
                tf.config.set_visible_devices(visible, "GPU"),
                *(tf.config.experimental.set_memory_growth(gpu, True) for gpu in visible),
            )
        )
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        if tf.config.list_logical_devices("GPU"):
            raise DeviceError(
                "This process already computes on a GPU and cannot switch to the CPU. Train on the CPU in a separate "
                "process."
            ) from error
    threads = max(1, available_cores() // CPU_SHARDS)
    _configure(
        lambda: (
            tf.config.threading.set_intra_op_parallelism_threads(threads),
            tf.config.threading.set_inter_op_parallelism_threads(min(CPU_SHARDS, available_cores())),
        )
    )


def hide_gpus_unless_wanted(hardware: HardwareConfig) -> None:
    """Hide the GPUs from TensorFlow if the CPU was requested. Call this before TensorFlow loads."""
    if hardware.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def available_cores() -> int:
    """Return the number of CPU cores that this process may use, which a container can limit."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def preflight(hardware: HardwareConfig) -> DeviceRecord:
    """Describe the device, and run one LSTM training step on it (on each GPU if there are several).

    Raises:
        DeviceError: A GPU was requested but is missing, or the step fails.
    """
    kind = device_kind(hardware)
    gpus = gpu_count(hardware, kind)
    use_device(kind, gpus)
    record = _describe(kind, gpus)
    if hardware.device == "gpu" and kind == "cpu":
        record = record.model_copy(
            update={"warning": f"A GPU was requested, but {_why_no_gpu()}. Training runs on the CPU, which is slow."}
        )
        log.warning("%s", record.warning)
    try:
        for number in range(gpus):
            _one_step(kind, number)
    except Exception as error:
        raise DeviceError(
            f"One LSTM step on {record.name} failed: {quoted(str(error).strip().split(chr(10))[0], 300)}. "
            + (
                "Driver, CUDA and cuDNN must be compatible: install requirements/gpu.txt into an environment without "
                "other CUDA packages, and compare `nvidia-smi` with the tested builds of TensorFlow."
                if kind == "gpu"
                else "The installed TensorFlow does not run on this processor; install requirements.txt again."
            )
        ) from error
    log.info("Device: %s", ", ".join(str(part) for part in (record.name, record.driver, record.cuda) if part))
    return record


def strategy_for(gpus: int) -> tf.distribute.Strategy:
    """Return the distribution strategy of a training. Build the network within its ``scope()``.

    Args:
        gpus: Number of GPUs that share the training; 1 for a CPU.

    Raises:
        DeviceError: This process already computes on fewer GPUs.
    """
    import tensorflow as tf

    if gpus == 1:
        return tf.distribute.get_strategy()
    found = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(found) < gpus:
        raise DeviceError(
            f"The training needs {gpus} GPUs, but this process already computes on {len(found)}. Run it in a separate "
            "process, before anything else uses TensorFlow."
        )
    return mirrored(*found[:gpus])


@functools.cache
def mirrored(*devices: str) -> tf.distribute.Strategy:
    """Return a strategy with equal copies of the network, whose gradients are added over the devices.

    Cached, because a second strategy reuses the collective ids of the first, and TensorFlow then mixes them up ("Shape
    mismatch in the collective instance").

    Args:
        devices: At least two TensorFlow device names (``GPU:0``).
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


def _has_gpu_driver() -> bool:
    return shutil.which("nvidia-smi") is not None or any(Path(file).exists() for file in _GPU_DEVICE_FILES)


def _tensorflow_gpus() -> list[Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    return list(tf.config.list_physical_devices("GPU"))


def _why_no_gpu() -> str:
    if not _has_gpu_driver():
        return "this machine has neither nvidia-smi nor a device file of the NVIDIA driver"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides all GPUs from this process"
    return "TensorFlow finds none, although the NVIDIA driver is installed"


def _configure(apply: Callable[[], object]) -> None:
    """Apply settings that TensorFlow accepts only before its first operation in a process."""
    try:
        apply()
    except (RuntimeError, ValueError) as error:
        log.debug("TensorFlow already runs with other settings: %s", error)


def _describe(kind: DeviceKind, gpus: int) -> DeviceRecord:
    import tensorflow as tf

    if kind == "cpu":
        return DeviceRecord(kind="cpu", name=f"{_processor_name()}, {available_cores()} cores")
    details = tf.config.experimental.get_device_details(_tensorflow_gpus()[0])
    build = tf.sysconfig.get_build_info()
    name = str(details.get("device_name", "GPU"))
    return DeviceRecord(
        kind="gpu",
        name=name if gpus == 1 else f"{gpus} × {name}",
        driver=_driver_version(),
        cuda=build.get("cuda_version"),
        cudnn=build.get("cudnn_version"),
    )


def _processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _driver_version() -> str | None:
    """Return the version of the NVIDIA driver, or ``None`` if nvidia-smi does not report it."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command, found on the PATH.
            [command, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=DRIVER_QUERY_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("nvidia-smi did not report the driver version: %s", error)
        return None
    return answer.stdout.partition("\n")[0].strip() or None


@functools.cache
def _one_step(kind: DeviceKind, number: int) -> None:
    """Run a forward and backward pass of an LSTM over two masked rows, once per device; on a GPU this uses cuDNN."""
    import keras
    import numpy as np
    import tensorflow as tf

    with tf.device(f"/{kind.upper()}:{number}"):
        ids = keras.Input((None,), dtype="int32")
        signal = keras.layers.LSTM(4)(keras.layers.Embedding(4, 4, mask_zero=True)(ids))
        model = keras.Model(ids, keras.layers.Dense(1)(signal))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(np.array([[1, 2, 3], [3, 0, 0]], dtype=np.int32), training=True))
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, model.trainable_variables)]
    if not all(bool(tf.reduce_all(tf.math.is_finite(gradient))) for gradient in gradients):
        raise DeviceError("the gradients are not finite")
