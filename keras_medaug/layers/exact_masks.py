"""Masks in a type that the backend can hold, with the values that they came with, or an error."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_medaug.checks import fail

# The types that NumPy chooses by itself: nobody who has one of these has asked for its width.
_DEFAULT_TYPES = ("int64", "float64")
_EVERYWHERE = "bool, uint8, int8, int16, int32 or float32, which every backend has"


def native(array: Any) -> Any:
    """Return an array of NumPy in the byte order of the machine, and a tensor as it is.

    Args:
        array: An array or a tensor.

    Returns:
        The array; the same object where it is in that order already.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.layers.exact_masks import native
    >>> native(np.array([1, 256], ">i2"))
    array([  1, 256], dtype=int16)
    """
    if not isinstance(array, np.ndarray) or array.dtype.isnative:
        return array
    return array.astype(array.dtype.newbyteorder("="))


def same_values(masks: Any, argument: str) -> Any:
    """Return masks in a type in which the backend changes none of their values.

    Args:
        masks: An array, or a tensor of the backend, a symbolic one included.
        argument: Name under which the value is reported.

    Returns:
        `masks`; arrays of `int64` and `float64` in the type that the backend has for them.

    Raises:
        ValueError: If the backend has no such type, or no type that holds all values.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.layers.exact_masks import same_values
    >>> same_values(np.array([0, 200], "uint8"), "masks").dtype
    dtype('uint8')
    """
    is_tensor = ops.is_tensor(masks) or isinstance(masks, keras.KerasTensor)
    if not is_tensor:
        masks = native(np.asarray(masks))
    name = getattr(masks.dtype, "name", str(masks.dtype).rpartition(".")[2])
    refusal = fail(argument, f"dtype {name}, which the backend does not keep", _EVERYWHERE)
    try:
        held = _held(name)
    except Exception as error:  # what a backend raises on a type that it lacks differs
        raise refusal from error
    if held == name:
        return masks
    if is_tensor or name not in _DEFAULT_TYPES:
        raise refusal
    with np.errstate(over="ignore"):
        narrow = masks.astype(held)
    if not np.array_equal(narrow, masks, equal_nan=True):
        got = f"{name} values of which {held}, the widest type of the backend, changes some"
        raise fail(argument, got, f"values that {held} holds")
    return narrow


def _held(name: str) -> str:
    """Return the type in which masks of a type come out."""
    sample = ops.convert_to_tensor(np.zeros(1, name))
    # Some backends have a type and no arithmetic for it.
    chosen = ops.where(ops.ones((1,), "bool"), sample, ops.zeros_like(sample))
    return keras.backend.standardize_dtype(chosen.dtype)
