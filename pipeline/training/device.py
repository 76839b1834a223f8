"""Which device trains, and whether it works: asked before hours of work hang on the answer."""

from __future__ import annotations

import functools
import logging
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any, Literal

from pipeline.config import HardwareConfig
from pipeline.errors import DeviceError, quoted
from pipeline.training.records import DeviceRecord

log = logging.getLogger(__name__)

DeviceKind = Literal["cpu", "gpu"]

DRIVER_QUERY_SECONDS = 20
"""nvidia-smi hangs on a broken driver."""

TOWERS = 2
"""On a CPU each batch is split in two halves that run side by side: the steps of an LSTM are too short for the
threads of one matrix product to share (docs/decisions/0004-training.md)."""

_GPU_TRACES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")
"""Device files of NVIDIA's driver, and of WSL's."""

_NO_GPU = (
    "A GPU was asked for (device = gpu), but {reason}. Look at `nvidia-smi` (driver), at the NVIDIA Container Toolkit "
    "and the container's `--gpus` (containers), and whether requirements-gpu.txt is installed (tensorflow[and-cuda]). "
    "To train on the CPU instead, choose device = cpu, or allow it (allow_cpu)."
)


def device_kind(hardware: HardwareConfig) -> DeviceKind:
    """Return the kind of device that training will take.

    TensorFlow takes seconds to load and is asked only where a GPU may be.

    Raises:
        DeviceError: A GPU was asked for, there is none, and the CPU is not allowed.
    """
    if hardware.device == "cpu":
        return "cpu"
    if _gpu_may_be_there() and _tensorflow_gpus():
        return "gpu"
    if hardware.device == "gpu" and not hardware.allow_cpu:
        raise DeviceError(_NO_GPU.format(reason=_why_no_gpu()))
    return "cpu"


def gpu_count(hardware: HardwareConfig, kind: DeviceKind) -> int:
    """Return how many GPUs share one training; 1 on a CPU.

    Raises:
        DeviceError: More were asked for than TensorFlow sees.
    """
    if kind == "cpu" or hardware.gpus == 1:
        return 1
    there = len(_tensorflow_gpus())
    if hardware.gpus > there:
        raise DeviceError(
            f"{hardware.gpus} GPUs per training were asked for (gpus), but this task sees {there}. Ask for fewer, or "
            "for all that there are (0); look at CUDA_VISIBLE_DEVICES and the container's `--gpus`."
        )
    return hardware.gpus or there


def use_device(kind: DeviceKind, gpus: int = 1) -> None:
    """Load TensorFlow and settle it on the device; to be called before the first model of a process.

    On a CPU: one thread per operation and as many operations at once as there are towers, cores permitting. On a
    GPU: memory is taken as needed, so that two models can share the card, and cards that are not used are left alone.

    Args:
        kind: CPU or GPU.
        gpus: How many GPUs this process may compute on.

    Raises:
        DeviceError: This process already computes on a GPU and is now told not to.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    if kind == "gpu":
        wanted = _tensorflow_gpus()[:gpus]
        _before_first_use(
            lambda: (
                tf.config.set_visible_devices(wanted, "GPU"),
                *(tf.config.experimental.set_memory_growth(gpu, True) for gpu in wanted),
            )
        )
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        if tf.config.list_logical_devices("GPU"):
            raise DeviceError(
                "This process already computes on a GPU and cannot go back to the CPU. Run the training on the CPU in "
                "a process of its own."
            ) from error
    threads = max(1, available_cores() // TOWERS)
    _before_first_use(
        lambda: (
            tf.config.threading.set_intra_op_parallelism_threads(threads),
            tf.config.threading.set_inter_op_parallelism_threads(min(TOWERS, available_cores())),
        )
    )


def hide_gpus_unless_wanted(hardware: HardwareConfig) -> None:
    """Keep TensorFlow off the GPUs in this process where the CPU was asked for; to be called before it loads."""
    if hardware.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def available_cores() -> int:
    """Return the processor cores that this process may use (a container may be given fewer than there are)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def preflight(hardware: HardwareConfig) -> DeviceRecord:
    """Name the device that training will use, and run one LSTM step forward and back on it (on each, if several).

    Raises:
        DeviceError: A GPU was asked for and there is none that works; the message says what to look at.
    """
    kind = device_kind(hardware)
    gpus = gpu_count(hardware, kind)
    use_device(kind, gpus)
    record = _described(kind, gpus)
    if hardware.device == "gpu" and kind == "cpu":
        record = record.model_copy(
            update={"warning": f"A GPU was asked for, but {_why_no_gpu()}; training runs on the CPU, much slower."}
        )
        log.warning("%s", record.warning)
    try:
        for number in range(gpus):
            _one_step(kind, number)
    except Exception as error:
        raise DeviceError(
            f"One LSTM step on {record.name} failed: {quoted(str(error).strip().split(chr(10))[0], 300)}. "
            + (
                "Driver, CUDA and cuDNN must fit together: install requirements-gpu.txt into an environment without "
                "other CUDA packages, and compare `nvidia-smi` with TensorFlow's tested builds."
                if kind == "gpu"
                else "The installed TensorFlow does not run on this processor; install requirements.txt anew."
            )
        ) from error
    log.info("Device: %s", ", ".join(str(part) for part in (record.name, record.driver, record.cuda) if part))
    return record


def _gpu_may_be_there() -> bool:
    return shutil.which("nvidia-smi") is not None or any(Path(trace).exists() for trace in _GPU_TRACES)


def _tensorflow_gpus() -> list[Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    return list(tf.config.list_physical_devices("GPU"))


def _why_no_gpu() -> str:
    if not _gpu_may_be_there():
        return "this machine shows neither nvidia-smi nor a device file of the NVIDIA driver"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every GPU from this process"
    return "TensorFlow finds none, though the NVIDIA driver is there"


def _before_first_use(settle: Any) -> None:  # noqa: ANN401 - a thunk of TensorFlow calls.
    """Apply settings that TensorFlow takes only before its first operation in a process."""
    try:
        settle()
    except (RuntimeError, ValueError) as error:
        log.debug("TensorFlow already runs with other settings: %s", error)


def _described(kind: DeviceKind, gpus: int) -> DeviceRecord:
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
        cuda=_text(build.get("cuda_version")),
        cudnn=_text(build.get("cudnn_version")),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _processor_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _driver_version() -> str | None:
    """Return NVIDIA's driver version as nvidia-smi tells it; ``None`` where it does not."""
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
        log.warning("nvidia-smi did not name the driver: %s", error)
        return None
    lines = answer.stdout.split("\n")
    return lines[0].strip() or None


@functools.cache
def _one_step(kind: DeviceKind, number: int) -> None:
    """Run an LSTM forward and back over two padded, masked rows, once for each device: on a GPU this takes cuDNN."""
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
