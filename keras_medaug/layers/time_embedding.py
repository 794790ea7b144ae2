"""Sines and cosines of a time, from which a network tells times apart."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_medaug.checks import check_positive, fail

# Radians over the whole way: a tenth tells its ends apart, a hundred tells steps of 0.01 apart.
LOWEST, HIGHEST = 0.1, 100.0


@keras.saving.register_keras_serializable(package="keras_medaug")
class TimeEmbedding(keras.layers.Layer):
    """Sines and cosines of times in [0, 1], at frequencies in geometric progression.

    Args:
        features: Size of the vectors, an even number; half are sines.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        `(n,)`.

    Output shape:
        `(n, features)`.

    Raises:
        ValueError: If `features` is not an even number of 2 or more.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> tuple(kma.layers.TimeEmbedding(8)(np.float32([0, 0.5, 1])).shape)
    (3, 8)

    References:
        Vaswani et al., Attention Is All You Need, 2017, section 3.5.
    """

    def __init__(self, features: int = 64, **kwargs: Any) -> None:
        # Automatic casting would leave three digits of a time in half precision.
        super().__init__(**{"autocast": False, **kwargs})
        self.features = check_positive(features, "features", integer=True)
        if features % 2:
            raise fail("features", features, "an even number")
        self.built = True

    def call(self, times):
        """Return the sines and cosines of each time."""
        frequencies = np.geomspace(LOWEST, HIGHEST, self.features // 2).astype("float32")
        column = ops.expand_dims(ops.cast(times, "float32"), -1)
        angles = column * ops.convert_to_tensor(frequencies)
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        return ops.cast(waves, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Return `(n, features)`."""
        return (*input_shape, self.features)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return {**super().get_config(), "features": self.features}
