"""Which images are uniform: background, of which any two are alike and none is a copy."""

import numpy as np
from numpy.typing import NDArray

UNIFORM = 0.02  # standard deviation within the channels, below which an image is uniform
CHUNK = 256


def uniform_images(images: NDArray) -> NDArray[np.bool_]:
    """Tell which images show nothing: their pixels deviate by less than 0.02 within channels.

    Args:
        images: Floats in [0, 1] or `uint8`, shape `(n, h, w, c)`.

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
    unit = 255.0 if images.dtype == np.uint8 else 1.0
    flags = np.zeros(len(images), bool)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].astype(np.float64)
        variances = chunk.var(axis=(1, 2)).mean(axis=1)
        flags[start : start + CHUNK] = variances < (UNIFORM * unit) ** 2
    return flags
