"""The union of variational autoencoder and GAN: the paper's CVAEDCGAN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import keras
from keras import ops

from keras_medaug import losses
from keras_medaug.checks import check_flag, check_positive, fail
from keras_medaug.layers import Sampling
from keras_medaug.models.autoencoding_model import AutoencodingModel
from keras_medaug.models.checked_settings import check_adversarial, check_rate, check_size
from keras_medaug.models.generative_model import batch_count
from keras_medaug.models.registry import register_generator
from keras_medaug.networks import Gate, RunningStatistics, builders, frozen, read_once
from keras_medaug.networks.averaged_network import average_of
from keras_medaug.networks.contracts import latent_size
from keras_medaug.networks.gate import as_gate, gated


@register_generator("vaegan")
@keras.saving.register_keras_serializable(package="keras_medaug")
class VAEGAN(AutoencodingModel):
    """VAE/GAN, the paper's CVAEDCGAN; conditional when `num_classes` is given.

    The decoder is the generator, and images are compared by features of the discriminator instead
    of by pixels. Three networks step at once, from the same weights, each down its own objective:

    - encoder: `encoder_loss = beta * kl + similarity`
    - decoder: `decoder_loss = gamma * similarity + adversarial`
    - discriminator: `discriminator_loss`, the cross-entropy of real images against 1, of
      reconstructions and of images from the prior against 0

    `similarity` is half the squared distance of the features of an image and its reconstruction,
    summed over features for the encoder, and for the decoder summed or averaged as
    `gamma_reduction` says. The adversarial term covers reconstructions and images from the prior.
    All these are logged, averaged over images, in nats; `loss` is the sum of the three.

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
        gamma: Weight of the similarity in the decoder's objective.
        gamma_reduction: `"mean"` or `"sum"`: whether `gamma` multiplies the similarity averaged
            or summed over features.
        beta: Weight of the divergence in the encoder's objective.
        adversarial: `"nonsaturating"` or `"minimax"`: the decoder's adversarial term.
        gate: A `keras_medaug.networks.Gate` that lets a network that is winning skip steps, or
            `None`. Shares of steps trained are logged as `discriminator_trains`, `decoder_trains`.
            It sees the cross-entropies as they would be for as many real images as generated ones.
        encoder_filters: Channels of the encoder's first convolution.
        decoder_filters: Channels of the decoder's last hidden layer.
        discriminator_filters: Channels of the discriminator's first convolution.
        encoder_kernel_size: Side of the encoder's kernels.
        decoder_kernel_size: Side of the decoder's kernels; even ones draw no checkerboard.
        discriminator_kernel_size: Side of the discriminator's kernels; even ones teach none.
        feature_block: The paper's layer l: images are compared by the raw output of this
            convolution of the discriminator, counted from 1; `None` is the middle one.
        dropout: Dropout rate of the discriminator, in [0, 1).
        batch_normalization: Whether the convolutions of decoder and discriminator are normalised,
            each kind of image by the statistics of its own batch. Each kind has running
            statistics of its own as well: see `keras_medaug.networks.RunningStatistics`.
        ema_momentum: Share that each step keeps of the average of the decoder's weights, in
            (0, 1), or `None` for no average.
        encoder: A network of your own from images to `[z_mean, z_log_var]`, both
            `(n, latent_dim)`; or `None` for one of the sizes above.
        decoder: A network of your own from latent vectors to `float32` images in [0, 1]; or `None`.
            `latent_dim` is that of the decoder.
        discriminator: A network of your own from images to a dictionary: `"logit"`, `(n, 1)`, above
            0 for real, and `"features"`, by which images are compared; or `None`.
        seed: Integer seed of weights, noise, dropout and data order, or `None`.
        class_names: One distinct name per class, in the order of the labels, which may then be
            names; or `None`. With names, `num_classes` may be left out.
        **kwargs: Passed to `keras.Model`.

    Attributes:
        encoder: Images to `[z_mean, z_log_var]`.
        decoder: Latent vectors to images, the network in training; `generator` is the same.
        averaged: Its running average, an `AveragedNetwork`, by which `generate`, `decode` and
            `reconstruct` make images; or `None`.
        discriminator: Images to `{"logit", "features"}`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((16, 8, 8, 1), dtype="float32")
    >>> model = kma.models.VAEGAN((8, 8, 1), latent_dim=4, seed=0)
    >>> model.compile()
    >>> history = model.fit(x, batch_size=8, verbose=0)
    >>> model.reconstruct(x).shape
    (16, 8, 8, 1)

    References:
        Larsen et al., Autoencoding beyond pixels using a learned similarity metric, 2016,
        algorithm 1; section 2.4 of the paper this library implements, whose signs are corrected.
    """

    loss_networks: ClassVar[Mapping[str, str]] = {
        "encoder_loss": "encoder",
        "decoder_loss": "decoder",
        "discriminator_loss": "discriminator",
        "kl": "encoder",
        "similarity": "encoder",
        "adversarial": "decoder",
    }
    _shaped_networks: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "encoder_filters": ("encoder",),
        "encoder_kernel_size": ("encoder",),
        "decoder_filters": ("decoder",),
        "decoder_kernel_size": ("decoder",),
        "discriminator_filters": ("discriminator",),
        "discriminator_kernel_size": ("discriminator",),
        "feature_block": ("discriminator",),
        "dropout": ("discriminator",),
        "batch_normalization": ("decoder", "discriminator"),
    }

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int = 64,
        num_classes: int | None = None,
        gamma: float = 0.01,
        gamma_reduction: str = "sum",
        beta: float = 1.0,
        adversarial: str = "nonsaturating",
        gate: Gate | None = None,
        encoder_filters: int = 32,
        decoder_filters: int = 64,
        discriminator_filters: int = 64,
        encoder_kernel_size: int = 3,
        decoder_kernel_size: int = 4,
        discriminator_kernel_size: int = 4,
        feature_block: int | None = None,
        dropout: float = 0.0,
        batch_normalization: bool = True,
        ema_momentum: float | None = 0.99,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        latent_dim = latent_size(decoder, "decoder", latent_dim, default=64)
        super().__init__(image_shape, latent_dim, num_classes, seed, class_names, **kwargs)
        if gamma_reduction not in ("mean", "sum"):
            raise fail("gamma_reduction", repr(gamma_reduction), "'mean' or 'sum'")
        self.gamma = check_positive(gamma, "gamma", zero=True)
        self.gamma_reduction = gamma_reduction
        self.beta = check_positive(beta, "beta", zero=True)
        self.adversarial = check_adversarial(adversarial)
        self.gate = as_gate(gate)
        self.encoder_filters = check_size(encoder_filters, "encoder_filters")
        self.decoder_filters = check_size(decoder_filters, "decoder_filters")
        self.discriminator_filters = check_size(discriminator_filters, "discriminator_filters")
        self.encoder_kernel_size = check_size(encoder_kernel_size, "encoder_kernel_size")
        self.decoder_kernel_size = check_size(decoder_kernel_size, "decoder_kernel_size")
        self.discriminator_kernel_size = check_size(
            discriminator_kernel_size, "discriminator_kernel_size"
        )
        if feature_block is not None:
            feature_block = check_size(feature_block, "feature_block")
        self.feature_block = feature_block
        self.dropout = check_rate(dropout)
        self.batch_normalization = check_flag(batch_normalization, "batch_normalization")
        self.ema_momentum = ema_momentum
        if self.gate is not None:
            for name in ("discriminator_trains", "decoder_trains"):
                self._trackers[name] = keras.metrics.Mean(name=name)
        self._take(encoder=encoder, decoder=decoder, discriminator=discriminator)
        with self._own_policy():
            self._build_networks(encoder, decoder, discriminator)
            self.reconstruction_statistics = RunningStatistics(self.decoder)
            self.generated_statistics = {
                kind: RunningStatistics(self.discriminator) for kind in ("reconstructed", "sampled")
            }
            self.averaged = average_of(self.decoder, ema_momentum, self.reconstruction_statistics)

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Return what `compile()` uses: Adam, rate 2e-4, first moment 0.5 (Radford et al.)."""
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def _build_networks(self, encoder, decoder, discriminator) -> None:
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
            batch_normalization=self.batch_normalization,
            seed=self.part_seed("decoder"),
        )
        self.discriminator = discriminator or builders.build_discriminator(
            self.image_shape,
            self.num_classes,
            filters=self.discriminator_filters,
            kernel_size=self.discriminator_kernel_size,
            feature_block=self.feature_block,
            dropout=self.dropout,
            batch_normalization=self.batch_normalization,
            seed=self.part_seed("discriminator"),
        )

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The three networks."""
        return {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "discriminator": self.discriminator,
        }

    @property
    def _may_skip_steps(self) -> bool:
        return self.gate is not None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the sum of the three objectives on a batch (algorithm 1, read right).

        Frozen passes come before live ones of the discriminator, so that real images and their
        reconstructions are compared under the same dropout mask.
        """
        images = self._to_float(x)
        count = batch_count(images)

        def frozen_discriminator(pictures, kind):
            inputs = self._with_labels(pictures, y)
            statistics = self.generated_statistics[kind]
            return frozen(self.discriminator, statistics)(inputs, training=training)

        with read_once(self):
            z_mean, z_log_var = self.encoder(self._with_labels(images, y), training=training)
            z = self.sampling([z_mean, z_log_var])
            decode = frozen(self.decoder, self.reconstruction_statistics)
            decoded = decode(self._with_labels(z, y), training=training)
            for_encoder = frozen_discriminator(decoded, "reconstructed")

            latent = self._with_labels(ops.stop_gradient(z), y)
            reconstruct = self.reconstruction_statistics.through(self.decoder)
            reconstructed = reconstruct(latent, training=training)
            sampled = self.decoder(self._with_labels(self._noise(count), y), training=training)
            scored = frozen_discriminator(reconstructed, "reconstructed")
            scored_sample = frozen_discriminator(sampled, "sampled")

            real, fakes = self._discriminate(images, reconstructed, sampled, y, training)

        discriminator_loss = losses.real_cross_entropy(real["logit"]) + sum(
            losses.fake_cross_entropy(fake) for fake in fakes
        )
        target = ops.stop_gradient(real["features"])

        kl = losses.kl_divergence(z_mean, z_log_var)
        similarity = losses.similarity(target, for_encoder["features"])
        encoder_loss = self.beta * kl + similarity

        adversarial = losses.generator_adversarial(
            scored["logit"], self.adversarial
        ) + losses.generator_adversarial(scored_sample["logit"], self.adversarial)
        decoder_similarity = losses.similarity(target, scored["features"])
        decoder_loss = self._gamma(target) * decoder_similarity + adversarial

        self._follow(training)
        self._record(
            count,
            encoder_loss=encoder_loss,
            decoder_loss=decoder_loss,
            discriminator_loss=discriminator_loss,
            kl=kl,
            similarity=similarity,
            adversarial=adversarial,
        )
        if self.gate is not None:
            balanced = _balanced_cross_entropies(real["logit"], fakes)
            discriminator_trains, decoder_trains = self.gate(*balanced)
            self._record(
                count, discriminator_trains=discriminator_trains, decoder_trains=decoder_trains
            )
            decoder_loss = gated(decoder_loss, decoder_trains)
            discriminator_loss = gated(discriminator_loss, discriminator_trains)
        return encoder_loss + decoder_loss + discriminator_loss

    def _discriminate(self, images, reconstructed, sampled, labels, training):
        """Return the live pass on real images, and the logits of both kinds of generated ones."""
        real = self.discriminator(self._with_labels(images, labels), training=training)
        generated = {"reconstructed": reconstructed, "sampled": sampled}
        fakes = []
        for kind, pictures in generated.items():
            discriminate = self.generated_statistics[kind].through(self.discriminator)
            inputs = self._with_labels(ops.stop_gradient(pictures), labels)
            fakes.append(discriminate(inputs, training=training)["logit"])
        return real, fakes

    def _gamma(self, features) -> float:
        """Return the weight of the summed similarity in the decoder's objective."""
        if self.gamma_reduction == "sum":
            return self.gamma
        size = 1
        for axis in features.shape[1:]:
            size *= axis
        return self.gamma / size


def _balanced_cross_entropies(real_logit, fake_logits):
    """Return the cross-entropies on real and on generated images, had they been equally many.

    The discriminator sees two generated images for each real one, so that its logits are lower by
    log 2 than those of one that sees as many; undecided, it would look to the gate like a loser.
    """
    shift = math.log(len(fake_logits))
    fakes = [losses.fake_cross_entropy(logit + shift) for logit in fake_logits]
    return losses.real_cross_entropy(real_logit + shift), sum(fakes) / len(fakes)
