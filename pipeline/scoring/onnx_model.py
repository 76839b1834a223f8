"""A trained Keras network as an ONNX model (operators: https://onnx.ai/onnx/operators/, opset 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from pipeline.errors import ConfigurationError, quoted
from pipeline.training.linear_part import SHORT_WORDS, TINY
from pipeline.training.model import BELOW_ALL_OUTPUTS, OUTPUT_NAME
from pipeline.training.word_pairs import MULTIPLIER

if TYPE_CHECKING:
    import keras

OPSET = 20
IR_VERSION = 9
"""The format's version that belongs to this opset; a newer one would require a newer runtime."""
DESCRIPTION = (
    "Word ids of reviews (int32 [rows, length]; vocabulary.json, 0 pads at the end) to the probability (0 to 1) that "
    "each review is positive."
)
_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "elu": "Elu", "selu": "Selu", "gelu": "Gelu"}
_WITHOUT_EFFECT = ("InputLayer", "Dropout", "SpatialDropout1D", "Concatenate", "Add")
"""Layers that pass their input on when a model predicts, or that another layer's nodes include."""
_PAIR_TABLES = ("pair_slots", "pair_members", "pair_vectors")
_LINEAR_TABLES = ("linear_words", "linear_pairs")


def network_to_onnx(network: keras.Model) -> bytes:
    """Return a network as a serialized ONNX model.

    It maps ``ids``, int32 ``[rows, length]``, to ``probability``, float32 ``[rows]``. A masked network reads each row
    up to its first padding; an unmasked one reads padding too, so pass rows of the length it was trained on.

    Args:
        network: From :func:`pipeline.training.model.build_model`, whose layers have fixed names.

    Raises:
        ConfigurationError: A layer has no ONNX form here.
    """
    graph = _Graph(network)
    for layer in network.layers:
        graph.add_layer(layer)
    graph.add("Squeeze", [graph.signal, graph.constant("axis_1", np.array([1]))], "probability")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "review_sentiment",
            [helper.make_tensor_value_info("ids", TensorProto.INT32, ["rows", "length"])],
            [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["rows"])],
            [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        doc_string=DESCRIPTION,
    )
    checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


