"""The exported Keras model: text → words → word ids → the trained network → probability."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from pipeline.encoding import Vocabulary
from pipeline.errors import ArtifactError, ConfigurationError, quoted
from pipeline.scoring.layers import ReviewNormalizer, WordIds
from pipeline.scoring.records import ExportedModel
from pipeline.scoring.text_rules import TextRules

INPUT_NAME = "review"
OUTPUT_NAME = "probability"
IDS_NAME = "word_ids"
WORDS_NAME = "words"
SCORE_SIGNATURE = "score"
"""Also TensorFlow Serving's ``serving_default``."""


def build_model(trained: keras.Model, model: ExportedModel, vocabulary: Vocabulary, *, empty_id: int) -> keras.Model:
    """Put the text rules and the vocabulary in front of a trained network.

    Args:
        trained: Word ids, int32 ``[rows, length]``, to probability, float32 ``[rows, 1]`` or ``[rows]``.
        model: Text rules, maximum length, which end of a longer review is read, and padding.
        vocabulary: The words and their ids.
        empty_id: The only id of a row without words.

    Returns:
        String ``[rows]`` to float32 ``[rows]``.

    Raises:
        ConfigurationError: Keras does not run on TensorFlow, the only backend with string operations.
    """
    if keras.backend.backend() != "tensorflow":
        raise ConfigurationError(
            f"Keras runs on the backend {quoted(keras.backend.backend())}, but a model that reads text needs "
            "TensorFlow's string operations. Unset KERAS_BACKEND, or set it to tensorflow, and export again."
        )
    review = keras.Input((), dtype="string", name=INPUT_NAME)
    ids = WordIds(
        " ".join(vocabulary.words),
        unknown_id=vocabulary.unknown_id,
        max_length=model.max_length,
        keep=model.keep,
        pad_to_max_length=model.padding == "unmasked",
        empty_id=empty_id,
        name=IDS_NAME,
    )(normalizer(model.text_rules)(review))
    probability = keras.layers.Reshape((), name=OUTPUT_NAME, dtype="float32")(trained(ids))
    return keras.Model(review, probability, name="review_scorer")


def normalizer(text_rules: TextRules) -> ReviewNormalizer:
    """Return the layer that turns raw reviews into words."""
    return ReviewNormalizer(
        text_rules.rules,
        lower_case_before=text_rules.lower_case_before,
        stop_words=text_rules.stop_words,
        name=WORDS_NAME,
    )


def load_exported(file: Path) -> keras.Model:
    """Load an exported ``model.keras`` in Keras's safe mode: string ``[rows]`` → float32 ``[rows]``.

    Raises:
        ArtifactError: The file is damaged, or holds code or layers that this project does not have.
    """
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
        model.get_layer(IDS_NAME)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"{quoted(file)} cannot be loaded as an exported model: "
            f"{quoted(str(error).strip().split(chr(10))[0], 200)}. "
            "The file is damaged, or another version of Keras or of this project saved it; export the model again."
        ) from error
    return model


def with_word_ids(model: keras.Model) -> keras.Model:
    """Return the same model with two outputs: word ids, int32 ``[rows, length]``, and probability."""
    return keras.Model(model.input, [model.get_layer(IDS_NAME).output, model.output])


def write_saved_model(model: keras.Model, folder: Path) -> None:
    """Write the SavedModel, which TensorFlow loads without this project's code.

    Its signatures take the input ``review``, string ``[rows]``: ``score`` (also ``serving_default``) returns
    ``probability``, float32 ``[rows]``; ``word_ids`` returns ``word_ids``, int32 ``[rows, length]``.
    """
    to_ids = keras.Model(model.input, model.get_layer(IDS_NAME).output)
    archive = keras.export.ExportArchive()
    # Keras finds the variables in the traced functions, but not the vocabulary's table.
    archive.track(model.get_layer(IDS_NAME))
    signature = [tf.TensorSpec([None], tf.string, name=INPUT_NAME)]
    with _without_cudnn(model):
        archive.add_endpoint(
            SCORE_SIGNATURE, lambda review: {OUTPUT_NAME: model(review, training=False)}, input_signature=signature
        )
        archive.add_endpoint(IDS_NAME, lambda review: {IDS_NAME: to_ids(review)}, input_signature=signature)
        archive.write_out(str(folder), verbose=False)


@contextmanager
def _without_cudnn(model: keras.Model) -> Iterator[None]:
    """Trace recurrent layers as plain operations: a graph with cuDNN operations does not run on a CPU."""
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
