"""Whether classes are as common in one set of images as in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_labels, check_positive
from keras_medaug.metrics.checking import check_names, class_word, statistics
from keras_medaug.metrics.predictions import LEVEL
from keras_medaug.result import returns_result

SHIFT = 0.05  # difference in the fraction of a class between two sets


@returns_result
def prior_shift(
    labels: ArrayLike,
    other_labels: ArrayLike,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Tell by how much the class frequencies differ between two sets: label shift.

    Accuracy depends on the frequencies. AUC and balanced accuracy do not.

    Args:
        labels: Classes of one set, such as training, integers `(n,)` or `(n, 1)`.
        other_labels: Classes of the other, such as test, likewise.
        num_classes: Number of classes; by default as many as the labels tell.
        class_names: Names of the classes for the warning, or `None` for their numbers.

    Returns:
        A dictionary of plain numbers:

        - `shares`, `other_shares`: the fraction of each class in the two sets;
        - `largest`: the largest difference of a fraction, and `class`, whose it is;
        - `p`: of the chi-squared test that both sets were drawn with the same fractions. It is
          approximate where classes have fewer than about five images;
        - `warning`: a sentence where `largest` is above 0.05 and `p` below 0.05, or `None`: in
          small sets drawn alike, fractions differ by that much by chance.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If SciPy is not installed.

    Example:

    >>> from keras_medaug.metrics import prior_shift
    >>> shift = prior_shift([0] * 26 + [1] * 74, [0] * 38 + [1] * 62)
    >>> shift["class"], round(shift["largest"], 2), round(shift["p"], 3)
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
    counts = [np.bincount(of_set, minlength=classes).astype(float) for of_set in (ours, theirs)]
    shares, other_shares = (of_set / of_set.sum() for of_set in counts)
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
    """Return the p value of equal fractions in both rows."""
    counts = counts[:, counts.any(axis=0)]
    return float(statistics().chi2_contingency(counts, correction=False).pvalue)
