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
    whose gradients are added: the same sums, in another order. The replicas of a model that was built for several
    devices take a part each in the same way.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.Optimizer, towers: int, *, jit_compile: bool = False
    ) -> None:
        """Prepare the graph; nothing is traced before the first call.

        Args:
            model: Built within the scope of its strategy, as the optimizer is.
            optimizer: Built for the model's weights.
            towers: Parts of a batch on one device; of no effect with several.
            jit_compile: Let XLA compile forward and backward pass, anew for every shape of a batch. The LSTMs must
                have been built without cuDNN, which XLA does not know.
        """
        import tensorflow as tf

        self._model = model
        self._optimizer = optimizer
        self._towers = towers
        self._strategy = model.distribute_strategy
        # The update stays outside: XLA has no sparse gradients, and would fill up the embedding's.
        self._gradients = tf.function(self._gradients_of, jit_compile=True) if jit_compile else self._gradients_of
        self._compiled = tf.function(
            self._step if self._strategy.num_replicas_in_sync == 1 else self._replicated_step,
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

    def _replicated_step(self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        told = self._strategy.run(self._replica, args=(ids, label, weight))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, told, axis=None)

    def _replica(self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """Take one device's part of the step; each row counts by all rows of the batch, whatever the parts' sizes."""
        import tensorflow as tf

        rows = tf.shape(ids)[0]
        part = tf.distribute.get_replica_context().replica_id_in_sync_group
        start, stop = (rows * number // self._strategy.num_replicas_in_sync for number in (part, part + 1))
        gradients, told = self._gradients(
            ids[start:stop], label[start:stop], weight[start:stop], tf.cast(rows, tf.float32)
        )
        # Keras adds up the gradients of all replicas before it applies them.
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return told

    def _gradients_of(
        self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor, rows: tf.Tensor
    ) -> tuple[list[Any], tf.Tensor]:
        import keras
        import tensorflow as tf

        with tf.GradientTape() as tape:
            probability = self._model(ids, training=True)
            # The last axis holds one value, so the mean that Keras takes over it changes nothing.
            losses = weight * keras.losses.binary_crossentropy(label[:, tf.newaxis], probability)
            loss = tf.reduce_sum(losses)
            # Scaled for float16 alone, whose small gradients would become 0; the optimizer takes the scale out again.
            mean = self._optimizer.scale_loss(loss / rows)
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
