"""The images of a study: those that are trained on, and what is said of them before training."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.datasets import Dataset
from keras_medaug.datasets.dataset import SPLITS
from keras_medaug.metrics import near_duplicates
from keras_medaug.metrics.equality import equal_in_any_form, uniform_images, uniformity_limit
from keras_medaug.metrics.image_statistics import image_statistics
from keras_medaug.metrics.two_sample import ridge_scores
from keras_medaug.progress import Report, ignore, portions
from keras_medaug.seeds import derive_seed
from keras_medaug.study.task import Task, packed

Images = tuple[NDArray, NDArray]  # and their labels


def training_images(config: Mapping[str, Any], data: Dataset) -> Images:
    """Return the part of the training split that a task may see: a function of seed and fraction.

    Args:
        config: A task's.
        data: The set.

    Returns:
        Images as they are stored, and labels.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.data import training_images
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
    >>> from keras_medaug.study.data import training_index
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


def limited(data: Dataset, limits: Mapping[str, int]) -> Dataset:
    """Return a set with fewer images, classes in proportion: for a trial.

    Args:
        data: The set.
        limits: Largest number of images by split; a split that is not named stays as it is.

    Returns:
        The set itself where it is no larger, else one of the same name and MD5.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.data import limited
    >>> limited(kma.datasets.load("phantom", size=8), {"train": 40}).counts["train"]
    40
    """
    if all(data.counts[split] <= limits.get(split, np.inf) for split in SPLITS):
        return data
    splits: dict[str, Images] = {}
    for split in SPLITS:
        images, labels = data.stored(split)
        chosen = stratified(labels, limits.get(split, len(labels)))
        splits[split] = images[chosen], labels[chosen]
    train, val, test = (splits[split] for split in ("train", "val", "test"))
    return Dataset(data.name, train, val, test, class_names=data.class_names, md5=data.md5)


def stratified(labels: NDArray, count: int) -> NDArray[np.intp]:
    """Return which images to keep of many: each class in proportion, and none left out.

    Args:
        labels: Classes, `(n,)`.
        count: Images to keep; all where there are fewer.

    Returns:
        Numbers of the images, in ascending order; the same at each call.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.data import stratified
    >>> np.bincount(np.repeat([0, 1], [98, 2])[stratified(np.repeat([0, 1], [98, 2]), 10)]).tolist()
    [9, 1]
    """
    if count >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(0).permutation(len(labels))
    # Position of each label among those of its class, as a fraction: the smallest are taken, the
    # first of every class before all others.
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        position[members] = np.arange(len(members)) / len(members)
    return np.sort(np.argsort(position, kind="stable")[:count])


def run_audit(task: Task, data: Dataset, report: Report = ignore) -> dict[str, Any]:
    """Look for test and validation images in the training split, and fit the linear baseline.

    Flipped images and those rotated by quarters are found as well; uniform ones are left out.

    Args:
        task: Its task.
        data: The set.
        report: Called with how far the search is.

    Returns:
        The duplicates, the images of each class, and the predictions of the linear baseline.

    Example:

    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.task import Task
    >>> from keras_medaug.study.data import run_audit
    >>> config = {"near": 0.02, "train_fraction": 1.0, "seeds": 1}
    >>> task = Task("audit", config, Path("tasks"), run_audit)
    >>> run_audit(task, kma.datasets.load("phantom", size=8))["exact_duplicates"]
    0
    """
    counts = data.counts
    of_test, of_validation = portions(report, counts["test"], counts["val"])
    classes = data.num_classes
    return {
        **_in_training(data, "test", task.config["near"], of_test),
        "validation": _in_training(data, "val", task.config["near"], of_validation),
        "counts": {
            split: np.bincount(data.stored(split)[1], minlength=classes).tolist()
            for split in SPLITS
        },
        "linear_baseline": packed(_linear_baseline(task, data)),
    }


def _in_training(data: Dataset, split: str, threshold: float, report: Report) -> dict[str, Any]:
    """Return the images of a split that are in the training split, or nearly so."""
    (images, labels), (train_x, train_y) = data.stored(split), data.stored("train")
    duplicates = near_duplicates(images, train_x, labels, train_y, threshold, verbose=report)
    return {
        # Without rounding, unlike `exact`: tasks of sets of floats keep their number.
        "exact_duplicates": duplicates["distances"].count(0.0),
        "near_duplicates": duplicates["indices"],
        "turned": duplicates["near"] - duplicates["in_place"],
        "uniform": duplicates["uniform"],
        "with_another_label": duplicates["with_another_label"],
    }


def _linear_baseline(task: Task, data: Dataset) -> NDArray:
    """Return a linear model's scores of the test images, for each part of the training split."""
    (train_x, train_y), (test_x, _) = data.stored("train"), data.stored("test")
    known, tested = image_statistics(train_x), image_statistics(test_x)
    fraction = task.config["train_fraction"]
    parts = [
        training_index({"seed": seed, "train_fraction": fraction}, data)
        for seed in range(1 if fraction == 1.0 else task.config["seeds"])
    ]
    return np.stack(
        [linear_scores(known[part], train_y[part], tested, data.num_classes) for part in parts]
    )


def linear_scores(
    known: NDArray, labels: NDArray, tested: NDArray, num_classes: int
) -> NDArray[np.float64]:
    """Return the scores that a ridge regression of the classes gives to images.

    Args:
        known: Statistics of the training images, shape `(n, columns)`.
        labels: Their classes, `(n,)`.
        tested: Statistics of the images in question, shape `(m, columns)`.
        num_classes: Number of classes.

    Returns:
        Shape `(m, num_classes)`; each row sums to 0.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.data import linear_scores
    >>> known = np.array([[0.0], [0.2], [0.8], [1.0]])
    >>> linear_scores(known, np.array([0, 0, 1, 1]), known, 2).argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    targets = np.eye(num_classes)[labels]
    targets -= targets.mean(axis=0)
    return ridge_scores(known, targets, tested)


def leaked_images(test: NDArray, training: NDArray) -> int:
    """Return how many test images are trained on: as they are, flipped or rotated by quarters.

    Args:
        test: Test images.
        training: What the classifier is trained on.

    Returns:
        Their number; uniform images do not count.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.data import leaked_images
    >>> x = np.random.default_rng(0).random((9, 8, 8, 1))
    >>> leaked_images(x[5:], x[:6, ::-1])
    1
    """
    uniform = uniform_images(test, uniformity_limit(test))
    return int((equal_in_any_form(test, training) & ~uniform).sum())
