"""Guards: what makes the numbers of an experiment mean something else than they seem to.

Each returns a dictionary of plain numbers, whose `warning` is a sentence for a person, or `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_labels, check_positive, fail
from keras_medaug.images import check_images, pair_distances
from keras_medaug.metrics.checking import (
    check_names,
    check_predictions,
    class_word,
    statistics,
)
from keras_medaug.metrics.collapsed_classifier import collapsed_classifier
from keras_medaug.metrics.diversity import FEW_APART, diversity
from keras_medaug.metrics.duplicates import NEAR, near_duplicates
from keras_medaug.metrics.space import as_floats
from keras_medaug.result import returns_result

__all__ = [
    "FEW_APART",
    "LEVEL",
    "LOST",
    "NEAR",
    "as_floats",
    "balanced_accuracy",
    "collapsed_classifier",
    "diversity",
    "label_agreement",
    "lost_share",
    "near_duplicates",
    "pair_distances",
    "predicted",
    "prior_shift",
    "recalls",
    "statistics",
]

SHIFT = 0.05  # difference in the share of a class between two sets
LEVEL = 0.05  # p value, below which a difference is no chance
LOST = 0.25  # drop in balanced accuracy, as a share of what is above chance, under a transform
PREDICTED = 256  # images at a time
ROUNDING = 1e-3  # by how much transformed images may leave [0, 1]


# ---- prior shift ----------------------------------------------------------------------------


@returns_result
def prior_shift(
    labels: ArrayLike,
    other_labels: ArrayLike,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Tell by how much the shares of the classes differ between two sets.

    Accuracy depends on the shares, the area under the ROC curve and balanced accuracy do not.

    Args:
        labels: Classes of one set, such as training, integers `(n,)` or `(n, 1)`.
        other_labels: Classes of the other, such as test, likewise.
        num_classes: Number of classes; by default as many as the labels tell.
        class_names: Names of the classes for the warning, or `None` for their numbers.

    Returns:
        A dictionary of plain numbers:

        - `shares`, `other_shares`: of each class in the two sets;
        - `largest`: the largest difference of a share, and `class`, whose it is;
        - `p`: of the chi-squared test that both sets were drawn with the same shares. It is
          approximate where classes have fewer than about five images;
        - `warning`: a sentence where `largest` is above 0.05 and `p` below 0.05, or `None`: in
          small sets drawn alike, shares differ by that much by chance.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If SciPy is not installed.

    Example:

    >>> from keras_medaug.metrics import prior_shift
    >>> found = prior_shift([0] * 26 + [1] * 74, [0] * 38 + [1] * 62)
    >>> found["class"], round(found["largest"], 2), round(found["p"], 3)
    (0, 0.12, 0.069)

    References:
        Pearson's test of homogeneity. Lipton, Wang and Smola, Detecting and correcting for label
        shift with black box predictors, ICML 2018.
    """
    if num_classes is not None:
        num_classes = check_positive(num_classes, "num_classes", integer=True)
    ours = check_labels(labels, "labels", num_classes=num_classes)
    theirs = check_labels(other_labels, "other_labels", num_classes=num_classes)
    classes = num_classes or int(max(ours.max(), theirs.max())) + 1
    check_names(class_names, classes)
    counts = [np.bincount(each, minlength=classes).astype(float) for each in (ours, theirs)]
    shares, other_shares = (each / each.sum() for each in counts)
    differences = np.abs(shares - other_shares)
    worst = int(differences.argmax())
    largest, p = float(differences[worst]), _homogeneity(np.stack(counts))
    warning = None
    if largest > SHIFT and p < LEVEL:
        warning = (
            f"Class {class_word(worst, class_names)} is {shares[worst]:.1%} of one set and "
            f"{other_shares[worst]:.1%} of the other (p = {p:.2g} for equal shares): accuracies "
            "depend on that, areas under the curve do not."
        )
    return {
        "shares": shares.tolist(),
        "other_shares": other_shares.tolist(),
        "largest": largest,
        "class": worst,
        "p": p,
        "warning": warning,
    }


