"""A filter of synthetic images by what classifiers of real ones see in them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_labels
from keras_medaug.labels.out_of_fold_classifier import OutOfFoldClassifier


class LabelFilter:
    """Tells which images have a label that classifiers agree with, and remembers what they saw.

    An image passes if its label is the likeliest class and has at least the minimum probability.
    What the classifiers saw in *all* images that were asked about, also in those that failed, tells
    whether a generator makes what it is asked for. The images that passed cannot tell.

    Args:
        fitted: Classifiers fitted out of fold.
        least: Minimum probability of the label, in [0, 1].

    Attributes:
        labels: Labels of all images that were asked about, `(n,)`.
        probabilities: What the classifiers said of these images, `(n, num_classes)`.

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
        """What the classifiers said of these images."""
        return np.concatenate(self._probabilities)
