"""The deep convolutional generative adversarial network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import keras
from keras import ops

from keras_medaug import losses
from keras_medaug.checks import check_flag
from keras_medaug.models.checked_settings import check_adversarial, check_rate, check_size
from keras_medaug.models.generative_model import batch_count
from keras_medaug.models.latent_model import LatentModel
from keras_medaug.models.registry import register_generator
from keras_medaug.networks import RunningStatistics, builders, frozen, read_once
from keras_medaug.networks.averaged_network import average_of
from keras_medaug.networks.contracts import latent_size


@register_generator("dcgan")
@keras.saving.register_keras_serializable(package="keras_medaug")
class DCGAN(LatentModel):
    """Deep convolutional GAN; conditional when `num_classes` is given.

    Both networks step at once, from the same weights, each down its own objective. Logged, in
    nats: `discriminator_loss`, the cross-entropy of real images against 1 and of generated ones
    against 0; `generator_loss`, that of generated images against 1 (or its minimax form); and
    `loss`, their sum, which measures nothing by itself.

    `predict` returns the discriminator's logits, above 0 for images it takes for real. They are
    no measure of image quality: near the equilibrium that training seeks, a discriminator is
    undecided. Batch normalisation has running statistics for real images, which `predict` uses,
    and others for generated images, which `evaluate` uses for those.

    A network of your own is a functional or `Sequential` Keras model. It takes one input, or with
    `num_classes` a list of two, the second one the labels, integers of shape `()`. No argument of
    size goes beside it. The model trains the network itself, no copy, from the weights it has. It
    is saved with the model, so its layers must be registered with Keras. `reinitialize(seed)` makes
    it anew from its configuration: each `seed` in there, of initializers and of random layers, is
    derived from the model's seed. A layer that draws random numbers needs an integer `seed`.
    `BatchNormalization`, of Keras or of this package, gets running statistics by kind of batch.

    Args:
        image_shape: `(height, width, channels)`; sizes from 8 to 256, 1 or 3 channels.
        latent_dim: Size of the latent vector.
        num_classes: Number of classes of a conditional model, or `None`.
        adversarial: `"nonsaturating"` or `"minimax"`: the generator's objective.
        generator_filters: Channels of the generator's last hidden layer.
        discriminator_filters: Channels of the discriminator's first convolution.
        generator_kernel_size: Side of the generator's kernels; even ones draw no checkerboard.
        discriminator_kernel_size: Side of the discriminator's kernels; even ones teach none.
        dropout: Dropout rate of the discriminator, in [0, 1).
        batch_normalization: Whether the convolutions of both networks are normalised. In the
            discriminator, real and generated images each by the statistics of their own batch.
        ema_momentum: Share that each step keeps of the average of the generator's weights, in
            (0, 1), or `None` for no average.
        generator: A network of your own from latent vectors to `float32` images in [0, 1]; or
            `None` for one of the sizes above. `latent_dim` is that of the generator.
        discriminator: A network of your own from images to a dictionary: `"logit"`, `(n, 1)`, above
            0 for real, and `"features"`, of any shape; or `None`.
        seed: Integer seed of weights, noise, dropout and data order, or `None`.
        class_names: One distinct name per class, in the order of the labels, which may then be
            names; or `None`. With names, `num_classes` may be left out.
        **kwargs: Passed to `keras.Model`.

    Attributes:
        generator: Latent vectors to images, the network in training.
        averaged: Its running average, an `AveragedNetwork`, by which `generate` and `decode` make
            images; or `None`.
        discriminator: Images to `{"logit", "features"}`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((16, 8, 8, 1), dtype="float32")
    >>> model = kma.models.DCGAN((8, 8, 1), latent_dim=4, seed=0)
    >>> model.compile()
    >>> history = model.fit(x, batch_size=8, verbose=0)
    >>> model.generate(3, seed=1).shape
    (3, 8, 8, 1)

    References:
        Radford et al., Unsupervised Representation Learning with Deep Convolutional Generative
        Adversarial Networks, 2016; section 2.3 of the paper this library implements.
    """

    loss_networks: ClassVar[Mapping[str, str]] = {
        "generator_loss": "generator",
        "discriminator_loss": "discriminator",
    }
    _shaped_networks: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "generator_filters": ("generator",),
        "generator_kernel_size": ("generator",),
        "discriminator_filters": ("discriminator",),
        "discriminator_kernel_size": ("discriminator",),
        "dropout": ("discriminator",),
        "batch_normalization": ("generator", "discriminator"),
    }

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 64,
        num_classes: int | None = None,
        adversarial: str = "nonsaturating",
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        generator_kernel_size: int = 4,
        discriminator_kernel_size: int = 4,
        dropout: float = 0.0,
        batch_normalization: bool = True,
        ema_momentum: float | None = 0.99,
        generator: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        latent_dim = latent_size(generator, "generator", latent_dim, default=64)
        super().__init__(image_shape, latent_dim, num_classes, seed, class_names, **kwargs)
        self.adversarial = check_adversarial(adversarial)
        self.generator_filters = check_size(generator_filters, "generator_filters")
        self.discriminator_filters = check_size(discriminator_filters, "discriminator_filters")
        self.generator_kernel_size = check_size(generator_kernel_size, "generator_kernel_size")
        self.discriminator_kernel_size = check_size(
            discriminator_kernel_size, "discriminator_kernel_size"
        )
        self.dropout = check_rate(dropout)
        self.batch_normalization = check_flag(batch_normalization, "batch_normalization")
        self.ema_momentum = ema_momentum
        self._take(generator=generator, discriminator=discriminator)
        with self._own_policy():
            self.generator = generator or builders.build_decoder(
                self.image_shape,
                self.latent_dim,
                self.num_classes,
                filters=self.generator_filters,
                kernel_size=self.generator_kernel_size,
                batch_normalization=batch_normalization,
                seed=self.part_seed("generator"),
                name="generator",
            )
            self.discriminator = discriminator or builders.build_discriminator(
                self.image_shape,
                self.num_classes,
                filters=self.discriminator_filters,
                kernel_size=self.discriminator_kernel_size,
                dropout=self.dropout,
                batch_normalization=batch_normalization,
                seed=self.part_seed("discriminator"),
            )
            self.generated_statistics = RunningStatistics(self.discriminator)
            self.averaged = average_of(self.generator, ema_momentum)

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Return what `compile()` uses: Adam, rate 2e-4, first moment 0.5 (Radford et al.)."""
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The two networks."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the sum of both objectives on a batch, each reaching its own network only."""
        images = self._to_float(x)
        count = batch_count(images)
        with read_once(self):
            noise = self._with_labels(self._noise(count), y)
            generated = self.generator(noise, training=training)
            frozen_discriminator = frozen(self.discriminator, self.generated_statistics)
            scored = frozen_discriminator(self._with_labels(generated, y), training=training)
            detached = ops.stop_gradient(generated)
            real = self.discriminator(self._with_labels(images, y), training=training)
            fake = self.generated_statistics.through(self.discriminator)(
                self._with_labels(detached, y), training=training
            )

        generator_loss = losses.generator_adversarial(scored["logit"], self.adversarial)
        discriminator_loss = losses.real_cross_entropy(real["logit"]) + losses.fake_cross_entropy(
            fake["logit"]
        )

        self._follow(training)
        self._record(count, generator_loss=generator_loss, discriminator_loss=discriminator_loss)
        return generator_loss + discriminator_loss

    def _infer(self, images, labels):
        return self.discriminator(self._with_labels(images, labels), training=False)["logit"]
