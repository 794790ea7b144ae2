"""What a study says of its data before any training."""

from typing import Any

import numpy as np

from keras_medaug.datasets import Dataset
from keras_medaug.datasets.dataset import SPLITS
from keras_medaug.metrics import nearest_images
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
    distances, nearest = nearest_images(test_x, train_x)
    near = np.flatnonzero(distances < cell.config["near"])
    classes = data.num_classes
    return {
        "exact_duplicates": int((distances == 0).sum()),
        "near_duplicates": [int(index) for index in near],
        "with_another_label": int((train_y[nearest[near]] != test_y[near]).sum()),
        "counts": {
            split: np.bincount(data.stored(split)[1], minlength=classes).tolist()
            for split in SPLITS
        },
    }
