"""The networks of figures 6 to 9: encoder, decoder or generator, discriminator, classifier.

All take and return images in [0, 1], channels last, whatever the dtype policy inside. Depth follows
the image: the decoder starts from a base of at most 8 by 8 and doubles until it covers the image,
whose size it is then cropped to.
"""

from collections.abc import Sequence

import keras
from keras import layers

from keras_medaug.checks import fail
from keras_medaug.images import MIN_SIZE, check_image_shape
from keras_medaug.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    DecoderBlock,
    DiscriminatorBlock,
    Dropout,
    EncoderBlock,
    LabelEmbedding,
)
from keras_medaug.seeds import derive_seed, resolve_seed

LARGEST_BASE = 8
WIDEST = 4
LABEL_FEATURES = 32


def depth(image_shape: Sequence[int]) -> int:
    """Return how often an image's size is halved: at least twice, until it is at most 8.

    Args:
        image_shape: `(height, width, channels)`.

    Returns:
        The number of stride-2 steps of every network for such images.

    Example:

    >>> from keras_medaug.networks.builders import depth
    >>> depth((28, 28, 1)), depth((64, 64, 3)), depth((256, 256, 1))
    (2, 3, 5)
    """
    height, width, _ = check_image_shape(image_shape)
    steps = 2
    while -(-max(height, width) // 2**steps) > LARGEST_BASE:
        steps += 1
    return steps


def widths(filters: int, steps: int) -> list[int]:
    """Return the channels at each step down: doubling from `filters`, at most four times that.

    Args:
        filters: Channels of the first step.
        steps: Number of steps.

    Returns:
        `steps` channel counts.

    Example:

    >>> from keras_medaug.networks.builders import widths
    >>> widths(64, 5)
    [64, 128, 256, 256, 256]
    """
    return [filters * min(2**step, WIDEST) for step in range(steps)]


def _glorot(seed: int, name: str) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(derive_seed(seed, name))


def _label_input() -> keras.KerasTensor:
    return keras.Input(shape=(), dtype="int32", name="labels")


def _embedding(num_classes: int, size: int, seed: int, name: str) -> LabelEmbedding:
    """Return an embedding whose vectors begin with a norm of about 1.

    With values of variance 1, those of 32 features outweigh half the latent vector: a generator
    then learns one image for each class, and little else.
    """
    initializer = keras.initializers.RandomNormal(stddev=size**-0.5, seed=derive_seed(seed, name))
    return LabelEmbedding(num_classes, size, embeddings_initializer=initializer, name=name)


def build_encoder(
    image_shape: Sequence[int],
    latent_dim: int,
    num_classes: int | None = None,
    filters: int = 32,
    kernel_size: int = 3,
    batch_normalization: bool = False,
    seed: int | None = None,
) -> keras.Model:
    """Build the encoder of figure 6: strided convolutions, flatten, dense.

    Args:
        image_shape: `(height, width, channels)`.
        latent_dim: Size of the latent vector.
        num_classes: Number of classes of a conditional encoder, or `None`.
        filters: Channels of the first convolution.
        kernel_size: Side of the kernels.
        batch_normalization: Whether convolutions are normalised.
        seed: Integer seed of the initial weights, or `None`.

    Returns:
        A model from images (with `num_classes`: from `[images, labels]`) to
        `[z_mean, z_log_var]`, both `(n, latent_dim)`.

    Example:

    >>> from keras_medaug.networks import builders
    >>> encoder = builders.build_encoder((28, 28, 1), latent_dim=16, seed=0)
    >>> encoder.output_shape
    [(None, 16), (None, 16)]

    References:
        Figure 6 of the paper this library implements.
    """
    image_shape = check_image_shape(image_shape)
    seed = resolve_seed(seed)
    images = inputs = keras.Input(shape=image_shape, name="images")
    x = images
    for step, width in enumerate(widths(filters, depth(image_shape)), start=1):
        x = EncoderBlock(
            width,
            kernel_size,
            batch_normalization=batch_normalization,
            seed=derive_seed(seed, "block", step),
            name=f"block_{step}",
        )(x)
    x = layers.Flatten(name="flatten")(x)
    if num_classes is not None:
        labels = _label_input()
        embedded = _embedding(num_classes, LABEL_FEATURES, seed, "label_embedding")(labels)
        x = layers.Concatenate(name="with_label")([x, embedded])
        inputs = [images, labels]
    z_mean = layers.Dense(latent_dim, kernel_initializer=_glorot(seed, "mean"), name="z_mean")(x)
    z_log_var = layers.Dense(
        latent_dim, kernel_initializer=_glorot(seed, "log_var"), name="z_log_var"
    )(x)
    return keras.Model(inputs, [z_mean, z_log_var], name="encoder")


def build_decoder(
    image_shape: Sequence[int],
    latent_dim: int,
    num_classes: int | None = None,
    filters: int = 64,
    kernel_size: int = 4,
    batch_normalization: bool = True,
    seed: int | None = None,
    name: str = "decoder",
) -> keras.Model:
    """Build the decoder of figure 7, which is also the generator: dense, transposed convolutions.

    Args:
        image_shape: `(height, width, channels)`.
        latent_dim: Size of the latent vector.
        num_classes: Number of classes of a conditional decoder, or `None`.
        filters: Channels of the last hidden step; they double towards the base.
        kernel_size: Side of the kernels. An even one covers every output pixel with equally many
            taps at stride 2; an odd one leaves a checkerboard.
        batch_normalization: Whether hidden layers are normalised.
        seed: Integer seed of the initial weights, or `None`.
        name: Name of the model.

    Returns:
        A model from latent vectors `(n, latent_dim)` (with `num_classes`: from
        `[latent, labels]`) to images in [0, 1]. Its layer `"logits"` is the same model before the
        sigmoid.

    Example:

    >>> from keras_medaug.networks import builders
    >>> decoder = builders.build_decoder((28, 28, 1), latent_dim=16, seed=0)
    >>> decoder.output_shape
    (None, 28, 28, 1)

    References:
        Figure 7 of the paper this library implements; Odena et al., Deconvolution and Checkerboard
        Artifacts, 2016, for the kernel.
    """
    image_shape = check_image_shape(image_shape)
    seed = resolve_seed(seed)
    latent = inputs = keras.Input(shape=(latent_dim,), name="latent")
    x = latent
    if num_classes is not None:
        labels = _label_input()
        embedded = _embedding(num_classes, LABEL_FEATURES, seed, "label_embedding")(labels)
        x = layers.Concatenate(name="with_label")([x, embedded])
        inputs = [latent, labels]
    logits = keras.Model(
        inputs,
        _upsample(x, image_shape, filters, kernel_size, batch_normalization, seed),
        name="logits",
    )
    outer = [keras.Input(batch_shape=t.shape, dtype=t.dtype, name=t.name) for t in logits.inputs]
    outer = outer if num_classes is not None else outer[0]
    images = layers.Activation("sigmoid", dtype="float32", name="images")(logits(outer))
    return keras.Model(outer, images, name=name)


def _upsample(x, image_shape, filters, kernel_size, batch_normalization, seed):
    """Return the decoder's logits, cropped to the image's size."""
    height, width, channels = image_shape
    steps = depth(image_shape)
    base = (-(-height // 2**steps), -(-width // 2**steps))
    base_channels, *hidden = widths(filters, steps)[::-1]
    x = layers.Dense(
        base[0] * base[1] * base_channels,
        use_bias=not batch_normalization,
        kernel_initializer=_glorot(seed, "dense"),
        name="dense",
    )(x)
    x = layers.Reshape((*base, base_channels), name="reshape")(x)
    if batch_normalization:
        x = BatchNormalization(momentum=0.9, name="normalization")(x)
    x = layers.LeakyReLU(0.2, name="activation")(x)
    for step, channel_count in enumerate(hidden, start=1):
        x = DecoderBlock(
            channel_count,
            kernel_size,
            batch_normalization=batch_normalization,
            seed=derive_seed(seed, "block", step),
            name=f"block_{step}",
        )(x)
    x = Conv2DTranspose(
        channels,
        kernel_size,
        strides=2,
        padding="same",
        kernel_initializer=_glorot(seed, "output"),
        name="output",
    )(x)
    surplus = (base[0] * 2**steps - height, base[1] * 2**steps - width)
    if any(surplus):
        crop = tuple((extra // 2, extra - extra // 2) for extra in surplus)
        x = layers.Cropping2D(crop, name="crop")(x)
    return x


def build_discriminator(
    image_shape: Sequence[int],
    num_classes: int | None = None,
    filters: int = 64,
    kernel_size: int = 4,
    dropout: float = 0.0,
    batch_normalization: bool = True,
    feature_block: int | None = None,
    seed: int | None = None,
) -> keras.Model:
    """Build the discriminator of figure 8: strided convolutions with LeakyReLU and dropout.

    A conditional discriminator adds to its logit the inner product of the last features with an
    embedding of the label. All features, not their means over the image: where a batch is
    normalised those means tell little, as each channel's mean over the batch is the same.

    Args:
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes of a conditional discriminator, or `None`.
        filters: Channels of the first convolution.
        kernel_size: Side of the kernels. An odd one, at stride 2, weighs neighbouring pixels
            unequally, and its gradient teaches the generator a checkerboard.
        dropout: Dropout rate of every block.
        batch_normalization: Whether convolutions are normalised.
        feature_block: Block, counted from 1, whose convolution gives the features (layer l of the
            paper); `None` is the middle one: the second of two or three, the third of four or five.
        seed: Integer seed of the initial weights and of the dropout, or `None`.

    Returns:
        A model from images (with `num_classes`: from `[images, labels]`) to a dictionary:
        `"logit"`, `(n, 1)`, above 0 for real; `"features"`, the raw output of that convolution.

    Raises:
        ValueError: If `image_shape` is not as described, or the discriminator has no block of that
            number.

    Example:

    >>> from keras_medaug.networks import builders
    >>> discriminator = builders.build_discriminator((28, 28, 1), seed=0)
    >>> shapes = discriminator.compute_output_shape((None, 28, 28, 1))
    >>> shapes["logit"], shapes["features"]
    ((None, 1), (None, 7, 7, 128))

    References:
        Figure 8 of the paper this library implements; Miyato and Koyama, cGANs with Projection
        Discriminator, 2018, for the label.
    """
    image_shape = check_image_shape(image_shape)
    seed = resolve_seed(seed)
    steps = depth(image_shape)
    if feature_block is None:
        feature_block = steps // 2 + 1
    if not 1 <= feature_block <= steps:
        raise fail("feature_block", feature_block, f"None, or a block from 1 to {steps}")
    images = inputs = keras.Input(shape=image_shape, name="images")
    x = layers.Rescaling(2.0, offset=-1.0, name="centred")(images)
    features = x
    for step, width in enumerate(widths(filters, steps), start=1):
        block = DiscriminatorBlock(
            width,
            kernel_size,
            dropout=dropout,
            batch_normalization=batch_normalization,
            return_convolution=step == feature_block,
            seed=derive_seed(seed, "block", step),
            name=f"block_{step}",
        )
        if step == feature_block:
            x, features = block(x)
        else:
            x = block(x)
    flat = layers.Flatten(name="flatten")(x)
    logit = layers.Dense(
        1, kernel_initializer=_glorot(seed, "logit"), dtype="float32", name="score"
    )(flat)
    if num_classes is not None:
        labels = _label_input()
        embedded = _embedding(num_classes, flat.shape[-1], seed, "label_embedding")(labels)
        match = layers.Dot(axes=1, dtype="float32", name="label_match")([flat, embedded])
        logit = layers.Add(dtype="float32", name="logit")([logit, match])
        inputs = [images, labels]
    return keras.Model(inputs, {"logit": logit, "features": features}, name="discriminator")


def build_classifier(
    image_shape: Sequence[int],
    num_classes: int,
    filters: int = 32,
    kernel_size: int = 3,
    dropout: float = 0.4,
    seed: int | None = None,
) -> keras.Model:
    """Build the classifier of figure 9: convolutions with LeakyReLU, dropout, softmax.

    Args:
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes.
        filters: Channels of the first convolution; two strided ones with twice and four times as
            many follow.
        kernel_size: Side of the kernels.
        dropout: Dropout rate after every convolution.
        seed: Integer seed of the initial weights and of the dropout, or `None`.

    Returns:
        A model from images to class probabilities, `(n, num_classes)`. The layer `"logits"` has
        what the softmax is taken of, in float32, and the layer `"features"` what comes before.

    Example:

    >>> from keras_medaug.networks import builders
    >>> builders.build_classifier((28, 28, 1), num_classes=2, seed=0).output_shape
    (None, 2)

    References:
        Section 2.5 and figure 9 of the paper this library implements.
    """
    image_shape = check_image_shape(image_shape)
    seed = resolve_seed(seed)
    images = keras.Input(shape=image_shape, name="images")
    x = images
    strides = [1] + [2] * depth(image_shape)
    for step, stride in enumerate(strides, start=1):
        x = Conv2D(
            filters * min(2 ** (step - 1), WIDEST),
            kernel_size,
            strides=stride,
            padding="same",
            kernel_initializer=_glorot(seed, f"convolution_{step}"),
            name=f"convolution_{step}",
        )(x)
        x = layers.LeakyReLU(0.2, name=f"activation_{step}")(x)
        x = Dropout(dropout, seed=derive_seed(seed, "dropout", step), name=f"dropout_{step}")(x)
    x = layers.Flatten(name="features")(x)
    # In float32 under every policy: half precision would tie most log-odds.
    logits = layers.Dense(
        num_classes, kernel_initializer=_glorot(seed, "dense"), dtype="float32", name="logits"
    )(x)
    probabilities = layers.Activation("softmax", dtype="float32", name="probabilities")(logits)
    return keras.Model(images, probabilities, name="classifier")


assert MIN_SIZE >= 2**2, "the shallowest networks halve an image twice"
