"""Numbers in JSON, without loss."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(array: NDArray) -> dict[str, Any]:
    """Return an array as JSON can hold it, without loss: `float32`, little-endian, base64.

    Args:
        array: Numbers.

    Returns:
        `{"shape", "float32"}`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.packing import packed, unpacked
    >>> unpacked(packed(np.float32([[0.1, 0.9]]))).tolist()
    [[0.10000000149011612, 0.8999999761581421]]
    """
    content = np.ascontiguousarray(array, "<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(content).decode("ascii")}


def stored_predictions(result: Mapping[str, Any], split: str) -> NDArray[np.float32]:
    """Return what a classifier's task has kept of a split: logits, or probabilities of old tasks.

    Args:
        result: The task's result.
        split: `"val"` or `"test"`.

    Returns:
        Shape `(n, num_classes)`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.packing import packed, stored_predictions
    >>> stored_predictions({"logits": {"val": packed(np.zeros((2, 3)))}}, "val").shape
    (2, 3)
    """
    return unpacked((result.get("logits") or result["probabilities"])[split])


def unpacked(content: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the array that `packed` made JSON of.

    Args:
        content: What `packed` returned.

    Returns:
        The array.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.packing import packed, unpacked
    >>> unpacked(packed(np.zeros((2, 3)))).shape
    (2, 3)
    """
    numbers = np.frombuffer(base64.b64decode(content["float32"]), "<f4")
    return numbers.reshape(content["shape"])
