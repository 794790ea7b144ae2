"""Images of the classes that are wanted, from a trained generative model."""

from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import fail
from keras_medaug.images import check_images, to_float
from keras_medaug.models.generative_model import GenerativeModel
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed

MOST_TRIES = 20  # images made for each one that is wanted, before the rest is given up

Filter = Callable[[NDArray, NDArray], NDArray]


def conditional_images(
    model: GenerativeModel,
    wanted: NDArray,
    seed: int,
    label_filter: Filter | None = None,
    report: Report = ignore,
) -> tuple[NDArray, NDArray, int]:
    """Make images of the classes that are wanted.

    Args:
        model: A trained conditional model.
        wanted: Labels in ascending order.
        seed: Of the images.
        label_filter: Tells for images and labels which pass, or `None` where all do.
        report: Called with how many images there are and how many are wanted.

    Returns:
        `(images, labels, made)`: those that pass, at most as many as wanted, and how many images
        were made for that.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> from keras_medaug.labels.labelled_images import conditional_images
    >>> model = kma.models.CVAE((8, 8, 1), num_classes=2, latent_dim=4, seed=0)
    >>> conditional_images(model, np.int32([0, 0, 1]), seed=0)[0].shape
    (3, 8, 8, 1)
    """
    if label_filter is None:
        verbose: bool | Report = False if report is ignore else report
        images = _generated(model, len(wanted), wanted, seed, verbose)
        return images, wanted, len(wanted)

    def draw(missing: NDArray, attempt: int) -> tuple[NDArray, NDArray, NDArray]:
        labels = np.repeat(np.arange(len(missing), dtype=np.int32), missing)
        images = _generated(model, len(labels), labels, derive_seed(seed, attempt))
        return images, labels, label_filter(images, labels)

    return _collect(draw, wanted, report)


def classified_images(
    model: GenerativeModel,
    classifier: keras.Model,
    wanted: NDArray,
    seed: int,
    confidence: float,
    label_filter: Filter | None = None,
    report: Report = ignore,
) -> tuple[NDArray, NDArray, int]:
    """Make images with a model that knows no classes, and let a classifier label them.

    Args:
        model: A trained model without classes.
        classifier: Returns class probabilities.
        wanted: Labels in ascending order.
        seed: Of the images.
        confidence: Least probability of the likeliest class.
        label_filter: As in `conditional_images`.
        report: As in `conditional_images`.

    Returns:
        As `conditional_images`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> from keras_medaug.labels.labelled_images import classified_images
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4, seed=0)
    >>> classifier = kma.models.Classifier((8, 8, 1), 2, filters=4, seed=0)
    >>> images, labels, made = classified_images(model, classifier, np.int32([0, 1]), 0, 0.0)
    >>> len(images) <= 2 <= made
    True
    """

    def draw(missing: NDArray, attempt: int) -> tuple[NDArray, NDArray, NDArray]:
        count = max(2 * int(missing.sum()), 32)
        images = _generated(model, count, None, derive_seed(seed, attempt))
        probabilities = classifier.predict(images, batch_size=256, verbose=0)
        labels = probabilities.argmax(axis=1).astype(np.int32)
        passed = probabilities.max(axis=1) >= confidence
        if label_filter is not None:
            passed &= label_filter(images, labels)
        return images, labels, passed

    return _collect(draw, wanted, report)


def _generated(
    model: GenerativeModel,
    count: int,
    labels: NDArray | None,
    seed: int,
    verbose: bool | Report = False,
) -> NDArray[np.float32]:
    """Return images of a model; those of a class that is not the package's own are checked."""
    images = model.generate(count, labels, seed, verbose=verbose)
    if type(model).__module__.partition(".")[0] == "keras_medaug":
        return images
    argument = f"{type(model).__name__}.generate"
    images = to_float(check_images(images, argument, model.image_shape))
    if len(images) != count:
        raise fail(argument, f"{len(images)} images", f"{count}, as many as were asked for")
    return images


def _collect(
    draw: Callable[[NDArray, int], tuple[NDArray, NDArray, NDArray]],
    wanted: NDArray,
    report: Report,
) -> tuple[NDArray, NDArray, int]:
    """Draw until every class has what it is to get, or too many images have been made."""
    missing = np.bincount(wanted)
    kept_images, kept_labels, made, attempt = [], [], 0, 0
    while missing.any() and made < MOST_TRIES * len(wanted):
        report(len(wanted) - int(missing.sum()), len(wanted))
        images, labels, passed = draw(missing, attempt)
        made, attempt = made + len(images), attempt + 1
        for label in np.flatnonzero(missing):
            chosen = np.flatnonzero(passed & (labels == label))[: missing[label]]
            kept_images.append(images[chosen])
            kept_labels.append(labels[chosen])
            missing[label] -= len(chosen)
    labels = np.concatenate(kept_labels)
    order = np.argsort(labels, kind="stable")
    return np.concatenate(kept_images)[order], labels[order], made
