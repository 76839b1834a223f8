"""The network: word ids → probability that the review is positive.

Only stock Keras layers, so that a saved model loads in Keras's safe mode without this project's code.
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

    ``bi`` wraps each LSTM in ``Bidirectional``, which doubles what the next layer reads. With the article's sizes
    the weights number 3,954,977 (uni) and 4,304,161 (bi). The article reports 3,956,001 and 4,306,209
    (docs/explanation/replicated_experiment.md), since the old CuDNNLSTM has a second bias (4 × units for each LSTM
    and direction), which is added to the first and expresses nothing more. Dropout stands between the
    layers, never inside the recurrence: recurrent dropout would lose the cuDNN kernels on a GPU.

    Args:
        variant: Sizes, seed and padding.
        vocabulary_size: Ids that exist, padding (0) and the unknown word included.
        vectors: float32 ``[vocabulary_size, embedding_dim]`` to start the embedding with; ``None``: random.
        max_length: Words of a sequence; needed for ``unmasked`` padding, whose rows all have this width.
        precision: What the layers compute in; weights and the output layer are float32 in any case. It is a policy of
            these layers alone, other models of the process keep theirs.
        cudnn: Let the LSTMs take cuDNN on a GPU; it is no part of a saved model.

    Returns:
        int32 ``[rows, length]``, padded with 0 at the end → float32 ``[rows, 1]``. Masked models take any length
        and need at least one word in each row; unmasked ones take ``max_length`` and read the padding too.

    Raises:
        ConfigurationError: The vectors do not fit, or an unmasked model was asked for without its length.
    """
    import keras
    from keras import layers

    masked = variant.padding == "masked"
    if not masked and max_length is None:
        raise ConfigurationError("A model without masking reads rows of one fixed length; say which (max_length).")
    shape = (vocabulary_size, variant.embedding_dim)
    if vectors is not None and vectors.shape != shape:
        raise ConfigurationError(
            f"Pre-trained vectors of shape {vectors.shape} do not fit an embedding of {shape} (words × dimensions); "
            f"set embedding_dim to {vectors.shape[-1]} or take other vectors."
        )

    # Initial weights come from Keras's global generator: equal seeds on layers would make both halves of a
    # bidirectional layer start as twins.
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


def plain_twin(model: keras.Model, variant: VariantConfig) -> keras.Model:
    """Return the same network as it is saved: in float32, on one device, with cuDNN where there is a GPU.

    Args:
        model: As ``build_model`` gave it, with any precision.
        variant: What it was built from.

    Returns:
        A network with weights of its own, which are not those of ``model`` before ``set_weights``.
    """
    size = model.get_layer("embedding").input_dim
    return build_model(variant, size, max_length=model.inputs[0].shape[1])


def _dropout(variant: VariantConfig, number: int, precision: Precision) -> keras.Layer:
    """Return the dropout behind one recurrent layer; with its own seed, so that two layers drop differently."""
    from keras import layers

    seed = int(np.random.SeedSequence([variant.seed, number]).generate_state(1)[0] >> 1)
    return layers.Dropout(variant.dropout, seed=seed, dtype=precision, name=f"dropout_{number}")
