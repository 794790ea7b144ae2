"""A generative model without a latent vector, as a user may write it."""

import keras
import numpy as np

import keras_medaug as kma


class ToyGenerator(kma.models.GenerativeModel):
    """Learns the mean and the standard deviation of each pixel in each class."""

    def __init__(self, image_shape, num_classes=None, scale=1.0, **kwargs):
        super().__init__(image_shape, num_classes, **kwargs)
        self.scale = scale
        shape = (self.num_classes or 1, *self.image_shape)
        draw = keras.initializers.RandomNormal(0.1, seed=self.part_seed("mean"))
        self.mean = self.add_weight(shape=shape, initializer=draw)
        self.log_deviation = self.add_weight(shape=shape, initializer="zeros")

    def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
        if y is None:
            y = keras.ops.zeros(keras.ops.shape(x)[:1], "int32")
        mean = keras.ops.take(self.mean, y, axis=0)
        log_deviation = keras.ops.take(self.log_deviation, y, axis=0)
        standard = (self._to_float(x) - mean) * keras.ops.exp(-log_deviation)
        return keras.ops.mean(keras.ops.square(standard) / 2 + log_deviation)

    def _sample(self, count, labels, seed):
        labels = np.zeros(count, int) if labels is None else labels
        mean, log_deviation = map(keras.ops.convert_to_numpy, (self.mean, self.log_deviation))
        noise = np.random.default_rng(seed).standard_normal((count, *self.image_shape))
        return np.clip(mean[labels] + self.scale * np.exp(log_deviation[labels]) * noise, 0, 1)
