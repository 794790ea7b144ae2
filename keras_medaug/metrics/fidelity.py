"""Whether synthetic images show the classes that they are said to show."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from keras_medaug.checks import check_images, check_labels, fail
from keras_medaug.metrics.guards import LOST, as_floats, lost_share, predicted, recalls


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
        - `warning`: a sentence where `lost` is above 0.25 or `None`; or `None`.

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
    ours = recalls(made_labels, predicted(predict, as_floats(made)))
    theirs = recalls(real_labels, predicted(predict, as_floats(real)))
    mean, real_mean = _mean_of_both(ours, theirs), _mean_of_both(theirs, ours)
    lost = lost_share(real_mean, mean, classes)
    return {
        "made": mean,
        "held_out": real_mean,
        "by_class": ours,
        "held_out_by_class": theirs,
        "chance": 1 / classes,
        "lost": lost,
        "warning": _message(mean, real_mean, 1 / classes, lost),
    }


def _mean_of_both(shares: list[float | None], others: list[float | None]) -> float:
    pairs = zip(shares, others, strict=True)
    known = [share for share, other in pairs if share is not None and other is not None]
    return float(np.mean(known))


def _message(made: float, held_out: float, chance: float, lost: float | None) -> str | None:
    if lost is None:
        return (
            f"On unseen real images the classifier's balanced accuracy is {held_out:.3f}, no "
            f"better than chance ({chance:.3f}): it cannot tell whether labels are right."
        )
    if lost <= LOST:
        return None
    return (
        f"A classifier sees the class of synthetic images with a balanced accuracy of {made:.3f}, "
        f"that of unseen real ones with {held_out:.3f} (chance: {chance:.3f}): labels may be "
        "wrong, or images unlike real ones. Look at them."
    )
