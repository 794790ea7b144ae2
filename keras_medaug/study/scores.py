"""What predictions are worth, in the measures of a study, and what each image contributes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import fail
from keras_medaug.metrics.predictions import are_probabilities, class_scores, log_probabilities

BINS = 15
SMALLEST = float(np.log(np.finfo(np.float64).eps))  # logarithm of a probability
PRIMARY = "auc"


def scores(labels: NDArray, predictions: NDArray) -> dict[str, Any]:
    """Return accuracy, balanced accuracy, area under the ROC curve, and the rest of the report.

    Args:
        labels: Classes, integers `(n,)`; every class has an image.
        predictions: Logits or class probabilities, `(n, num_classes)`; see `area`.

    Returns:
        A dictionary: `accuracy`, `balanced_accuracy`, `auc` (macro, one against the rest) and
        `recall` (one for each class), in [0, 1]; `log_loss` in nats; and `calibration_error`, the
        expected one over fifteen bins of equal width, in [0, 1].

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.scores import scores
    >>> result = scores(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
    >>> result["auc"], result["balanced_accuracy"], result["recall"]
    (1.0, 0.75, [1.0, 0.5])

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3, for the calibration
        error.
    """
    from sklearn import metrics

    classes_predicted = predictions.argmax(axis=1)
    classes = np.arange(predictions.shape[1])
    logarithms = log_probabilities(predictions)
    probabilities = np.exp(logarithms)
    if are_probabilities(predictions):  # which are rounded, down to 0
        logarithms, probabilities = np.maximum(logarithms, SMALLEST), predictions
    return {
        "accuracy": float(metrics.accuracy_score(labels, classes_predicted)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(labels, classes_predicted)),
        "auc": area(labels, predictions),
        "recall": metrics.recall_score(
            labels, classes_predicted, labels=classes, average=None, zero_division=0.0
        ).tolist(),
        "log_loss": float(-logarithms[np.arange(len(labels)), labels].mean()),
        "calibration_error": calibration_error(labels, probabilities),
    }


def area(labels: NDArray, predictions: NDArray) -> float:
    """Return the macro one-vs-rest area under the ROC curve, in [0, 1].

    Args:
        labels: Classes, integers `(n,)`; every class has an image.
        predictions: Logits, whose log-odds are ranked, or class probabilities, `(n, num_classes)`.
            Rows in [0, 1] that all sum to 1 are probabilities. Those of float32 that are exactly
            1.0 tie: logits are to be preferred.

    Returns:
        The mean over classes.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.scores import area
    >>> area(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    1.0
    """
    from sklearn.metrics import roc_auc_score

    ranked = class_scores(predictions)
    classes = range(ranked.shape[1])
    return float(np.mean([roc_auc_score(labels == c, ranked[:, c]) for c in classes]))


def calibration_error(labels: NDArray, probabilities: NDArray) -> float:
    """Return the mean gap between how sure predictions are and how often they are right, by bin.

    Args:
        labels: Classes, integers `(n,)`.
        probabilities: Class probabilities, `(n, num_classes)`.

    Returns:
        The expected calibration error, in [0, 1].

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.scores import calibration_error
    >>> calibration_error(np.array([0, 1]), np.array([[0.75, 0.25], [0.75, 0.25]]))
    0.25
    """
    confidence = probabilities.max(axis=1).astype(float)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gap = np.bincount(bins, confidence - right, minlength=BINS)
    return float(np.abs(gap).sum() / len(labels))


def auc_influence(labels: NDArray, predictions: NDArray) -> tuple[NDArray, NDArray]:
    """Return macro one-vs-rest AUCs, and the influence of every image.

    The AUC of a class is the fraction of pairs, an image of the class and one of another, in which
    the former has the higher score, ties counting half. The influence of an image is its part of
    that fraction. Where the images of a class are drawn anew, the AUC changes as the mean influence
    of those drawn, up to terms that vanish as images grow in number.

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
    >>> from keras_medaug.study.scores import auc_influence
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
    for label, size in enumerate(sizes):
        inside = labels == label
        placed = _placements(ranked[..., label], inside)
        areas += placed[..., inside].mean(axis=-1) / classes
        # An image of the class is one of `size` that count; of the rest, its own class's fraction.
        weights = np.where(inside, 1.0, sizes[labels] / (count - size))
        influence += placed * weights / classes
    return areas, influence


def _placements(scores: NDArray, inside: NDArray) -> NDArray:
    """Return, for each image, the fraction of images on the other side that it is in order with."""
    from scipy import stats

    placed = np.empty(scores.shape)
    among_all = stats.rankdata(scores, axis=-1)
    for side, above in ((inside, True), (~inside, False)):
        others = side.size - side.sum()
        below = among_all[..., side] - stats.rankdata(scores[..., side], axis=-1)
        placed[..., side] = below / others if above else 1 - below / others
    return placed
