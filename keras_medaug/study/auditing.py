"""What a study says of its data before any training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.datasets import Dataset
from keras_medaug.datasets.dataset import SPLITS
from keras_medaug.metrics.duplicates import near_duplicates
from keras_medaug.metrics.image_statistics import image_statistics
from keras_medaug.progress import Report, ignore, portions
from keras_medaug.study.images import training_index
from keras_medaug.study.linear_baseline import linear_scores
from keras_medaug.study.packing import packed
from keras_medaug.study.task import Task


def run_audit(task: Task, data: Dataset, report: Report = ignore) -> dict[str, Any]:
    """Look for test and validation images in the training split, and fit the linear baseline.

    Flipped images and those turned by quarters are found as well; uniform ones are left out.

    Args:
        task: Its task.
        data: The set.
        report: Called with how far the search is.

    Returns:
        What was found.

    Example:

    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.task import Task
    >>> from keras_medaug.study.auditing import run_audit
    >>> config = {"near": 0.02, "train_fraction": 1.0, "seeds": 1}
    >>> task = Task("audit", config, Path("tasks"))
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
    found = near_duplicates(images, train_x, labels, train_y, threshold, verbose=report)
    return {
        # Without rounding, unlike `exact`: tasks of sets of floats keep their number.
        "exact_duplicates": found["distances"].count(0.0),
        "near_duplicates": found["indices"],
        "turned": found["near"] - found["in_place"],
        "uniform": found["uniform"],
        "with_another_label": found["with_another_label"],
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
