"""A linear model of simple image statistics: what a classifier has to surpass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.study.comparison import compare

RIDGE = 1.0  # penalty on the squared weights of standardised columns


def linear_scores(
    known: NDArray, labels: NDArray, tested: NDArray, num_classes: int
) -> NDArray[np.float64]:
    """Return the scores that a ridge regression of the classes gives to images.

    Args:
        known: Statistics of the training images, shape `(n, columns)`.
        labels: Their classes, `(n,)`.
        tested: Statistics of the images in question, shape `(m, columns)`.
        num_classes: Number of classes.

    Returns:
        Shape `(m, num_classes)`; each row sums to 0.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.linear_baseline import linear_scores
    >>> known = np.array([[0.0], [0.2], [0.8], [1.0]])
    >>> linear_scores(known, np.array([0, 0, 1, 1]), known, 2).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    mean, spread = known.mean(axis=0), known.std(axis=0)
    varied = spread > 1e-9 * (np.abs(known).max(axis=0) + 1e-9)  # the rest is rounding
    known, tested = ((rows - mean)[:, varied] / spread[varied] for rows in (known, tested))
    targets = np.eye(num_classes)[labels]
    targets -= targets.mean(axis=0)
    gram = known.T @ known + RIDGE * np.eye(known.shape[1])
    scores = tested @ np.linalg.solve(gram, known.T @ targets)
    return scores - scores.mean(axis=1, keepdims=True)


def linear_against(labels: NDArray, linear: NDArray, predictions: NDArray) -> dict[str, Any]:
    """Compare the linear model with the classifiers of an arm.

    The linear model's AUC ranks the score of each class itself, one class against the rest. That of
    the arm ranks log-odds.

    Args:
        labels: Classes of the test images, `(n,)`.
        linear: Scores of the linear model, whose rows sum to 0, shape
            `(seeds, n, num_classes)`, or `(1, ...)` where it is the same for all seeds.
        predictions: Predictions of the arm, shape `(seeds, n, num_classes)`.

    Returns:
        A dictionary of plain numbers: `auc` of the linear model and `difference`, its AUC less the
        arm's, means over seeds; and `ci95_images`, the 95% interval of the difference over seeds
        and test images (with one seed, over test images).

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.linear_baseline import linear_against
    >>> labels = np.arange(20) % 2
    >>> right = np.stack([1.0 - labels, labels], axis=1)[None]
    >>> linear_against(labels, right, right)["auc"]
    1.0
    """
    from keras_medaug.study.influence import auc_influence

    linear = _ranked_by_class(linear)
    seeds = max(len(predictions), 2)
    ours = np.resize(linear, (seeds, *linear.shape[1:]))
    theirs = np.resize(predictions, (seeds, *predictions.shape[1:]))
    found = compare(labels, ours, theirs)
    return {
        "auc": float(auc_influence(labels, linear)[0].mean()),
        "difference": found.mean_difference,
        "ci95_images": list(found.ci95_images),
    }


def _ranked_by_class(scores: NDArray) -> NDArray[np.float64]:
    """Return scores in the same order within [0, 1], with rows that sum to 1.

    Predictions of this form are ranked as they are. Others are taken for logits, whose log-odds mix
    the classes: of regression scores, which have no natural scale, that would be arbitrary.
    """
    exact = np.asarray(scores, np.float64)
    classes, largest = exact.shape[-1], np.abs(exact).max()
    return 1 / classes + exact * (0.5 / classes / largest if largest else 0.0)


def warn_of_linear(linear: Mapping[str, Any], auc: float) -> list[dict[str, Any]]:
    """Return a warning of classifiers that a linear model of simple statistics surpasses.

    Args:
        linear: What `linear_against` returned for the arm `none`.
        auc: Mean test AUC of `none`.

    Returns:
        Warnings: dictionaries with `check`, `message` and the numbers.

    Example:

    >>> from keras_medaug.study.linear_baseline import warn_of_linear
    >>> linear = {"auc": 0.957, "difference": 0.065, "ci95_images": [0.05, 0.08]}
    >>> [warning["check"] for warning in warn_of_linear(linear, 0.892)]
    ['linear_baseline']
    """
    low, high = linear["ci95_images"]
    if low <= 0:
        return []
    return [{
        "check": "linear_baseline",
        "auc": round(linear["auc"], 4),
        "none": round(auc, 4),
        "ci95_images": [round(low, 4), round(high, 4)],
        "message": f"A linear model of simple image statistics (brightness, contrast, sharpness, "
        f"symmetry) has a test AUC of {linear['auc']:.3f}, and the classifier of 'none' "
        f"{auc:.3f}: {linear['difference']:+.3f}, 95% interval {low:+.3f} to {high:+.3f}. The "
        "classifier is too weak, or too little trained, to tell which augmentation helps.",
    }]  # fmt: skip
