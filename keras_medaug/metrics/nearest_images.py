"""The nearest training image of each image, pixel by pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive
from keras_medaug.images import check_images
from keras_medaug.metrics.neighbours import find_neighbours
from keras_medaug.metrics.space import pixels_of
from keras_medaug.progress import Report, reporting


def nearest_images(
    images: ArrayLike, training: ArrayLike, batch_size: int = 256, verbose: bool | Report = False
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return, for each image, how far the nearest training image is and which one it is.

    The distance is the root mean square of the difference over pixels and channels, with images
    in [0, 1]. Two sets of `uint8` are compared in whole numbers, without any rounding: the result
    is the same on every machine, and of several training images that are equally near it is the
    first. With floats the nearest is found among distances that are exact to about 1e-7, and its
    own distance is then taken from the difference, so that it is 0 for equal images.

    Args:
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: What to look among, of the same image shape.
        batch_size: Images compared at a time, on either side. Memory is about
            `8 * batch_size * (4 * h * w * c + 3 * batch_size)` bytes, whatever the sets' sizes are.
        verbose: As in `copy_audit`.

    Returns:
        The distances, `float64`, shape `(n,)`, and the indices into `training`, shape `(n,)`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> training = np.zeros((3, 8, 8, 1)) + np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1)
    >>> distances, indices = kma.metrics.nearest_images(training[::-1] * 0.9, training)
    >>> distances.round(3).tolist(), indices.tolist()
    ([0.1, 0.05, 0.0], [2, 1, 0])
    """
    checked = check_images(images, "images")
    training = check_images(training, "training", checked.shape[1:])
    batch_size = check_positive(batch_size, "batch_size", integer=True)
    space = pixels_of(checked, training)
    with reporting(verbose, "looking for the nearest images") as report:
        nearest = find_neighbours(checked, training, space, batch_size, following=0, report=report)
    return nearest.distances, nearest.indices
