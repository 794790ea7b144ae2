"""An array in all the forms in which users hold one, and what has to become of each."""

import keras
import numpy as np
import pandas as pd


def accepted(array):
    """Yield name, array and the same in another form, for forms that have to give its result."""
    yield "list", array, array.tolist()
    yield "tensor", array, keras.ops.convert_to_tensor(array)
    yield "with a gradient", array, with_gradient(array)
    if array.ndim == 1:
        yield "column", array, array[:, None]
        yield "Series", array, pd.Series(array, index=range(5, 5 + len(array)))
        yield "DataFrame", array, pd.DataFrame({"name": array})
    elif array.ndim == 2:
        yield "DataFrame", array, pd.DataFrame(array)
    if array.dtype.kind == "f":
        rough = keras.ops.cast(keras.ops.convert_to_tensor(array), "bfloat16")
        yield "bfloat16", widened(rough), rough


def refused(array):
    """Yield name, the array in a form that is not taken, and what the error has to say."""
    if array.dtype.kind in "iu":
        yield "floats", array.astype("float32"), r"`np.asarray\(y\).astype\(int\)`"
        yield "bfloat16", keras.ops.cast(array, "bfloat16"), r"`np.asarray\(y\).astype\(int\)`"
        yield "row", array[None], r"`.ravel\(\)`"
        yield "one-hot", np.eye(array.max() + 1, dtype=int)[array], r"`.argmax\(-1\)`"
        yield "negative", array - array.max() - 1, r"labels (of 0 or more|in \[0, )"
    elif array.ndim == 4:
        yield "channels first", np.moveaxis(array, -1, 1), r"`np.moveaxis\(x, 1, -1\)`"
        yield "no channels", array[..., 0], r"`x\[..., np.newaxis\]`"
        yield "one image", array[0], r"`x\[np.newaxis\]`"
        yield "int64", (array * 255).astype("int64"), r'`.astype\("uint8"\)`'
        yield (
            "DataFrame",
            pd.DataFrame(array.reshape(len(array), -1)),
            r"`np.asarray\(x\).reshape\(-1, height",
        )
        yield "Series", pd.Series(list(array)), r"`np.stack\(list\(x\)\)`"
    elif array.ndim > 1:
        yield "Series", pd.Series(list(array)), ""
    if array.ndim > 2 and array.ndim != 4:
        yield "DataFrame", pd.DataFrame(array.reshape(len(array), -1)), ""


def with_gradient(array):
    """Return a variable of the backend, of which gradients are taken where it holds floats."""
    return keras.Variable(array, trainable=array.dtype.kind == "f", dtype=str(array.dtype))


def widened(tensor):
    """Return a tensor as `float32`."""
    return np.array(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32")))


def same(value, other):
    """Tell whether two results hold the same, at any depth."""
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(
            same(value[name], other[name]) for name in value
        )
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(same, value, other))
    if isinstance(value, np.ndarray | float):
        return np.array_equal(value, other, equal_nan=np.asarray(value).dtype.kind == "f")
    return value == other
