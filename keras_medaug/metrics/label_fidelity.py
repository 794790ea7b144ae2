"""Whether synthetic images show the classes that they are said to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_labels, fail
from keras_medaug.images import check_images
from keras_medaug.metrics.checking import check_names, class_words
from keras_medaug.metrics.predictions import (
    LEVEL,
    LOST,
    check_predictor,
    lost_fraction,
    predicted,
    recalls,
)
from keras_medaug.result import returns_result


@returns_result
def label_fidelity(
    predict: Any,
    images: ArrayLike,
    labels: ArrayLike,
    held_out: ArrayLike,
    held_out_labels: ArrayLike,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Tell whether a classifier of real images sees the classes of synthetic ones in them.

    The reference is what the classifier sees in real images that it was not trained on. Its
    predictions alone prove nothing: it may go by something that the generator has learned as well,
    and where it was trained on the same images as the generator, copies of these suit it best. See
    `keras_medaug.labels.OutOfFoldClassifier` for stricter classifiers that choose images.

    Args:
        predict: A function from images, `float32` in [0, 1], to class probabilities
            `(n, num_classes)`; or a model whose `predict(images, batch_size=..., verbose=0)`
            returns them, such as `keras_medaug.models.Classifier`.
        images: Synthetic images, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        labels: Their classes, integers `(n,)` or `(n, 1)`.
        held_out: Real images that the classifier was not trained on, of the same image shape.
        held_out_labels: Their classes.
        class_names: Names of the classes for the warning, or `None` for their numbers.

    Returns:
        A dictionary of plain numbers:

        - `by_class`: for each class the fraction of its synthetic images of which it is the
          likeliest class, and `held_out_by_class`, the same of real ones; `None` of a class without
          images;
        - `made`, `held_out`: the mean of either over the classes that both have;
        - `chance`: the most that a prediction which does not depend on the image gets of these;
        - `lost`: by what fraction of what is above chance `made` is below `held_out`, negative
          where it is above; `None` where `held_out` is not above chance;
        - `wrong`: the classes of whose synthetic images it recognises less than half the fraction
          that it does of real ones, and clearly fewer (Fisher's exact test, Bonferroni's
          correction);
        - `warning`: a sentence where there are such classes, or `lost` is above 0.25 and the two
          means clearly differ, which chance alone brings about in one case of twenty at most; or
          where real images are not recognised clearly better than by chance; or `None`.

    Raises:
        ValueError: If an argument is not as described, `held_out` is of one class, or no class is
            in both.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import label_fidelity
    >>> def predict(x):  # bright or dark
    ...     bright = x.mean(axis=(1, 2, 3))
    ...     return np.stack([1 - bright, bright], axis=1)
    >>> real = np.repeat([0.0, 1.0], 4).reshape(8, 1, 1, 1) * np.ones((1, 8, 8, 1))
    >>> fidelity = label_fidelity(predict, real[:6], [0, 0, 1, 1, 1, 1], real, np.arange(8) // 4)
    >>> fidelity["by_class"], fidelity["held_out_by_class"], fidelity["lost"]
    ([1.0, 0.5], [1.0, 1.0], 0.5)

    References:
        Ravuri and Vinyals, Classification accuracy score for conditional generative models,
        NeurIPS 2019, and Shmelkov et al., How good is my GAN?, ECCV 2018: a classifier of real
        images, tested on synthetic ones.
    """
    made = check_images(images, "images")
    real = check_images(held_out, "held_out", made.shape[1:])
    made_labels = check_labels(labels, "labels", len(made))
    real_labels = check_labels(held_out_labels, "held_out_labels", len(real))
    check_predictor(predict)
    if len(set(real_labels.tolist())) < 2:
        raise fail("held_out_labels", "one class", "two or more")
    if not set(made_labels.tolist()) & set(real_labels.tolist()):
        raise fail("labels", "no class of `held_out_labels`", "one or more of them")
    probabilities, real_probabilities = (predicted(predict, of_set) for of_set in (made, real))
    check_labels(real_labels, "held_out_labels", num_classes=real_probabilities.shape[1])
    check_names(class_names, real_probabilities.shape[1])
    return compare_predictions(
        probabilities, made_labels, real_probabilities, real_labels, class_names
    )


