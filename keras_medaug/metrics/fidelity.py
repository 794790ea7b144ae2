"""Whether synthetic images show the classes that they are said to show."""

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_images, check_labels, fail
from keras_medaug.metrics.guards import (
    LEVEL,
    LOST,
    as_floats,
    listed,
    lost_share,
    predicted,
    recalls,
)


def label_fidelity(
    predict: Any,
    images: ArrayLike,
    labels: ArrayLike,
    held_out: ArrayLike,
    held_out_labels: ArrayLike,
) -> dict[str, Any]:
    """Tell whether a classifier of real images sees the classes of synthetic ones in them.

    The yardstick is what it sees in real images that it was not trained on. It is no judge of its
    own: it may go by something that the generator has learned as well, and where it was trained on
    the same images as the generator, copies of these suit it best. See
    `keras_medaug.labels.OutOfFoldClassifier` for a stricter one that chooses images.

    Args:
        predict: A function from images, `float32` in [0, 1], to class probabilities
            `(n, num_classes)`; or a model whose `predict(images, batch_size=..., verbose=0)`
            returns them, such as `keras_medaug.models.Classifier`.
        images: Synthetic images, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        labels: Their classes, shape `(n,)`.
        held_out: Real images that the classifier was not trained on, of the same image shape.
        held_out_labels: Their classes.

    Returns:
        A dictionary of plain numbers:

        - `by_class`: for each class the share of its synthetic images of which it is the likeliest
          class, and `held_out_by_class`, the same of real ones; `None` of a class without images;
        - `made`, `held_out`: the mean of either over the classes that both have;
        - `chance`: what an answer that does not depend on the image gets of them;
        - `lost`: by what share of what is above chance `made` is below `held_out`, negative where
          it is above; `None` where `held_out` is not above chance;
        - `wrong`: the classes of whose synthetic images it recognises less than half the share that
          it does of real ones;
        - `warning`: a sentence where there are such classes, `lost` is above 0.25, or real images
          are not recognised better than by chance; or `None`.

        Differences count where chance hardly makes them: one in twenty times, or less, by the
        normal approximation.

    Raises:
        ValueError: If an argument is not as described, or fewer than two classes are in both.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import label_fidelity
    >>> def predict(x):  # bright or dark
    ...     bright = x.mean(axis=(1, 2, 3))
    ...     return np.stack([1 - bright, bright], axis=1)
    >>> real = np.repeat([0.0, 1.0], 4).reshape(8, 1, 1, 1) * np.ones((1, 8, 8, 1))
    >>> found = label_fidelity(predict, real[:6], [0, 0, 1, 1, 1, 1], real, np.arange(8) // 4)
    >>> found["by_class"], found["held_out_by_class"], found["lost"]
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
    if not (callable(predict) or hasattr(predict, "predict")):
        raise fail("predict", f"a {type(predict).__name__}", "a function, or a model")
    classes = len(set(made_labels.tolist()) & set(real_labels.tolist()))
    if classes < 2:
        raise fail("labels", f"{classes} of the classes of `held_out_labels`", "two or more")
    ours_by_image = predicted(predict, as_floats(made))
    theirs_by_image = predicted(predict, as_floats(real))
    check_labels(real_labels, "held_out_labels", num_classes=theirs_by_image.shape[1])
    ours, theirs = recalls(made_labels, ours_by_image), recalls(real_labels, theirs_by_image)
    counts = [np.bincount(each, minlength=len(ours)) for each in (made_labels, real_labels)]
    both = np.flatnonzero((counts[0] > 0) & (counts[1] > 0))
    shares = np.array([[each[label] for label in both] for each in (ours, theirs)], float)
    errors = _variances(shares, np.array([each[both] for each in counts]))
    mean, real_mean = (float(each) for each in shares.mean(axis=1))
    lost = lost_share(real_mean, mean, classes)
    wrong = both[_less_than_half(shares, errors)].tolist()
    spread = np.sqrt(errors.sum(axis=1)) / classes  # of the two means
    known = real_mean - 1 / classes > _times(1) * spread[1]
    clear = real_mean - mean > _times(1) * float(np.hypot(*spread))
    fallen = clear and lost is not None and lost > LOST
    return {
        "made": mean,
        "held_out": real_mean,
        "by_class": ours,
        "held_out_by_class": theirs,
        "chance": 1 / classes,
        "lost": lost,
        "wrong": wrong,
        "warning": _message(mean, real_mean, 1 / classes, known, wrong, fallen),
    }


def _variances(shares: NDArray, counts: NDArray) -> NDArray:
    """Return the squared errors of shares; those of 0 and 1 have one, too (Agresti and Coull)."""
    drawn = (shares * counts + 2) / (counts + 4)
    return drawn * (1 - drawn) / (counts + 4)


def _less_than_half(shares: NDArray, variances: NDArray) -> NDArray[np.bool_]:
    """Tell in which classes the first share is below half the second, and clearly below all of it.

    Over all classes together, chance does so in one case of twenty at most (Bonferroni).
    """
    below = shares[1] - shares[0] > _times(shares.shape[1]) * np.sqrt(variances.sum(axis=0))
    return below & (shares[0] < shares[1] / 2)


def _times(tests: int) -> float:
    """Return how many standard errors a difference is to be above 0, of so many differences."""
    return NormalDist().inv_cdf(1 - LEVEL / tests)


def _message(
    made: float, held_out: float, chance: float, known: bool, wrong: list[int], fallen: bool
) -> str | None:
    if not known:
        return (
            f"On unseen real images the classifier's balanced accuracy is {held_out:.3f}, hardly "
            f"above chance ({chance:.3f}): it cannot tell whether labels are right."
        )
    if not wrong and not fallen:
        return None
    what = (
        f"A classifier sees the class of synthetic images with a balanced accuracy of {made:.3f}, "
        f"that of unseen real ones with {held_out:.3f} (chance: {chance:.3f})"
    )
    if wrong:
        named = f"class {wrong[0]}" if len(wrong) == 1 else f"classes {listed(wrong)}"
        what += f", and of {named} it recognises less than half as many"
    return f"{what}: labels may be wrong, or images unlike real ones. Look at them."
