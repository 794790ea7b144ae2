"""What tests of a layer that stands in for one of Keras's have in common."""

import numpy as np


def images(*shape, seed=0):
    """Return normally distributed pixels."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def same_weights(ours, stock, x):
    """Build both layers for `x`, and give them the same random weights."""
    ours.build(x.shape)
    stock.build(x.shape)
    ours.set_weights([images(*w.shape, seed=1) for w in stock.weights])
    stock.set_weights(ours.get_weights())
    return ours, stock
