"""Predictions of classifiers: class probabilities or logits, and how often they are right.

In float32 a softmax gives exactly 1.0 where the logits differ by 17 or more. Images that it is sure
of then tie. Logits keep their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_labels, fail
from keras_medaug.images import to_float
from keras_medaug.metrics.samples import as_argument_of

LEVEL = 0.05  # p value, below which a difference is no chance
LOST = 0.25  # drop in balanced accuracy that is too much, as a fraction of what is above chance
TOLERANCE = 1e-3  # by which the sum of a row of probabilities may differ from 1
PREDICTED = 256  # images at a time


def check_predictions(
    values: ArrayLike, argument: str, count: int, logits: bool = False
) -> NDArray:
    """Return the predictions of a classifier as an array.

    Args:
        values: Class probabilities, shape `(count, num_classes)`.
        argument: Name under which the value is reported.
        count: Number of images.
        logits: Whether logits will do as well.

    Returns:
        The array.

    Raises:
        ValueError: If `values` are not as described.

    Example:

    >>> from keras_medaug.metrics.predictions import check_predictions
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


def check_predictor(predict: Any) -> None:
    """Refuse what makes no predictions.

    Args:
        predict: A function of images, or a model with a method `predict`.

    Raises:
        ValueError: If `predict` is neither a function nor a model.

    Example:

    >>> from keras_medaug.metrics.predictions import check_predictor
    >>> check_predictor(len)
    """
    if not (callable(predict) or hasattr(predict, "predict")):
        raise fail("predict", f"a {type(predict).__name__}", "a function, or a model")


def predicted(
    predict: Any, images: NDArray, argument: str = "predict", batch_size: int = PREDICTED
) -> NDArray:
    """Return the class probabilities that a function or a model has for images.

    Args:
        predict: A function, or a model, as in `label_agreement`.
        images: Checked images, floats in [0, 1] or `uint8`.
        argument: Name under which a wrong result is reported.
        batch_size: Images that a model gets at a time; a function gets all.

    Returns:
        Probabilities, shape `(n, num_classes)`.

    Raises:
        ValueError: If the classifier returns anything but class probabilities, a row for each
            image.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.predictions import predicted
    >>> predicted(lambda x: np.full((len(x), 2), 0.5), np.zeros((1, 8, 8, 1))).tolist()
    [[0.5, 0.5]]
    """
    method = "predict" if hasattr(predict, "predict") else "__call__"
    given = as_argument_of(predict, to_float(images), method)
    if method == "predict":
        values = predict.predict(given, batch_size=min(batch_size, len(images)), verbose=0)
    else:
        values = predict(given)
    return check_predictions(values, argument, len(images))


def recalls(labels: NDArray, probabilities: NDArray) -> list[float | None]:
    """Return, for each class, the fraction of its images of which it is the likeliest class.

    Args:
        labels: Classes, shape `(n,)`.
        probabilities: Class probabilities, shape `(n, num_classes)`.

    Returns:
        Fractions; `None` of a class without images.

    Raises:
        ValueError: If a label has no column in the probabilities.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.predictions import recalls
    >>> recalls(np.int32([0, 0, 2]), np.tile([0.6, 0.3, 0.1], (3, 1)))
    [1.0, None, 0.0]
    """
    classes = probabilities.shape[1]
    check_labels(labels, "labels", num_classes=classes)
    counts = np.bincount(labels, minlength=classes)
    right = np.bincount(labels[probabilities.argmax(axis=1) == labels], minlength=classes)
    return [
        float(hits / count) if count else None for hits, count in zip(right, counts, strict=True)
    ]


def balanced_accuracy(labels: NDArray, probabilities: NDArray) -> float:
    """Return the mean of `recalls` over the classes that have images.

    Args:
        labels: Classes, shape `(n,)`.
        probabilities: Class probabilities, shape `(n, num_classes)`.

    Returns:
        A fraction.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.predictions import balanced_accuracy
    >>> balanced_accuracy(np.int32([0, 0, 1]), np.tile([0.6, 0.4], (3, 1)))
    0.5
    """
    of_classes = [recall for recall in recalls(labels, probabilities) if recall is not None]
    return float(np.mean(of_classes))


def lost_fraction(plain: float, transformed: float, classes: int) -> float | None:
    """Return by what fraction of what is above chance a balanced accuracy falls.

    Args:
        plain: Balanced accuracy on images as they are.
        transformed: That on transformed ones.
        classes: Number of classes.

    Returns:
        The fraction, or `None` where there is nothing above chance to lose.

    Example:

    >>> from keras_medaug.metrics.predictions import lost_fraction
    >>> round(lost_fraction(0.9, 0.7, 2), 6), lost_fraction(0.5, 0.5, 2)
    (0.5, None)
    """
    chance = 1 / classes
    return None if plain <= chance else (plain - transformed) / (plain - chance)


# ---- probabilities and logits ---------------------------------------------------------------


def are_probabilities(values: ArrayLike) -> bool:
    """Tell class probabilities from logits.

    Args:
        values: Numbers, shape `(..., num_classes)`.

    Returns:
        Whether all of them are in [0, 1] and all rows sum to 1, to 1e-3.

    Example:

    >>> from keras_medaug.metrics.predictions import are_probabilities
    >>> are_probabilities([[0.1, 0.9]]), are_probabilities([[-1.0, 2.0]])
    (True, False)
    """
    array = np.asarray(values)
    inside = (array >= 0) & (array <= 1)
    sums = array.sum(axis=-1, dtype=np.float64)
    return bool(inside.all() and (np.abs(sums - 1) <= TOLERANCE).all())


def class_scores(values: ArrayLike) -> NDArray[np.float64]:
    """Return what the AUC ranks, for each class.

    Of logits `l` these are the log-odds `l[c] - logsumexp(l[j] for j != c)`, the logarithm of
    `p[c] / (1 - p[c])` for `p = softmax(l)`. Probabilities are returned as they are: they have the
    order of their log-odds, except that all that are exactly 1 tie.

    Args:
        values: Logits or class probabilities, shape `(..., num_classes)`, two classes or more; see
            `are_probabilities`.

    Returns:
        Numbers of the same shape, in double precision.

    Example:

    >>> from keras_medaug.metrics.predictions import class_scores
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
    >>> from keras_medaug.metrics.predictions import log_probabilities
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
