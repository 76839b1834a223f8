"""The network: word ids → probability that the review is positive.

It uses Keras layers only, so a saved model loads in the safe mode of Keras without code of this project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.config import Precision, VariantConfig
from pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    import keras

INPUT_NAME = "ids"
OUTPUT_NAME = "probability"


def build_model(
    variant: VariantConfig,
    vocabulary_size: int,
    vectors: npt.NDArray[np.float32] | None = None,
    *,
    max_length: int | None = None,
    precision: Precision = "float32",
    cudnn: bool = True,
) -> keras.Model:
    """Build the network of one variant: Embedding → LSTM (× layers) → Dense → Dense(1, sigmoid).

    With ``bi``, each LSTM is wrapped in ``Bidirectional``, which doubles the input of the next layer. With the sizes of
    the article, the network has 3,954,977 (uni) and 4,304,161 (bi) weights. The article reports 3,956,001 and 4,306,209
    (docs/explanation/replicated_experiment.md), because the old CuDNNLSTM has a second, redundant bias (4 × units per
    LSTM and direction). Dropout is between the layers: recurrent dropout would rule out cuDNN on a GPU.

    Args:
        variant: Sizes, seed and padding.
        vocabulary_size: Number of ids, including padding (0) and the unknown word.
        vectors: float32 ``[vocabulary_size, embedding_dim]`` to initialize the embedding; ``None``: random.
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
    from keras import layers

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
    ids = keras.Input((None if masked else max_length,), dtype="int32", name=INPUT_NAME)
    embedding = layers.Embedding(*shape, mask_zero=masked, dtype=precision, name="embedding")
    signal = embedding(ids)
    for number in range(1, variant.layers + 1):
        recurrent = layers.LSTM(
            variant.units,
            return_sequences=number < variant.layers,
            use_cudnn="auto" if cudnn else False,
            dtype=precision,
            name=f"lstm_{number}",
        )
        if variant.direction == "bi":
            recurrent = layers.Bidirectional(recurrent, dtype=precision, name=f"bidirectional_{number}")
        signal = _dropout(variant, number, precision)(recurrent(signal))
    signal = layers.Dense(variant.dense_units, activation=variant.activation, dtype=precision, name="dense")(signal)
    probability = layers.Dense(1, activation="sigmoid", dtype="float32", name=OUTPUT_NAME)(signal)
    model = keras.Model(ids, probability, name="review_sentiment")
    if vectors is not None:
        embedding.set_weights([vectors])
    return model


def float32_copy(model: keras.Model, variant: VariantConfig) -> keras.Model:
    """Return the same network in float32, on one device, with cuDNN on a GPU. Its weights are newly initialized.

    Args:
        model: From ``build_model``, with any precision.
        variant: The variant of the model.
    """
    size = model.get_layer("embedding").input_dim
    return build_model(variant, size, max_length=model.inputs[0].shape[1])


def _dropout(variant: VariantConfig, number: int, precision: Precision) -> keras.Layer:
    """Return the dropout after one LSTM layer, with its own seed, so that the layers drop different units."""
    from keras import layers

    seed = int(np.random.SeedSequence([variant.seed, number]).generate_state(1)[0] >> 1)
    return layers.Dropout(variant.dropout, seed=seed, dtype=precision, name=f"dropout_{number}")
