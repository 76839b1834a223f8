"""The network of an exported model: ONNX Runtime on a CPU, TensorFlow on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.config import HardwareConfig
from pipeline.encoding import Sequences
from pipeline.errors import ArtifactError, quoted
from pipeline.scoring.records import KERAS_FILE, ONNX_FILE, ExportedModel
from pipeline.training.batches import batch_of, rows_by_length
from pipeline.training.device import available_cores, device_kind, use_device

BATCH_ROWS = 256
"""Rows per batch in ONNX Runtime: its LSTM gains nothing from more, and a smaller batch needs less padding."""


@dataclass(frozen=True)
class Network:
    """A loaded network.

    Attributes:
        runtime: The library that computes it, with its version.
        probabilities: Word ids of ``[rows]`` reviews to float32 ``[rows]``, the probability that each is positive.
    """

    runtime: str
    probabilities: Callable[[Sequences], npt.NDArray[np.float32]]


def load_network(folder: Path, model: ExportedModel) -> Network:
    """Load the network of an export: in TensorFlow if it is installed and there is a GPU, else in ONNX Runtime.

    Both give the same probabilities to 1e-5. On a machine without a GPU, TensorFlow is not imported.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    if find_spec("tensorflow") is not None and device_kind(HardwareConfig()) == "gpu":
        return tensorflow_network(folder / KERAS_FILE)
    return onnx_network(folder / ONNX_FILE, model)


def onnx_network(file: Path, model: ExportedModel) -> Network:
    """Load ``model.onnx``."""
    import onnxruntime

    session = onnx_session(file)

    def probabilities(sequences: Sequences) -> npt.NDArray[np.float32]:
        probability = np.empty(len(sequences), dtype=np.float32)

        def score(rows: npt.NDArray[np.int64]) -> None:
            batch = batch_of(sequences, rows, max_length=model.max_length, fixed_width=model.padding == "unmasked")
            probability[rows] = session.run(None, {"ids": batch.ids})[0]

        with ThreadPoolExecutor(available_cores()) as pool:
            for _ in pool.map(score, rows_by_length(sequences, BATCH_ROWS)):
                pass
        return probability

    return Network(f"onnxruntime {onnxruntime.__version__}", probabilities)


def onnx_session(file: Path) -> Any:  # noqa: ANN401 - onnxruntime has no types.
    """Return an ``onnxruntime.InferenceSession`` that computes each batch on one thread.

    The steps of an LSTM are too short for several threads to share; batches run in parallel instead.

    Raises:
        ArtifactError: The file is missing or damaged.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        # From bytes: a file could refer to further files by name.
        return onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's exceptions have no common base class.
        raise ArtifactError(
            f"{quoted(file)} cannot be loaded as an ONNX model: {quoted(str(error), 200)}. Export the model again."
        ) from error


def tensorflow_network(file: Path) -> Network:
    """Load the network inside ``model.keras``, in Keras's safe mode."""
    use_device(device_kind(HardwareConfig()))
    import keras
    import tensorflow as tf

    from pipeline.scoring.model import load_exported
    from pipeline.training.prediction import Predictor

    inner = [layer for layer in load_exported(file).layers if isinstance(layer, keras.Model)]
    if len(inner) != 1:
        raise ArtifactError(
            f"{quoted(file)} holds {len(inner)} networks after its text layers, expected one. Another version of this "
            "project saved it; export the model again."
        )
    predictor = Predictor(inner[0])

    def probabilities(sequences: Sequences) -> npt.NDArray[np.float32]:
        with full_precision():
            return predictor(sequences)

    return Network(f"tensorflow {tf.__version__}", probabilities)


@contextmanager
def full_precision() -> Iterator[None]:
    """Compute TensorFlow's matrix products in float32: by default a GPU rounds their factors to TF32's 10 bits."""
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)
