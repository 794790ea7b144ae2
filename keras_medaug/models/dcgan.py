"""The deep convolutional generative adversarial network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import keras
from keras import ops

from keras_medaug import losses
from keras_medaug.checks import check_flag, check_positive, fail
from keras_medaug.models.generative_model import GenerativeModel, batch_count
from keras_medaug.models.registry import register_generator
from keras_medaug.networks import RunningStatistics, builders, frozen, read_once
from keras_medaug.networks.averaged_network import average_of

ADVERSARIAL_FORMS = ("nonsaturating", "minimax")


@register_generator("dcgan")
@keras.saving.register_keras_serializable(package="keras_medaug")
class DCGAN(GenerativeModel):
    """Deep convolutional GAN; conditional when `num_classes` is given.

    Both networks step at once, from the same weights, each down its own objective. Logged, in
    nats: `discriminator_loss`, the cross-entropy of real images against 1 and of generated ones
    against 0; `generator_loss`, that of generated images against 1 (or its minimax form); and
    `loss`, their sum, which measures nothing by itself.

    `predict` returns the discriminator's logits, above 0 for images it takes for real. They are
    no measure of image quality: near the equilibrium that training seeks, a discriminator is
    undecided. Batch normalisation has running statistics for real images, which `predict` uses,
    and others for generated images, which `evaluate` uses for those.

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
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(image_shape, latent_dim, num_classes, seed, class_names, **kwargs)
        self.adversarial = check_adversarial(adversarial)
        self.generator_filters = check_positive(
            generator_filters, "generator_filters", integer=True
        )
        self.discriminator_filters = check_positive(
            discriminator_filters, "discriminator_filters", integer=True
        )
        self.generator_kernel_size = check_positive(
            generator_kernel_size, "generator_kernel_size", integer=True
        )
        self.discriminator_kernel_size = check_positive(
            discriminator_kernel_size, "discriminator_kernel_size", integer=True
        )
        self.dropout = check_rate(dropout)
        self.batch_normalization = check_flag(batch_normalization, "batch_normalization")
        self.ema_momentum = ema_momentum
        with self._own_policy():
            self.generator = builders.build_decoder(
                self.image_shape,
                self.latent_dim,
                self.num_classes,
                filters=self.generator_filters,
                kernel_size=self.generator_kernel_size,
                batch_normalization=batch_normalization,
                seed=self.part_seed("generator"),
                name="generator",
            )
            self.discriminator = builders.build_discriminator(
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
        self.built = True

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The two networks."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the sum of both objectives on a batch, each reaching its own network only."""
        images = self._unit(x)
        count = batch_count(images)
        with read_once(self):
            noise = self._with_labels(self._noise(count), y)
            generated = self.generator(noise, training=training)
            judge = frozen(self.discriminator, self.generated_statistics)
            judged = judge(self._with_labels(generated, y), training=training)
            detached = ops.stop_gradient(generated)
            real = self.discriminator(self._with_labels(images, y), training=training)
            fake = self.generated_statistics.through(self.discriminator)(
                self._with_labels(detached, y), training=training
            )

        generator_loss = losses.generator_adversarial(judged["logit"], self.adversarial)
        discriminator_loss = losses.real_cross_entropy(real["logit"]) + losses.fake_cross_entropy(
            fake["logit"]
        )

        self._follow(training)
        self._record(count, generator_loss=generator_loss, discriminator_loss=discriminator_loss)
        return generator_loss + discriminator_loss

    def _infer(self, images, labels):
        return self.discriminator(self._with_labels(images, labels), training=False)["logit"]

    def get_config(self) -> dict:
        """Return the arguments that rebuild the model."""
        return {
            **super().get_config(),
            "adversarial": self.adversarial,
            "generator_filters": self.generator_filters,
            "discriminator_filters": self.discriminator_filters,
            "generator_kernel_size": self.generator_kernel_size,
            "discriminator_kernel_size": self.discriminator_kernel_size,
            "dropout": self.dropout,
            "batch_normalization": self.batch_normalization,
            "ema_momentum": self.ema_momentum,
        }


def check_adversarial(form: str) -> str:
    """Return `form` if it names an adversarial objective, else raise `ValueError`."""
    if form not in ADVERSARIAL_FORMS:
        raise fail("adversarial", repr(form), "'nonsaturating' or 'minimax'")
    return form


def check_rate(dropout: float) -> float:
    """Return `dropout` if it is a dropout rate in [0, 1), else raise `ValueError`."""
    rate = check_positive(dropout, "dropout", zero=True)
    if rate >= 1:
        raise fail("dropout", dropout, "a rate in [0, 1)")
    return rate
