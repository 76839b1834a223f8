"""The network: word ids → probability that the review is positive.

It uses Keras layers and operations only, so a saved model loads in the safe mode of Keras without code of this project.
docs/explanation/network.md describes each part and what it gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.config import Precision, VariantConfig
from pipeline.encoding.vocabulary import PADDING_ID, UNKNOWN_ID
from pipeline.errors import ConfigurationError
from pipeline.training.linear_part import SHORT_WORDS, TINY, Blend, LinearPart
from pipeline.training.word_pairs import MULTIPLIER, WordPairs

if TYPE_CHECKING:
    import keras

INPUT_NAME = "ids"
OUTPUT_NAME = "probability"
BELOW_ALL_OUTPUTS = -1e9
"""Added to the outputs at padding, so that the maximum over the words ignores them."""


def build_model(
    variant: VariantConfig,
    vocabulary_size: int,
    vectors: npt.NDArray[np.float32] | None = None,
    pairs: WordPairs | None = None,
    *,
    max_length: int | None = None,
    precision: Precision = "float32",
    cudnn: bool = True,
) -> keras.Model:
    """Build the network of one variant: embedding → LSTM (× layers) → pooling → Dense → Dense(1, sigmoid).

    The direction ``none`` has no LSTM: the word vectors themselves are pooled, as in fastText (Joulin et al. 2016,
    https://arxiv.org/abs/1607.01759), which pools by the mean alone and has no dense layer.

    The embedding is the vector of the word plus, if there are ``pairs``, the vector of the pair of the previous word
    and the word. With ``bi``, each LSTM is wrapped in ``Bidirectional``, which doubles the input of the next layer.
    Dropout is between the layers: recurrent dropout would rule out cuDNN on a GPU.

    With the sizes of the article, the network has 3,954,977 (uni) and 4,304,161 (bi) weights. The article reports
    3,956,001 and 4,306,209 (docs/explanation/replicated_experiment.md), because the old CuDNNLSTM has a second,
    redundant bias (4 × units per LSTM and direction).

    Args:
        variant: Sizes, seed and padding.
        vocabulary_size: Number of ids, including padding (0) and the unknown word.
        vectors: float32 ``[vocabulary_size, embedding_dim]`` to initialize the embedding; ``None``: random.
        pairs: Pairs of words with a vector of their own; ``None``: no pairs.
        max_length: Words of a sequence; required for ``unmasked`` padding, whose rows all have this width.
        precision: Data type of the computations in these layers. Weights and the output layer are always float32.
        cudnn: Allow cuDNN on a GPU; not part of a saved model.

    Returns:
        int32 ``[rows, length]``, padded with 0 at the end → float32 ``[rows, 1]``. Masked models accept any length and
        need at least one word per row. Unmasked models need ``max_length`` and read the padding.

    Raises:
        ConfigurationError: The vectors have the wrong shape, or ``max_length`` is missing.
    """
    import keras
    from keras import layers, ops

    masked = variant.padding == "masked"
    if not masked and max_length is None:
        raise ConfigurationError("A model without masking needs rows of a fixed length; set max_length.")
    shape = (vocabulary_size, variant.embedding_dim)
    if vectors is not None and vectors.shape != shape:
        raise ConfigurationError(
            f"Pre-trained vectors have the shape {vectors.shape}, but the embedding has {shape} (words × dimensions). "
            f"Set embedding_dim to {vectors.shape[-1]}, or use other vectors."
        )

    # Initial weights come from the global generator of Keras. With a seed per layer, both directions of a
    # bidirectional layer would start with equal weights.
    keras.utils.set_random_seed(variant.seed)
    dropouts = _Dropouts(variant.seed, precision)
    ids = keras.Input((None if masked else max_length,), dtype="int32", name=INPUT_NAME)
    mask = ops.not_equal(ids, PADDING_ID) if masked else None
    embedding = layers.Embedding(*shape, dtype=precision, name="embedding")
    read, kept = ids, None
    if variant.word_dropout:
        # 1 for every word; in training 0 for dropped words, and 1 / (1 - word_dropout) for the others.
        kept = dropouts.elements(variant.word_dropout, "word_dropout")(ops.cast(ops.ones_like(ids), "float32"))
        read = ops.where(ops.greater(kept, 0), ids, ops.minimum(ids, UNKNOWN_ID))
    signal = embedding(read)
    if pairs is not None:
        slots = _table(len(pairs.slots), 1, "pair_slots")
        numbers = _pair_numbers(read, slots, _table(len(pairs.members), 2, "pair_members"))
        vectors_of_pairs = _pair_vectors(numbers, kept, pairs, variant.embedding_dim, precision)
        dropped = dropouts.positions(variant.pair_dropout, "pair_dropout")(vectors_of_pairs)
        signal = layers.Add(dtype=precision, name="word_and_pair")([signal, dropped])
    signal = dropouts.dimensions(variant.embedding_dropout, "embedding_dropout")(signal)
    for number in range(1, variant.layers + 1):
        last = number == variant.layers
        recurrent = layers.LSTM(
            variant.units,
            return_sequences=not last or variant.pooling == "mean_max",
            use_cudnn="auto" if cudnn else False,
            dtype=precision,
            name=f"lstm_{number}",
        )
        if variant.direction == "bi":
            recurrent = layers.Bidirectional(recurrent, dtype=precision, name=f"bidirectional_{number}")
        signal = recurrent(signal, mask=mask)
        if not last:
            signal = dropouts.elements(variant.dropout, f"dropout_{number}")(signal)
    if variant.pooling == "mean_max":
        mean = layers.GlobalAveragePooling1D(dtype="float32", name="mean")(signal, mask=mask)
        if mask is not None:
            padding = ops.cast(ops.logical_not(mask), "float32") * BELOW_ALL_OUTPUTS
            signal = ops.cast(signal, "float32") + ops.expand_dims(padding, -1)
        maximum = layers.GlobalMaxPooling1D(dtype="float32", name="maximum")(signal)
        signal = layers.Concatenate(dtype=precision, name="mean_and_maximum")([mean, maximum])
    signal = dropouts.elements(variant.dense_dropout, "dense_dropout")(signal)
    signal = layers.Dense(variant.dense_units, activation=variant.activation, dtype=precision, name="dense")(signal)
    probability = layers.Dense(1, activation="sigmoid", dtype="float32", name=OUTPUT_NAME)(signal)
    model = keras.Model(ids, probability, name="review_sentiment")
    if vectors is not None:
        embedding.set_weights([vectors])
    if pairs is not None:
        model.get_layer("pair_slots").set_weights([pairs.slots[:, np.newaxis].astype(np.float32)])
        model.get_layer("pair_members").set_weights([pairs.members.astype(np.float32)])
    return model


def float32_copy(model: keras.Model, variant: VariantConfig) -> keras.Model:
    """Return the same network in float32, on one device, with cuDNN on a GPU. Its weights are newly initialized.

    Args:
        model: From ``build_model``, with any precision.
        variant: The variant of the model.
    """
    size = model.get_layer("embedding").input_dim
    return build_model(variant, size, pairs=_pairs_of(model), max_length=model.inputs[0].shape[1])


def combine(network: keras.Model, linear: LinearPart, blend: Blend) -> keras.Model:
    """Return a trained network together with its linear part, as one model with the weights of both.

    Args:
        network: A trained float32 network from ``build_model``.
        linear: The fitted linear part.
        blend: The weights of both.
    """
    import keras
    from keras import layers

    ids = network.inputs[0]
    of_linear = _linear_part(ids, network, linear)
    features = layers.Concatenate(name="network_and_linear_part")([network.get_layer("dense").output, *of_linear])
    output = layers.Dense(1, activation="sigmoid", name=OUTPUT_NAME)
    model = keras.Model(ids, output(features), name=network.name)
    kernel, bias = network.get_layer(OUTPUT_NAME).get_weights()
    kernel_of_linear = np.array([[blend.linear], [blend.linear * linear.short_intercept]], dtype=np.float32)
    intercept = np.float32(blend.linear * linear.intercept + blend.intercept)
    output.set_weights([np.concatenate([kernel * blend.network, kernel_of_linear]), bias * blend.network + intercept])
    return model


def _before(values: keras.KerasTensor) -> keras.KerasTensor:
    """Return the value before each one in its row; 0 before the first."""
    from keras import ops

    return ops.pad(values, ((0, 0), (1, 0)))[:, :-1]


def _table(rows: int, columns: int, name: str) -> keras.Layer:
    """Return a table that is not trained.

    It is float32 because an embedding is looked up fastest and saved as a weight; ids are exact below 2²⁴.
    """
    from keras import layers

    return layers.Embedding(rows, columns, embeddings_initializer="zeros", trainable=False, dtype="float32", name=name)


def _pair_numbers(ids: keras.KerasTensor, slots: keras.Layer, members: keras.Layer) -> keras.KerasTensor:
    """Return the number of the pair of each word and the word before it, int32 ``[rows, length]``; 0 for none."""
    from keras import ops

    slot = ops.mod(_before(ids) * MULTIPLIER + ids, slots.input_dim)
    number = ops.cast(slots(slot)[..., 0], "int32")
    same = ops.equal(members(number), ops.cast(ops.stack([_before(ids), ids], axis=-1), "float32"))
    return number * ops.cast(ops.all(same, axis=-1), "int32")


def _pair_vectors(
    numbers: keras.KerasTensor,
    kept: keras.KerasTensor | None,
    pairs: WordPairs,
    embedding_dim: int,
    precision: Precision,
) -> keras.KerasTensor:
    """Return the vectors of pairs; zero for pairs without a number and at padding.

    In training, a pair is dropped with either of its words, and ``kept`` scales the others to the same mean.
    """
    from keras import layers, ops

    weight = ops.cast(ops.greater(numbers, 0), "float32")
    if kept is not None:
        weight = weight * kept * _before(kept)
    vectors = layers.Embedding(
        len(pairs.members), embedding_dim, embeddings_initializer="zeros", dtype=precision, name="pair_vectors"
    )(numbers)
    return vectors * ops.cast(ops.expand_dims(weight, -1), vectors.dtype)


def _linear_part(
    ids: keras.KerasTensor, network: keras.Model, linear: LinearPart
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Return the linear part's log-odds without intercepts, and 1 for short texts and 0 for others.

    Both are float32 ``[rows, 1]``. A term counts once: terms are sorted, and repeated ones are skipped.
    """
    from keras import layers, ops

    def sums(terms: keras.KerasTensor, weights: npt.NDArray[np.float32], name: str) -> keras.KerasTensor:
        table = layers.Embedding(*weights.shape, weights=[weights], trainable=False, name=name)
        ordered = ops.sort(terms, axis=-1)
        first = ops.not_equal(ordered, _before(ordered))
        return ops.sum(table(ordered) * ops.cast(ops.expand_dims(first, -1), "float32"), axis=1)

    total = sums(ids, linear.words, "linear_words")
    if _has_pairs(network):
        numbers = _pair_numbers(ids, network.get_layer("pair_slots"), network.get_layer("pair_members"))
        total = total + sums(numbers, linear.pairs, "linear_pairs")
    words = ops.sum(ops.cast(ops.not_equal(ids, PADDING_ID), "int32"), axis=-1, keepdims=True)
    short = ops.cast(ops.less_equal(words, SHORT_WORDS), "float32")
    weighted = total[:, 1:2] + short * total[:, 2:3]
    return weighted / ops.sqrt(total[:, 0:1] + TINY), short


def _has_pairs(network: keras.Model) -> bool:
    return "pair_slots" in {layer.name for layer in network.layers}


def _pairs_of(model: keras.Model) -> WordPairs | None:
    """Return the pairs of a model."""
    if not _has_pairs(model):
        return None
    slots, members = (
        model.get_layer(name).get_weights()[0].astype(np.int32) for name in ("pair_slots", "pair_members")
    )
    return WordPairs(members, slots[:, 0])


class _Dropouts:
    """Makes the dropout layers, each with a seed of its own, so that they drop different units."""

    def __init__(self, seed: int, precision: Precision) -> None:
        self._seed = seed
        self._precision = precision
        self._made = 0

    def elements(self, rate: float, name: str) -> keras.Layer:
        """Drop single values."""
        from keras import layers

        return layers.Dropout(rate, seed=self._next_seed(), dtype=self._precision, name=name)

    def positions(self, rate: float, name: str) -> keras.Layer:
        """Drop whole vectors."""
        from keras import layers

        return layers.Dropout(
            rate, noise_shape=(None, None, 1), seed=self._next_seed(), dtype=self._precision, name=name
        )

    def dimensions(self, rate: float, name: str) -> keras.Layer:
        """Drop a dimension of all vectors of a row."""
        from keras import layers

        return layers.SpatialDropout1D(rate, seed=self._next_seed(), dtype=self._precision, name=name)

    def _next_seed(self) -> int:
        self._made += 1
        return int(np.random.SeedSequence([self._seed, self._made]).generate_state(1)[0] >> 1)
