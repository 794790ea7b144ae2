"""The convolutional variational autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import keras
from keras import ops

from keras_medaug import losses
from keras_medaug.checks import check_flag, check_positive, fail
from keras_medaug.layers import Sampling
from keras_medaug.models.autoencoding_model import AutoencodingModel
from keras_medaug.models.checked_settings import check_size
from keras_medaug.models.generative_model import batch_count
from keras_medaug.models.registry import register_generator
from keras_medaug.networks import RunningStatistics, builders
from keras_medaug.networks.contracts import latent_size, logits_of


@register_generator("cvae")
@keras.saving.register_keras_serializable(package="keras_medaug")
class CVAE(AutoencodingModel):
    """Convolutional variational autoencoder; conditional when `num_classes` is given.

    Minimises `loss = reconstruction + beta * kl`, the negative evidence lower bound for `beta` 1.
    `reconstruction` is the negative log-likelihood of the image given one draw of `z`, summed over
    pixels; `kl` the divergence of the encoder's distribution from the prior, summed over latent
    dimensions; both are averaged over images and logged beside the loss, in nats.

    `predict` reconstructs.

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
        likelihood: `"bernoulli"` or `"gaussian"`: the distribution of a pixel given `z`.
        pixel_scale: Standard deviation of a pixel under the Gaussian likelihood.
        beta: Weight of the divergence.
        kl_estimator: `"analytic"` for the closed form, `"sample"` for the single-sample estimate
            of equation 2.
        encoder_filters: Channels of the encoder's first convolution.
        decoder_filters: Channels of the decoder's last hidden layer.
        encoder_kernel_size: Side of the encoder's kernels.
        decoder_kernel_size: Side of the decoder's kernels; even ones draw no checkerboard.
        batch_normalization: Whether the decoder's hidden layers are normalised. Each step then
            passes half a batch from the prior through the decoder, without a gradient, so that
            `generate` has running statistics of its own kind of latent vectors.
        encoder: A network of your own from images to `[z_mean, z_log_var]`, both
            `(n, latent_dim)`; or `None` for one of the sizes above.
        decoder: A network of your own from latent vectors to `float32` images in [0, 1]; or `None`.
            The Bernoulli likelihood needs a layer named `"logits"` in it, whose sigmoid the images
            are. `latent_dim` is that of the decoder.
        seed: Integer seed of weights, noise and data order, or `None`.
        class_names: One distinct name per class, in the order of the labels, which may then be
            names; or `None`. With names, `num_classes` may be left out.
        **kwargs: Passed to `keras.Model`.

    Attributes:
        encoder: Images to `[z_mean, z_log_var]`.
        decoder: Latent vectors to images.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((16, 8, 8, 1), dtype="float32")
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4, seed=0)
    >>> model.compile()
    >>> history = model.fit(x, batch_size=8, verbose=0)
    >>> model.generate(3, seed=1).shape
    (3, 8, 8, 1)

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, 2014; section 2.2 of the paper this
        library implements.
    """

    loss_networks: ClassVar[Mapping[str, str]] = {"reconstruction": "decoder", "kl": "encoder"}
    _shaped_networks: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "encoder_filters": ("encoder",),
        "encoder_kernel_size": ("encoder",),
        "decoder_filters": ("decoder",),
        "decoder_kernel_size": ("decoder",),
        "batch_normalization": ("decoder",),
    }

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 64,
        num_classes: int | None = None,
        likelihood: str = "bernoulli",
        pixel_scale: float = 0.1,
        beta: float = 1.0,
        kl_estimator: str = "analytic",
        encoder_filters: int = 32,
        decoder_filters: int = 64,
        encoder_kernel_size: int = 3,
        decoder_kernel_size: int = 4,
        batch_normalization: bool = True,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        latent_dim = latent_size(decoder, "decoder", latent_dim, default=64)
        super().__init__(image_shape, latent_dim, num_classes, seed, class_names, **kwargs)
        if likelihood not in ("bernoulli", "gaussian"):
            raise fail("likelihood", repr(likelihood), "'bernoulli' or 'gaussian'")
        if kl_estimator not in ("analytic", "sample"):
            raise fail("kl_estimator", repr(kl_estimator), "'analytic' or 'sample'")
        self.likelihood = likelihood
        self.pixel_scale = check_positive(pixel_scale, "pixel_scale")
        self.beta = check_positive(beta, "beta", zero=True)
        self.kl_estimator = kl_estimator
        self.encoder_filters = check_size(encoder_filters, "encoder_filters")
        self.decoder_filters = check_size(decoder_filters, "decoder_filters")
        self.encoder_kernel_size = check_size(encoder_kernel_size, "encoder_kernel_size")
        self.decoder_kernel_size = check_size(decoder_kernel_size, "decoder_kernel_size")
        self.batch_normalization = check_flag(batch_normalization, "batch_normalization")
        self._take(encoder=encoder, decoder=decoder)
        with self._own_policy():
            self.encoder = encoder or builders.build_encoder(
                self.image_shape,
                self.latent_dim,
                self.num_classes,
                filters=self.encoder_filters,
                kernel_size=self.encoder_kernel_size,
                seed=self.part_seed("encoder"),
            )
            self.sampling = Sampling(seed=self.part_seed("sampling"), dtype="float32")
            self.decoder = decoder or builders.build_decoder(
                self.image_shape,
                self.latent_dim,
                self.num_classes,
                filters=self.decoder_filters,
                kernel_size=self.decoder_kernel_size,
                batch_normalization=batch_normalization,
                seed=self.part_seed("decoder"),
            )
            self.reconstruction_statistics = RunningStatistics(self.decoder)
        if likelihood == "bernoulli":
            own = self.decoder.get_layer("logits") if decoder is None else logits_of(decoder)
            # A model among the attributes would be saved a second time.
            self._logits = lambda: own

    _logits: Callable[[], keras.Model]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the negative evidence lower bound (with `beta`) on a batch."""
        images = self._to_float(x)
        z_mean, z_log_var = self.encoder(self._with_labels(images, y), training=training)
        z = self.sampling([z_mean, z_log_var])
        if self.kl_estimator == "analytic":
            kl = losses.kl_divergence(z_mean, z_log_var)
        else:
            kl = losses.kl_single_sample(z, z_mean, z_log_var)
        latent = self._with_labels(z, y)
        through = self.reconstruction_statistics.through
        if self.likelihood == "bernoulli":
            logits = through(self._logits())(latent, training=training)
            reconstruction = losses.bernoulli_reconstruction(images, logits)
        else:
            decoded = through(self.decoder)(latent, training=training)
            reconstruction = losses.gaussian_reconstruction(images, decoded, self.pixel_scale)
        if training and self.reconstruction_statistics.values:
            self._see_prior(batch_count(x), y)
        self._record(batch_count(x), reconstruction=reconstruction, kl=kl)
        return reconstruction + self.beta * kl

    def _see_prior(self, count, labels) -> None:
        """Move the decoder's own running statistics, by which `generate` makes images.

        No objective of a VAE passes the prior through the decoder, so this pass has no gradient.
        Half a batch is enough, since the statistics are averaged over some ten steps.
        """
        half = (count + 1) // 2
        labels = None if labels is None else labels[:half]
        frozen_weights = [ops.stop_gradient(v.value) for v in self.decoder.trainable_variables]
        statistics = self.decoder.non_trainable_variables
        _, moved = self.decoder.stateless_call(
            frozen_weights,
            [variable.value for variable in statistics],
            self._with_labels(self._noise(half), labels),
            training=True,
        )
        for variable, value in zip(statistics, moved, strict=True):
            variable.assign(value)
