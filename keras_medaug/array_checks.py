"""The error that all checks raise, and arrays from whatever holds numbers."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray


def fail(argument: str, got: object, expected: str) -> ValueError:
    """Return the `ValueError` that every check raises: argument, what came, what was expected."""
    return ValueError(f"`{argument}`: got {got}; expected {expected}.")


def as_array(values: ArrayLike, argument: str) -> NDArray:
    """Return `values` as an array; a ragged list is none.

    Args:
        values: An array, nested lists, a tensor of any backend on any device, with or without a
            gradient, a Keras variable, or a pandas Series or DataFrame.
        argument: Name under which the value is reported.

    Returns:
        A NumPy array; `bfloat16`, which NumPy does not know, becomes `float32`.

    Raises:
        ValueError: If `values` is not an array.

    Example:

    >>> from keras_medaug.array_checks import as_array
    >>> as_array([[1, 2], [3, 4]], "x").shape
    (2, 2)
    """
    if np.ma.is_masked(values):
        raise fail(argument, "a masked array", "an array without masked values (`.filled(...)`)")
    try:
        array = np.asarray(_on_host(values))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise _no_array(values, argument) from error
    if array.dtype == object and array.ndim == 0:
        raise _no_array(values, argument)
    if not array.flags.writeable and not isinstance(values, np.ndarray):
        array = array.copy()  # JAX's and pandas's are not: PyTorch warns of them
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def copied(values: Any) -> NDArray:
    """Return a copy of a variable's or a tensor's values, without a warning.

    Keras and TensorFlow do not know the argument `copy` by which NumPy 2 asks for an array, so that
    `keras.ops.convert_to_numpy` and `get_weights` raise a `DeprecationWarning` for each variable.

    Args:
        values: A Keras variable, or a tensor.

    Returns:
        A new NumPy array. PyTorch's `bfloat16` becomes `float32`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.array_checks import copied
    >>> copied(np.ones(2)).tolist()
    [1.0, 1.0]
    """
    return np.array(_on_host(values))


@contextlib.contextmanager
def without_copy_warning() -> Iterator[None]:
    """Keep NumPy's warning of `copied` from users where Keras itself reads variables.

    Example:

    >>> from keras_medaug.array_checks import without_copy_warning
    >>> with without_copy_warning():
    ...     pass
    """
    with warnings.catch_warnings():
        message = "__array__ implementation doesn't accept a copy keyword"
        warnings.filterwarnings("ignore", message, DeprecationWarning)
        yield


def flat(array: NDArray) -> NDArray:
    """Return a column `(n, 1)` as `(n,)`, and any other array as it is.

    Args:
        array: The array.

    Returns:
        The array, without the axis that holds nothing.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.array_checks import flat
    >>> flat(np.zeros((3, 1))).shape, flat(np.zeros((1, 3))).shape
    ((3,), (1, 3))
    """
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _no_array(values: object, argument: str) -> ValueError:
    expected = "an array, nested lists of one shape, or a tensor"
    return fail(argument, f"a {type(values).__name__} that is no array", expected)


def _on_host(values: Any) -> Any:
    """Return what NumPy can read without `__array__`, of which it complains for some tensors."""
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, list | tuple):
        nested = values and not isinstance(values[0], int | float | str | bytes)
        return [_on_host(item) for item in values] if nested else values
    if isinstance(values, keras.Variable):
        values = values.value
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        known = not str(values.dtype).endswith("bfloat16")
        return (values if known else values.float()).numpy()
    for name in ("to_numpy", "numpy"):
        if hasattr(values, name):
            return getattr(values, name)()
    return values
