"""Which images are uniform: background, of which any two are alike and none is a copy."""

import numpy as np
from numpy.typing import NDArray

UNIFORM = 0.02  # standard deviation within the channels, below which an image is uniform
# So is, in a set of low contrast, only what is below this fraction of what its clearest tenth has.
FRACTION, CLEAREST = 0.25, 0.9
LEAST = 0.01  # two and a half steps of 8 bits: below it there is nothing but noise
CHUNK = 256


def uniform_images(images: NDArray, limit: float = UNIFORM) -> NDArray[np.bool_]:
    """Tell which images show nothing: their pixels hardly deviate within channels.

    Args:
        images: Floats in [0, 1] or `uint8`, shape `(n, h, w, c)`.
        limit: Standard deviation, with pixels in [0, 1], below which an image shows nothing.

    Returns:
        A flag of each image.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.uniformity import uniform_images
    >>> pink = np.zeros((1, 8, 8, 3)) + [0.9, 0.7, 0.8]
    >>> textured = np.random.default_rng(0).random((1, 8, 8, 3))
    >>> uniform_images(np.concatenate([pink, textured])).tolist()
    [True, False]
    """
    return _deviations(images) < limit


def uniformity_limit(images: NDArray) -> float:
    """Return the standard deviation below which an image of a set is uniform.

    It is 0.02. Where a whole set has little contrast, as 12-bit scans in 16-bit files have, it is a
    quarter of what the tenth of the images with the most contrast exceeds, but 0.01 at least.

    Args:
        images: The set, floats in [0, 1] or `uint8`, shape `(n, h, w, c)`.

    Returns:
        The limit.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.uniformity import uniformity_limit
    >>> x = np.random.default_rng(0).random((9, 8, 8, 1))
    >>> uniformity_limit(x), uniformity_limit(x / 16)
    (0.02, 0.01)
    """
    clearest = float(np.quantile(_deviations(images), CLEAREST))
    return min(UNIFORM, max(LEAST, FRACTION * clearest))


def _deviations(images: NDArray) -> NDArray[np.float64]:
    """Return the standard deviation of each image within channels, with pixels in [0, 1]."""
    unit = 255.0 if images.dtype == np.uint8 else 1.0
    deviations = np.zeros(len(images))
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].astype(np.float64)
        deviations[start : start + CHUNK] = np.sqrt(chunk.var(axis=(1, 2)).mean(axis=1)) / unit
    return deviations
