"""Networks of velocities whose every number is known: those of mixtures of Gaussian images."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="known_fields")
class MixtureField(keras.layers.Layer):
    """The velocity field of images that are a mixture of Gaussians about given means.

    The images lie in [-1, 1], as `Flow` sees them. Those of component `k` are normal about
    `means[k]`, with the deviation `spread`. At the time `t` such an image has become
    `x_t = (1 - t) * noise + t * image`. The field is the mean of `image - noise` over all that
    could have become `x_t`; where the label is known, over the images of its component.

    Args:
        means: One image for each component, `(k, h, w, c)`, in [-1, 1].
        spread: The deviation of every pixel.
    """

    def __init__(self, means, spread, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.means = np.asarray(means, "float32")
        self.spread = float(spread)

    def call(self, inputs):
        images, times, labels = inputs
        means = ops.convert_to_tensor(self.means)
        time = ops.reshape(times, (-1, 1, 1, 1, 1))
        variance = (1 - time) ** 2 + time**2 * self.spread**2
        away = ops.expand_dims(images, 1) - time * means
        log_density = -ops.sum(away**2 / (2 * variance), axis=(2, 3, 4))
        chances = ops.softmax(log_density, axis=-1)
        alone = ops.one_hot(labels, len(self.means) + 1)
        unknown = alone[:, -1:]
        weights = unknown * chances + (1 - unknown) * alone[:, :-1]
        slope = (time * self.spread**2 - (1 - time)) / variance
        fields = means + slope * away
        return ops.sum(ops.reshape(weights, (-1, len(self.means), 1, 1, 1)) * fields, axis=1)

    def get_config(self):
        return {**super().get_config(), "means": self.means.tolist(), "spread": self.spread}


def mixture_network(means, spread):
    """Return a network for `Flow(network=)` that is the field of a mixture."""
    shape = np.shape(means)[1:]
    inputs = [keras.Input(shape), keras.Input(()), keras.Input((), dtype="int32")]
    return keras.Model(inputs, MixtureField(means, spread)(inputs))


@keras.saving.register_keras_serializable(package="known_fields")
class MeanPixel(keras.layers.Layer):
    """The mean of an image and the time: all that the field of constant images depends on."""

    def call(self, inputs):
        images, times = inputs
        mean = ops.mean(images, axis=(1, 2, 3))
        # In units of the noise that is left in the mean of 64 pixels, which decides what is likely.
        scaled = mean / ((1 - times) ** 2 / 64 + 0.005)
        return ops.stack([8 * mean, 0.1 * scaled * times, times, 1 - times], axis=-1)


@keras.saving.register_keras_serializable(package="known_fields")
class TowardsConstant(keras.layers.Layer):
    """The velocity towards an image whose pixels all have an expected value."""

    def call(self, inputs):
        expected, images, times = inputs
        left = ops.maximum(1 - ops.reshape(times, (-1, 1, 1, 1)), 0.02)
        return (ops.reshape(expected, (-1, 1, 1, 1)) - images) / left


def learner_of_constants(width=64):
    """Return a small network that can learn the field of constant images."""
    images, times = keras.Input((8, 8, 1)), keras.Input(())
    x = MeanPixel()([images, times])
    for seed in range(2):
        start = keras.initializers.GlorotUniform(seed)
        x = keras.layers.Dense(width, "silu", kernel_initializer=start)(x)
    expected = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(9))(x)
    return keras.Model([images, times], TowardsConstant()([expected, images, times]))
