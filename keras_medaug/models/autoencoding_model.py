"""What the models with an encoder and a decoder share."""

import keras
import numpy as np

from keras_medaug.checks import check_images
from keras_medaug.models.generative_model import DEFAULT_BATCH_SIZE, GenerativeModel
from keras_medaug.models.image_model import to_unit


class AutoencodingModel(GenerativeModel):
    """A generative model with an encoder and a decoder: what `CVAE` and `VAEGAN` share."""

    encoder: keras.Model
    decoder: keras.Model

    @property
    def _networks(self) -> dict[str, keras.Model]:
        return self.players or {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def generator(self) -> keras.Model:
        """The decoder, under the name it has in a GAN."""
        return self.decoder

    def _infer(self, images, labels):
        z_mean, _ = self.encoder(self._with_labels(images, labels), training=False)
        return self._image_network(self._with_labels(z_mean, labels), training=False)

    def encode(self, x, labels=None, batch_size: int = DEFAULT_BATCH_SIZE) -> np.ndarray:
        """Return the means of the images' latent distributions.

        `m.encoder` returns the log-variances as well.

        Args:
            x: Images `(n, h, w, c)`, floats in [0, 1] or `uint8`.
            labels: Class of each image where the model is conditional, else `None`.
            batch_size: Images encoded at a time.

        Returns:
            `float32`, shape `(n, latent_dim)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        images = check_images(x, "x", self.image_shape)
        labels = self._labels_for(labels, len(images))

        def rows(start: int, stop: int) -> np.ndarray:
            return to_unit(images[start:stop])

        z_mean, _ = self._run(self.encoder, len(images), rows, labels, batch_size)
        return np.asarray(z_mean, dtype="float32")

    def reconstruct(self, x, labels=None, batch_size: int = DEFAULT_BATCH_SIZE) -> np.ndarray:
        """Return the images encoded and decoded again, without noise.

        Args:
            x: Images `(n, h, w, c)`, floats in [0, 1] or `uint8`.
            labels: Class of each image where the model is conditional, else `None`.
            batch_size: Images handled at a time.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        return self.decode(self.encode(x, labels, batch_size), labels, batch_size)
