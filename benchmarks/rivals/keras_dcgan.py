"""A DCGAN such as Keras's own tutorials teach to write, to race the one here against.

A `keras.Model` whose `train_step` is written for TensorFlow, with stock layers: first the
discriminator takes a step, against labels with noise; then the generator does, against the new
discriminator, by a fresh batch of its images. The networks are those of our DCGAN as shipped, and
so are the settings of Adam. No average of the generator's weights is kept.

Tutorials without batch normalisation show the discriminator real and generated images in one
batch. Here that would normalise them together, but not in the generator's step, whose loss then
falls without learning anything; so they are shown apart, at the same cost.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow_loops import BETA_2, BN_EPSILON, BN_MOMENTUM, EPSILON, LATENT, NAMES, SETTINGS

NETWORKS = ("generator", "discriminator")
SHAPE = (28, 28, 1)
BATCH = 128
LABEL_NOISE = 0.05


def _activated() -> list[layers.Layer]:
    """Return batch normalisation and activation."""
    normalization = layers.BatchNormalization(momentum=BN_MOMENTUM, epsilon=BN_EPSILON)
    return [normalization, layers.LeakyReLU(0.2)]


def _generator() -> keras.Model:
    """Return a network from latent vectors to images."""
    return keras.Sequential(
        [
            keras.Input((LATENT,)),
            layers.Dense(7 * 7 * 128, use_bias=False),
            layers.Reshape((7, 7, 128)),
            *_activated(),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same", use_bias=False),
            *_activated(),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
        ],
        name="generator",
    )


def _discriminator() -> keras.Model:
    """Return a network from images to logits."""
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(2.0, offset=-1.0),
            layers.Conv2D(64, 4, strides=2, padding="same", use_bias=False),
            *_activated(),
            layers.Conv2D(128, 4, strides=2, padding="same", use_bias=False),
            *_activated(),
            layers.Flatten(),
            layers.Dense(1),
        ],
        name="discriminator",
    )


def _adam() -> keras.optimizers.Optimizer:
    rate, beta_1, _ = SETTINGS["DCGAN"]
    return keras.optimizers.Adam(rate, beta_1=beta_1, beta_2=BETA_2, epsilon=EPSILON)


class GAN(keras.Model):
    """Generator and discriminator, and how they are trained in turn.

    Args:
        seed: Seed of the noise.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator, self.discriminator = _generator(), _discriminator()
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.means = {name: keras.metrics.Mean(f"{name}_loss") for name in NETWORKS}
        self.steppers = {name: _adam() for name in NETWORKS}

    @property
    def metrics(self) -> list:
        """The loss of each network."""
        return [*self.means.values()]

    def _generate(self, count: Any) -> tf.Tensor:
        """Return new images, as the generator makes them in training."""
        noise = keras.random.normal((count, LATENT), seed=self.seed_generator)
        return self.generator(noise, training=True)

    def _noisy_cross_entropy(self, images: tf.Tensor, answer: float) -> tf.Tensor:
        """Return the cross-entropy of images against an answer that is noisy, towards the other."""
        logits = self.discriminator(images, training=True)
        noise = keras.random.uniform(tf.shape(logits), seed=self.seed_generator)
        labels = answer + LABEL_NOISE * noise * (1.0 - 2.0 * answer)
        return self.cross_entropy(labels, logits)

    def discriminator_loss(self, images: tf.Tensor) -> tf.Tensor:
        """Return the cross-entropies on real and on generated images."""
        generated = tf.stop_gradient(self._generate(tf.shape(images)[0]))
        return self._noisy_cross_entropy(images, 1.0) + self._noisy_cross_entropy(generated, 0.0)

    def generator_loss(self, count: Any) -> tf.Tensor:
        """Return the cross-entropy of generated images against "real"."""
        logits = self.discriminator(self._generate(count), training=True)
        return self.cross_entropy(tf.ones((count, 1)), logits)

    def _descend(self, name: str, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """Let a network take its step."""
        variables = getattr(self, name).trainable_variables
        self.steppers[name].apply(tape.gradient(loss, variables), variables)
        self.means[name].update_state(loss)

    def train_step(self, images: tf.Tensor) -> dict[str, Any]:
        """Take a step of the discriminator, then one of the generator."""
        with tf.GradientTape() as tape:
            loss = self.discriminator_loss(images)
        self._descend("discriminator", tape, loss)
        with tf.GradientTape() as tape:
            loss = self.generator_loss(tf.shape(images)[0])
        self._descend("generator", tape, loss)
        return {mean.name: mean.result() for mean in self.metrics}


class Loop:
    """The training of the DCGAN by `fit`.

    Args:
        weights: `get_weights()` of each network of our DCGAN.
        seed: Seed of the noise.
        jit: Whether XLA compiles the step, or `None` for what Keras thinks best.

    Attributes:
        last: The losses of the last run, averaged over its steps: a list of one.
    """

    def __init__(
        self, weights: dict[str, list[np.ndarray]], seed: int = 0, jit: bool | None = None
    ) -> None:
        self.model = GAN(seed)
        for name in NETWORKS:
            getattr(self.model, name).set_weights(weights[name])
        assert self.trainable_count() == _trainable_count(weights)
        self.model.compile(jit_compile="auto" if jit is None else jit)
        self.last: list[dict[str, float]] = []

    def losses(self, images: np.ndarray) -> dict[str, float]:
        """Return the losses of one batch at the present weights, without a step.

        Args:
            images: Images in [0, 1].

        Returns:
            The loss of each network by name.
        """
        # Batch normalisation moves its statistics, so that they have to be put back.
        networks = [self.model.generator, self.model.discriminator]
        kept = [network.get_weights() for network in networks]
        losses = {
            "discriminator_loss": float(self.model.discriminator_loss(tf.constant(images))),
            "generator_loss": float(self.model.generator_loss(len(images))),
        }
        for network, weights in zip(networks, kept, strict=True):
            network.set_weights(weights)
        return losses

    def run(self, batches: Sequence[tuple]) -> None:
        """Take one step for each batch of images.

        Args:
            batches: Tuples of 128 images and whatever else, which is not looked at.
        """
        images = np.concatenate([batch[0] for batch in batches])
        history = self.model.fit(images, batch_size=BATCH, verbose=0)
        self.last = [{name: values[-1] for name, values in history.history.items()}]

    def trainable_count(self) -> int:
        """Return the number of trainable parameters."""
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights)


def _trainable_count(weights: dict[str, list[np.ndarray]]) -> int:
    """Return the number of trainable parameters among `get_weights()` of our networks."""
    named = [pair for net in NETWORKS for pair in zip(NAMES[net], weights[net], strict=True)]
    return sum(value.size for name, value in named if not name.startswith("moving_"))


def make(
    name: str, weights: dict[str, list[np.ndarray]], seed: int = 0, jit: bool | None = None
) -> Loop:
    """Return a loop that starts from the weights given.

    Args:
        name: `"DCGAN"`.
        weights: `get_weights()` of `"generator"` and `"discriminator"`.
        seed: Seed of the noise.
        jit: Whether XLA compiles the step, or `None` for what Keras thinks best.

    Returns:
        The loop.

    Raises:
        ValueError: If the model is another.
    """
    if name != "DCGAN":
        raise ValueError(f"name is {name!r}: there is only a 'DCGAN'")
    return Loop(weights, seed, jit)
