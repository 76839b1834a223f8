"""The layers of an exported model that turn text into word ids.

Both are built from data only (rules, stop words, vocabulary), which is part of the saved model: it keeps scoring as it
was evaluated after this project's rules have changed. Their state is plain JSON, so Keras's safe mode loads a model
with these layers once this module is imported.

TensorFlow's string operations work on UTF-8 and use RE2 patterns [1]_. The rules are written so that they have the same
meaning in Python's ``re`` with ``re.ASCII`` (``pipeline.cleaning.rules``).

.. [1] https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

PACKAGE = "review_sentiment"
PADDING_ID = 0
ENCODING = "UTF-8"


@keras.saving.register_keras_serializable(package=PACKAGE)
class ReviewNormalizer(keras.layers.Layer):  # type: ignore[misc]
    r"""Raw review text → its words in lower-case a–z, joined by one space.

    Input: string ``[rows]`` or ``[rows, 1]``, UTF-8; each byte that is not UTF-8 counts as one unknown character.
    Output: string ``[rows]``.

    Attributes:
        rules: Pattern and replacement (with ``\1``) of each rule, in order.
        lower_case_before: Number of rules that see the text before it is lower-cased.
        stop_words: Words that are dropped after the rules.
    """

    def __init__(
        self,
        rules: Sequence[Sequence[str]],
        lower_case_before: int,
        stop_words: Sequence[str] = (),
        **kwargs: Any,  # noqa: ANN401 - a layer's name and dtype
    ) -> None:
        """Keep the rules; a pattern that RE2 cannot parse fails when the layer is first called."""
        kwargs.setdefault("dtype", "string")
        super().__init__(**kwargs)
        self.rules = tuple((str(pattern), str(replacement)) for pattern, replacement in rules)
        self.lower_case_before = int(lower_case_before)
        self.stop_words = tuple(str(word) for word in stop_words)
        # XLA cannot compile string operations.
        self.supports_jit = False

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Apply the rules. String ``[rows]`` or ``[rows, 1]`` → string ``[rows]``."""
        with tf.device("/CPU:0"):
            # RE2 stops at bytes that are not UTF-8, which a client may send.
            text = tf.strings.unicode_transcode(tf.reshape(inputs, [-1]), ENCODING, ENCODING, errors="replace")
            for number, (pattern, replacement) in enumerate(self.rules):
                if number == self.lower_case_before:
                    text = tf.strings.lower(text)
                text = tf.strings.regex_replace(text, pattern, replacement)
            if self.lower_case_before >= len(self.rules):
                text = tf.strings.lower(text)
            if self.stop_words:
                text = tf.strings.regex_replace(text, rf"\b(?:{'|'.join(self.stop_words)})\b", "")
            return tf.strings.strip(tf.strings.regex_replace(text, "[ ]+", " "))

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the output's shape without tracing string operations."""
        return keras.KerasTensor((inputs.shape[0],), dtype="string")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this layer."""
        return {
            **super().get_config(),
            "rules": [list(rule) for rule in self.rules],
            "lower_case_before": self.lower_case_before,
            "stop_words": list(self.stop_words),
        }


@keras.saving.register_keras_serializable(package=PACKAGE)
class WordIds(keras.layers.Layer):  # type: ignore[misc]
    """Words joined by spaces → their ids, cut to the maximum length and padded at the end.

    Input: string ``[rows]``. Output: int32 ``[rows, length]``; ``length`` is that of the longest row, at least 1, or
    always ``max_length`` with ``pad_to_max_length``.

    Attributes:
        words: The vocabulary in the order of its ids.
        unknown_id: Id of words outside the vocabulary; ``None``: they are dropped before the cut.
        max_length: Maximum number of words of a row.
        keep: Which end of a longer row is kept.
        pad_to_max_length: Whether each row is padded to ``max_length``, as unmasked models were trained.
        empty_id: The only id of a row without words, so that no row is fully masked.
    """

    def __init__(
        self,
        words: str,
        *,
        unknown_id: int | None,
        max_length: int,
        keep: Literal["last", "first"],
        pad_to_max_length: bool,
        empty_id: int = PADDING_ID,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Build the lookup table.

        Args:
            words: The vocabulary as one string, words joined by one space: Keras would need seconds to read a
                configuration of a hundred thousand items.
            unknown_id: See the class; ``None`` or 1.
            max_length: See the class.
            keep: See the class.
            pad_to_max_length: See the class.
            empty_id: See the class.
            **kwargs: Name and dtype.
        """
        kwargs.setdefault("dtype", "int32")
        super().__init__(**kwargs)
        self.words = words
        self.unknown_id = unknown_id
        self.max_length = max_length
        self.keep = keep
        self.pad_to_max_length = pad_to_max_length
        self.empty_id = empty_id
        self.supports_jit = False
        first_id = 1 if unknown_id is None else unknown_id + 1
        vocabulary = words.split(" ")
        with tf.init_scope(), tf.device("/CPU:0"):
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(vocabulary, tf.string), tf.range(first_id, first_id + len(vocabulary), dtype=tf.int64)
                ),
                default_value=PADDING_ID if unknown_id is None else unknown_id,
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Look the words up. String ``[rows]`` → int32 ``[rows, length]``."""
        with tf.device("/CPU:0"):
            words = tf.strings.split(inputs, " ")
            words = tf.ragged.boolean_mask(words, tf.not_equal(words, ""))
            ids = words.with_flat_values(tf.cast(self.table.lookup(words.flat_values), tf.int32))
            if self.unknown_id is None:
                ids = tf.ragged.boolean_mask(ids, tf.not_equal(ids, PADDING_ID))
            ids = ids[:, -self.max_length :] if self.keep == "last" else ids[:, : self.max_length]
            width = (
                self.max_length if self.pad_to_max_length else tf.maximum(1, tf.cast(ids.bounding_shape(1), tf.int32))
            )
            dense = ids.to_tensor(
                default_value=PADDING_ID, shape=[None, self.max_length if self.pad_to_max_length else None]
            )
            dense = tf.pad(dense, [[0, 0], [0, width - tf.shape(dense)[1]]])
            if self.empty_id != PADDING_ID:
                empty = tf.equal(ids.row_lengths(), 0)[:, tf.newaxis] & (tf.range(width) == 0)[tf.newaxis, :]
                dense = tf.where(empty, tf.constant(self.empty_id, tf.int32), dense)
            return tf.ensure_shape(dense, [None, self.max_length if self.pad_to_max_length else None])

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Return the output's shape without tracing string operations."""
        return keras.KerasTensor((inputs.shape[0], self.max_length if self.pad_to_max_length else None), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild this layer."""
        return {
            **super().get_config(),
            "words": self.words,
            "unknown_id": self.unknown_id,
            "max_length": self.max_length,
            "keep": self.keep,
            "pad_to_max_length": self.pad_to_max_length,
            "empty_id": self.empty_id,
        }
