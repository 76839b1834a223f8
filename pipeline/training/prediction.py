"""Loads trained networks and predicts ragged rows, in batches of rows of similar length."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.errors import ArtifactError, quoted
from pipeline.training.batches import batch_of, rows_by_length
from pipeline.training.device import CPU_SHARDS, available_cores, device_kind, use_device

if TYPE_CHECKING:
    import keras

    from pipeline.encoding import Sequences

MODEL_FILE = "model.keras"
PREDICTION_BATCH = 1024
"""Rows per batch. On a CPU, larger batches are not faster; 1,024 is 1.75 times as fast as 32."""


def load_model(path: Path) -> keras.Model:
    """Load a trained network in the safe mode of Keras, without code of this project.

    Args:
        path: ``model.keras``, or the folder of a ``train`` artifact.

    Returns:
        int32 ``[rows, length]`` → float32 ``[rows, 1]``; see :func:`pipeline.training.model.build_model`.

    Raises:
        ArtifactError: The file is missing, damaged, or has layers that are not from Keras.
    """
    from pipeline.config import HardwareConfig

    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        raise ArtifactError(f"The model {quoted(file)} does not exist; train it, or pass the folder that contains it.")
    use_device(device_kind(HardwareConfig()))
    import keras

    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"{quoted(file)} cannot be loaded as a trained model: {quoted(str(error).strip().split(chr(10))[0], 200)}. "
            "The file is damaged, was saved by another version of Keras, or has layers that are not from Keras; train "
            "it again."
        ) from error


class Predictor:
    """A trained network, compiled once for many predictions.

    Rows are sorted by length and each batch is padded to its own width, which is more than three times as fast as one
    width for all. A model without masking reads every row at its fixed width. A masked model reads a row without words
    as the word ``EMPTY_ROW_ID``.
    """

    def __init__(self, model: keras.Model, batch_size: int = PREDICTION_BATCH) -> None:
        """Trace the graph once for all shapes."""
        import tensorflow as tf

        self._batch_size = batch_size
        self._width: int | None = model.inputs[0].shape[1]
        signature = [tf.TensorSpec((None, self._width), tf.int32)]
        traced = tf.function(lambda ids: model(ids, training=False), input_signature=signature)
        self._compiled = traced.get_concrete_function()
        on_gpu = bool(tf.config.list_logical_devices("GPU"))
        self._threads = 1 if on_gpu else min(CPU_SHARDS, available_cores())

    def __call__(self, sequences: Sequences) -> npt.NDArray[np.float32]:
        """Return the probability that each row is positive, float32 ``[rows]``, in the order of ``sequences``.

        No row may be longer than the fixed width of the model, if it has one.
        """
        import tensorflow as tf

        probability = np.empty(len(sequences.label), dtype=np.float32)
        longest = max(1, int(np.diff(sequences.offsets).max(initial=0)))

        def fill(rows: npt.NDArray[np.int64]) -> None:
            batch = batch_of(sequences, rows, max_length=self._width or longest, fixed_width=self._width is not None)
            probability[rows] = self._compiled(tf.constant(batch.ids)).numpy()[:, 0]

        # TensorFlow releases the GIL while it computes, so two batches run in parallel.
        with ThreadPoolExecutor(self._threads) as pool:
            for _ in pool.map(fill, rows_by_length(sequences, self._batch_size)):
                pass
        return probability
