"""What the models with an encoder and a decoder share."""

import keras
import numpy as np

from keras_medaug.checks import check_flag
from keras_medaug.images import check_images, to_float
from keras_medaug.models.generative_model import DEFAULT_BATCH_SIZE
from keras_medaug.models.latent_model import LatentModel
from keras_medaug.networks import RunningStatistics


class AutoencodingModel(LatentModel):
    """A latent model with an encoder and a decoder: what `CVAE` and `VAEGAN` share.

    The decoder's own running statistics are those of latent vectors from the prior, by which
    `generate` makes images. `reconstruction_statistics` are those of latent vectors from the
    encoder, by which `reconstruct` makes images.
    """

    encoder: keras.Model
    decoder: keras.Model
    reconstruction_statistics: RunningStatistics

    def _named_networks(self) -> dict[str, keras.Model]:
        return self.networks or {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def generator(self) -> keras.Model:
        """The decoder, under the name it has in a GAN."""
        return self.decoder

    def _infer(self, images, labels):
        z_mean, _ = self.encoder(self._with_labels(images, labels), training=False)
        decode = self._image_statistics.through(self._image_network)
        return decode(self._with_labels(z_mean, labels), training=False)

    @property
    def _image_statistics(self) -> RunningStatistics:
        """The statistics of reconstructions that belong to the network that makes images."""
        averaged = None if self.averaged is None else self.averaged.statistics
        return self.reconstruction_statistics if averaged is None else averaged

    def _follow(self, training: bool) -> None:
        if training and self.averaged is not None:
            self.averaged.follow(self.decoder, self.reconstruction_statistics)

    def encode(self, x, labels=None, batch_size: int = DEFAULT_BATCH_SIZE) -> np.ndarray:
        """Return the means of the images' latent distributions.

        `m.encoder` returns the log-variances as well.

        Args:
            x: Images `(n, h, w, c)`, floats in [0, 1] or `uint8`.
            labels: Class of each image, or one for all, where the model is conditional, else
                `None`.
            batch_size: Images encoded at a time.

        Returns:
            `float32`, shape `(n, latent_dim)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        images = check_images(x, "x", self.image_shape)
        labels = self._labels_for(labels, len(images))

        def rows(start: int, stop: int) -> np.ndarray:
            return to_float(images[start:stop])

        z_mean, _ = self._run(self.encoder, len(images), rows, labels, batch_size)
        return np.asarray(z_mean, dtype="float32")

    def decode(
        self, z, labels=None, batch_size: int = DEFAULT_BATCH_SIZE, encoded: bool = False
    ) -> np.ndarray:
        """Return the images that latent vectors stand for.

        Args:
            z: Latent vectors, shape `(n, latent_dim)`.
            labels: Class of each image, or one for all, where the model is conditional, else
                `None`.
            batch_size: Images made at a time.
            encoded: Whether `z` comes from `encode` and not from the prior. The two kinds of
                latent vectors have different means and variances, so that batch normalisation
                keeps running statistics for each.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        if not check_flag(encoded, "encoded"):
            return super().decode(z, labels, batch_size)
        with self._image_statistics.lent_to(self._image_network):
            return super().decode(z, labels, batch_size)

    def reconstruct(self, x, labels=None, batch_size: int = DEFAULT_BATCH_SIZE) -> np.ndarray:
        """Return the images encoded and decoded again, without noise.

        Args:
            x: Images `(n, h, w, c)`, floats in [0, 1] or `uint8`.
            labels: Class of each image, or one for all, where the model is conditional, else
                `None`.
            batch_size: Images handled at a time.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        return self.decode(self.encode(x, labels, batch_size), labels, batch_size, encoded=True)
