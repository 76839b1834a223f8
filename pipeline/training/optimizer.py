"""The optimizer of a training: Adam with its schedule and the moving average of the weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipeline.config import Precision, VariantConfig

WARM_UP_SHARE = 0.1
"""Share of the steps in which the learning rate rises."""
SHORT_AVERAGE_STEPS = 9
"""After t steps the decay of the average is at most t / (t + 9), as in TensorFlow's ExponentialMovingAverage with
``num_updates``: otherwise a short training would be evaluated with weights near the initial ones."""


def optimizer_for(variant: VariantConfig, precision: Precision, steps_per_epoch: int) -> keras.Optimizer:
    """Return Adam; for float16 with a dynamic loss scale, which skips steps that overflow.

    Args:
        variant: Learning rate, schedule, epochs and averaging.
        precision: Data type of the computations.
        steps_per_epoch: Batches of an epoch.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = variant.learning_rate
    if variant.schedule == "cosine":
        steps = steps_per_epoch * variant.epochs
        warm_up = int(WARM_UP_SHARE * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warm_up, warmup_target=variant.learning_rate, warmup_steps=warm_up
        )
    decay = variant.weight_averaging
    adam = FusedAdam(rate, use_ema=bool(decay), ema_momentum=decay, ema_overwrite_frequency=None)
    return keras.optimizers.LossScaleOptimizer(adam) if precision == "mixed_float16" else adam


def averaged_weights(optimizer: keras.Optimizer) -> list[npt.NDArray[np.float32]] | None:
    """Return the moving average of each trainable weight, in their order; ``None`` if there is none."""
    adam = getattr(optimizer, "inner_optimizer", optimizer)
    return [average.numpy() for average in adam._model_variables_moving_average] if adam.use_ema else None  # noqa: SLF001


class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam whose update of a weight is one operation of TensorFlow instead of ten.

    Word and pair vectors have millions of weights, and each step updates all of them: the moments of words that are
    not in the batch move them too. The formula is that of Keras for dense gradients; for the sparse gradients of an
    embedding, Keras 3.15 squares the gradients of a word's occurrences one by one instead of their sum.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as in Keras
        """Create the optimizer in the scope of its strategy."""
        super().__init__(*args, **options)
        self._on_one_device = tf.distribute.get_strategy().num_replicas_in_sync == 1

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:  # noqa: ANN401 - as in Keras
        """Add the weights to their average, with a smaller decay in the first steps."""
        if not self.use_ema:
            return
        step = tf.cast(self.iterations, tf.float32)
        share = 1 - tf.minimum(self.ema_momentum, step / (step + SHORT_AVERAGE_STEPS))
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            average.assign_add(share * (variable - average))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ANN401 - as in Keras
        """Update one weight and its moments."""
        dense = tf.cast(tf.convert_to_tensor(gradient), tf.float32)
        if not self._on_one_device:
            super().update_step(dense, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=dense,
        )
