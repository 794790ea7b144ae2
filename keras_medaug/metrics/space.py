"""Spaces in which images are compared."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_medaug.images import to_float
from keras_medaug.metrics.equality import forms

FLOOR = 0.02  # least standard deviation by which an image is divided: five steps of 8 bits
ROUNDING = 1e-6  # distances up to here may come from rounding alone

Rows = NDArray[np.float64]


def as_it_is(rows: Rows) -> Iterator[Rows]:
    """Yield `rows`.

    Args:
        rows: Shape `(n, d)`.

    Yields:
        `rows`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.space import as_it_is
    >>> len(list(as_it_is(np.zeros((3, 2)))))
    1
    """
    yield rows


@dataclass(frozen=True)
class Space:
    """A space in which images are compared.

    Attributes:
        rows: From images, or what stands for them, to rows of numbers, `float64`.
        forms: From rows to the forms of them that are tried: the nearest one counts. All have the
            same sum of squares.
        unit: What a distance of 1 is, in these rows.
        rounding: Distances up to here may come from rounding alone.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.space import aligned
    >>> space = aligned((8, 8, 1))
    >>> len(list(space.forms(space.rows(np.zeros((3, 8, 8, 1))))))
    8
    """

    rows: Callable[[NDArray], Rows]
    forms: Callable[[Rows], Iterator[Rows]] = as_it_is
    unit: float = 1
    rounding: float = ROUNDING


def pixels(unit: int) -> Space:
    """Return the space of pixels in place.

    Args:
        unit: 255 where all images are `uint8` and are to be compared in whole numbers; else 1.

    Returns:
        The space.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.space import pixels
    >>> pixels(1).rows(np.full((1, 8, 8, 1), 255, "uint8"))[0, :2].tolist()
    [1.0, 1.0]
    """
    return Space(lambda images: _rows(images, unit), unit=unit)


def pixels_of(images: NDArray, training: NDArray) -> Space:
    """Return the space of pixels, in which two sets of `uint8` are compared in whole numbers.

    Args:
        images: Floats in [0, 1] or `uint8`.
        training: The same.

    Returns:
        The space.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.space import pixels_of
    >>> pixels_of(np.zeros((1, 8, 8, 1), "uint8"), np.zeros((1, 8, 8, 1), "uint8")).unit
    255
    """
    return pixels(255 if images.dtype == training.dtype == np.uint8 else 1)


def aligned(shape: Sequence[int]) -> Space:
    """Return the space in which flips, quarter turns, brightness and contrast do not count.

    Each image has its mean removed and is divided by its standard deviation, or by `FLOOR` where
    that is larger: what is nearly flat does not become an image of its noise.

    Args:
        shape: `(height, width, channels)`. Of images that are not square only flips and
            half turns do not count.

    Returns:
        The space.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.neighbours import find_neighbours
    >>> from keras_medaug.metrics.space import aligned
    >>> x = np.random.default_rng(0).random((4, 8, 8, 1))
    >>> find_neighbours(np.rot90(x, axes=(1, 2)) / 2, x, aligned((8, 8, 1))).indices.tolist()
    [0, 1, 2, 3]
    """

    def forms_of_rows(rows: Rows) -> Iterator[Rows]:
        for form in forms(rows.reshape(len(rows), *shape)):
            yield form.reshape(rows.shape)

    return Space(lambda images: _standardised(_rows(images, 1)), forms_of_rows)


def features_space(training: NDArray) -> Space:
    """Return the space of features, seen from the mean of those of the training images.

    Args:
        training: Features of the training images, shape `(n, d)`.

    Returns:
        The space.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.space import features_space
    >>> features_space(np.array([[1.0], [3.0]])).rows(np.array([[5.0]])).tolist()
    [[3.0]]
    """
    # Near the mean, sums of squares lose least.
    centre = np.mean(training, axis=0, dtype=np.float64)
    spread = float(np.sqrt(np.mean(np.var(training, axis=0, dtype=np.float64))))
    return Space(
        lambda features: features.astype(np.float64) - centre, rounding=ROUNDING * (spread or 1.0)
    )


def _rows(images: NDArray, unit: int) -> Rows:
    """Return images as rows of values in [0, unit]."""
    if images.dtype == np.uint8 and unit == 1:
        images = to_float(images)
    return images.reshape(len(images), -1).astype(np.float64)


def _standardised(rows: Rows) -> Rows:
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(rows.std(axis=1, keepdims=True), FLOOR)
