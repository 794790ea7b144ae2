"""What the checks of images and classifiers share: arguments, words, and SciPy."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_labels, fail
from keras_medaug.metrics.log_odds import are_probabilities


def check_label_pair(
    labels: ArrayLike | None,
    others: ArrayLike | None,
    argument: str,
    count: int,
    other_count: int,
) -> tuple[NDArray, NDArray] | None:
    """Return the labels of two sets of images, or `None` if there are none.

    Args:
        labels: Classes of the first set, or `None`.
        others: Classes of the second set, or `None`.
        argument: Name of the second argument.
        count: Number of images of the first set.
        other_count: Number of images of the second set.

    Returns:
        Both as integers, shapes `(count,)` and `(other_count,)`, or `None`.

    Raises:
        ValueError: If there is one without the other, or labels are not as described.

    Example:

    >>> from keras_medaug.metrics.checking import check_label_pair
    >>> check_label_pair(None, None, "real_labels", 3, 2) is None
    True
    """
    if labels is None and others is None:
        return None
    if labels is None:
        raise fail("labels", "None", f"labels, as there are `{argument}`")
    if others is None:
        raise fail(argument, "None", "labels, as there are `labels`")
    return check_labels(labels, "labels", count), check_labels(others, argument, other_count)


def check_predictions(
    values: ArrayLike, argument: str, count: int, logits: bool = False
) -> NDArray:
    """Return what a classifier says of images, as an array.

    Args:
        values: Class probabilities, shape `(count, num_classes)`.
        argument: Name under which the value is reported.
        count: Number of images.
        logits: Whether logits will do as well.

    Returns:
        The array.

    Raises:
        ValueError: If it is not as described.

    Example:

    >>> from keras_medaug.metrics.checking import check_predictions
    >>> check_predictions([[0.2, 0.8]], "predictions", 1).shape
    (1, 2)
    """
    array = as_array(values, argument)
    what = "logits or class probabilities" if logits else "class probabilities"
    if array.ndim != 2 or len(array) != count or array.shape[1] < 2:
        raise fail(argument, f"shape {array.shape}", f"{what} of shape ({count}, num_classes)")
    if array.dtype.kind not in "fiub":
        raise fail(argument, f"dtype {array.dtype}", what)
    if logits and not np.isfinite(array).all():
        raise fail(argument, "values that are not finite numbers", what)
    if not logits and not are_probabilities(array):
        got = "numbers that are negative or do not sum to 1"
        raise fail(argument, got, f"{what} (end the network with a softmax)")
    return array


def statistics() -> Any:
    """Return SciPy's statistics.

    Returns:
        The module.

    Raises:
        ImportError: If SciPy is not installed.

    Example:

    >>> from keras_medaug.metrics.checking import statistics
    >>> float(statistics().norm.cdf(0))
    0.5
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(
            'keras_medaug.metrics: this check needs SciPy; pip install "keras-medaug[study]"'
        ) from error
    return stats


def listed(numbers: list[int]) -> str:
    """Return two numbers or more in words.

    Args:
        numbers: The numbers.

    Returns:
        Them, with commas, and "and" before the last.

    Example:

    >>> from keras_medaug.metrics.checking import listed
    >>> listed([0, 2, 3])
    '0, 2 and 3'
    """
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
