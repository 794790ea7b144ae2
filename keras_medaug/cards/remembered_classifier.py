"""A classifier that is asked once for each image."""

from typing import Any

import keras
from numpy.typing import NDArray

from keras_medaug.cards.once import Once
from keras_medaug.checked_images import CheckedImages

PREDICTED = 256  # images at a time


class RememberedClassifier:
    """A fitted classifier whose predictions are computed once for each image.

    Args:
        classifier: One of the package, `models.Classifier`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.remembered_classifier import RememberedClassifier
    >>> classifier = RememberedClassifier(kma.models.Classifier((8, 8, 1), 2, filters=2, seed=0))
    >>> x = np.zeros((3, 8, 8, 1), "float32")
    >>> classifier.predict(x).shape, classifier.logits(x).shape
    ((3, 2), (3, 2))
    """

    def __init__(self, classifier: keras.Model) -> None:
        self._classifier = classifier
        self._probabilities = Once(self._predict, takes_checked=True)
        self._logits = Once(classifier.logits, takes_checked=True)

    def predict(
        self,
        images: NDArray | CheckedImages,
        batch_size: int | None = None,
        verbose: int = 0,
    ) -> NDArray[Any]:
        """Return class probabilities, `(n, num_classes)`, as metrics ask for them."""
        return self._probabilities(images)

    def logits(self, images: NDArray | CheckedImages) -> NDArray[Any]:
        """Return logits, `(n, num_classes)`."""
        return self._logits(images)

    def _predict(self, images: CheckedImages) -> NDArray[Any]:
        size = min(PREDICTED, len(images))
        return self._classifier.predict(images, batch_size=size, verbose=0)
