"""An exported model without TensorFlow: its weights as plain arrays, its forward pass in NumPy.

Loading TensorFlow takes seconds and a gigabyte. A page that scores one review at a time needs neither: this reads the
same weights, cleans the text by the same rules and gives the same probabilities (a test holds them to 1e-5). For many
reviews :class:`pipeline.scoring.Scorer` is the faster one.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt

from pipeline.cleaning import normalize_many
from pipeline.encoding import PADDING_ID, VOCABULARY_FILE, Vocabulary
from pipeline.errors import ArtifactError, PipelineError, quoted
from pipeline.scoring.records import CARD_FILE, ModelCard

if TYPE_CHECKING:
    import keras

WEIGHTS_FILE = "weights.npz"
NEEDED = frozenset(
    {"activation", "empty_id", "embedding", "layers", "lstm_1_forward_kernel", "lstm_1_forward_recurrent"}
    | {"lstm_1_forward_bias", "dense_kernel", "dense_bias", "output_kernel", "output_bias"}
)
"""What every network's file holds."""
BATCH_ROWS = 256
"""Bounds memory: 256 reviews of 150 words in 2 × 128 units are 40 MB."""

Array = npt.NDArray[np.float32]
Direction = Literal["forward", "backward"]


@dataclass(frozen=True)
class LightScorer:
    """An exported model's text processing and weights.

    Attributes:
        card: What the model is: its variant, threshold, normalization.
        vocabulary: The words that it knows.
        weights: float32 arrays by name, see :func:`save_weights`.
    """

    card: ModelCard
    vocabulary: Vocabulary
    weights: Mapping[str, Array]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load an export's weights, vocabulary and ``model.json``.

        Raises:
            ArtifactError: The folder is no export, one from before exports held plain weights, or is damaged.
        """
        try:
            card = ModelCard.model_validate_json((folder / CARD_FILE).read_bytes())
            with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as file:
                weights = {name: file[name] for name in file.files}
            _check(weights)
        except FileNotFoundError as error:
            raise ArtifactError(
                f"{quoted(folder.name)} lacks {Path(error.filename).name}; export the model again."
            ) from None
        except (ValueError, TypeError, AttributeError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise ArtifactError(
                f"The export {quoted(folder.name)} is damaged: {quoted(str(error), 200)}. Export the model again."
            ) from error
        return cls(card=card, vocabulary=Vocabulary.load(folder / VOCABULARY_FILE), weights=weights)

    @property
    def threshold(self) -> float:
        """Probability from which a review counts as positive."""
        return self.card.threshold

    def probabilities(self, texts: Sequence[str]) -> Array:
        """Return the probability that each raw review is positive, float32 ``[len(texts)]``.

        Raises:
            PipelineError: ``texts`` is a single string.
        """
        if isinstance(texts, str):
            raise PipelineError("A single review goes in as [review].")
        rows = [self._ids(words) for words in normalize_many(texts, self.card.normalization)]
        probability = np.empty(len(rows), dtype=np.float32)
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for start in range(0, len(order), BATCH_ROWS):
            batch = order[start : start + BATCH_ROWS]
            probability[batch] = self._forward([rows[place] for place in batch])
        return probability

    def _ids(self, words: str) -> list[int]:
        ids = self.vocabulary.ids(words)
        ids = ids[-self.card.max_length :] if self.card.keep == "last" else ids[: self.card.max_length]
        return ids or [int(self.weights["empty_id"])]

    def _forward(self, rows: Sequence[Sequence[int]]) -> Array:
        masked = self.card.padding == "masked"
        width = max(map(len, rows)) if masked else self.card.max_length
        ids = np.full((len(rows), width), PADDING_ID, dtype=np.int32)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
        # A model without masking reads its padding too, as it was trained.
        read = ids != PADDING_ID if masked else np.ones_like(ids, dtype=bool)
        signal = self.weights["embedding"][ids]
        layers = int(self.weights["layers"])
        for layer in range(1, layers + 1):
            directions: tuple[Direction, ...] = (
                ("forward", "backward") if f"lstm_{layer}_backward_kernel" in self.weights else ("forward",)
            )
            passes = [self._lstm(signal, read, layer, direction) for direction in directions]
            if layer < layers:
                signal = np.concatenate([sequence for sequence, _ in passes], axis=-1)
            else:
                signal = np.concatenate([last for _, last in passes], axis=-1)
        hidden = _ACTIVATIONS[str(self.weights["activation"])](
            signal @ self.weights["dense_kernel"] + self.weights["dense_bias"]
        )
        return _sigmoid(hidden @ self.weights["output_kernel"] + self.weights["output_bias"])[:, 0]

    def _lstm(
        self, signal: Array, read: npt.NDArray[np.bool_], layer: int, direction: Direction
    ) -> tuple[Array, Array]:
        """Return the outputs ``[rows, length, units]`` and the last state ``[rows, units]`` of one LSTM.

        The gates stand in Keras's order: input, forget, cell, output. Where a step is masked, the state stays.
        """
        prefix = f"lstm_{layer}_{direction}"
        recurrent = self.weights[f"{prefix}_recurrent"]
        inputs = signal @ self.weights[f"{prefix}_kernel"] + self.weights[f"{prefix}_bias"]
        rows, width, _ = inputs.shape
        units = recurrent.shape[0]
        state = np.zeros((rows, units), dtype=np.float32)
        cell = np.zeros_like(state)
        outputs = np.zeros((rows, width, units), dtype=np.float32)
        for step in range(width) if direction == "forward" else range(width - 1, -1, -1):
            gates = inputs[:, step] + state @ recurrent
            enter, forget, new, leave = np.split(gates, 4, axis=1)
            candidate = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
            here = read[:, step, np.newaxis]
            cell = np.where(here, candidate, cell)
            state = np.where(here, _sigmoid(leave) * np.tanh(candidate), state)
            outputs[:, step] = state
        return outputs, state


def _check(weights: Mapping[str, Array]) -> None:
    if missing := NEEDED - weights.keys():
        raise ValueError(f"{WEIGHTS_FILE} lacks {', '.join(sorted(missing))}")
    if not all(np.isfinite(array).all() for array in weights.values() if array.dtype.kind == "f"):
        raise ValueError(f"{WEIGHTS_FILE} holds weights that are no numbers")


def save_weights(network: keras.Model, *, activation: str, empty_id: int, path: Path) -> None:
    """Write a trained network's weights as plain arrays, without pickle.

    Args:
        network: See :func:`pipeline.training.model.build_model`.
        activation: Of its hidden dense layer.
        empty_id: Id that stands alone in a row without words.
        path: Where the ``.npz`` goes: ``embedding``; ``lstm_N_forward_kernel``, ``…_recurrent``, ``…_bias`` of each
            LSTM and, in bidirectional models, ``…_backward_…``; ``dense_…`` and ``output_…``; and what is no weight:
            ``layers``, ``activation``, ``empty_id``.
    """
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "activation": np.array(activation),
        "empty_id": np.array(empty_id),
        "embedding": network.get_layer("embedding").get_weights()[0],
    }
    names = {layer.name for layer in network.layers}
    number = 0
    while {f"lstm_{number + 1}", f"bidirectional_{number + 1}"} & names:
        number += 1
        kinds = ("kernel", "recurrent", "bias")
        if f"bidirectional_{number}" in names:
            found = network.get_layer(f"bidirectional_{number}").get_weights()
            labels = [f"{direction}_{kind}" for direction in ("forward", "backward") for kind in kinds]
        else:
            found = network.get_layer(f"lstm_{number}").get_weights()
            labels = [f"forward_{kind}" for kind in kinds]
        arrays |= {f"lstm_{number}_{label}": array for label, array in zip(labels, found, strict=True)}
    arrays["layers"] = np.array(number)
    for ours, theirs in (("dense", "dense"), ("output", "probability")):
        arrays[f"{ours}_kernel"], arrays[f"{ours}_bias"] = network.get_layer(theirs).get_weights()
    with path.open("wb") as sink:
        np.savez(sink, **arrays)  # type: ignore[arg-type]


def _sigmoid(value: Array) -> Array:
    # By the hyperbolic tangent, which never overflows.
    return np.asarray(0.5 * (np.tanh(0.5 * value) + 1), dtype=np.float32)


def _gelu(value: Array) -> Array:
    from scipy.special import erf

    return np.asarray(0.5 * value * (1 + erf(value / np.sqrt(2))), dtype=np.float32)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
"""Klambauer et al. 2017."""

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": lambda value: np.maximum(value, 0),
    "sigmoid": _sigmoid,
    "elu": lambda value: np.where(value > 0, value, np.expm1(np.minimum(value, 0))),
    "selu": lambda value: np.asarray(
        _SELU_SCALE * np.where(value > 0, value, _SELU_ALPHA * np.expm1(np.minimum(value, 0))), dtype=np.float32
    ),
    "gelu": _gelu,
}
