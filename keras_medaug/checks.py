"""Checks of what users hand in, made before any work starts.

Every check names the argument, what came and what was expected, and returns the array in the form
the rest of the package works with. ``uint8`` images stay ``uint8``: they are scaled batch by batch,
so that a large set never becomes a float copy of itself.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.array_checks import as_array, fail, flat
from keras_medaug.label_checks import are_names, check_class_names, check_labels, labels_of_all

__all__ = [
    "are_names",
    "as_array",
    "check_class_names",
    "check_flag",
    "check_image_shape",
    "check_images",
    "check_labels",
    "check_positive",
    "check_several_classes",
    "check_share",
    "fail",
    "flat",
    "labels_of_all",
]

MIN_SIZE = 8
MAX_SIZE = 256
CHANNELS = (1, 3)


def check_image_shape(
    image_shape: Sequence[int], argument: str = "image_shape"
) -> tuple[int, int, int]:
    """Return `image_shape` as a tuple of ints if it is an (h, w, c) the package supports.

    Args:
        image_shape: Height, width and channels; sizes from 8 to 256, one or three channels.
        argument: Name under which the value is reported.

    Returns:
        `(height, width, channels)`.

    Raises:
        ValueError: If it is not three integers, a size is outside 8 to 256, or channels are not
            1 or 3.

    Example:

    >>> from keras_medaug.checks import check_image_shape
    >>> check_image_shape([28, 28, 1])
    (28, 28, 1)
    """
    expected = (
        f"(height, width, channels) with sizes from {MIN_SIZE} to {MAX_SIZE} and 1 or 3 channels"
    )
    try:
        shape = tuple(image_shape)
    except TypeError as error:
        raise fail(argument, image_shape, expected) from error
    if len(shape) != 3 or not all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) for n in shape
    ):
        raise fail(argument, image_shape, expected)
    height, width, channels = (int(n) for n in shape)
    if not (MIN_SIZE <= height <= MAX_SIZE and MIN_SIZE <= width <= MAX_SIZE):
        raise fail(argument, image_shape, expected)
    if channels not in CHANNELS:
        raise fail(argument, image_shape, expected)
    return height, width, channels


def check_images(
    images: ArrayLike,
    argument: str = "x",
    image_shape: Sequence[int] | None = None,
) -> NDArray:
    """Return `images` as a `float32` or `uint8` array if they are images as the package wants them.

    Args:
        images: Shape `(n, h, w, c)`; floats in [0, 1], or `uint8` in [0, 255].
        argument: Name under which the value is reported.
        image_shape: The `(h, w, c)` that is required, or `None` for any supported one.

    Returns:
        The images, `float32` in [0, 1] or `uint8` in [0, 255], never copied when they are so
        already.

    Raises:
        ValueError: On another rank, size, channel count or type, on no image at all, on NaN or
            infinity, and on floats outside [0, 1].

    Example:

    >>> import numpy as np
    >>> from keras_medaug.checks import check_images
    >>> check_images(np.zeros((2, 28, 28, 1))).dtype
    dtype('float32')
    """
    array = as_array(images, argument)
    _check_axes(array, argument)
    if array.shape[0] == 0:
        raise fail(argument, f"shape {array.shape}", "at least one image")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        expected = "floats in [0, 1], or uint8 in [0, 255]"
        raise fail(argument, f"dtype {array.dtype}", expected + _as_pixels(array))
    check_image_shape(array.shape[1:], f"{argument}.shape[1:]")
    if image_shape is not None and tuple(array.shape[1:]) != tuple(image_shape):
        raise fail(
            argument, f"images of shape {array.shape[1:]}", f"images of shape {tuple(image_shape)}"
        )
    if array.dtype == np.uint8:
        _warn_of_black(array, argument)
        return array
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise fail(argument, "NaN or infinite values", "finite values in [0, 1]")
    if low < 0 or high > 1:
        raise fail(
            argument,
            f"values from {float(low):.9g} to {float(high):.9g}",
            f"values in [0, 1] ({_remedy(low, high)})",
        )
    return array.astype(np.float32, copy=False)


def _check_axes(array: NDArray, argument: str) -> None:
    """Refuse what is no batch of images with the channels last, and say how to make one of it."""
    shape, got = array.shape, f"shape {array.shape}"
    expected = "four axes (n, height, width, channels), channels last"
    if array.dtype == object and array.ndim < 4:
        got += " of objects"
        expected += "; `np.stack(list(x))` makes an array of images of one shape"
    elif array.ndim == 2:
        expected += "; `np.asarray(x).reshape(-1, height, width, 1)` of rows of pixels"
    elif array.ndim == 3 and shape[-1] in CHANNELS:
        expected += "; `x[np.newaxis]` makes a batch of one image"
    elif array.ndim == 3:
        expected += "; `x[..., np.newaxis]` adds the channels of gray images"
    elif array.ndim == 4 and shape[1] in CHANNELS and shape[-1] not in CHANNELS:
        expected += "; `np.moveaxis(x, 1, -1)` moves the channels there"
    elif array.ndim == 4:
        return
    raise fail(argument, got, expected)


def _as_pixels(array: NDArray) -> str:
    """Return how to make pixels of values of another type."""
    if array.dtype.kind == "b":
        return '; `.astype("float32")` makes 0 and 1 of them'
    if array.dtype.kind in "iu" and array.min() >= 0:
        if array.max() <= 1:
            return '; `.astype("float32")` where 1 is white'
        if array.max() <= 255:
            return '; `.astype("uint8")` where these are 8-bit values'
        return "; divide by the largest value that there can be"
    return '; `.astype("float32")` where the values are numbers' * (array.dtype == object)


def check_several_classes(labels: NDArray, argument: str) -> NDArray:
    """Return labels if they are of two classes or more.

    Args:
        labels: Class indices, shape `(n,)`.
        argument: Name under which they are reported.

    Returns:
        `labels`.

    Raises:
        ValueError: If there is one class only: there is nothing to tell it from.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.checks import check_several_classes
    >>> check_several_classes(np.array([0, 1]), "y").tolist()
    [0, 1]
    """
    if not labels.any():
        raise fail(argument, "one class", "two classes or more")
    return labels


def check_flag(value: bool, argument: str) -> bool:
    """Return `value` if it is `True` or `False`.

    Args:
        value: The flag.
        argument: Name under which it is reported.

    Returns:
        `value`.

    Raises:
        ValueError: If it is anything else.

    Example:

    >>> from keras_medaug.checks import check_flag
    >>> check_flag(True, "batch_normalization")
    True
    """
    if not isinstance(value, bool):
        raise fail(argument, repr(value), "True or False")
    return value


def check_share(value: float, argument: str) -> float:
    """Return `value` if it is a number in (0, 1).

    Args:
        value: The number.
        argument: Name under which it is reported.

    Returns:
        `value`, as `float`.

    Raises:
        ValueError: If it is anything else.

    Example:

    >>> from keras_medaug.checks import check_share
    >>> check_share(0.99, "momentum")
    0.99
    """
    numbers = (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, numbers) or not 0 < value < 1:
        raise fail(argument, repr(value), "a number in (0, 1)")
    return float(value)


def check_positive(value: float, argument: str, integer: bool = False, zero: bool = False):
    """Return `value` if it is a positive (or, with `zero`, non-negative) finite number.

    Args:
        value: The number.
        argument: Name under which it is reported.
        integer: Whether it must be an integer.
        zero: Whether zero is allowed.

    Returns:
        `value`, as `int` or `float`.

    Raises:
        ValueError: If it is anything else.

    Example:

    >>> from keras_medaug.checks import check_positive
    >>> check_positive(64, "latent_dim", integer=True)
    64
    """
    kind = "an integer" if integer else "a number"
    expected = f"{kind} {'of 0 or more' if zero else 'above 0'}"
    types = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, types):
        raise fail(argument, repr(value), expected)
    if (not integer and not np.isfinite(value)) or value < 0 or (value == 0 and not zero):
        raise fail(argument, repr(value), expected)
    return int(value) if integer else float(value)


def _warn_of_black(images: NDArray[np.uint8], argument: str) -> None:
    """Warn of images that hold 0 and 1, which are black: most likely 1 was to be white."""
    # Image by image: most sets are seen to be right at the first one, without reading the others.
    if all(image.max() <= 1 for image in images) and images.any():
        message = (
            f"`{argument}`: all values are 0 or 1, which is black in uint8 images, where white is "
            "255. Multiply by 255 where 1 means white."
        )
        warnings.warn(message, stacklevel=3)


def _remedy(low: float, high: float) -> str:
    if low >= -0.1 and high <= 1.1:
        return "`np.clip(x, 0, 1)` where they are a little outside after resizing"
    if -1.1 <= low < 0 and high <= 1.1:
        return "`np.clip((x + 1) / 2, 0, 1)` where they are in [-1, 1]"
    if low >= -1 and 2 < high <= 256:
        return "divide by 255 where they are 8-bit"
    return "`(x - x.min()) / (x.max() - x.min())` over all images, where no other scale is known"
