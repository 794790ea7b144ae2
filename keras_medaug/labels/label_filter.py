"""A filter of synthetic images by the predictions of classifiers of real ones."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import check_labels
from keras_medaug.labels.out_of_fold_classifier import OutOfFoldClassifier
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed

CLASSIFIER_STEPS = 500


class LabelFilter:
    """Tell which images have a label that classifiers agree with, and keep the predictions.

    An image passes if its label is the likeliest class and has at least the minimum probability.
    The predictions of *all* images, also of those that failed, tell whether a generator makes what
    it is asked for. The images that passed cannot tell.

    Args:
        fitted: Classifiers fitted out of fold.
        least: Minimum probability of the label, in [0, 1].

    Attributes:
        labels: Labels of all images that were asked about, `(n,)`.
        probabilities: Class probabilities of these images, `(n, num_classes)`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.labels.label_filter import LabelFilter
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> fitted = kma.labels.OutOfFoldClassifier(folds=2, steps=4, filters=4, seed=0).fit(x, y)
    >>> keep = LabelFilter(fitted, least=0.5)
    >>> keep(x[:3], y[:3]).shape, keep.labels.tolist() == y[:3].tolist()
    ((3,), True)
    """

    def __init__(self, fitted: OutOfFoldClassifier, least: float) -> None:
        self.fitted, self.least = fitted, least
        self._labels: list[NDArray] = []
        self._probabilities: list[NDArray] = []

    def __call__(self, images: ArrayLike, labels: ArrayLike) -> NDArray[np.bool_]:
        """Return for each image whether it passes."""
        probabilities = self.fitted.predict(images)
        count, classes = probabilities.shape
        labels = check_labels(labels, "labels", count, classes)
        self._labels.append(labels)
        self._probabilities.append(probabilities)
        of_label = probabilities[np.arange(len(labels)), labels]
        return (probabilities.argmax(axis=1) == labels) & (of_label >= self.least)

    @property
    def labels(self) -> NDArray[np.int32]:
        """Labels of all images that were asked about."""
        return np.concatenate(self._labels)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Class probabilities of these images."""
        return np.concatenate(self._probabilities)


def fit_label_filter(
    x: NDArray | CheckedImages,
    y: NDArray,
    least: float,
    batch_size: int,
    seed: int,
    steps: int = CLASSIFIER_STEPS,
    report: Report = ignore,
) -> tuple[LabelFilter, dict[str, Any]]:
    """Fit classifiers out of fold, and return the filter that they make, with its record.

    Args:
        x: Training images.
        y: Their labels.
        least: Minimum probability of the label, in [0, 1].
        batch_size: Images in a batch.
        seed: Of folds and classifiers.
        steps: Training steps of each classifier.
        report: Called with how far the training is.

    Returns:
        The filter; and a record with `least`, the number of `folds` and `real_agreement`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.labels.label_filter import fit_label_filter
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> keep, record = fit_label_filter(x, y, least=0.5, batch_size=64, seed=0, steps=4)
    >>> keep(x[:2], y[:2]).shape, sorted(record)
    ((2,), ['folds', 'least', 'real_agreement'])
    """
    fitted = OutOfFoldClassifier(
        steps=steps, batch_size=batch_size, seed=derive_seed(seed, "fidelity")
    ).fit(x, y, verbose=report)
    record = {
        "least": least,
        "folds": fitted.folds,
        "real_agreement": fitted.real_agreement,
    }
    return LabelFilter(fitted, least), record
