"""The paper's confidence measure."""

from __future__ import annotations

from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive
from keras_medaug.images import check_images
from keras_medaug.metrics.predictions import predicted


def mean_confidence(classifier, images: ArrayLike, batch_size: int = 256) -> float:
    """Return the mean, over images, of the largest class probability.

    This is the number of the paper's table 2, as a fraction. It says how sure the classifier is,
    and nothing of whether the images look real, belong to the class, differ from each other or are
    copies: a classifier that is sure of one class always, or noise far from all data, can get 1
    too.

    Args:
        classifier: A model whose `predict(images, batch_size=..., verbose=0)` returns class
            probabilities `(n, num_classes)`, such as `keras_medaug.models.Classifier`.
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        batch_size: Images classified at a time.

    Returns:
        A number in [1 / num_classes, 1].

    Raises:
        ValueError: If the images are not as described, or the classifier does not return
            probabilities, one row an image.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> classifier = kma.models.Classifier((8, 8, 1), num_classes=2, seed=0)
    >>> 0.5 <= kma.metrics.mean_confidence(classifier, np.zeros((4, 8, 8, 1))) <= 1
    True

    References:
        Section 3 and table 2 of the paper this library implements.
    """
    checked = check_images(images, "images")
    batch_size = check_positive(batch_size, "batch_size", integer=True)
    return confidence_of(predicted(classifier, checked, "classifier", batch_size))


def confidence_of(probabilities: NDArray) -> float:
    """Return `mean_confidence` of images that a classifier has seen already.

    Args:
        probabilities: Its class probabilities, shape `(n, num_classes)`.

    Returns:
        The mean of the largest ones.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.confidence import confidence_of
    >>> confidence_of(np.array([[0.5, 0.5], [0.0, 1.0]]))
    0.75
    """
    return float(probabilities.astype("float64").max(axis=1).mean())
