"""What a classifier of training images says of others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import (
    check_images,
    check_labels,
    check_positive,
    check_several_classes,
)
from keras_medaug.features.model_features import ModelFeatures
from keras_medaug.models import Classifier
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.progress import Report, check_verbose, reporting
from keras_medaug.seeds import resolve_seed


class ClassifierFeatures:
    """The last convolution's channels, of a classifier that is fitted to training images.

    They see what tells the classes apart, shapes and textures, and pass over what does not. A class
    that has no label, a fault that all images share, a stain in a corner they need not see. With
    another seed they are others, so distances can be compared within one extractor only; the
    seed is part of its `card`.

    The classifier knows its own training images too well: their features are farther apart than
    those of unseen ones. The floor of `keras_medaug.metrics.sample_quality`, unseen real images
    against training images, has that in it.

    Args:
        images: Training images, `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        labels: Their classes, integers `(n,)` or `(n, 1)`, two or more.
        steps: Training steps.
        batch_size: Images in a batch.
        seed: Integer seed of the classifier.
        verbose: Whether to show progress on standard error; or a function `(done, total)` that is
            called instead.
        **settings: Further arguments of `keras_medaug.models.Classifier`.

    Attributes:
        classifier: The classifier.
        card: What these features are, for a record: `kind`, `components`, `steps`, `batch_size`,
            `seed`, `images`, `accuracy` (on the training images) and `settings`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom", size=8)
    >>> features = kma.features.ClassifierFeatures(*data.train, steps=5, filters=4)
    >>> features(data.test[0]).shape
    (192, 16)
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        steps: int = 500,
        batch_size: int = 64,
        seed: int = 0,
        verbose: bool | Report = False,
        **settings: Any,
    ) -> None:
        x = check_images(images, "images")
        y = check_labels(labels, "labels", len(x), every_class=True)
        classes = int(check_several_classes(y, "labels").max()) + 1
        steps = int(check_positive(steps, "steps", integer=True))
        batch_size = int(check_positive(batch_size, "batch_size", integer=True))
        check_verbose(verbose)
        seed = resolve_seed(seed)
        self.image_shape = x.shape[1:]
        self.classifier = Classifier(self.image_shape, classes, seed=seed, **settings)
        self.classifier.compile()
        with reporting(verbose, "features of a classifier") as report:
            fit_steps(self.classifier, x, y, steps, batch_size, seed, report=report)
        network = self.classifier.network
        names = [layer.name for layer in network.layers]
        self._features = ModelFeatures(network, names[names.index("features") - 1])
        predictions = self.classifier.predict(CheckedImages(x), batch_size=256, verbose=0)
        self.card: dict[str, Any] = {
            "kind": "last convolution of a classifier",
            "components": self._features(CheckedImages(x[:1])).shape[1],
            "steps": steps,
            "batch_size": batch_size,
            "seed": seed,
            "images": len(x),
            "accuracy": float(np.mean(predictions.argmax(axis=1) == y)),
            "settings": settings,
        }

    def __call__(self, images: ArrayLike) -> NDArray[np.float32]:
        """Return the features of images.

        Args:
            images: As those fitted to, of the same shape.

        Returns:
            Shape `(n, components)`: the mean of each channel over positions.

        Raises:
            ValueError: If they are not as described.
        """
        return self._features(CheckedImages(check_images(images, "images", self.image_shape)))
