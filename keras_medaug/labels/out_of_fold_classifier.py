"""Classifiers that predict the labels of images which they were not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import check_labels, check_positive, check_several_classes, fail
from keras_medaug.images import check_images
from keras_medaug.metrics.samples import as_argument_of
from keras_medaug.models import Classifier
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.progress import Report, portion, reporting
from keras_medaug.seeds import derive_seed, resolve_seed


class OutOfFoldClassifier:
    """Classifiers fitted on all folds but one each, whose mean prediction checks labels.

    A classifier agrees with nearly every label that it was trained on. Its predictions of its own
    training images therefore cannot check their labels. Here the prediction of each real image
    comes from the classifier that has not seen it. `real_agreement` is how often these predictions
    agree with the real labels, and thus how often they can be expected to agree with right ones.
    The prediction of a synthetic image is the mean over the classifiers.

    Args:
        folds: Number of folds, 2 or more.
        steps: Training steps of each classifier.
        batch_size: Images in a batch.
        seed: Integer seed of folds and classifiers, or `None`.
        **settings: Further arguments of `keras_medaug.models.Classifier`.

    Attributes:
        real_agreement: Fraction of the real images whose label the classifier that has not seen
            them gives, in [0, 1]; `None` before `fit`.
        real_probabilities: Class probabilities of the real images, `(n, num_classes)`, of each
            image from the classifier that has not seen it; `None` before `fit`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import keras_medaug as kma
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> classifier = kma.labels.OutOfFoldClassifier(folds=2, steps=5, filters=4, seed=0)
    >>> classifier.fit(x, y).predict(x[:3]).shape
    (3, 4)
    """

    def __init__(
        self,
        folds: int = 3,
        steps: int = 500,
        batch_size: int = 64,
        seed: int | None = None,
        **settings: Any,
    ) -> None:
        self.folds = check_positive(folds, "folds", integer=True)
        if self.folds < 2:
            raise fail("folds", folds, "2 or more")
        self.steps = check_positive(steps, "steps", integer=True)
        self.batch_size = check_positive(batch_size, "batch_size", integer=True)
        self.seed = resolve_seed(seed)
        self.settings: Mapping[str, Any] = settings
        self.real_agreement: float | None = None
        self.real_probabilities: NDArray[np.float32] | None = None
        self._classifier: Classifier | None = None
        self._weights: list[list[NDArray]] = []

    def fit(
        self, x: ArrayLike, y: ArrayLike, verbose: bool | Report = False
    ) -> OutOfFoldClassifier:
        """Fit one classifier for each fold, on the other folds.

        Args:
            x: Real images, `(n, h, w, c)`, floats in [0, 1] or `uint8`.
            y: Their labels, integers `(n,)` or `(n, 1)`; of each class as many as there are
                folds, or more.
            verbose: Whether to show progress on standard error; or a function `(done, total)` that
                is called instead.

        Returns:
            This object.

        Raises:
            ValueError: If an argument is not as described.
        """
        images = check_images(x, "x")
        labels = check_labels(y, "y", len(images), every_class=True)
        check_several_classes(labels, "y")
        counts = np.bincount(labels)
        if counts.min() < self.folds:
            got = f"{counts.min()} images of class {counts.argmin()}"
            raise fail("y", got, f"{self.folds} or more of each class, one for each fold")
        with reporting(verbose, "classifiers out of fold") as report:
            self._fit(images, labels, len(counts), report)
        return self

    def _fit(self, images: NDArray, labels: NDArray, classes: int, report: Report) -> None:
        fold_of = stratified_folds(labels, self.folds, derive_seed(self.seed, "folds"))
        model = Classifier(images.shape[1:], classes, **self.settings, seed=self.seed)
        model.compile()
        self._classifier, self._weights = model, []
        unseen = np.empty((len(labels), classes), np.float32)
        for fold in range(self.folds):
            seed = derive_seed(self.seed, "fold", fold)
            model.reinitialize(seed)
            inside = fold_of != fold
            fit_steps(
                model, images[inside], labels[inside], self.steps, self.batch_size, seed,
                report=portion(report, fold / self.folds, (fold + 1) / self.folds),
            )  # fmt: skip
            self._weights.append(model.get_weights())
            unseen[~inside] = model.predict(
                CheckedImages(images[~inside]), batch_size=256, verbose=0
            )
        self.real_probabilities = unseen
        self.real_agreement = int((unseen.argmax(axis=1) == labels).sum()) / len(labels)

    def predict(self, x: ArrayLike) -> NDArray[np.float32]:
        """Return the mean of the classifiers' probabilities.

        Args:
            x: Images as in `fit`.

        Returns:
            Class probabilities, `(n, num_classes)`.

        Raises:
            ValueError: If `x` is not as described.
            RuntimeError: If `fit` was not called before.
        """
        if self._classifier is None:
            raise RuntimeError("predict: got no fitted classifier; expected `fit` before")
        classifier = self._classifier
        checked = check_images(x, "x", classifier.image_shape)
        images = as_argument_of(classifier, checked, "predict")
        predictions = []
        for weights in self._weights:
            classifier.set_weights(weights)
            predictions.append(classifier.predict(images, batch_size=256, verbose=0))
        return np.mean(predictions, axis=0)

    def agrees(self, x: ArrayLike, y: ArrayLike, least: float = 0.0) -> NDArray[np.bool_]:
        """Tell for each image whether its label is the likeliest one.

        Args:
            x: Images as in `fit`.
            y: The labels that they are to have.
            least: Probability that the label must have at least, in [0, 1].

        Returns:
            Booleans, `(n,)`.

        Raises:
            ValueError: If an argument is not as described.
            RuntimeError: If `fit` was not called before.
        """
        probabilities = self.predict(x)
        labels = check_labels(y, "y", len(probabilities), probabilities.shape[1])
        of_label = probabilities[np.arange(len(labels)), labels]
        return (probabilities.argmax(axis=1) == labels) & (of_label >= least)


def stratified_folds(labels: NDArray, folds: int, seed: int) -> NDArray[np.intp]:
    """Return the fold of each image, each class spread evenly over the folds.

    Args:
        labels: Classes, integers `(n,)`.
        folds: Number of folds.
        seed: Of the assignment.

    Returns:
        Numbers in `[0, folds)`, `(n,)`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.labels.out_of_fold_classifier import stratified_folds
    >>> np.bincount(stratified_folds(np.array([0, 0, 0, 1, 1, 1]), folds=3, seed=0)).tolist()
    [2, 2, 2]
    """
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(labels), np.intp)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        fold_of[members] = np.arange(len(members)) % folds
    return fold_of