class _Graph:
    """Nodes and constants of the model; ``signal`` names the output of the last layer."""

    def __init__(self, network: keras.Model) -> None:
        self._network = network
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.signal = ""
        self._lengths = ""
        """Output with the words of each row; empty if the network reads padding too."""
        self._zero_at_padding = False
        """Whether the signal is zero at padding, as the outputs of an LSTM are and word vectors are not."""

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants[name] = value
        return name

    def add(self, operator: str, inputs: list[str], output: str, **options: Any) -> str:  # noqa: ANN401 - attributes of any type
        self.nodes.append(helper.make_node(operator, inputs, [output], **options))
        self.signal = output
        return output

    def add_layer(self, layer: keras.Layer) -> None:
        kind = type(layer).__name__
        if layer.name in (*_PAIR_TABLES, *_LINEAR_TABLES):
            # Part of the embedding and of the output, whose layers come in any order.
            return
        if kind == "Embedding":
            self._add_embedding(layer)
        elif kind == "GlobalAveragePooling1D":
            self._add_pooling()
        elif kind == "GlobalMaxPooling1D":
            # Added with the mean.
            return
        elif kind in {"LSTM", "Bidirectional"}:
            self._add_lstm(layer)
        elif kind == "Dense":
            self._add_dense(layer)
        elif kind not in _WITHOUT_EFFECT:
            raise ConfigurationError(
                f"The layer {quoted(layer.name)} of type {quoted(kind)} has no ONNX form in this project; add one to "
                "pipeline/scoring/onnx_model.py."
            )

    def _add_embedding(self, layer: keras.Layer) -> None:
        is_padding = self.add("Equal", ["ids", self.constant("padding_id", np.array(0, np.int32))], "is_padding")
        is_word = self.add("Cast", [self.add("Not", [is_padding], "is_word")], "one_per_word", to=TensorProto.INT32)
        words = self.add("ReduceSum", [is_word, self.constant("length_axis", np.array([1]))], "lengths", keepdims=0)
        if self._network.inputs[0].shape[1] is None:
            self._lengths = words
        # ONNX Runtime's LSTM reads [length, rows, features].
        by_word = self.add("Transpose", ["ids"], "ids_by_word", perm=[1, 0])
        embedded = self.add("Gather", [self.constant("embedding", layer.get_weights()[0]), by_word], "embedded")
        if self._has("pair_vectors"):
            self.add("Add", [embedded, self._pair_vectors(by_word)], "word_and_pair")

    def _has(self, name: str) -> bool:
        return any(layer.name == name for layer in self._network.layers)

    def _pair_vectors(self, by_word: str) -> str:
        """Add the vectors of pairs of words, float32 [length, rows, features]; see ``build_model``."""
        slots, members, vectors = (self._network.get_layer(name).get_weights()[0] for name in _PAIR_TABLES)
        pads = self.constant("one_word_before", np.array([1, 0, 0, 0]))
        shifted = self.add("Pad", [by_word, pads, self.constant("no_word", np.array(0, np.int32))], "ids_shifted")
        starts, ends = self.constant("first_word", np.array([0])), self.constant("last_word", np.array([-1]))
        before = self.add("Slice", [shifted, starts, ends, self.constant("words_axis", np.array([0]))], "word_before")
        product = self.add(
            "Mul", [before, self.constant("multiplier", np.array(MULTIPLIER, np.int32))], "word_before_multiplied"
        )
        key = self.add("Add", [product, by_word], "pair_key")
        slot = self.add("Mod", [key, self.constant("slot_count", np.array(len(slots), np.int32))], "pair_slot")
        number = self.add("Gather", [self.constant("pair_slots", slots[:, 0].astype(np.int32)), slot], "pair_number")
        same = []
        for place, word in enumerate((before, by_word)):
            table = self.constant(f"pair_members_{place}", members[:, place].astype(np.int32))
            member = self.add("Gather", [table, number], f"pair_member_{place}")
            same.append(self.add("Equal", [member, word], f"same_member_{place}"))
        both_same = self.add("Cast", [self.add("And", same, "same_members")], "pair_is_same", to=TensorProto.INT32)
        number = self.add("Mul", [number, both_same], "known_pair_number")
        exists = self.add("Greater", [number, self.constant("no_pair", np.array(0, np.int32))], "pair_exists")
        weight = self.add("Cast", [exists], "pair_weight", to=TensorProto.FLOAT)
        column = self.add("Unsqueeze", [weight, self.constant("features_axis", np.array([2]))], "pair_weight_column")
        found = self.add("Gather", [self.constant("pair_vectors", vectors), number], "pair_vector")
        return self.add("Mul", [found, column], "weighted_pair_vector")

    def _add_pooling(self) -> None:
        """Add mean and maximum of the outputs over the words: [length, rows, units] to [rows, 2 × units]."""
        outputs = self.signal
        words_axis = self.constant("pooled_axis", np.array([0]))
        if not self._lengths:
            pooled = [self.add(kind, [outputs, words_axis], kind, keepdims=0) for kind in ("ReduceMean", "ReduceMax")]
        else:
            padding = self.add("Cast", ["is_padding"], "padding", to=TensorProto.FLOAT)
            turned = self.add("Transpose", [padding], "padding_by_word", perm=[1, 0])
            column = self.add("Unsqueeze", [turned, self.constant("outputs_axis", np.array([2]))], "padding_column")
            if not self._zero_at_padding:
                word = self.add("Sub", [self.constant("one", np.array(1, np.float32)), column], "word_column")
                outputs = self.add("Mul", [outputs, word], "outputs_or_zero")
            total = self.add("ReduceSum", [outputs, words_axis], "sum_over_words", keepdims=0)
            count = self.add("Cast", [self._lengths], "word_count", to=TensorProto.FLOAT)
            counts = self.add("Unsqueeze", [count, self.constant("count_axis", np.array([1]))], "word_counts")
            low = self.add("Mul", [column, self.constant("below", np.array(BELOW_ALL_OUTPUTS, np.float32))], "low")
            words = self.add("Add", [outputs, low], "outputs_at_words")
            pooled = [
                self.add("Div", [total, counts], "mean"),
                self.add("ReduceMax", [words, words_axis], "maximum", keepdims=0),
            ]
        self.add("Concat", pooled, "mean_and_maximum", axis=1)

    def _add_lstm(self, layer: keras.Layer) -> None:
        name, both_directions = layer.name, type(layer).__name__ == "Bidirectional"
        # Kernel, recurrent kernel and bias of the forward direction, then of the backward one.
        weights = layer.get_weights()
        directions = [weights[:3], weights[3:]] if both_directions else [weights]
        kernels, recurrent, biases = (
            [_reorder_gates(part) for part in parts] for parts in zip(*directions, strict=True)
        )
        inputs = [
            self.signal,
            self.constant(f"{name}_kernel", np.stack([part.T for part in kernels])),
            self.constant(f"{name}_recurrent", np.stack([part.T for part in recurrent])),
            # ONNX has a second bias for the recurrent product.
            self.constant(f"{name}_bias", np.stack([np.concatenate([part, np.zeros_like(part)]) for part in biases])),
            self._lengths,
        ]
        options = {
            "hidden_size": directions[0][1].shape[0],
            "direction": "bidirectional" if both_directions else "forward",
        }
        outputs, state = f"{name}_outputs", f"{name}_state"
        if layer.return_sequences:
            self.nodes.append(helper.make_node("LSTM", inputs, [outputs], **options))
            # [length, directions, rows, units] to [length, rows, directions × units].
            turned = self.add("Transpose", [outputs], f"{outputs}_turned", perm=[0, 2, 1, 3])
            shape = self.constant("flat_outputs", np.array([0, 0, -1]))
        else:
            self.nodes.append(helper.make_node("LSTM", inputs, ["", state], **options))
            # [directions, rows, units] to [rows, directions × units].
            turned = self.add("Transpose", [state], f"{state}_turned", perm=[1, 0, 2])
            shape = self.constant("flat_state", np.array([0, -1]))
        self.add("Reshape", [turned, shape], f"{name}_flat")
        self._zero_at_padding = True

    def _add_dense(self, layer: keras.Layer) -> None:
        import keras

        activation = keras.activations.serialize(layer.activation)
        if activation not in _ACTIVATIONS:
            raise ConfigurationError(
                f"The activation {quoted(activation)} has no ONNX form in this project; choose one of "
                f"{', '.join(_ACTIVATIONS)}."
            )
        kernel, bias = layer.get_weights()
        name = layer.name
        if name == OUTPUT_NAME and self._has("linear_words"):
            network = self.signal
            self.add("Concat", [network, *self._linear_part()], "network_and_linear_part", axis=1)
        inputs = [self.signal, self.constant(f"{name}_kernel", kernel), self.constant(f"{name}_bias", bias)]
        self.add(_ACTIVATIONS[activation], [self.add("Gemm", inputs, f"{name}_sum")], f"{name}_activated")

    def _linear_part(self) -> tuple[str, str]:
        """Add the linear part's log-odds and whether a text is short, float32 [rows, 1]; see ``combine``."""
        total = self._sums_of_distinct("ids", "linear_words")
        if self._has("linear_pairs"):
            numbers = self.add("Transpose", ["known_pair_number"], "pair_number_by_row", perm=[1, 0])
            total = self.add("Add", [total, self._sums_of_distinct(numbers, "linear_pairs")], "linear_sums")
        length, weights, weights_of_short = self._split(total)
        words = self.add("Unsqueeze", ["lengths", self.constant("words_column", np.array([1]))], "words_of_row")
        limit = self.constant("short_words", np.array(SHORT_WORDS, np.int32))
        short = self.add(
            "Cast", [self.add("LessOrEqual", [words, limit], "is_short")], "short_text", to=TensorProto.FLOAT
        )
        weighted = self.add("Add", [weights, self.add("Mul", [weights_of_short, short], "of_short")], "of_terms")
        tiny = self.constant("tiny", np.array(TINY, np.float32))
        norm = self.add("Sqrt", [self.add("Add", [length, tiny], "squared_length")], "length_of_terms")
        return self.add("Div", [weighted, norm], "linear_log_odds"), short

    def _split(self, total: str) -> list[str]:
        """Split [rows, 3] into its columns, [rows, 1] each."""
        columns = [f"{total}_column_{number}" for number in range(3)]
        self.nodes.append(helper.make_node("Split", [total], columns, axis=1, num_outputs=3))
        return columns

    def _sums_of_distinct(self, terms: str, layer: str) -> str:
        """Sum the weights of the terms of each row, each counted once: int32 [rows, length] to float32 [rows, 3]."""
        length = self.add("Shape", [terms], f"{layer}_length", start=1)
        ordered, places = f"{layer}_ordered", f"{layer}_places"
        self.nodes.append(helper.make_node("TopK", [terms, length], [ordered, places], axis=1))
        pads = self.constant("one_term_before", np.array([0, 1, 0, 0]))
        shifted = self.add("Pad", [ordered, pads, self.constant("no_term", np.array(0, np.int32))], f"{layer}_shifted")
        starts, ends = self.constant("from_first", np.array([0])), self.constant("to_last", np.array([-1]))
        before = self.add("Slice", [shifted, starts, ends, self.constant("row_axis", np.array([1]))], f"{layer}_before")
        first = self.add("Not", [self.add("Equal", [ordered, before], f"{layer}_repeated")], f"{layer}_first")
        counted = self.add("Cast", [first], f"{layer}_counted", to=TensorProto.FLOAT)
        column = self.add("Unsqueeze", [counted, self.constant("last_axis", np.array([2]))], f"{layer}_column")
        weights = self.constant(layer, self._network.get_layer(layer).get_weights()[0])
        found = self.add("Gather", [weights, ordered], f"{layer}_weights")
        values = self.add("Mul", [found, column], f"{layer}_values")
        return self.add("ReduceSum", [values, self.constant("terms_axis", np.array([1]))], f"{layer}_sums", keepdims=0)


def _reorder_gates(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Reorder the gates of the last axis: input, forget, cell, output (Keras) to input, output, forget, cell (ONNX)."""
    input_gate, forget, cell, output = np.split(array, 4, axis=-1)
    return np.concatenate([input_gate, output, forget, cell], axis=-1)