def _homogeneity(counts: NDArray) -> float:
    """Return the p value of equal shares in both rows."""
    counts = counts[:, counts.any(axis=0)]
    return float(statistics().chi2_contingency(counts, correction=False).pvalue)


# ---- label-unsafe geometry ------------------------------------------------------------------


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
        - `chance`: that of any answer that does not depend on the image;
        - `lost`: by what share of what is above chance it falls, negative where it rises; `None`
          where it is not above chance;
        - `p`: the probability of such a fall or a larger one, if the transform made no difference
          (a one-sided test of the images' changes, normal approximation);
        - `changed`: the share of images that the transform changes;
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
    if not (callable(predict) or hasattr(predict, "predict")):
        raise fail("predict", f"a {type(predict).__name__}", "a function, or a model")
    if not callable(transform):
        raise fail("transform", f"a {type(transform).__name__}", "a function")
    floats = as_floats(checked)
    turned = _check_transformed(transform(floats.copy()), floats.shape)
    predictions = [predicted(predict, each) for each in (floats, turned)]
    plain, transformed = (balanced_accuracy(truth, each) for each in predictions)
    lost = lost_share(plain, transformed, classes)
    p = _p_of_fall(truth, *(each.argmax(axis=1) == truth for each in predictions))
    changed = float((turned != floats).any(axis=(1, 2, 3)).mean())
    return {
        "plain": plain,
        "transformed": transformed,
        "chance": 1 / classes,
        "lost": lost,
        "p": p,
        "changed": changed,
        "warning": _agreement_message(plain, transformed, 1 / classes, lost, p, changed),
    }


def lost_share(plain: float, transformed: float, classes: int) -> float | None:
    """Return by what share of what is above chance a balanced accuracy falls.

    Args:
        plain: Balanced accuracy on images as they are.
        transformed: That on transformed ones.
        classes: Number of classes.

    Returns:
        The share, or `None` where there is nothing above chance to lose.

    Example:

    >>> from keras_medaug.metrics.guards import lost_share
    >>> round(lost_share(0.9, 0.7, 2), 6), lost_share(0.5, 0.5, 2)
    (0.5, None)
    """
    chance = 1 / classes
    return None if plain <= chance else (plain - transformed) / (plain - chance)


def _check_transformed(images: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return what a transform made, as floats in [0, 1]."""
    array = as_array(images, "transform")
    if array.shape != shape:
        raise fail("transform", f"images of shape {array.shape}", f"shape {shape}, as they were")
    if np.issubdtype(array.dtype, np.floating):
        inside = np.clip(array, 0, 1)  # which interpolation may leave
        if np.abs(array - inside).max() <= ROUNDING:
            array = inside
    return as_floats(check_images(array, "transform"))


def predicted(predict: Any, images: NDArray) -> NDArray:
    """Return the class probabilities that a function or a model has for images.

    Args:
        predict: A function, or a model, as in `label_agreement`.
        images: Images, `float32` in [0, 1].

    Returns:
        Probabilities, shape `(n, num_classes)`.

    Raises:
        ValueError: If something else comes back.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import predicted
    >>> predicted(lambda x: np.full((len(x), 2), 0.5), np.zeros((1, 8, 8, 1))).tolist()
    [[0.5, 0.5]]
    """
    if hasattr(predict, "predict"):
        found = predict.predict(images, batch_size=min(PREDICTED, len(images)), verbose=0)
    else:
        found = predict(images)
    return check_predictions(found, "predict", len(images))


def recalls(labels: NDArray, probabilities: NDArray) -> list[float | None]:
    """Return, for each class, the share of its images of which it is the likeliest class.

    Args:
        labels: Classes, shape `(n,)`.
        probabilities: Class probabilities, shape `(n, num_classes)`.

    Returns:
        Shares; `None` of a class without images.

    Raises:
        ValueError: If there are labels that have no probability.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import recalls
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
        A share.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.guards import balanced_accuracy
    >>> balanced_accuracy(np.int32([0, 0, 1]), np.tile([0.6, 0.4], (3, 1)))
    0.5
    """
    shares = [share for share in recalls(labels, probabilities) if share is not None]
    return float(np.mean(shares))


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
