"""The base of generative models that make images of latent vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import as_array, check_positive, fail
from keras_medaug.fitting.parallel import batch_devices
from keras_medaug.interrupts import between_steps, stop_if_interrupted
from keras_medaug.models.generative_model import DEFAULT_BATCH_SIZE, GenerativeModel, filled
from keras_medaug.models.given_networks import GivenNetworks
from keras_medaug.models.quiet_model import QuietModel
from keras_medaug.networks.averaged_network import AveragedNetwork
from keras_medaug.networks.contracts import CONTRACTS
from keras_medaug.progress import Report, ignore

# How many batches of results wait in memory of their own.
BATCHES_AT_A_TIME = 4


class LatentModel(GivenNetworks, GenerativeModel):
    """Base of `CVAE`, `DCGAN` and `VAEGAN`: images are made of latent vectors.

    A subclass builds `generator`, the network from latent vectors to images, and writes
    `compute_loss`. `averaged`, where it is not `None`, is the average of the generator by which
    images are made; `self._follow(training)` at the end of `compute_loss` moves it.

    Args:
        image_shape: `(height, width, channels)`; sizes from 8 to 256, 1 or 3 channels.
        latent_dim: Size of the latent vector.
        num_classes: Number of classes of a conditional model, or `None`.
        seed: Integer seed of weights, noise, dropout and data order, or `None`.
        class_names: Names of the classes, or `None`; see `GenerativeModel`.
        **kwargs: Passed to `keras.Model`.

    Attributes:
        generator: Latent vectors (with `num_classes`: `[latent, labels]`) to images.
        averaged: Its running average, an `AveragedNetwork`, or `None`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    A linear generator that learns to be near all images at once:

    >>> import keras
    >>> import keras_medaug as kma
    >>> class Linear(kma.models.LatentModel):
    ...     def __init__(self, image_shape, latent_dim=4, **kwargs):
    ...         super().__init__(image_shape, latent_dim, **kwargs)
    ...         self.generator = keras.Sequential([
    ...             keras.Input((latent_dim,)),
    ...             keras.layers.Dense(64, "sigmoid"),
    ...             keras.layers.Reshape(self.image_shape),
    ...         ])
    ...
    ...     def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
    ...         made = self.generator(self._noise(keras.ops.shape(x)[0]))
    ...         return keras.ops.mean(keras.ops.square(self._to_float(x) - made))
    >>> model = Linear((8, 8, 1), seed=0)
    >>> model.compile()
    >>> history = model.fit(kma.datasets.load("phantom", size=8).train[0], verbose=0)
    >>> model.generate(3, seed=1).shape
    (3, 8, 8, 1)
    """

    generator: keras.Model

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        num_classes: int | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(image_shape, num_classes, seed, class_names, **kwargs)
        self.latent_dim = check_positive(latent_dim, "latent_dim", integer=True)
        self.averaged: AveragedNetwork | None = None

    def _check_network(self, network: keras.Model, name: str) -> None:
        CONTRACTS[name](network, name, self.image_shape, self.latent_dim, self.num_classes)

    # ---- latent vectors ---------------------------------------------------------------------

    def _noise(self, count):
        """Return draws from the latent prior, shape `(count, latent_dim)`."""
        return keras.random.normal(
            (count, self.latent_dim), dtype="float32", seed=self.seed_generator
        )

    def _sample(self, count: int, labels, seed: int) -> NDArray[np.float32]:
        return self._sample_all(count, labels, seed, DEFAULT_BATCH_SIZE, ignore)

    def _sample_all(
        self, n: int, labels, seed: int, batch_size: int, report: Report, **options
    ) -> NDArray[np.float32]:
        generator = np.random.default_rng(seed)

        def noise(start: int, stop: int) -> np.ndarray:
            return generator.standard_normal((stop - start, self.latent_dim), dtype="float32")

        return self._run(self._image_network, n, noise, labels, batch_size, report)

    @property
    def _image_network(self) -> keras.Model:
        """The network that makes images, the average of the generator if there is one."""
        return self.generator if self.averaged is None else self.averaged.network

    def _follow(self, training: bool) -> None:
        """Move the average of the generator, in training."""
        if training and self.averaged is not None:
            self.averaged.follow(self.generator)

    def decode(self, z, labels=None, batch_size: int = DEFAULT_BATCH_SIZE) -> np.ndarray:
        """Return the images that latent vectors stand for.

        Args:
            z: Latent vectors, shape `(n, latent_dim)`.
            labels: Class of each image, or one for all, where the model is conditional, else
                `None`.
            batch_size: Images made at a time.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        z = as_array(z, "z")
        if z.ndim != 2 or z.shape[1] != self.latent_dim or not len(z):
            raise fail("z", f"shape {z.shape}", f"shape (n, {self.latent_dim}), n of 1 or more")
        if z.dtype.kind not in "iuf" or not np.abs(z).max() <= np.finfo("float32").max:
            raise fail("z", "values that are not finite numbers", "finite float32 numbers")
        labels = self._labels_for(labels, len(z))
        z = z.astype("float32", copy=False)
        return self._run(self._image_network, len(z), _slices(z), labels, batch_size)

    @between_steps()
    def _run(
        self, network, count: int, rows: Callable, labels, batch_size: int, report: Report = ignore
    ):
        """Return a network's outputs on `count` rows, in inference.

        `rows(start, stop)` gives the inputs; it is called in order, for a few batches at a time, so
        that beside the result no more memory is needed for many rows than for few.
        """
        batch_size, devices = (
            check_positive(batch_size, "batch_size", integer=True),
            batch_devices(),
        )
        batch_size = min(batch_size, count)
        batch_size += -batch_size % devices
        results = None
        for start in range(0, count, batch_size * BATCHES_AT_A_TIME):
            stop = min(start + batch_size * BATCHES_AT_A_TIME, count)
            chosen = None if labels is None else labels[start:stop]
            # Batches of one size only: another one would have to be compiled for.
            tensor = filled(rows(start, stop), batch_size)
            inputs = self._with_labels(tensor, filled(chosen, batch_size))
            outputs = QuietModel.predict(network, inputs, batch_size=batch_size, verbose=0)
            if results is None:
                results = keras.tree.map_structure(
                    lambda output: np.empty((count, *output.shape[1:]), output.dtype), outputs
                )
            _write(results, outputs, start, stop)
            report(stop, count)
            stop_if_interrupted()
        return results


def _slices(array: np.ndarray) -> Callable:
    return lambda start, stop: array[start:stop]


def _write(results, outputs, start: int, stop: int) -> None:
    """Put outputs into their rows of the results; what was filled up is left out."""
    for result, output in zip(
        keras.tree.flatten(results), keras.tree.flatten(outputs), strict=True
    ):
        result[start:stop] = output[: stop - start]
