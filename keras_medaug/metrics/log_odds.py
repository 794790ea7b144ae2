"""What a classifier says of the classes, as probabilities or as logits, without saturation.

In float32 a softmax gives exactly 1.0 where the logits differ by 17 or more. Images that it is sure
of then tie. Logits keep their order.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOLERANCE = 1e-3  # by which the sum of a row of probabilities may differ from 1


def are_probabilities(values: ArrayLike) -> bool:
    """Tell class probabilities from logits.

    Args:
        values: Numbers, shape `(..., num_classes)`.

    Returns:
        Whether all of them are in [0, 1] and all rows sum to 1, to 1e-3.

    Example:

    >>> from keras_medaug.metrics.log_odds import are_probabilities
    >>> are_probabilities([[0.1, 0.9]]), are_probabilities([[-1.0, 2.0]])
    (True, False)
    """
    array = np.asarray(values)
    inside = (array >= 0) & (array <= 1)
    sums = array.sum(axis=-1, dtype=np.float64)
    return bool(inside.all() and (np.abs(sums - 1) <= TOLERANCE).all())


def class_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Return what the area under the ROC curve ranks, for each class.

    Of logits `l` these are the log-odds `l[c] - logsumexp(l[j] for j != c)`, the logarithm of
    `p[c] / (1 - p[c])` for `p = softmax(l)`. Probabilities are returned as they are: they have the
    order of their log-odds, except that all that are exactly 1 tie.

    Args:
        values: Logits or class probabilities, shape `(..., num_classes)`, two classes or more; see
            `are_probabilities`.

    Returns:
        Numbers of the same shape, in double precision.

    Example:

    >>> from keras_medaug.metrics.log_odds import class_scores
    >>> class_scores([[0.0, 40.0], [0.0, 60.0]]).tolist()
    [[-40.0, 40.0], [-60.0, 60.0]]
    """
    array = np.asarray(values, dtype=np.float64)
    if are_probabilities(array):
        return array
    others = [_log_sum(np.delete(array, label, axis=-1)) for label in range(array.shape[-1])]
    return array - np.stack(others, axis=-1)


def log_probabilities(values: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithms of class probabilities.

    Args:
        values: Logits or class probabilities, as in `class_scores`.

    Returns:
        Numbers of the same shape, in double precision; of a probability of 0 minus infinity.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.log_odds import log_probabilities
    >>> float(log_probabilities([[0.0, 100.0]])[0, 0]), np.exp(log_probabilities([[0.25, 0.75]]))
    (-100.0, array([[0.25, 0.75]]))
    """
    array = np.asarray(values, dtype=np.float64)
    if are_probabilities(array):
        with np.errstate(divide="ignore"):
            return np.log(array / array.sum(axis=-1, keepdims=True))
    return array - _log_sum(array)[..., None]


def _log_sum(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the sum of exponentials, over the last axis."""
    largest = logits.max(axis=-1)
    return largest + np.log(np.exp(logits - largest[..., None]).sum(axis=-1))
