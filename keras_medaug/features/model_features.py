"""What a layer of a model says of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive, fail
from keras_medaug.images import check_images
from keras_medaug.models.quiet_model import quietly


class ModelFeatures:
    """The output of any Keras model, or of a layer in it.

    Args:
        model: A model that takes images alone.
        layer: Name of a layer of a functional or sequential model; `None` is the model's output.
        preprocess: Function from images, `float32` in [0, 1], to what the model takes: another
            size, three channels, another range; or `None`.
        batch_size: Images at a time.

    Attributes:
        card: What these features are, for a record: `kind`, `model`, `layer`, `parameters` (how
            many the model has; `None` where it has yet to be built).

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> classifier = kma.models.Classifier((8, 8, 1), num_classes=2, filters=4, seed=0)
    >>> features = kma.features.ModelFeatures(classifier.network, layer="activation_1")
    >>> features(np.zeros((3, 8, 8, 1))).shape
    (3, 4)
    """

    def __init__(
        self,
        model: keras.Model,
        layer: str | None = None,
        preprocess: Callable[[NDArray], Any] | None = None,
        batch_size: int = 256,
    ) -> None:
        if not isinstance(model, keras.Model):
            raise fail("model", f"a {type(model).__name__}", "a Keras model")
        self._model = model if layer is None else _up_to(model, layer)
        self._preprocess = preprocess
        self.batch_size = int(check_positive(batch_size, "batch_size", integer=True))
        self.card: dict[str, Any] = {
            "kind": "outputs of a model",
            "model": model.name,
            "layer": layer,
            "parameters": self._model.count_params() if self._model.built else None,
        }

    def __call__(self, images: ArrayLike) -> NDArray[np.float32]:
        """Return the features of images.

        Args:
            images: `(n, h, w, c)`, floats in [0, 1] or `uint8`.

        Returns:
            Shape `(n, d)`. Maps, with the axes height, width and channels, are averaged over
            positions; other outputs are flattened.

        Raises:
            ValueError: If the images are not as described, or the model gives more than one
                output.
        """
        checked = check_images(images, "images")
        size = min(self.batch_size, len(checked))
        starts = range(0, len(checked), size)
        return np.concatenate([self._of_batch(checked[i : i + size], size) for i in starts])

    def _of_batch(self, images: NDArray, size: int) -> NDArray[np.float32]:
        count = len(images)
        if count < size:  # one more batch of its own size would be compiled anew
            images = np.concatenate([images, np.repeat(images[-1:], size - count, axis=0)])
        if images.dtype == np.uint8:
            images = images.astype(np.float32) / np.float32(255)
        inputs = images if self._preprocess is None else self._preprocess(images)
        outputs = quietly(self._model.predict_on_batch)(inputs)
        if isinstance(outputs, dict | list | tuple):
            raise fail("model", f"{len(outputs)} outputs", "one; or name a `layer`")
        found = np.asarray(outputs, dtype=np.float32)[:count]
        return found.mean(axis=(1, 2)) if found.ndim == 4 else found.reshape(count, -1)


def _up_to(model: keras.Model, layer: str) -> keras.Model:
    names = [each.name for each in model.layers]
    if layer not in names:
        raise fail("layer", repr(layer), f"one of {', '.join(names)}")
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        got = f"{len(inputs)} known inputs"
        raise fail("model", got, "a functional or sequential model that takes images alone")
    return keras.Model(inputs[0], model.get_layer(layer).output)
