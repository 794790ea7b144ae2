"""Group normalisation whose scale and shift follow a condition, such as the time and the class."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from keras_medaug.checks import check_positive


@keras.saving.register_keras_serializable(package="keras_medaug")
class AdaptiveGroupNormalization(keras.layers.Layer):
    """Normalises groups of channels of each image, then scales and shifts them by a condition.

    `outputs = normalised * (1 + scale(condition)) + shift(condition)`. Scale and shift are linear
    in the condition. Both begin at zero, so that the layer begins as plain group normalisation.

    The statistics are those of a single image: it does not matter what else is in the batch.

    Args:
        groups: Largest number of groups; the layer takes the largest divisor that this number and
            the number of channels have in common.
        epsilon: Added to the variance.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape:
        `[features, condition]`: `(n, h, w, c)` and `(n, k)`.

    Output shape:
        `(n, h, w, c)`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> layer = kma.layers.AdaptiveGroupNormalization(groups=4)
    >>> x = np.random.default_rng(0).normal(5, 2, (3, 8, 8, 16)).astype("float32")
    >>> outputs = keras.ops.convert_to_numpy(layer([x, np.ones((3, 10), "float32")]))
    >>> outputs.shape, bool(abs(outputs[0].mean()) < 1e-5)
    ((3, 8, 8, 16), True)

    References:
        Wu and He, Group Normalization, 2018; Perez et al., FiLM: Visual Reasoning with a General
        Conditioning Layer, 2018; Dhariwal and Nichol, Diffusion Models Beat GANs on Image
        Synthesis, 2021, section 3.1.
    """

    def __init__(self, groups: int = 8, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = check_positive(groups, "groups", integer=True)
        self.epsilon = check_positive(epsilon, "epsilon")

    def build(self, input_shape) -> None:
        """Create the weights."""
        (*_, channels), (*_, features) = input_shape
        # One matrix for both: the scale's columns, then the shift's.
        self.kernel = self.add_weight(
            shape=(features, 2 * channels), initializer="zeros", name="kernel"
        )
        self.bias = self.add_weight(shape=(2 * channels,), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs):
        """Return the normalised features, scaled and shifted.

        Args:
            inputs: `[features, condition]`.

        Returns:
            Tensor of the features' shape, in the layer's compute dtype.
        """
        features, condition = inputs
        _, height, width, channels = ops.shape(features)
        # Squares of half-precision numbers would leave their range.
        values = ops.cast(ops.reshape(features, (-1, height * width, channels)), "float32")
        mean = self._over_groups(values)
        # Run eagerly, the gradient of a difference negates an array of the batch's size.
        centred = values + (-mean)
        variance = self._over_groups(centred * centred)
        scale_and_shift = ops.cast(ops.matmul(condition, self.kernel) + self.bias, "float32")
        scale, shift = ops.split(ops.expand_dims(scale_and_shift, 1), 2, axis=-1)
        outputs = centred * (ops.rsqrt(variance + self.epsilon) * (1.0 + scale)) + shift
        outputs = ops.reshape(outputs, (-1, height, width, channels))
        return ops.cast(outputs, self.compute_dtype)

    def _over_groups(self, values):
        """Return, for each channel, the mean over its group; shape `(n, 1, c)`."""
        _, pixels, channels = ops.shape(values)
        groups = math.gcd(self.groups, channels)
        size = channels // groups
        # Sums, since the gradient of a mean is another array of the batch's size.
        sums = ops.reshape(ops.sum(values, axis=1), (-1, groups, size))
        means = ops.sum(sums, axis=-1) / ops.cast(pixels * size, "float32")
        return ops.expand_dims(ops.repeat(means, size, axis=-1), 1)

    def compute_output_shape(self, input_shape):
        """Return the shape of the features."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return {**super().get_config(), "groups": self.groups, "epsilon": self.epsilon}
