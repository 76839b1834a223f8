"""Several GPUs for one training: each holds a copy of the network and takes its part of every batch."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pipeline.errors import DeviceError

if TYPE_CHECKING:
    import tensorflow as tf


def strategy_for(gpus: int) -> tf.distribute.Strategy:
    """Return how a network is spread; it must be built within the strategy's ``scope()``.

    Args:
        gpus: How many GPUs share the training; 1 also stands for the CPU and spreads nothing.

    Raises:
        DeviceError: This process has begun to compute on fewer GPUs.
    """
    import tensorflow as tf

    if gpus == 1:
        return tf.distribute.get_strategy()
    found = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(found) < gpus:
        raise DeviceError(
            f"The training is to run on {gpus} GPUs, but this process already computes on {len(found)}. Run it in a "
            "process of its own, before anything else has used TensorFlow."
        )
    return mirrored(*found[:gpus])


@functools.cache
def mirrored(*devices: str) -> tf.distribute.Strategy:
    """Return TensorFlow's own strategy for one machine: equal copies, gradients added over the devices.

    One for each set of devices in a process: a second one numbers its sums anew, and TensorFlow takes them for those
    of the first ("Shape mismatch in the collective instance").

    Args:
        devices: At least two, by TensorFlow's names (``GPU:0``).
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)
