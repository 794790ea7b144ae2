"""Whether a classifier never gives some class, or ranks images no better than by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_labels
from keras_medaug.metrics.checking import check_names, class_words, statistics
from keras_medaug.metrics.predictions import LEVEL, check_predictions, class_scores
from keras_medaug.result import returns_result


@returns_result
def collapsed_classifier(
    labels: ArrayLike, probabilities: ArrayLike, class_names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Tell whether a classifier never gives some class, or ranks images by chance alone.

    The test is one of ranks: does an image of a class get a higher score for that class than an
    image of another class? It uses the macro AUC, whose mean and variance are exact under random
    permutations of the labels, ties included. For two classes this is the one-sided Mann-Whitney
    test. A classifier without any skill passes in one case of twenty. An accuracy near the fraction
    of the most common class says little: on 156 images most good classifiers have that.

    Args:
        labels: Classes, integers `(n,)` or `(n, 1)`.
        probabilities: Its class probabilities, or logits, shape `(n, num_classes)`. Logits are to
            be preferred: probabilities of float32 near 1 are exactly 1.0, and tie.
        class_names: Names of the classes for the warning, or `None` for their numbers.

    Returns:
        A dictionary of plain numbers:

        - `accuracy`, and `majority`, the fraction of the most common class;
        - `p`: the probability of as many right predictions, were each right with probability
          `majority` (an exact binomial test). It does not enter the warning;
        - `auc`: the macro AUC of the classes that have images; `None` with one class;
        - `p_rank`: the probability of such an AUC or a higher one, if the scores had nothing to do
          with the labels; `None` with one class;
        - `never`: the classes, of those in `labels`, that are never predicted;
        - `warning`: a sentence where there are such classes, or `p_rank` is 0.05 or more, be it for
          want of images or of classes; or `None`.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If SciPy is not installed.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import collapsed_classifier
    >>> always_one = np.tile([0.1, 0.9], (10, 1))
    >>> record = collapsed_classifier(np.arange(10) % 2, always_one)
    >>> record["never"], record["accuracy"], record["auc"], record["p_rank"]
    ([0], 0.5, 0.5, 1.0)

    References:
        Mann and Whitney, On a test of whether one of two random variables is stochastically larger
        than the other, Annals of Mathematical Statistics 18, 1947. Hoeffding, A combinatorial
        central limit theorem, Annals of Mathematical Statistics 22, 1951, for the variance over
        permutations. `p` is the test against the "no information rate" of Kuhn, Building predictive
        models in R using the caret package, Journal of Statistical Software 28, 2008.
    """
    truth = check_labels(labels, "labels")
    scores = check_predictions(probabilities, "probabilities", len(truth), logits=True)
    truth = check_labels(truth, "labels", num_classes=scores.shape[1])
    check_names(class_names, scores.shape[1])
    predictions = scores.argmax(axis=1)
    right = int((predictions == truth).sum())
    counts = np.bincount(truth, minlength=scores.shape[1])
    given = np.bincount(predictions, minlength=len(counts))
    accuracy, majority = right / len(truth), float(counts.max() / len(truth))
    tested = statistics().binomtest(right, len(truth), majority, alternative="greater")
    auc, p_rank = _rank_test(truth, class_scores(scores), counts)
    never = np.flatnonzero((given == 0) & (counts > 0)).tolist()
    return {
        "accuracy": accuracy,
        "majority": majority,
        "p": float(tested.pvalue),
        "auc": auc,
        "p_rank": p_rank,
        "never": never,
        "warning": _message(_never(never, class_names), accuracy, auc, p_rank, counts),
    }


def _rank_test(
    labels: NDArray, scores: NDArray, counts: NDArray
) -> tuple[float | None, float | None]:
    """Return the macro AUC and its one-sided p value over permutations of the labels."""
    classes, count = np.flatnonzero(counts), len(labels)
    if len(classes) < 2:
        return None, None
    stats = statistics()
    pairs = counts[classes] * (count - counts[classes])
    # What an image with that rank adds to the AUC of a class, if it is of the class.
    parts = stats.rankdata(scores[:, classes], axis=0) / pairs
    own = parts[np.arange(count), np.searchsorted(classes, labels)].sum()
    lowest = (counts[classes] * (counts[classes] + 1) / 2 / pairs).sum()
    auc = float((own - lowest) / len(classes))
    fractions = counts[classes] / count
    centred = parts - parts.mean(axis=0)
    centred -= (centred @ fractions)[:, None]
    variance = (centred**2 @ counts[classes]).sum() / (count - 1) / len(classes) ** 2
    if variance < 1e-20:  # all scores of a class are equal
        return auc, 1.0
    return auc, float(stats.norm.sf((auc - 0.5) / np.sqrt(variance)))


def _never(never: list[int], class_names: Sequence[str] | None) -> str:
    """Return which classes are never predicted, as the beginning of a sentence."""
    if not never:
        return ""
    words = class_words(never, class_names)
    return f"C{words[1:]} {'is' if len(never) == 1 else 'are'}"


def _message(
    never: str, accuracy: float, auc: float | None, p_rank: float | None, counts: NDArray
) -> str | None:
    count, majority = int(counts.sum()), counts.max() / counts.sum()
    if never:
        return (
            f"{never} never the classifier's prediction: its accuracy is {accuracy:.3f}, and the "
            f"most common class is {majority:.3f} of the images."
        )
    if auc is None or p_rank is None or _too_few(counts):
        what = "one class" if auc is None else f"{count} images"
        return f"With {what} nobody can tell whether the classifier knows more than chance."
    if p_rank >= LEVEL:
        return (
            f"The classifier ranks images no better than by chance, as far as {count} images show: "
            f"its AUC is {auc:.3f} (p = {p_rank:.2g})."
        )
    return None


def _too_few(counts: NDArray) -> bool:
    """Tell whether even a perfect order of the images could come about by chance."""
    orders = math.lgamma(counts.sum() + 1) - sum(math.lgamma(count + 1) for count in counts)
    return -orders >= math.log(LEVEL) - 1e-9
