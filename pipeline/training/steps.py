"""One optimizer step on TensorFlow, compiled once for batches of every shape."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf


class TrainingStep:
    """Forward, backward, update.

    The graph takes any number of rows and words, so it is traced once; ``Model.fit`` would trace it anew for each
    shape. In ``towers`` > 1 the batch is cut into parts whose forward and backward passes run side by side and
    whose gradients are added: the same sums, in another order.
    """

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, towers: int) -> None:
        """Prepare the graph; nothing is traced before the first call."""
        import tensorflow as tf

        self._model = model
        self._optimizer = optimizer
        self._towers = towers
        self._compiled = tf.function(
            self._step,
            input_signature=[
                tf.TensorSpec((None, model.inputs[0].shape[1]), tf.int32),
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((None,), tf.float32),
            ],
        )

    def __call__(
        self, ids: npt.NDArray[np.int32], label: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]
    ) -> tf.Tensor:
        """Take one step.

        Args:
            ids: int32 ``[rows, width]``.
            label: float32 ``[rows]``, 0 or 1.
            weight: float32 ``[rows]``, of each row in the loss.

        Returns:
            float32 ``[2]``: the batch's summed loss in nats, and how many rows are right at 0.5.
        """
        return self._compiled(ids, label, weight)

    def _step(self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        rows = tf.shape(ids)[0]
        bounds = [rows * part // self._towers for part in range(self._towers + 1)]
        parts = [
            self._gradients(ids[start:stop], label[start:stop], weight[start:stop], tf.cast(rows, tf.float32))
            for start, stop in pairwise(bounds)
        ]
        gradients = [_total(same) for same in zip(*(part[0] for part in parts), strict=True)]
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return tf.add_n([part[1] for part in parts])

    def _gradients(
        self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor, rows: tf.Tensor
    ) -> tuple[list[Any], tf.Tensor]:
        import keras
        import tensorflow as tf

        with tf.GradientTape() as tape:
            probability = self._model(ids, training=True)
            # The last axis holds one value, so the mean that Keras takes over it changes nothing.
            losses = weight * keras.losses.binary_crossentropy(label[:, tf.newaxis], probability)
            loss = tf.reduce_sum(losses)
            mean = loss / rows
        right = tf.reduce_sum(tf.cast(tf.equal(probability[:, 0] >= 0.5, label >= 0.5), tf.float32))  # noqa: PLR2004
        return tape.gradient(mean, self._model.trainable_variables), tf.stack([loss, right])


def _total(gradients: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a tensor, or slices of one.
    """Add the parts' gradients of one weight; those of an embedding stay sparse."""
    import tensorflow as tf

    first = gradients[0]
    if len(gradients) == 1:
        return first
    if isinstance(first, tf.IndexedSlices):
        return tf.IndexedSlices(
            tf.concat([part.values for part in gradients], 0),
            tf.concat([part.indices for part in gradients], 0),
            first.dense_shape,
        )
    return tf.add_n(list(gradients))
