"""The exported model put together: text → words → word ids → the trained network → probability."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from pipeline.errors import ArtifactError, ConfigurationError, quoted
from pipeline.scoring.layers import ReviewNormalizer, WordIds

INPUT_NAME = "review"
OUTPUT_NAME = "probability"
IDS_NAME = "word_ids"
SCORE_SIGNATURE = "score"
"""Also TensorFlow Serving's ``serving_default``."""


def build_model(
    trained: keras.Model,
    normalizer: ReviewNormalizer,
    *,
    words: Sequence[str],
    unknown_id: int | None,
    max_length: int,
    keep: Literal["last", "first"],
    padding: Literal["masked", "unmasked"],
    empty_id: int,
) -> keras.Model:
    """Put text processing before a trained network.

    Args:
        trained: Word ids, int32 ``[rows, length]`` → probability, float32 ``[rows, 1]`` or ``[rows]``.
        normalizer: Text → words; see ``layers.ReviewNormalizer``.
        words: The vocabulary in the order of its ids; for the others see ``layers.WordIds``.
        unknown_id: Id of words outside the vocabulary.
        max_length: Most words of a review.
        keep: Which end of a longer review is read.
        padding: ``unmasked`` fills each row to ``max_length``, as such a model was trained.
        empty_id: Id that stands alone in a row without words.

    Returns:
        String ``[rows]`` → float32 ``[rows]``.

    Raises:
        ConfigurationError: Keras does not run on TensorFlow, which alone has string operations.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigurationError(
            f"Keras runs on the backend {quoted(keras.backend.backend())}, but a model that reads text needs "
            "TensorFlow's string operations. Unset KERAS_BACKEND, or set it to tensorflow, and export again."
        )
    review = keras.Input((), dtype="string", name=INPUT_NAME)
    ids = WordIds(
        " ".join(words),
        unknown_id=unknown_id,
        max_length=max_length,
        keep=keep,
        pad_to_max_length=padding == "unmasked",
        empty_id=empty_id,
        name=IDS_NAME,
    )(normalizer(review))
    probability = keras.layers.Reshape((), name=OUTPUT_NAME, dtype="float32")(trained(ids))
    return keras.Model(review, probability, name="review_scorer")


def load_exported(file: Path) -> keras.Model:
    """Load an exported ``model.keras`` in Keras's safe mode: string ``[rows]`` → float32 ``[rows]``.

    Raises:
        ArtifactError: The file is damaged, or holds layers that this project does not know.
    """
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
        model.get_layer(IDS_NAME)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"{quoted(file)} cannot be loaded as an exported model: "
            f"{quoted(str(error).strip().split(chr(10))[0], 200)}. "
            "The file is damaged, or was saved by another version of Keras or of this project; export it again."
        ) from error
    return model


def with_word_ids(model: keras.Model) -> keras.Model:
    """Return the same model with two outputs: word ids, int32 ``[rows, length]``, and probability."""
    return keras.Model(model.input, [model.get_layer(IDS_NAME).output, model.output])


def write_saved_model(model: keras.Model, folder: Path) -> None:
    """Write the SavedModel, which TensorFlow loads without this project's code.

    Its signatures take the input ``review``, string ``[rows]``: ``score`` (also ``serving_default``) gives
    ``probability``, float32 ``[rows]``; ``word_ids`` gives ``word_ids``, int32 ``[rows, length]``.
    """
    inside = keras.Model(model.input, model.get_layer(IDS_NAME).output)
    archive = keras.export.ExportArchive()
    # Variables are found in the traced functions; the vocabulary's table is not, and must be named.
    archive.track(model.get_layer(IDS_NAME))
    signature = [tf.TensorSpec([None], tf.string, name=INPUT_NAME)]
    with _without_cudnn(model):
        archive.add_endpoint(
            SCORE_SIGNATURE, lambda review: {OUTPUT_NAME: model(review, training=False)}, input_signature=signature
        )
        archive.add_endpoint(IDS_NAME, lambda review: {IDS_NAME: inside(review)}, input_signature=signature)
        archive.write_out(str(folder), verbose=False)


@contextmanager
def _without_cudnn(model: keras.Model) -> Iterator[None]:
    """Trace recurrent layers as plain operations: a graph with cuDNN's, as a GPU would give, runs on no CPU."""
    layers = [
        layer
        for layer in model._flatten_layers()  # noqa: SLF001 - Keras has no public walk through nested layers.
        if getattr(layer, "use_cudnn", False)
    ]
    before = [layer.use_cudnn for layer in layers]
    for layer in layers:
        layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.use_cudnn = value
