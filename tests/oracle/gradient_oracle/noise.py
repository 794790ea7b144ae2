"""Noise that the tests know: drawn with NumPy, the same on every backend."""

import contextlib
import math
from unittest import mock

import keras
import numpy as np
from keras import ops


class Noise:
    """Stands in for `keras.random.normal`, so that what a compiled step draws is known.

    A generator's draws come from a table that its seed decides. Its own counter says which row is
    next, and moves as it does in Keras. A draw of another shape takes as many values of each row as
    it needs.
    """

    def __init__(self, draws, count, size):
        self.shape = draws, count, size

    def table(self, seed_generator):
        """Return all draws of a generator: `(draws, count, size)`."""
        rng = np.random.default_rng(seed_generator.get_config()["seed"])
        return rng.standard_normal(self.shape, dtype="float32")

    def normal(self, shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        """Return the generator's next draw, as `keras.random.normal` would."""
        draw = ops.cast(seed.next()[1], "int32")
        rows = ops.take(ops.convert_to_tensor(self.table(seed)), draw, axis=0)
        values = rows[: shape[0], : math.prod(shape[1:])]
        values = ops.reshape(values, (-1, *shape[1:]))
        return mean + stddev * ops.cast(values, dtype or "float32")

    @contextlib.contextmanager
    def injected(self):
        """Have every draw of normal noise come from the tables."""
        with mock.patch.object(keras.random, "normal", self.normal):
            yield
