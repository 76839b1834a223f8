"""Adam in one operation, and the moving average of the weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.factories import variant

STEPS = 6


def trained(keras, optimizer, *, dense: bool = False):
    """Return two weights and the optimizer's variables; the first weight is an embedding with repeated ids."""
    import tensorflow as tf

    weights = [keras.Variable(np.ones((6, 3), "float32")), keras.Variable(np.ones(3, "float32"))]
    optimizer.build(weights)
    for number in range(STEPS):
        with tf.GradientTape() as tape:
            rows = keras.ops.take(weights[0], tf.constant([number % 6, 1, 1, 2]), axis=0)
            loss = tf.reduce_sum(rows**2) + tf.reduce_sum(weights[1] ** 3)
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        optimizer.apply([tf.convert_to_tensor(one) for one in gradients] if dense else gradients, weights)
    return [value.numpy() for value in [*weights, *optimizer.variables]]


def test_the_update_is_that_of_keras_for_dense_gradients(keras):
    from pipeline.training.optimizer import FusedAdam

    ours = trained(keras, FusedAdam(0.02))
    reference = trained(keras, keras.optimizers.Adam(0.02), dense=True)
    for one, other in zip(ours, reference, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_average_follows_the_weights_sooner_in_the_first_steps(keras):
    from pipeline.training.optimizer import SHORT_AVERAGE_STEPS, averaged_weights, optimizer_for

    optimizer = optimizer_for(variant(weight_averaging=0.99, schedule="constant"), "float32", steps_per_epoch=1)
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([weight])
    expected = 0.0
    for number in range(STEPS):
        optimizer.apply([np.ones(1, "float32")], [weight])
        decay = min(0.99, number / (number + SHORT_AVERAGE_STEPS))
        expected = decay * expected + (1 - decay) * float(weight.numpy()[0])
        assert averaged_weights(optimizer)[0][0] == pytest.approx(expected, rel=1e-5)
    assert averaged_weights(optimizer_for(variant(weight_averaging=0.0), "float32", 1)) is None


def test_the_learning_rate_rises_for_a_tenth_of_the_steps_and_falls_to_zero(keras):
    from pipeline.training.optimizer import optimizer_for

    optimizer = optimizer_for(variant(epochs=4, learning_rate=0.5), "float32", steps_per_epoch=25)
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([weight])
    rates = []
    for _ in range(100):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([np.ones(1, "float32")], [weight])
    assert rates[:11] == pytest.approx(list(np.linspace(0, 0.5, 11)))
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001
