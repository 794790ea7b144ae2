"""Conditional flow matching: images by following a learned velocity field from noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_fraction, check_positive, fail
from keras_medaug.fitting.parallel import batch_devices
from keras_medaug.images import check_images, to_float
from keras_medaug.interrupts import between_steps
from keras_medaug.layers import GeometricAugmentation
from keras_medaug.models.checked_settings import check_rate, check_size
from keras_medaug.models.flow_sampler import FlowSampler
from keras_medaug.models.generative_model import (
    DEFAULT_BATCH_SIZE,
    GenerativeModel,
    batch_count,
    filled,
)
from keras_medaug.models.given_augmentation import config_of, seeded_copy
from keras_medaug.models.given_networks import GivenNetworks
from keras_medaug.models.quiet_model import QuietModel
from keras_medaug.models.registry import register_generator
from keras_medaug.networks.averaged_network import average_of
from keras_medaug.networks.contracts import check_velocity_network
from keras_medaug.networks.unet import build_unet
from keras_medaug.progress import Report, reporting
from keras_medaug.seeds import resolve_seed

WARM_UP_STEPS = 100
DEFAULT_STEPS = 20  # from noise to image
TIME_MEAN = -0.4  # of the logits of training times


@register_generator("flow")
@keras.saving.register_keras_serializable(package="keras_medaug")
class Flow(GivenNetworks, GenerativeModel):
    """Conditional flow matching in pixel space: the generative model to begin with.

    A network learns which way an image that is part noise has to go to become an image. With
    `x_t = (1 - t) * noise + t * image`, of an image in [-1, 1] and a time `t` from 0 to 1, its loss
    is the mean of `(network(x_t, t) - (image - noise)) ** 2`. An image is made by following these
    velocities from noise, in a number of steps that `generate` takes. The network predicts the
    image, and the velocity is the way to it: `(image - x_t) / (1 - t)`. Training draws the logits
    of the times from a normal distribution about -0.4, with a standard deviation of 1.

    With `num_classes`, one network makes images of each class and of all classes together: a label
    of -1 means "unknown", in `fit` as in `generate`, and a tenth of the labels is hidden in
    training. No class needs an image. `guidance` leads images away from those of an unknown class.

    Half of the training images are augmented, and the network is told which. Generated images look
    unaugmented. With few images, a part of the augmentation can still leak.

    Args:
        image_shape: `(height, width, channels)`; sizes from 8 to 256, 1 or 3 channels.
        num_classes: Number of classes of a conditional model, or `None`.
        filters: Channels of the network at its highest resolution.
        blocks: Residual blocks of the network at each resolution, on the way down and up.
        dropout: Dropout rate of the network, in [0, 1).
        augmentation: What changes training images: a layer, called with `training=True`;
            `"geometric"` for rotations up to 10 degrees, shifts and zooms up to a tenth, and
            flips left to right; or `None`. The model keeps a copy of a layer, which takes a seed
            from the model's where the layer was given none.
        augmented_fraction: Fraction of the training images that are augmented, in (0, 1).
        label_dropout: Fraction of the labels that are hidden in training, in [0, 1). With 0, only
            labels of -1 teach the unknown class, which `guidance` and images without a label need.
        ema_momentum: Fraction that each step keeps of the average of the network's weights, in
            (0, 1); or `None` for no average. Images are made by the average, which begins with a
            short memory: see `keras_medaug.networks.AveragedNetwork`.
        network: A network of your own, a functional Keras model from noisy images and times to
            velocities (`keras_medaug.layers.VelocityFromImage` makes them of images); or `None` for
            one of the sizes above. Its inputs are a list: images; times `()`; with `num_classes`
            labels `()` in `[0, num_classes]`, the last of which means "unknown"; and with an
            augmentation flags `()`, 1 for augmented images.
        seed: Integer seed of weights, noise, dropout, augmentation and data order, or `None`.
        class_names: One distinct name per class, in the order of the labels, which may then be
            names; or `None`. With names, `num_classes` may be left out.
        **kwargs: Passed to `keras.Model`.

    Attributes:
        network: The network in training.
        averaged: Its running average, an `AveragedNetwork`, by which `generate` and `vary` make
            images; or `None`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import keras_medaug as kma
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> model = kma.models.Flow((8, 8, 1), num_classes=4, filters=8, seed=0)
    >>> model.compile()
    >>> history = model.fit(x, y, verbose=0)
    >>> model.generate(3, labels=0, seed=1, steps=4, guidance=1.5).shape
    (3, 8, 8, 1)
    >>> model.vary(x[:2], y[:2], strength=0.3, seed=1).shape
    (2, 8, 8, 1)

    References:
        Lipman et al., Flow Matching for Generative Modeling, 2023; Liu et al., Flow Straight and
        Fast, 2023; Esser et al., Scaling Rectified Flow Transformers, 2024, for the times; Li and
        He, Back to Basics: Let Denoising Generative Models Denoise, 2025, for the prediction of
        images; Ho and Salimans, Classifier-Free Diffusion Guidance, 2022; Karras et al.,
        Elucidating the Design Space of Diffusion-Based Generative Models, 2022, appendix F.2, for
        the flags; Meng et al., SDEdit, 2022, for `vary`.
    """

    takes_unlabelled = True
    passes_per_image = 2 * DEFAULT_STEPS - 1
    _shaped_networks: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "filters": ("network",),
        "blocks": ("network",),
        "dropout": ("network",),
    }

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int | None = None,
        filters: int = 32,
        blocks: int = 1,
        dropout: float = 0.1,
        augmentation: str | keras.layers.Layer | None = "geometric",
        augmented_fraction: float = 0.5,
        label_dropout: float = 0.1,
        ema_momentum: float | None = 0.999,
        network: keras.Model | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        _check_augmentation(augmentation)
        super().__init__(image_shape, num_classes, seed, class_names, **kwargs)
        self.filters = check_size(filters, "filters")
        self.blocks = check_size(blocks, "blocks")
        self.dropout = check_rate(dropout)
        self.augmented_fraction = check_fraction(augmented_fraction, "augmented_fraction")
        self.label_dropout = check_rate(label_dropout, "label_dropout")
        self.ema_momentum = ema_momentum
        self._given_augmentation = (
            augmentation if isinstance(augmentation, str) else config_of(augmentation)
        )
        self.augmentation = self._layer_of(augmentation)
        self._take(network=network)
        with self._own_policy():
            self.network = network or build_unet(
                self.image_shape,
                self.num_classes,
                augmented=augmentation is not None,
                filters=self.filters,
                blocks=self.blocks,
                dropout=self.dropout,
                seed=self.part_seed("network"),
            )
            self.averaged = average_of(self.network, ema_momentum)
        self._samplers = _Samplers()

    def _layer_of(self, augmentation: str | keras.layers.Layer | None):
        seed = self.part_seed("augmentation")
        if isinstance(augmentation, str):
            return GeometricAugmentation(
                rotation=10.0, shift=0.1, zoom=0.1, vertical_flip=False, seed=seed, dtype="float32"
            )
        layer = seeded_copy(augmentation, seed)
        if layer is not None:
            made = layer(keras.Input(self.image_shape), training=True)  # which builds it
            if tuple(made.shape)[1:] != self.image_shape:
                got = f"a layer whose images have the shape {tuple(made.shape)[1:]}"
                raise fail("augmentation", got, f"one that keeps the shape {self.image_shape}")
        return layer

    def _check_network(self, network: keras.Model, name: str) -> None:
        check_velocity_network(
            network, name, self.image_shape, self.num_classes, self.augmentation is not None
        )

    def _argument(self, name: str):
        return self._given_augmentation if name == "augmentation" else super()._argument(name)

    def _named_networks(self) -> dict[str, keras.Model]:
        return {"network": self.network}

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Return what `compile()` uses: AdamW, rate 2e-3 after 100 steps, norm clipped to 1.

        The rate stays constant: how long training will last is not known here, and two trainings of
        two epochs are to be one of four. Callbacks that set a rate, such as `ReduceLROnPlateau`,
        need an optimizer whose rate is a number.

        Returns:
            A new optimizer.
        """
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, decay_steps=1, alpha=1.0, warmup_target=2e-3, warmup_steps=WARM_UP_STEPS
        )
        return keras.optimizers.AdamW(rate, weight_decay=1e-2, global_clipnorm=1.0)

    # ---- training ---------------------------------------------------------------------------

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the squared error of the velocities of a batch, at random times."""
        images, augmented = self._augmented(self._to_float(x), training)
        images = 2.0 * images - 1.0
        count = batch_count(images)
        noise = keras.random.normal(ops.shape(images), dtype="float32", seed=self.seed_generator)
        # Logit-normal: most of the work is where noise is somewhat stronger than the image.
        logits = keras.random.normal((count,), dtype="float32", seed=self.seed_generator)
        times = ops.sigmoid(logits + TIME_MEAN)
        time = ops.reshape(times, (-1, 1, 1, 1))
        inputs = [(1.0 - time) * noise + time * images, times]
        if self.num_classes is not None:
            inputs.append(self._shown_labels(y, count, training))
        if self.augmentation is not None:
            inputs.append(augmented)
        velocity = ops.cast(self.network(inputs, training=training), "float32")
        if training and self.averaged is not None:
            self.averaged.follow(self.network)
        return ops.mean(ops.square(velocity - (images - noise)))

    def _augmented(self, images, training: bool):
        """Return images, in training many of them augmented, and which of them."""
        count = batch_count(images)
        if not training or self.augmentation is None:
            return images, ops.zeros((count,), "float32")
        draws = keras.random.uniform((count,), dtype="float32", seed=self.seed_generator)
        flags = ops.cast(draws < self.augmented_fraction, "float32")
        changed = ops.cast(self.augmentation(images, training=True), "float32")
        return ops.where(ops.reshape(flags, (-1, 1, 1, 1)) > 0.5, changed, images), flags

    def _shown_labels(self, labels, count, training: bool):
        """Return labels as the network takes them, in training some of them hidden."""
        labels = ops.cast(ops.convert_to_tensor(labels), "int32")
        hidden = labels < 0
        if training and self.label_dropout:
            draws = keras.random.uniform((count,), dtype="float32", seed=self.seed_generator)
            hidden = ops.logical_or(hidden, draws < self.label_dropout)
        return ops.where(hidden, self.num_classes, labels)

    # ---- images -----------------------------------------------------------------------------

    def generate(
        self,
        n: int,
        labels: ArrayLike | None = None,
        seed: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        verbose: bool | Report = False,
        *,
        steps: int = DEFAULT_STEPS,
        guidance: float = 1.0,
    ) -> NDArray[np.float32]:
        """Make new images.

        Args:
            n: Number of images.
            labels: Class of each image, integers `(n,)` or names of `class_names`; or one for all.
                -1 or `None` stands for an unknown class.
            seed: Integer seed: the same seed, on the same backend, gives the same images. `None`
                draws one that `keras.utils.set_random_seed` governs.
            batch_size: Images made at a time. Another size gives other images, because each batch
                is drawn from its own seed.
            verbose: Whether to show progress on standard error; or a function `(done, total)` that
                is called instead.
            steps: Steps from noise to image. Few steps give drafts.
            guidance: How far images are led towards their class: at 1 they are those of the class,
                at 0 those of an unknown one. Above 1 they are more typical of the class, and less
                diverse. For a conditional model only; another value than 1 doubles the time.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.

        Example:

        >>> import keras_medaug as kma
        >>> model = kma.models.Flow((8, 8, 1), num_classes=2, filters=8, seed=0)
        >>> model.generate(2, labels=[0, 1], seed=1, steps=2).shape
        (2, 8, 8, 1)
        """
        options = self._check_options(steps, guidance)
        return self._generate(n, labels, seed, batch_size, verbose, **options)

    @between_steps()
    def vary(
        self,
        x: ArrayLike,
        labels: ArrayLike | None = None,
        strength: float = 0.5,
        seed: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        verbose: bool | Report = False,
        *,
        steps: int = DEFAULT_STEPS,
        guidance: float = 1.0,
    ) -> NDArray[np.float32]:
        """Make variations of images: noise them part of the way, and bring them back.

        Args:
            x: Images `(n, h, w, c)`, floats in [0, 1] or `uint8`.
            labels: Class of each image, as in `generate`; for variations that keep it, that of `x`.
            strength: Fraction of noise that is mixed in, in (0, 1]. A small one keeps the layout; 1
                keeps nothing, and makes new images.
            seed: As in `generate`.
            batch_size: As in `generate`.
            verbose: As in `generate`.
            steps: Steps that the whole way from noise to image would take. A variation takes
                `round(steps * strength)` of them, at least one.
            guidance: As in `generate`.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.

        Example:

        >>> import numpy as np
        >>> import keras_medaug as kma
        >>> model = kma.models.Flow((8, 8, 1), filters=8, seed=0)
        >>> model.vary(np.zeros((2, 8, 8, 1), "uint8"), strength=0.2, seed=1, steps=5).shape
        (2, 8, 8, 1)

        References:
            Meng et al., SDEdit, 2022; Trabucco et al., Effective Data Augmentation With Diffusion
            Models, 2023, for the use.
        """
        images = to_float(check_images(x, "x", self.image_shape))
        labels = self._labels_for(labels, len(images))
        strength = _check_strength(strength)
        options = self._check_options(steps, guidance)
        options["steps"] = max(1, round(options["steps"] * strength))
        batch_size = check_positive(batch_size, "batch_size", integer=True)
        seed = resolve_seed(seed)

        def varied(chosen: slice, some_labels: NDArray | None, seed: int) -> NDArray:
            start = np.asarray(filled(images[chosen], min(batch_size, len(images))))
            return self._from_noise(start, 1.0 - strength, some_labels, seed, **options)

        with reporting(verbose, "making variations") as report:
            return self._in_batches(len(images), labels, seed, batch_size, report, varied)

    def _check_options(self, steps: int, guidance: float) -> dict[str, Any]:
        steps = check_positive(steps, "steps", integer=True)
        guidance = float(check_positive(guidance, "guidance", zero=True))
        if self.num_classes is None and guidance != 1:
            raise fail("guidance", guidance, "1, since the model was made without num_classes")
        return {"steps": steps, "guidance": guidance}

    def _sample(
        self, count: int, labels, seed: int, steps: int = DEFAULT_STEPS, guidance: float = 1.0
    ) -> NDArray[np.float32]:
        nothing = np.zeros((count, *self.image_shape), "float32")
        return self._from_noise(nothing, 0.0, labels, seed, steps, guidance)

    def _from_noise(
        self, images: NDArray, start: float, labels, seed: int, steps: int, guidance: float
    ) -> NDArray[np.float32]:
        """Return what becomes of images that are mixed with noise as at the time `start`."""
        noise = np.random.default_rng(seed).standard_normal(images.shape, dtype="float32")
        count, noised = len(images), 1.0 - start
        mixed = np.float32(noised) * noise + np.float32(start) * (2 * images - 1)
        inputs = [mixed, np.full(count, start, "float32"), np.full(count, steps, "int32")]
        if labels is not None:
            inputs.append(np.asarray(np.where(labels < 0, self.num_classes, labels), "int32"))
        if guidance != 1:
            inputs.append(np.full(count, guidance, "float32"))
        shared = count + -count % batch_devices()
        predict = self._samplers.predict_of(self, guided=guidance != 1)
        rows = [np.asarray(filled(part, shared)) for part in inputs]
        return predict(rows, batch_size=shared, verbose=0)[:count]

    @property
    def _image_network(self) -> keras.Model:
        """The network that makes images, the average if there is one."""
        return self.network if self.averaged is None else self.averaged.network


class _Samplers:
    """The samplers of a model, out of sight of Keras, which would save their weights again."""

    def __init__(self) -> None:
        self._predict: dict[tuple[bool, bool], Any] = {}

    def predict_of(self, model: Flow, guided: bool):
        """Return the `predict` of the sampler with or without guidance."""
        key = guided, bool(model.run_eagerly)
        if key not in self._predict:
            sampler = FlowSampler(
                model._image_network,
                model.num_classes,
                augmented=model.augmentation is not None,
                guided=guided,
            )
            sampler.run_eagerly = model.run_eagerly
            self._predict[key] = partial(QuietModel.predict, sampler)
        return self._predict[key]


def _check_augmentation(augmentation: object) -> None:
    if augmentation is None or augmentation == "geometric":
        return
    if not isinstance(augmentation, keras.layers.Layer):
        raise fail("augmentation", repr(augmentation), "a Keras layer, 'geometric' or None")


def _check_strength(strength: float) -> float:
    strength = float(check_positive(strength, "strength"))
    if strength > 1:
        raise fail("strength", strength, "a number in (0, 1]")
    return strength
