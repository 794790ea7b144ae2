"""Images: the one place where they are checked and converted.

A public call checks its images once, at its door. Inside the package they travel as
`CheckedImages`, which no function checks again. `uint8` images stay `uint8` until a batch is
needed, so that a large set never becomes a float copy of itself.
"""

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.array_checks import as_array, fail
from keras_medaug.checked_images import CheckedImages

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
        ValueError: If `image_shape` is not three integers, a size is outside 8 to 256, or the
            number of channels is not 1 or 3.

    Example:

    >>> from keras_medaug.images import check_image_shape
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
        images: Shape `(n, h, w, c)`; floats in [0, 1], or `uint8` in [0, 255]. `CheckedImages` are
            not looked at again.
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
    >>> from keras_medaug.images import check_images
    >>> check_images(np.zeros((2, 28, 28, 1))).dtype
    dtype('float32')
    """
    if isinstance(images, CheckedImages):
        check_same_shape(images.array, argument, image_shape)
        return images.array
    array = as_array(images, argument)
    _check_axes(array, argument)
    if array.shape[0] == 0:
        raise fail(argument, f"shape {array.shape}", "at least one image")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        expected = "floats in [0, 1], or uint8 in [0, 255]"
        raise fail(argument, f"dtype {array.dtype}", expected + _as_pixels(array))
    check_image_shape(array.shape[1:], f"{argument}.shape[1:]")
    check_same_shape(array, argument, image_shape)
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


def check_same_shape(images: NDArray, argument: str, image_shape: Sequence[int] | None) -> None:
    """Check that images have the shape that is required.

    Args:
        images: Shape `(n, h, w, c)`.
        argument: Name under which they are reported.
        image_shape: The `(h, w, c)` that is required, or `None`.

    Raises:
        ValueError: If the images have another shape.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.images import check_same_shape
    >>> check_same_shape(np.zeros((2, 8, 8, 1)), "x", (8, 8, 1))
    """
    if image_shape is not None and tuple(images.shape[1:]) != tuple(image_shape):
        got = f"images of shape {images.shape[1:]}"
        raise fail(argument, got, f"images of shape {tuple(image_shape)}")


# ---- conversions ----------------------------------------------------------------------------


def to_float(images: NDArray) -> NDArray[np.float32]:
    """Convert checked images to `float32` in [0, 1].

    Args:
        images: Floats in [0, 1], or `uint8`.

    Returns:
        The same array where it is `float32` already.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.images import to_float
    >>> float(to_float(np.full((1, 8, 8, 1), 255, "uint8")).max())
    1.0
    """
    if images.dtype != np.uint8:
        return images.astype(np.float32, copy=False)
    floats = images.astype(np.float32)
    floats /= np.float32(255)  # in place: a large set has no room for two
    return floats


def to_uint8(images: NDArray) -> NDArray[np.uint8]:
    """Convert checked images to 8 bits, as they are once saved.

    Args:
        images: Floats in [0, 1], or `uint8`.

    Returns:
        The same array where it is `uint8` already.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.images import to_uint8
    >>> to_uint8(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    return images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)


# ---- what tells images apart ----------------------------------------------------------------


def images_md5(images: NDArray) -> str:
    """Return the MD5 of the values of an array, as they are stored.

    Args:
        images: Images.

    Returns:
        Hexadecimal digits.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.images import images_md5
    >>> images_md5(np.zeros((1, 2, 2, 1), np.uint8))
    'f1d3ff8443297732862df21dc4e57262'
    """
    return hashlib.md5(np.ascontiguousarray(images).data, usedforsecurity=False).hexdigest()


def pair_distances(images: NDArray) -> NDArray[np.float64]:
    """Return the distances of all pairs of images: root mean squares over pixels and channels.

    Args:
        images: Two or more, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`; NaN gives NaN.

    Returns:
        Distances in [0, 1], shape `(n * (n - 1) / 2,)`: of the first image to all later ones, of
        the second, and so on.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.images import pair_distances
    >>> pair_distances(np.zeros((3, 8, 8, 1)) + np.reshape([0, 1, 1], (3, 1, 1, 1))).tolist()
    [1.0, 1.0, 0.0]
    """
    rows = images.reshape(len(images), -1).astype(np.float64)
    if images.dtype == np.uint8:
        rows /= 255
    # Differences, not the expanded square: the distance of two equal images must be 0.
    squares = [np.mean((rows[i + 1 :] - rows[i]) ** 2, axis=1) for i in range(len(rows) - 1)]
    return np.sqrt(np.concatenate(squares))


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
