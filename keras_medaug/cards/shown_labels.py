"""Whether synthetic images show their classes, by classifiers fitted out of fold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.labels import OutOfFoldClassifier
from keras_medaug.labels.label_filter import LabelFilter
from keras_medaug.metrics.label_fidelity import compare_predictions
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed

FOLDS = 3
FILTERS = 16  # half of the classifier's own: a third of its time
STEPS = 200


def see_labels(
    images: NDArray,
    labels: NDArray,
    training: NDArray,
    training_labels: NDArray,
    batch_size: int = 64,
    steps: int = STEPS,
    seed: int = 0,
    label_filter: LabelFilter | None = None,
    report: Report = ignore,
    class_names: Sequence[str] | None = None,
) -> dict[str, Any] | None:
    """Compare what classifiers see in synthetic images with what they see in training images.

    The classifiers are fitted out of fold, so that each training image is new to the one that is
    asked: held-out images are not needed. Where a filter has chosen the images, its classifiers are
    taken as they are, and its images before the filter: of those that passed they see the labels by
    construction.

    Args:
        images: Synthetic images, checked.
        labels: Their labels.
        training: Training images, checked.
        training_labels: Their labels, of every class.
        batch_size: Images in a batch.
        steps: Training steps of each classifier.
        seed: Of folds and classifiers.
        label_filter: The filter that chose the images, or `None`.
        report: Called with how far the training of the classifiers is.
        class_names: Names of the classes, or `None` for their numbers.

    Returns:
        What `metrics.label_fidelity` returns, `held_out` being training images out of fold; and
        `folds`, `steps`, `count` (of images that were looked at) and `filtered` (whether these are
        images before the filter). `None` where there is one class only, or a class of one image.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.shown_labels import see_labels
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> see_labels(x[:8], y[:8], x, y, steps=4)["count"]
    8
    """
    counts = np.bincount(training_labels)
    if len(counts) < 2 or counts.min() < 2:
        return None
    if label_filter is None:
        fitted = OutOfFoldClassifier(
            min(FOLDS, int(counts.min())), steps, batch_size, derive_seed(seed, "labels"),
            filters=FILTERS,
        ).fit(CheckedImages(training), training_labels, verbose=report)  # fmt: skip
        probabilities = fitted.predict(CheckedImages(images))
    else:
        fitted, labels = label_filter.fitted, label_filter.labels
        probabilities = label_filter.probabilities
    assert fitted.real_probabilities is not None  # it has been fitted
    return {
        **compare_predictions(
            probabilities, labels, fitted.real_probabilities, training_labels, class_names
        ),
        "folds": fitted.folds,
        "steps": fitted.steps,
        "count": len(labels),
        "filtered": label_filter is not None,
    }
