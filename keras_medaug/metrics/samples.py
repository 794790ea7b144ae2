"""What the metrics of two sets of features share."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, fail

LEVELS = (0.025, 0.975)
FEWEST = 2


def check_features(features: ArrayLike, argument: str) -> NDArray[np.float64]:
    """Return features as an array of `float64`.

    Args:
        features: Shape `(n, d)`, two rows or more, finite.
        argument: Name under which they are reported.

    Returns:
        The array.

    Raises:
        ValueError: If they are not as described.

    Example:

    >>> from keras_medaug.metrics.samples import check_features
    >>> check_features([[1, 2], [3, 4]], "real").dtype
    dtype('float64')
    """
    array = as_array(features, argument)
    if array.ndim != 2 or len(array) < FEWEST or not array.shape[1]:
        raise fail(argument, f"shape {array.shape}", "features (n, d), two images or more")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise fail(argument, f"dtype {array.dtype}", "numbers")
    array = np.ascontiguousarray(array, dtype=np.float64)
    if not np.isfinite(array).all():
        raise fail(argument, "NaN or infinity", "finite features")
    return array


def check_pair(
    real: ArrayLike, synthetic: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two sets of features of one length.

    Args:
        real: Shape `(n, d)`.
        synthetic: Shape `(m, d)`.

    Returns:
        Both, as `check_features` returns them.

    Raises:
        ValueError: If either is no set of features, or they are of different length.

    Example:

    >>> from keras_medaug.metrics.samples import check_pair
    >>> check_pair([[1, 2], [3, 4]], [[0], [0]])
    Traceback (most recent call last):
    ValueError: `synthetic`: got features of length 1; expected length 2, as `real`.
    """
    first, second = check_features(real, "real"), check_features(synthetic, "synthetic")
    if first.shape[1] != second.shape[1]:
        got = f"features of length {second.shape[1]}"
        raise fail("synthetic", got, f"length {first.shape[1]}, as `real`")
    return first, second
