"""A classifier that is asked once for each image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.cards.once import Once
from keras_medaug.checked_images import CheckedImages
from keras_medaug.features import ClassifierFeatures


class RememberedClassifier:
    """Features and predictions of a classifier, from one pass for each image.

    Args:
        features: The features of the classifier.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.remembered_classifier import RememberedClassifier
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> features = kma.features.ClassifierFeatures(x, y, steps=2, filters=4)
    >>> classifier = RememberedClassifier(features)
    >>> classifier.features(x[:3]).shape, classifier.predict(x[:3]).shape
    ((3, 16), (3, 4))
    """

    takes_checked_images = True

    def __init__(self, features: ClassifierFeatures) -> None:
        self._ends: list[int] = []
        self._source = features
        self._rows = Once(self._joined, takes_checked=True)

    def features(self, images: NDArray | CheckedImages) -> NDArray[Any]:
        """Return features, `(n, components)`."""
        return self._part(images, 0)

    def logits(self, images: NDArray | CheckedImages) -> NDArray[Any]:
        """Return logits, `(n, num_classes)`."""
        return self._part(images, 1)

    def predict(
        self,
        images: NDArray | CheckedImages,
        batch_size: int | None = None,
        verbose: int = 0,
    ) -> NDArray[Any]:
        """Return class probabilities, `(n, num_classes)`, as metrics ask for them."""
        return self._part(images, 2)

    def _part(self, images: NDArray | CheckedImages, index: int) -> NDArray[Any]:
        return np.split(self._rows(images), self._ends, axis=1)[index]

    def _joined(self, images: CheckedImages) -> NDArray[Any]:
        parts = list(self._source.outputs(images).values())
        self._ends = np.cumsum([part.shape[1] for part in parts])[:-1].tolist()
        return np.concatenate(parts, axis=1)
