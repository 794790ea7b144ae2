"""The output of a layer of a model, as features of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive, fail
from keras_medaug.images import check_images, to_float
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

    takes_checked_images = True

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
        return run_in_batches(self._model, checked, self.batch_size, self._preprocess)[0]


def run_in_batches(
    model: keras.Model,
    images: NDArray,
    batch_size: int,
    preprocess: Callable[[NDArray], Any] | None = None,
    count: int = 1,
) -> list[NDArray[np.float32]]:
    """Return each output of a model of images, as features.

    Args:
        model: A model that takes images alone.
        images: Checked images.
        batch_size: Images at a time.
        preprocess: As in `ModelFeatures`.
        count: Number of outputs.

    Returns:
        As many arrays `(n, d)`. Maps are averaged over positions, other outputs are flattened.

    Raises:
        ValueError: If the model has another number of outputs.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_medaug.features.model_features import run_in_batches
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.ReLU()])
    >>> run_in_batches(model, np.zeros((3, 8, 8, 1)), 2)[0].shape
    (3, 1)
    """
    size = min(batch_size, len(images))
    parts = []
    for start in range(0, len(images), size):
        batch = images[start : start + size]
        given = len(batch)
        if given < size:  # one more batch of its own size would be compiled anew
            batch = np.concatenate([batch, np.repeat(batch[-1:], size - given, axis=0)])
        batch = to_float(batch)
        inputs = batch if preprocess is None else preprocess(batch.copy())
        outputs = quietly(model.predict_on_batch)(inputs)
        if isinstance(outputs, dict):
            outputs = list(outputs.values())
        values = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        if len(values) != count:
            raise fail("model", f"{len(values)} outputs", "one; or name a `layer`")
        parts.append([_as_rows(value, given) for value in values])
    return [np.concatenate(of_output) for of_output in zip(*parts, strict=True)]


def _as_rows(outputs: Any, count: int) -> NDArray[np.float32]:
    values = np.asarray(outputs, dtype=np.float32)[:count]
    return values.mean(axis=(1, 2)) if values.ndim == 4 else values.reshape(count, -1)


def _up_to(model: keras.Model, layer: str) -> keras.Model:
    names = [known.name for known in model.layers]
    if layer not in names:
        raise fail("layer", repr(layer), f"one of {', '.join(names)}")
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        got = f"{len(inputs)} known inputs"
        raise fail("model", got, "a functional or sequential model that takes images alone")
    return keras.Model(inputs[0], model.get_layer(layer).output)
