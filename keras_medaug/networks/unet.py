"""The network of `Flow`: a U-Net that tells which image a noisy one should become."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from keras_medaug.images import check_image_shape
from keras_medaug.layers import (
    AdaptiveGroupNormalization,
    Conv2D,
    LabelEmbedding,
    ResidualBlock,
    TimeEmbedding,
    VelocityFromImage,
)
from keras_medaug.networks.builders import LARGEST_BASE, WIDEST
from keras_medaug.seeds import derive_seed, resolve_seed

LARGEST_OF_SMALL = 32  # pixels up to which patches have a side of 2
EMBEDDED = 64  # features of a time, and of a label


def patch_size(image_shape: Sequence[int]) -> int:
    """Return the side of the patches of pixels that the network folds into channels.

    Args:
        image_shape: `(height, width, channels)`.

    Returns:
        2 or 4.

    Raises:
        ValueError: If `image_shape` is not as described.

    Example:

    >>> from keras_medaug.networks.unet import patch_size
    >>> patch_size((28, 28, 1)), patch_size((64, 64, 3))
    (2, 4)
    """
    height, width, _ = check_image_shape(image_shape)
    return 2 if max(height, width) <= LARGEST_OF_SMALL else 4


def halvings(image_shape: Sequence[int]) -> int:
    """Return how often the network halves the folded image: at least once, until it is at most 8.

    Args:
        image_shape: `(height, width, channels)`.

    Returns:
        The number of stride-2 steps.

    Raises:
        ValueError: If `image_shape` is not as described.

    Example:

    >>> from keras_medaug.networks.unet import halvings
    >>> halvings((28, 28, 1)), halvings((64, 64, 1)), halvings((256, 256, 1))
    (1, 1, 3)
    """
    height, width, _ = image_shape
    steps = 1
    while -(-max(height, width) // (patch_size(image_shape) * 2**steps)) > LARGEST_BASE:
        steps += 1
    return steps


def build_unet(
    image_shape: Sequence[int],
    num_classes: int | None = None,
    augmented: bool = False,
    filters: int = 32,
    blocks: int = 1,
    dropout: float = 0.1,
    seed: int | None = None,
) -> keras.Model:
    """Build the network of `Flow`: patches of pixels as channels, then a small U-Net over them.

    Two by two pixels become the channels of one place, four by four above 32 pixels: most of the
    cost of a U-Net lies at full resolution, where it adds least. Images whose size is not a
    multiple are padded inside. All blocks know the time, the class and whether the image was
    augmented. The convolutions predict the image, and a last layer makes velocities of it: patches
    have more numbers than `filters` may carry, and noise has no structure to carry them by. The
    last convolution begins at zero.

    Args:
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes, or `None`. One class more, the last one, means "unknown".
        augmented: Whether the network is told which images were augmented.
        filters: Channels at the highest resolution; they double at each halving, to at most four
            times as many.
        blocks: Residual blocks at each resolution, on the way down and on the way up.
        dropout: Dropout rate of the blocks.
        seed: Integer seed of the initial weights and of the dropout, or `None`.

    Returns:
        A model from `[images, times]`, with `num_classes` followed by `labels`, with `augmented`
        followed by the flags, to velocities of the images' shape. Times, labels and flags have the
        shape `(n,)`; times and flags are floats, labels integers in `[0, num_classes]`.

    Raises:
        ValueError: If `image_shape` is not as described.

    Example:

    >>> from keras_medaug.networks.unet import build_unet
    >>> build_unet((28, 28, 1), num_classes=2, seed=0).output_shape
    (None, 28, 28, 1)

    References:
        Ronneberger et al., U-Net, 2015; Ho et al., Denoising Diffusion Probabilistic Models, 2020,
        appendix B; Li and He, Back to Basics: Let Denoising Generative Models Denoise, 2025, for
        the prediction of images; Karras et al., Elucidating the Design Space of Diffusion-Based
        Generative Models, 2022, appendix F.2, for the flag.
    """
    image_shape = check_image_shape(image_shape)
    seed = resolve_seed(seed)
    images = keras.Input(shape=image_shape, name="images")
    times = keras.Input(shape=(), name="times")
    labels = keras.Input(shape=(), dtype="int32", name="labels")
    flags = keras.Input(shape=(), name="augmented")
    conditions = [TimeEmbedding(EMBEDDED, name="time")(times)]
    inputs = [images, times]
    if num_classes is not None:
        initializer = keras.initializers.RandomNormal(1.0, seed=derive_seed(seed, "label"))
        embedding = LabelEmbedding(
            num_classes + 1, EMBEDDED, embeddings_initializer=initializer, name="label"
        )
        conditions.append(embedding(labels))
        inputs.append(labels)
    if augmented:
        conditions.append(layers.Reshape((1,), name="flag")(flags))
        inputs.append(flags)
    condition = _condition(conditions, 4 * filters, seed)
    patch, steps = patch_size(image_shape), halvings(image_shape)
    pads, folded = _fold(images, patch, patch * 2**steps)
    x = _u(folded, condition, filters, blocks, steps, dropout, seed)
    x = layers.Concatenate(name="with_input")([x, folded])
    x = Conv2D(
        patch**2 * image_shape[-1],
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype="float32",
        name="output",
    )(x)
    predicted = _unfold(x, patch, image_shape[-1], pads)
    velocities = VelocityFromImage(name="velocity")([predicted, images, times])
    return keras.Model(inputs, velocities, name="unet")


def _glorot(seed: int, name: str) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(derive_seed(seed, name))


def _condition(parts: list, features: int, seed: int):
    """Return a vector for each image that says its time, class and flag."""
    x = layers.Concatenate(name="conditions")(parts) if len(parts) > 1 else parts[0]
    for name in ("condition_1", "condition_2"):
        x = layers.Dense(features, "silu", kernel_initializer=_glorot(seed, name), name=name)(x)
    return x


def _u(x, condition, filters: int, blocks: int, steps: int, dropout: float, seed: int):
    """Return the features at the resolution of the input, after the way down and up."""

    def convolution(width: int, size: int, name: str, strides: int = 1):
        return Conv2D(
            width,
            size,
            strides=strides,
            padding="same",
            kernel_initializer=_glorot(seed, name),
            name=name,
        )

    def block(x, width: int, name: str):
        part = ResidualBlock(width, dropout, seed=derive_seed(seed, name), name=name)
        return part([x, condition])

    widths = [filters * min(2**step, WIDEST) for step in range(steps + 1)]
    x = convolution(filters, 3, "input")(x)
    skips = []
    for step, width in enumerate(widths[:-1], start=1):
        for number in range(1, blocks + 1):
            x = block(x, width, f"down_{step}_{number}")
            skips.append(x)
        x = convolution(widths[step], 3, f"halving_{step}", strides=2)(x)
    for number in range(1, blocks + 2):
        x = block(x, widths[-1], f"middle_{number}")
    for step, width in reversed(list(enumerate(widths[:-1], start=1))):
        x = layers.UpSampling2D(2, name=f"doubling_{step}")(convolution(width, 1, f"up_{step}")(x))
        for number in range(1, blocks + 1):
            x = layers.Concatenate(name=f"skip_{step}_{number}")([x, skips.pop()])
            x = block(x, width, f"up_{step}_{number}")
    x = AdaptiveGroupNormalization(name="normalization")([x, condition])
    return layers.Activation("silu", name="activation")(x)


def _fold(images, patch: int, multiple: int):
    """Return the padding, and the padded images with their patches of pixels as channels."""
    _, height, width, channels = images.shape
    surplus = [-size % multiple for size in (height, width)]
    pads = tuple((extra // 2, extra - extra // 2) for extra in surplus)
    if any(surplus):
        images = layers.ZeroPadding2D(pads, name="pad")(images)
    rows, columns = (
        (size + extra) // patch for size, extra in zip((height, width), surplus, strict=True)
    )
    x = layers.Reshape((rows, patch, columns, patch, channels), name="patches")(images)
    x = layers.Permute((1, 3, 2, 4, 5), name="patches_last")(x)
    return pads, layers.Reshape((rows, columns, patch**2 * channels), name="folded")(x)


def _unfold(x, patch: int, channels: int, pads):
    """Return images of patches of pixels that are channels, without the padding."""
    _, rows, columns, _ = x.shape
    options = {"dtype": "float32"}
    x = layers.Reshape((rows, columns, patch, patch, channels), name="unfolded", **options)(x)
    x = layers.Permute((1, 3, 2, 4, 5), name="pixels_last", **options)(x)
    x = layers.Reshape((rows * patch, columns * patch, channels), name="pixels", **options)(x)
    return layers.Cropping2D(pads, name="predicted", **options)(x)
