"""The velocity by which a noisy image becomes the image that a network predicts."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_medaug.checks import check_fraction


@keras.saving.register_keras_serializable(package="keras_medaug")
class VelocityFromImage(keras.layers.Layer):
    """The velocity from a noisy image to a predicted one: `(predicted - noisy) / (1 - time)`.

    On its straight way, a noisy image at a time `t` has the distance `image - noisy` left, and the
    time `1 - t`. The last layer of a network that predicts images, for `Flow(network=...)`, which
    wants velocities. Images are easier to predict than velocities, half of which are noise: the
    network need not carry the noise through its layers.

    Args:
        shortest: Time left by which a distance is divided at least, in (0, 1). From
            `1 - shortest` on, the network predicts a point on the way instead of the image.
        **kwargs: Passed to `keras.layers.Layer`. The layer computes in `float32` by default: errors
            grow by `1 / shortest`.

    Input shape:
        `[predicted, noisy, times]`: twice `(n, h, w, c)`, and `(n,)`, in [0, 1].

    Output shape:
        `(n, h, w, c)`.

    Raises:
        ValueError: If `shortest` is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> image, noisy = np.ones((1, 8, 8, 1), "float32"), np.zeros((1, 8, 8, 1), "float32")
    >>> velocity = kma.layers.VelocityFromImage()([image, noisy, np.float32([0.75])])
    >>> float(velocity[0, 0, 0, 0])
    4.0

    References:
        Li and He, Back to Basics: Let Denoising Generative Models Denoise, 2025, section 4.
    """

    def __init__(self, shortest: float = 0.02, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.shortest = check_fraction(shortest, "shortest")
        self.built = True

    def call(self, inputs):
        """Return the velocities.

        Args:
            inputs: `[predicted, noisy, times]`.

        Returns:
            Tensor of the images' shape.
        """
        predicted, noisy, times = inputs
        left = ops.maximum(1.0 - times, self.shortest)
        return (predicted - noisy) / ops.reshape(left, (-1, 1, 1, 1))

    def compute_output_shape(self, input_shape):
        """Return the shape of the images."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        return {**super().get_config(), "shortest": self.shortest}
