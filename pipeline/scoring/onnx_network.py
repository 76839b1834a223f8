"""An exported network in ONNX Runtime: the same weights and the same probabilities, with the faster LSTM on a CPU.

The graph is built from the export's plain arrays (``weights.npz``, see :func:`pipeline.scoring.light.save_weights`), so
it needs neither TensorFlow nor a conversion when the model is exported. Operators: ONNX, opset 20 [1]_.

.. [1] https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.encoding import Sequences
from pipeline.scoring.light import Array, LightScorer
from pipeline.scoring.records import ModelCard
from pipeline.training.batches import batch_of, rows_by_length
from pipeline.training.device import TOWERS, available_cores

OPSET = 20
BATCH_ROWS = 256
"""Rows read together: its LSTM gains nothing from more, and rows of a smaller batch are closer in length."""

_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "elu": "Elu", "selu": "Selu", "gelu": "Gelu"}


@dataclass(frozen=True)
class OnnxNetwork:
    """A network compiled by ONNX Runtime.

    Attributes:
        runtime: ``onnxruntime`` and its version.
        max_length: Most words of a row.
        masked: Whether padding is left unread.
        empty_id: Id that stands alone in a row without words.
    """

    runtime: str
    max_length: int
    masked: bool
    empty_id: int
    _session: Any = field(repr=False)

    @classmethod
    def load(cls, folder: Path, card: ModelCard) -> Self:
        """Build the network of an export.

        Raises:
            ArtifactError: ``weights.npz`` is missing or damaged.
        """
        import onnxruntime  # type: ignore[import-not-found,unused-ignore]

        weights = LightScorer.load(folder).weights
        options = onnxruntime.SessionOptions()
        # Batches run side by side instead: the steps of an LSTM are too short to be shared by threads.
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(graph(weights), options, providers=["CPUExecutionProvider"])
        return cls(
            runtime=f"onnxruntime {onnxruntime.__version__}",
            max_length=card.max_length,
            masked=card.padding == "masked",
            empty_id=int(weights["empty_id"]),
            _session=session,
        )

    def __call__(self, sequences: Sequences) -> npt.NDArray[np.float32]:
        """Return the probability that each row is positive, float32 ``[rows]``, in the rows' own order."""
        probability = np.empty(len(sequences), dtype=np.float32)

        def fill(rows: npt.NDArray[np.int64]) -> None:
            batch = batch_of(sequences, rows, max_length=self.max_length, fixed_width=not self.masked)
            ids = batch.ids
            lengths = np.full(len(rows), ids.shape[1], dtype=np.int32)
            empty = sequences.offsets[rows] == sequences.offsets[rows + 1]
            ids[empty, 0] = self.empty_id
            if self.masked:
                lengths = np.maximum(sequences.offsets[rows + 1] - sequences.offsets[rows], 1).astype(np.int32)
            feed = {"ids": np.ascontiguousarray(ids.T), "lengths": lengths}
            probability[rows] = self._session.run(None, feed)[0][:, 0]

        with ThreadPoolExecutor(min(TOWERS, available_cores())) as pool:
            for _ in pool.map(fill, rows_by_length(sequences, BATCH_ROWS)):
                pass
        return probability


def graph(weights: Mapping[str, Array]) -> bytes:
    """Return the network as a serialized ONNX model.

    It maps ``ids``, int32 ``[length, rows]``, and ``lengths``, int32 ``[rows]``, to ``probability``, float32
    ``[rows, 1]``.

    Args:
        weights: See :func:`pipeline.scoring.light.save_weights`.
    """
    from onnx import (  # type: ignore[import-not-found,unused-ignore]
        TensorProto,
        checker,
        helper,
        numpy_helper,
    )

    constants: dict[str, npt.NDArray[Any]] = {
        "embedding": weights["embedding"],
        "flat_state": np.array([0, -1]),
    }
    nodes = [helper.make_node("Gather", ["embedding", "ids"], ["signal_0"])]
    layers = int(weights["layers"])
    if layers > 1:
        constants["flat_outputs"] = np.array([0, 0, -1])
    for layer in range(1, layers + 1):
        directions = ["forward"]
        if f"lstm_{layer}_backward_kernel" in weights:
            directions.append("backward")
        for kind in ("kernel", "recurrent", "bias"):
            arrays = [_gates(weights[f"lstm_{layer}_{direction}_{kind}"]) for direction in directions]
            if kind == "bias":
                # The format has a second bias, of the recurrent product.
                arrays = [np.concatenate([array, np.zeros_like(array)]) for array in arrays]
            constants[f"{kind}_{layer}"] = np.stack([array.T for array in arrays])
        last = layer == layers
        inputs = [f"signal_{layer - 1}", f"kernel_{layer}", f"recurrent_{layer}", f"bias_{layer}", "lengths"]
        nodes.append(
            helper.make_node(
                "LSTM",
                inputs,
                ["", f"state_{layer}"] if last else [f"outputs_{layer}"],
                hidden_size=weights[f"lstm_{layer}_forward_recurrent"].shape[0],
                direction="bidirectional" if len(directions) > 1 else "forward",
            )
        )
        # From [length, directions, rows, units] to [length, rows, directions × units], and the like of the last state.
        source, order, shape = (
            (f"state_{layer}", [1, 0, 2], "flat_state") if last else (f"outputs_{layer}", [0, 2, 1, 3], "flat_outputs")
        )
        nodes.append(helper.make_node("Transpose", [source], [f"turned_{layer}"], perm=order))
        nodes.append(helper.make_node("Reshape", [f"turned_{layer}", shape], [f"signal_{layer}"]))
    constants |= {name: weights[name] for name in ("dense_kernel", "dense_bias", "output_kernel", "output_bias")}
    nodes += [
        helper.make_node("Gemm", [f"signal_{layers}", "dense_kernel", "dense_bias"], ["dense"]),
        helper.make_node(_ACTIVATIONS[str(weights["activation"])], ["dense"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "output_kernel", "output_bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "review_sentiment",
            [
                helper.make_tensor_value_info("ids", TensorProto.INT32, ["length", "rows"]),
                helper.make_tensor_value_info("lengths", TensorProto.INT32, ["rows"]),
            ],
            [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows", 1])],
            [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        # Of that opset; a newer one would ask for a newer runtime without need.
        ir_version=9,
    )
    checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def _gates(array: Array) -> Array:
    """Reorder the gates of the last axis: Keras has input, forget, cell, output, ONNX input, output, forget, cell."""
    enter, forget, new, leave = np.split(array, 4, axis=-1)
    return np.concatenate([enter, leave, forget, new], axis=-1)
