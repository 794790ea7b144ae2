"""The images of a task."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.datasets import Dataset
from keras_medaug.seeds import derive_seed


def training_images(config: Mapping[str, Any], data: Dataset) -> tuple[NDArray, NDArray]:
    """Return the part of the training split that a task may see: a function of seed and fraction.

    Args:
        config: A task's.
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
    index = training_index(config, data)
    return x[index], y[index]


def training_index(config: Mapping[str, Any], data: Dataset) -> NDArray[np.intp]:
    """Return which images of the training split these are.

    Args:
        config: A task's.
        data: The set.

    Returns:
        Numbers of the images, in ascending order.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.images import training_index
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> len(training_index({"seed": 0, "train_fraction": 0.25}, ds))
    120
    """
    y = data.stored("train")[1]
    if config["train_fraction"] == 1.0:
        return np.arange(len(y))
    rng = np.random.default_rng(derive_seed(config["seed"], "fraction"))
    chosen = []
    for label in range(data.num_classes):
        members = rng.permutation(np.flatnonzero(y == label))
        count = max(round(config["train_fraction"] * len(members)), 1)
        chosen.append(members[:count])
    return np.sort(np.concatenate(chosen))
