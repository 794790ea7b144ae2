"""The area under the ROC curve, and what each image of a test set contributes to it."""

import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import fail
from keras_medaug.metrics.predictions import class_scores


def auc_influence(labels: NDArray, predictions: NDArray) -> tuple[NDArray, NDArray]:
    """Return macro one-vs-rest areas under the ROC curve, and the influence of every image.

    The area of a class is the share of pairs, an image of the class and one of another, in which
    the former has the higher score, ties counting half. An image's influence is its part of that
    share: where images of a class are drawn anew, the area changes as the mean influence of those
    drawn, up to terms that vanish as images grow in number.

    Args:
        labels: Classes, integers `(n,)`; every class has an image.
        predictions: Logits, whose log-odds are ranked, or class probabilities, shape
            `(..., n, num_classes)`; what leads are seeds. They are probabilities where all are in
            [0, 1] and all rows sum to 1.

    Returns:
        `(areas, influence)`: shapes `(...)`, in [0, 1], and `(..., n)`.

    Raises:
        ValueError: If a class has no image, or shapes do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.influence import auc_influence
    >>> score = np.array([0.1, 0.6, 0.4, 0.9])
    >>> area, influence = auc_influence(np.array([0, 0, 1, 1]), np.stack([1 - score, score], -1))
    >>> float(area), influence.tolist()
    (0.75, [1.0, 0.5, 0.5, 1.0])

    References:
        DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver
        operating characteristic curves: a nonparametric approach", Biometrics 44, 1988.
    """
    count, classes = predictions.shape[-2:]
    sizes = np.bincount(labels, minlength=classes)
    if len(labels) != count or len(sizes) != classes:
        got = f"{len(labels)} labels up to {len(sizes) - 1} and scores of shape {(count, classes)}"
        raise fail("predictions", got, "shape (..., n, num_classes), with a label for each image")
    if not sizes.all():
        empty = int(np.argmin(sizes))
        raise fail("labels", f"no image of class {empty}", "an image of every class")
    ranked = class_scores(predictions)
    areas = np.zeros(predictions.shape[:-2])
    influence = np.zeros(predictions.shape[:-1])
    for each, size in enumerate(sizes):
        inside = labels == each
        placed = _placements(ranked[..., each], inside)
        areas += placed[..., inside].mean(axis=-1) / classes
        # An image of the class is one of `size` that count; of the rest, its own class's share.
        weights = np.where(inside, 1.0, sizes[labels] / (count - size))
        influence += placed * weights / classes
    return areas, influence


def _placements(scores: NDArray, inside: NDArray) -> NDArray:
    """Return, for each image, the share of images on the other side that it is in order with."""
    from scipy import stats

    placed = np.empty(scores.shape)
    among_all = stats.rankdata(scores, axis=-1)
    for side, above in ((inside, True), (~inside, False)):
        others = side.size - side.sum()
        below = among_all[..., side] - stats.rankdata(scores[..., side], axis=-1)
        placed[..., side] = below / others if above else 1 - below / others
    return placed
