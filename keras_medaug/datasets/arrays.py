"""A data set from arrays that the user has in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from keras_medaug.checks import as_array, fail
from keras_medaug.datasets.dataset import Dataset


def from_arrays(
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Return a `Dataset` of the arrays given.

    The arrays are copied, so that what is checked here is what is trained on later. A validation
    or test split may be left out; asking the result for it raises a `ValueError`.

    Args:
        x_train: Images, shape `(n, h, w, c)`, floats in [0, 1] or ``uint8`` in [0, 255]; sizes
            from 8 to 256, one or three channels.
        y_train: Class indices, integers, or names of `class_names`; shape `(n,)` or `(n, 1)`. Each
            class must occur.
        x_val: Validation images, or `None`.
        y_val: Their labels; given exactly when `x_val` is.
        x_test: Test images, or `None`.
        y_test: Their labels; given exactly when `x_test` is.
        name: What the set is called in reports.
        class_names: One distinct name per class; the numbers by default.

    Returns:
        The data set.

    Raises:
        ValueError: If an argument is not as above.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import datasets
    >>> datasets.from_arrays(np.zeros((2, 28, 28, 1)), [0, 1], name="mine")
    Dataset(name='mine', image_shape=(28, 28, 1), num_classes=2, train=2)
    """
    return Dataset(
        name,
        _copies(x_train, y_train, "train"),
        None if x_val is None and y_val is None else _copies(x_val, y_val, "val"),
        None if x_test is None and y_test is None else _copies(x_test, y_test, "test"),
        class_names,
    )


def _copies(x, y, split):
    for argument, array in ((f"x_{split}", x), (f"y_{split}", y)):
        if array is None:
            raise fail(argument, None, f"an array: `x_{split}` and `y_{split}` go together")
    return tuple(np.array(as_array(each, f"{name}_{split}")) for name, each in (("x", x), ("y", y)))
