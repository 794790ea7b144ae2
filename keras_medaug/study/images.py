"""The images of a cell, and what can be said of them."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.datasets import Dataset
from keras_medaug.seeds import derive_seed

SAMPLED = 200  # images whose distances are compared


def training_images(config: Mapping[str, Any], data: Dataset) -> tuple[NDArray, NDArray]:
    """Return the part of the training split that a cell may see: a function of seed and fraction.

    Args:
        config: A cell's.
        data: The set.

    Returns:
        Images as they are stored, and labels.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.images import training_images
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> len(training_images({"seed": 0, "train_fraction": 0.25}, ds)[1])
    120
    """
    x, y = data.stored("train")
    if config["train_fraction"] == 1.0:
        return x, y
    rng = np.random.default_rng(derive_seed(config["seed"], "fraction"))
    chosen = []
    for label in range(data.num_classes):
        members = rng.permutation(np.flatnonzero(y == label))
        count = max(round(config["train_fraction"] * len(members)), 1)
        chosen.append(members[:count])
    index = np.sort(np.concatenate(chosen))
    return x[index], y[index]


def images_md5(images: NDArray) -> str:
    """Return the MD5 of images as they are stored.

    Args:
        images: `uint8` images.

    Returns:
        Hexadecimal digits.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.images import images_md5
    >>> images_md5(np.zeros((1, 2, 2, 1), np.uint8))
    'f1d3ff8443297732862df21dc4e57262'
    """
    return hashlib.md5(np.ascontiguousarray(images).data, usedforsecurity=False).hexdigest()


def leaks(training: NDArray, test: NDArray) -> int:
    """Return how many test images are, to 8 bits, among training images.

    Args:
        training: Training images.
        test: Test images.

    Returns:
        Their number.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.images import leaks
    >>> x = np.random.default_rng(0).random((4, 8, 8, 1))
    >>> leaks(x[:3], x[2:])
    1
    """
    known = {image.tobytes() for image in _bytes(training)}
    return sum(image.tobytes() in known for image in _bytes(test))


def _bytes(images: NDArray) -> NDArray:
    return images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)


def diversity(
    images: NDArray, labels: NDArray, real: NDArray, real_labels: NDArray, seed: int
) -> list[float | None]:
    """Return how far apart images of a class are, over how far apart real ones are, by class.

    Args:
        images: Synthetic images.
        labels: Their labels.
        real: Real images.
        real_labels: Their labels.
        seed: Of the choice of images where there are many.

    Returns:
        A ratio of mean root mean square distances for each class: 0 where all images are one;
        `None` where either side has fewer than two.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.images import diversity
    >>> real = np.random.default_rng(0).random((8, 8, 8, 1))
    >>> diversity(real[:1].repeat(4, axis=0), np.zeros(4), real, np.zeros(8), seed=0)
    [0.0]
    """
    found: list[float | None] = []
    for label in range(int(real_labels.max()) + 1):
        pair = [
            _mean_distance(x[y == label], seed) for x, y in ((images, labels), (real, real_labels))
        ]
        ours, theirs = pair
        found.append(None if ours is None or not theirs else round(ours / theirs, 6))
    return found


def _mean_distance(images: NDArray, seed: int) -> float | None:
    if len(images) < 2:
        return None
    chosen = np.random.default_rng(seed).permutation(len(images))[:SAMPLED]
    rows = images[chosen].reshape(len(chosen), -1).astype(float)
    if images.dtype == np.uint8:
        rows /= 255
    distances = [
        np.sqrt(np.mean((rows[i + 1 :] - rows[i]) ** 2, axis=1)) for i in range(len(rows) - 1)
    ]
    return float(np.concatenate(distances).mean())
