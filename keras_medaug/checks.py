"""Checks of what users hand in, made before any work starts.

Every check names the argument, what came and what was expected, and returns the array in the form
the rest of the package works with. ``uint8`` images stay ``uint8``: they are scaled batch by batch,
so that a large set never becomes a float copy of itself.
"""

import numpy as np
from numpy.typing import NDArray

from keras_medaug.array_checks import as_array, fail, flat
from keras_medaug.label_checks import (
    UNKNOWN,
    are_names,
    check_class_names,
    check_labels,
    check_partly_known,
    one_for_each,
)

__all__ = [
    "UNKNOWN",
    "are_names",
    "as_array",
    "check_class_names",
    "check_flag",
    "check_fraction",
    "check_labels",
    "check_partly_known",
    "check_positive",
    "check_several_classes",
    "fail",
    "flat",
    "one_for_each",
]


def check_several_classes(labels: NDArray, argument: str) -> NDArray:
    """Return labels if they are of two classes or more.

    Args:
        labels: Class indices, shape `(n,)`.
        argument: Name under which they are reported.

    Returns:
        `labels`.

    Raises:
        ValueError: If all labels are of one class: a classifier needs two.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.checks import check_several_classes
    >>> check_several_classes(np.array([0, 1]), "y").tolist()
    [0, 1]
    """
    if not labels.any():
        raise fail(argument, "one class", "two classes or more")
    return labels


def check_flag(value: bool, argument: str) -> bool:
    """Return `value` if it is `True` or `False`.

    Args:
        value: The flag.
        argument: Name under which it is reported.

    Returns:
        `value`.

    Raises:
        ValueError: If `value` is neither `True` nor `False`.

    Example:

    >>> from keras_medaug.checks import check_flag
    >>> check_flag(True, "batch_normalization")
    True
    """
    if not isinstance(value, bool):
        raise fail(argument, repr(value), "True or False")
    return value


def check_fraction(value: float, argument: str) -> float:
    """Return `value` if it is a number in (0, 1).

    Args:
        value: The number.
        argument: Name under which it is reported.

    Returns:
        `value`, as `float`.

    Raises:
        ValueError: If `value` is not a number in (0, 1).

    Example:

    >>> from keras_medaug.checks import check_fraction
    >>> check_fraction(0.99, "momentum")
    0.99
    """
    numbers = (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, numbers) or not 0 < value < 1:
        raise fail(argument, repr(value), "a number in (0, 1)")
    return float(value)


def check_positive(value: float, argument: str, integer: bool = False, zero: bool = False):
    """Return `value` if it is a positive (or, with `zero`, non-negative) finite number.

    Args:
        value: The number.
        argument: Name under which it is reported.
        integer: Whether it must be an integer.
        zero: Whether zero is allowed.

    Returns:
        `value`, as `int` or `float`.

    Raises:
        ValueError: If `value` is not such a number.

    Example:

    >>> from keras_medaug.checks import check_positive
    >>> check_positive(64, "latent_dim", integer=True)
    64
    """
    kind = "an integer" if integer else "a number"
    expected = f"{kind} {'of 0 or more' if zero else 'above 0'}"
    types = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, types):
        raise fail(argument, repr(value), expected)
    if (not integer and not np.isfinite(value)) or value < 0 or (value == 0 and not zero):
        raise fail(argument, repr(value), expected)
    return int(value) if integer else float(value)
