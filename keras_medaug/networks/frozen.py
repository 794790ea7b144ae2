"""Calls of a network that let gradients through, never in."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import ops

from keras_medaug.networks.running_statistics import RunningStatistics


def frozen(network: keras.layers.Layer, statistics: RunningStatistics | None = None) -> Callable:
    """Return a function that calls `network` with its weights held constant.

    Gradients pass through the call to its inputs and stop short of the network's weights. The call
    leaves no trace: moving statistics and random states stay as they were. A frozen pass made
    before a live one of the same shape therefore shares its dropout mask, on every backend.

    Args:
        network: A built layer or model.
        statistics: What stands in for the network's own running statistics outside training, or
            `None`.

    Returns:
        A function with the arguments of `network`.

    Example:

    >>> import numpy as np
    >>> import keras
    >>> from keras_medaug.networks import frozen
    >>> dense = keras.layers.Dense(2)
    >>> dense.build((None, 3))
    >>> tuple(frozen(dense)(np.zeros((4, 3), "float32")).shape)
    (4, 2)
    """

    def call(*args, **kwargs):
        trainable = [ops.stop_gradient(variable.value) for variable in network.trainable_variables]
        if statistics is None:
            constant = [variable.value for variable in network.non_trainable_variables]
        else:
            constant = statistics.in_place_of(network)
        outputs, _ = network.stateless_call(trainable, constant, *args, **kwargs)
        return outputs

    return call
