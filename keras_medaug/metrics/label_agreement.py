"""Whether images still show their classes once they are transformed."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_labels, fail
from keras_medaug.images import check_images, to_float
from keras_medaug.metrics.predictions import (
    LEVEL,
    LOST,
    balanced_accuracy,
    check_predictor,
    lost_fraction,
    predicted,
)
from keras_medaug.result import returns_result

ROUNDING = 1e-3  # by how much transformed images may leave [0, 1]


@returns_result
def label_agreement(
    predict: Any,
    images: ArrayLike,
    labels: ArrayLike,
    transform: Callable[[NDArray], ArrayLike],
) -> dict[str, Any]:
    """Tell whether a classifier still sees the classes of images once these are transformed.

    A transform is suspect as augmentation where more than a quarter is lost of the balanced
    accuracy that is above chance, and not by chance alone. This is no proof: the images may no
    longer show their class, or are merely new to the classifier, which was not trained on such. Nor
    is a small loss one, of a classifier that was trained under that transform. Look at the images.

    Args:
        predict: A function from images, `float32` in [0, 1], to class probabilities
            `(n, num_classes)`; or a model whose `predict(images, batch_size=..., verbose=0)`
            returns them, such as `keras_medaug.models.Classifier`.
        images: Images that the classifier was not trained on, shape `(n, h, w, c)`, floats in
            [0, 1] or `uint8`.
        labels: Their classes, two or more, `(n,)` or `(n, 1)`.
        transform: A function from images, `float32` in [0, 1], to as many of the same shape and
            range. Keras's layers transform only in training: `lambda x: layer(x, training=True)`.

    Returns:
        A dictionary of plain numbers:

        - `plain`, `transformed`: the balanced accuracy on images as they are, and transformed;
        - `chance`: that of any prediction that does not depend on the image;
        - `lost`: by what fraction of what is above chance it falls, negative where it rises; `None`
          where it is not above chance;
        - `p`: the probability of such a fall or a larger one, if the transform made no difference
          (a one-sided test of the images' changes, normal approximation);
        - `changed`: the fraction of images that the transform changes;
        - `warning`: a sentence where `lost` is above 0.25 and `p` below 0.05, or nothing can be
          told because it is `None` or no image is changed; or `None`.

    Raises:
        ValueError: If an argument is not as described, or a function returns something else.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import label_agreement
    >>> images, labels = np.zeros((20, 8, 8, 1)), np.arange(20) % 2
    >>> images[labels == 0, :4, :4], images[labels == 1, :4, 4:] = 1, 1  # left, right
    >>> def predict(x):
    ...     left = x[:, :, :4].mean(axis=(1, 2, 3)) > x[:, :, 4:].mean(axis=(1, 2, 3))
    ...     return np.stack([left, ~left], axis=1)
    >>> label_agreement(predict, images, labels, lambda x: x[:, ::-1])["lost"]
    0.0
    >>> label_agreement(predict, images, labels, lambda x: x[:, :, ::-1])["lost"]
    2.0

    References:
        Shorten and Khoshgoftaar, A survey on image data augmentation for deep learning, Journal of
        Big Data 6, 2019: safety, the likelihood that a transform preserves the label. Brodersen et
        al., The balanced accuracy and its posterior distribution, ICPR 2010.
    """
    checked = check_images(images, "images")
    truth = check_labels(labels, "labels", len(checked))
    classes = len(np.unique(truth))
    if classes < 2:
        raise fail("labels", "one class", "labels of two classes or more")
    check_predictor(predict)
    if not callable(transform):
        raise fail("transform", f"a {type(transform).__name__}", "a function")
    floats = to_float(checked)
    moved = _check_transformed(transform(floats.copy()), floats.shape)
    predictions = [predicted(predict, batch) for batch in (floats, moved)]
    plain, transformed = (balanced_accuracy(truth, of_set) for of_set in predictions)
    lost = lost_fraction(plain, transformed, classes)
    p = _p_of_fall(truth, *(of_set.argmax(axis=1) == truth for of_set in predictions))
    changed = float((moved != floats).any(axis=(1, 2, 3)).mean())
    return {
        "plain": plain,
        "transformed": transformed,
        "chance": 1 / classes,
        "lost": lost,
        "p": p,
        "changed": changed,
        "warning": _agreement_message(plain, transformed, 1 / classes, lost, p, changed),
    }


def _check_transformed(images: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what a transform made, as floats in [0, 1]."""
    array = as_array(images, "transform")
    if array.shape != shape:
        raise fail("transform", f"images of shape {array.shape}", f"shape {shape}, as they were")
    if np.issubdtype(array.dtype, np.floating):
        inside = np.clip(array, 0, 1)  # which interpolation may leave
        if np.abs(array - inside).max() <= ROUNDING:
            array = inside
    return to_float(check_images(array, "transform"))


def _p_of_fall(labels: NDArray, before: NDArray, after: NDArray) -> float:
    """Return the p value of the fall in balanced accuracy, by the images that change sides."""
    falls = before.astype(float) - after.astype(float)
    parts = [falls[labels == label] for label in np.unique(labels)]
    fall = float(np.mean([part.mean() for part in parts]))
    # Half an image more that changes, so that the error of few equal changes is not 0.
    errors = [(np.sum((part - part.mean()) ** 2) + 0.5) / len(part) ** 2 for part in parts]
    return 1 - NormalDist().cdf(fall * len(parts) / float(np.sum(errors)) ** 0.5)


def _agreement_message(
    plain: float, transformed: float, chance: float, lost: float | None, p: float, changed: float
) -> str | None:
    if lost is None:
        return (
            f"The balanced accuracy on images as they are is {plain:.3f}, no better than chance "
            f"({chance:.3f}): this classifier cannot tell what the transform does to classes."
        )
    if not changed:
        return (
            "The transform changed 0 images, so nothing was tested. Layers of Keras transform only "
            "if they are called with `training=True`."
        )
    if lost <= LOST or p >= LEVEL:
        return None
    return (
        f"The balanced accuracy falls from {plain:.3f} to {transformed:.3f} where chance is "
        f"{chance:.3f}: the transformed images may no longer show their class, or are merely new "
        "to the classifier. Look at them."
    )
