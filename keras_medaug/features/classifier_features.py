"""The last convolution of a classifier of training images, as features of others."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_labels, check_positive, check_several_classes
from keras_medaug.features.model_features import run_in_batches
from keras_medaug.images import check_images
from keras_medaug.models import Classifier
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.progress import Report, check_verbose, reporting
from keras_medaug.seeds import resolve_seed

BATCH = 256  # images at a time


class ClassifierFeatures:
    """The last convolution's channels, of a classifier that is fitted to training images.

    These features see what tells the classes apart, shapes and textures, and pass over what does
    not: a class that has no label, a fault that all images share, a stain in a corner. Another seed
    gives other features. So compare distances within one extractor only; the seed is part of its
    `card`.

    The classifier knows its own training images too well: their features are farther apart than
    those of unseen ones. The reference value of `keras_medaug.metrics.sample_quality`, held-out
    real images against training images, includes that.

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

    takes_checked_images = True

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
        layers = names[names.index("features") - 1], "logits"
        outputs = [*(network.get_layer(name).output for name in layers), network.output]
        self._model = keras.Model(network.inputs[0], outputs)
        of_training = self._outputs(x)
        predictions = of_training["probabilities"].argmax(axis=1)
        self.card: dict[str, Any] = {
            "kind": "last convolution of a classifier",
            "components": of_training["features"].shape[1],
            "steps": steps,
            "batch_size": batch_size,
            "seed": seed,
            "images": len(x),
            "accuracy": float(np.mean(predictions == y)),
            "settings": settings,
        }

    def __call__(self, images: ArrayLike) -> NDArray[np.float32]:
        """Return the features of images.

        Args:
            images: As those fitted to, of the same shape.

        Returns:
            Shape `(n, components)`: the mean of each channel over positions.

        Raises:
            ValueError: If the images are not as described.
        """
        return self.outputs(images)["features"]

    def outputs(self, images: ArrayLike) -> dict[str, NDArray[np.float32]]:
        """Return features and predictions of images, from one pass through the classifier.

        Args:
            images: As those fitted to, of the same shape.

        Returns:
            `features`, shape `(n, components)`; and `logits` and `probabilities`, of shape
            `(n, num_classes)`, as `classifier` returns them.

        Raises:
            ValueError: If the images are not as described.

        Example:

        >>> import keras_medaug as kma
        >>> data = kma.datasets.load("phantom", size=8)
        >>> features = kma.features.ClassifierFeatures(*data.train, steps=5, filters=4)
        >>> {name: values.shape for name, values in features.outputs(data.test[0]).items()}
        {'features': (192, 16), 'logits': (192, 4), 'probabilities': (192, 4)}
        """
        return self._outputs(check_images(images, "images", self.image_shape))

    def _outputs(self, images: NDArray) -> dict[str, NDArray[np.float32]]:
        names = "features", "logits", "probabilities"
        values = run_in_batches(self._model, images, BATCH, count=len(names))
        return dict(zip(names, values, strict=True))
