"""What a study says of its data before any training."""

from typing import Any

import numpy as np

from keras_medaug.datasets import Dataset
from keras_medaug.datasets.dataset import SPLITS
from keras_medaug.metrics.guards import near_duplicates
from keras_medaug.study.cell import Cell


def run_audit(cell: Cell, data: Dataset) -> dict[str, Any]:
    """Look for test images in the training split, and count classes in all of them.

    Args:
        cell: Its cell.
        data: The set.

    Returns:
        What was found.

    Example:

    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.cell import Cell
    >>> from keras_medaug.study.auditing import run_audit
    >>> cell = Cell("audit", {"near": 0.02}, Path("cells"))
    >>> run_audit(cell, kma.datasets.load("phantom", size=8))["exact_duplicates"]
    0
    """
    train_x, train_y = data.stored("train")
    test_x, test_y = data.stored("test")
    found = near_duplicates(test_x, train_x, test_y, train_y, cell.config["near"])
    classes = data.num_classes
    return {
        # Without rounding, unlike `exact`: cells of sets of floats keep their number.
        "exact_duplicates": found["distances"].count(0.0),
        "near_duplicates": found["indices"],
        "with_another_label": found["with_another_label"],
        "counts": {
            split: np.bincount(data.stored(split)[1], minlength=classes).tolist()
            for split in SPLITS
        },
    }
