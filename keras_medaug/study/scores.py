"""What a classifier's predictions are worth, in the measures that a study reports."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    >>> found = scores(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
    >>> found["auc"], found["balanced_accuracy"], found["recall"]
    (1.0, 0.75, [1.0, 0.5])

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3, for the calibration
        error.
    """
    from sklearn import metrics

    answers = predictions.argmax(axis=1)
    classes = np.arange(predictions.shape[1])
    logarithms = log_probabilities(predictions)
    probabilities = np.exp(logarithms)
    if are_probabilities(predictions):  # which are rounded, down to 0
        logarithms, probabilities = np.maximum(logarithms, SMALLEST), predictions
    return {
        "accuracy": float(metrics.accuracy_score(labels, answers)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(labels, answers)),
        "auc": area(labels, predictions),
        "recall": metrics.recall_score(
            labels, answers, labels=classes, average=None, zero_division=0.0
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
    """Return the mean gap between how sure answers are and how often they are right, by bin.

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