def compare_predictions(
    probabilities: NDArray,
    labels: NDArray,
    real_probabilities: NDArray,
    real_labels: NDArray,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Compare predictions of synthetic images with those of real ones, as `label_fidelity` does.

    Args:
        probabilities: Class probabilities of synthetic images, `(n, num_classes)`.
        labels: Their labels, `(n,)`.
        real_probabilities: Class probabilities of real images that are new to the classifiers.
        real_labels: Their labels, of two classes or more, of which synthetic images show one.
        class_names: Names of the classes, or `None` for their numbers.

    Returns:
        As `label_fidelity`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.label_fidelity import compare_predictions
    >>> labels = np.arange(40) % 2
    >>> right = np.eye(2)[labels]
    >>> compare_predictions(1 - right, labels, right, labels)["wrong"]
    [0, 1]
    """
    ours, theirs = recalls(labels, probabilities), recalls(real_labels, real_probabilities)
    counts = [np.bincount(of_set, minlength=len(ours)) for of_set in (labels, real_labels)]
    both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    synthetic, unseen = _Recalls(ours, counts[0], both), _Recalls(theirs, counts[1], both)
    lost = lost_fraction(unseen.mean, synthetic.mean, len(both))
    wrong = both[_less_than_half(synthetic, unseen)].tolist()
    named = class_words(wrong, class_names) if wrong else ""
    error = float(np.hypot(synthetic.error, unseen.error))
    clear = unseen.mean - synthetic.mean > _times(2) * error
    fallen = clear and lost is not None and lost > LOST
    everywhere = _Recalls(theirs, counts[1], np.flatnonzero(counts[1]))
    known = everywhere.mean - 1 / len(everywhere.fractions) > _times(1) * everywhere.error
    return {
        "made": synthetic.mean,
        "held_out": unseen.mean,
        "by_class": ours,
        "held_out_by_class": theirs,
        "chance": 1 / len(both),
        "lost": lost,
        "wrong": wrong,
        "warning": _message(synthetic, unseen, known, named, fallen),
    }


class _Recalls:
    """The fraction recognised of each of some classes, their mean, and its standard error."""

    def __init__(self, fractions: list[float | None], counts: NDArray, classes: NDArray) -> None:
        self.fractions = np.array([fractions[label] for label in classes], float)
        self.counts = counts[classes]
        self.mean = float(self.fractions.mean())
        # Fractions of 0 and 1 have an error, too (Agresti and Coull).
        likely = (self.fractions * self.counts + 2) / (self.counts + 4)
        self.error = float(np.sqrt(np.sum(likely * (1 - likely) / self.counts)) / len(classes))


def _less_than_half(made: _Recalls, real: _Recalls) -> NDArray[np.bool_]:
    """Tell in which classes the first fraction is below half the second, and not by chance."""
    right = [np.rint(of_set.fractions * of_set.counts).astype(int) for of_set in (made, real)]
    tables = zip(right[0], made.counts, right[1], real.counts, strict=True)
    p = np.array([fisher_below(*map(int, table)) for table in tables])
    return (p < LEVEL / 2 / len(p)) & (made.fractions < real.fractions / 2)


def fisher_below(hits: int, count: int, other_hits: int, other_count: int) -> float:
    """Return the p value of Fisher's exact test that a fraction is below another one.

    Args:
        hits: Successes of the first kind, `0 <= hits <= count`.
        count: Trials of the first kind.
        other_hits: Successes of the second kind.
        other_count: Trials of the second kind.

    Returns:
        The probability of as few successes or fewer among the first trials, of all ways to spread
        the successes over the trials.

    Example:

    >>> from keras_medaug.metrics.label_fidelity import fisher_below
    >>> round(fisher_below(1, 10, 6, 8), 6)
    0.00905
    """
    total = hits + other_hits
    most, least = min(count, total), max(0, total - other_count)

    def log_chance(successes: int) -> float:
        return (
            _log_choose(count, successes)
            + _log_choose(other_count, total - successes)
            - _log_choose(count + other_count, total)
        )

    logs = np.array([log_chance(successes) for successes in range(least, most + 1)])
    chances = np.exp(logs - logs.max())
    return float(chances[: hits - least + 1].sum() / chances.sum())


def _log_choose(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)


def _times(tests: int) -> float:
    """Return how many standard errors a difference is to be above 0, of so many tests."""
    return NormalDist().inv_cdf(1 - LEVEL / tests)


def _message(
    made: _Recalls, held_out: _Recalls, known: bool, wrong: str, fallen: bool
) -> str | None:
    if not known:
        return (
            "The classifier does not recognise unseen real images clearly better than by chance: "
            "it cannot tell whether labels are right."
        )
    if not wrong and not fallen:
        return None
    what = (
        f"A classifier recognises the class of {made.mean:.1%} of the synthetic images, and of "
        f"{held_out.mean:.1%} of unseen real ones, on average over classes"
    )
    if wrong:
        what += f"; of {wrong} it recognises less than half as many"
    return f"{what}: labels may be wrong, or images unlike real ones. Look at the images."
