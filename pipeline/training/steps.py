"""One optimizer step in TensorFlow, traced once for batches of any shape."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf


class TrainingStep:
    """Forward pass, backward pass and update.

    The graph accepts any number of rows and words, so it is traced once; ``Model.fit`` would trace it for each shape.
    With several ``shards``, the forward and backward passes of the shards of a batch run in parallel and their
    gradients are added: the same sums in another order. If the model has several replicas, each computes one shard.
    """

    def __init__(
        self, model: keras.Model, optimizer: keras.Optimizer, shards: int, *, jit_compile: bool = False
    ) -> None:
        """Prepare the graph; it is traced in the first call.

        Args:
            model: Built within the scope of its strategy, like the optimizer.
            optimizer: Built for the weights of the model.
            shards: Shards of a batch on one device; ignored with several replicas.
            jit_compile: Compile forward and backward pass with XLA, once per shape. The LSTMs must be built without
                cuDNN, which XLA does not support.
        """
        import tensorflow as tf

        self._model = model
        self._optimizer = optimizer
        self._shards = shards
        self._strategy = model.distribute_strategy
        # The update is not compiled: XLA has no sparse gradients and would make those of the embedding dense.
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
            weight: float32 ``[rows]``, weight of each row in the loss.

        Returns:
            float32 ``[2]``: the summed loss in nats, and the number of correct rows at a threshold of 0.5.
        """
        return self._compiled(ids, label, weight)

    def _step(self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        rows = tf.shape(ids)[0]
        bounds = [rows * number // self._shards for number in range(self._shards + 1)]
        results = [
            self._gradients(ids[start:stop], label[start:stop], weight[start:stop], tf.cast(rows, tf.float32))
            for start, stop in pairwise(bounds)
        ]
        gradients = [_sum(same) for same in zip(*(result[0] for result in results), strict=True)]
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return tf.add_n([result[1] for result in results])

    def _replicated_step(self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        results = self._strategy.run(self._replica, args=(ids, label, weight))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, results, axis=None)

    def _replica(self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        """Compute one shard on one device. The loss is divided by the rows of the batch, not of the shard."""
        import tensorflow as tf

        rows = tf.shape(ids)[0]
        shard = tf.distribute.get_replica_context().replica_id_in_sync_group
        start, stop = (rows * number // self._strategy.num_replicas_in_sync for number in (shard, shard + 1))
        gradients, result = self._gradients(
            ids[start:stop], label[start:stop], weight[start:stop], tf.cast(rows, tf.float32)
        )
        # Keras adds the gradients of all replicas before it applies them.
        self._optimizer.apply(gradients, self._model.trainable_variables)
        return result

    def _gradients_of(
        self, ids: tf.Tensor, label: tf.Tensor, weight: tf.Tensor, rows: tf.Tensor
    ) -> tuple[list[Any], tf.Tensor]:
        import keras
        import tensorflow as tf

        with tf.GradientTape() as tape:
            probability = self._model(ids, training=True)
            # The mean that Keras takes over the last axis has no effect, because the axis has one value.
            losses = weight * keras.losses.binary_crossentropy(label[:, tf.newaxis], probability)
            loss = tf.reduce_sum(losses)
            # Scales only for float16, whose small gradients would underflow; the optimizer removes the scale again.
            mean = self._optimizer.scale_loss(loss / rows)
        right = tf.reduce_sum(tf.cast(tf.equal(probability[:, 0] >= 0.5, label >= 0.5), tf.float32))  # noqa: PLR2004
        return tape.gradient(mean, self._model.trainable_variables), tf.stack([loss, right])


def _sum(gradients: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a tensor, or slices of one.
    """Add the gradients of one weight over the shards. Those of an embedding stay sparse."""
    import tensorflow as tf

    first = gradients[0]
    if len(gradients) == 1:
        return first
    if isinstance(first, tf.IndexedSlices):
        return tf.IndexedSlices(
            tf.concat([one.values for one in gradients], 0),
            tf.concat([one.indices for one in gradients], 0),
            first.dense_shape,
        )
    return tf.add_n(list(gradients))
