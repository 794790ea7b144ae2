"""What users give to `fit`, `evaluate` and `predict`: arrays, or iterables of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import check_positive, fail
from keras_medaug.fitting.array_batches import ArrayBatches
from keras_medaug.fitting.checked_sequence import CheckedSequence, checked_stream, exhausted

DEFAULT_BATCH_SIZE = 32


def is_array(data: Any) -> bool:
    """Tell an array (or tensor) from an iterable of batches; a nested list counts as an array.

    Example:

    >>> from keras_medaug.fitting.given_data import is_array
    >>> is_array([[0.5]]), is_array(iter([]))
    (True, False)
    """
    return isinstance(data, list | CheckedImages) or hasattr(data, "shape")


def is_pair(data: Any) -> bool:
    """Tell `[images, labels]` from a nested list of pixels and from a tuple of batches.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.fitting.given_data import is_pair
    >>> is_pair([np.zeros((2, 8, 8, 1)), [0, 1]]), is_pair(np.zeros((2, 8, 8, 1)))
    (True, False)
    """
    if not isinstance(data, list | tuple) or not data or not _is_batch(data[0]):
        return False
    return isinstance(data, list) or (len(data) == 2 and not _is_batch(data[1]))


def count_images(x: Any) -> int:
    """Return the number of images in what `predict` takes: images, or `[images, labels]`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.fitting.given_data import count_images
    >>> count_images([np.zeros((2, 8, 8, 1)), np.array([0, 1])])
    2
    """
    return len(x[0]) if isinstance(x, list) else len(x)


def check_steps(steps: int | None, argument: str) -> int | None:
    """Return a number of steps, 1 or more, or `None`.

    Example:

    >>> from keras_medaug.fitting.given_data import check_steps
    >>> check_steps(3, "steps")
    3
    """
    return None if steps is None else check_positive(steps, argument, integer=True)


def check_batch_size(
    batch_size: int | None, argument: str = "batch_size", default: int = DEFAULT_BATCH_SIZE
) -> int:
    """Return a number of images, 1 or more; the default where it is `None`.

    Example:

    >>> from keras_medaug.fitting.given_data import check_batch_size
    >>> check_batch_size(None)
    32
    """
    return default if batch_size is None else check_positive(batch_size, argument, integer=True)


def three_parts(batch: Any, argument: str) -> tuple[Any, Any, Any]:
    """Return images, labels and weights of a batch, `None` for what it lacks.

    Raises:
        ValueError: If the batch has no part, or more than three.

    Example:

    >>> from keras_medaug.fitting.given_data import three_parts
    >>> three_parts(("images", "labels"), "x")
    ('images', 'labels', None)
    """
    parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
    if not 1 <= len(parts) <= 3:
        expected = "images, (images, labels) or (images, labels, weights)"
        raise fail(argument, f"a tuple of {len(parts)}", expected)
    images, labels, weights = (*parts, None, None)[:3]
    return images, labels, weights


def weighted(arrays: tuple, weights: NDArray | None) -> tuple:
    """Return images and labels with the weights of their classes, if there are any.

    Args:
        arrays: `(x, y)`, or `(x, y, sample_weight)`.
        weights: The weight of each class, or `None`.

    Raises:
        ValueError: If both the classes and `x` bring weights.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.fitting.given_data import weighted
    >>> weighted(("images", np.array([1, 0])), np.array([1.0, 5.0]))[2].tolist()
    [5.0, 1.0]
    """
    if weights is None:
        return arrays
    if len(arrays) == 3:
        raise fail("class_weight", "weights beside those that `x` yields", "None")
    return (*arrays, weights[arrays[1]])


def split_arrays(arrays: tuple, fraction: float) -> tuple[tuple, tuple]:
    """Cut arrays in two, the held-out part at the end, as Keras does.

    Raises:
        ValueError: If one of the two parts would be empty.

    Example:

    >>> from keras_medaug.fitting.given_data import split_arrays
    >>> split_arrays(([1, 2, 3, 4],), 0.25)
    (([1, 2, 3],), ([4],))
    """
    cut = int(np.floor(len(arrays[0]) * (1 - fraction)))
    if cut == 0 or cut == len(arrays[0]):
        raise fail("validation_split", fraction, "a fraction that leaves images on both sides")
    return tuple(a[:cut] for a in arrays), tuple(a[cut:] for a in arrays)


def refuse_beside_iterable(y: Any, sample_weight: Any, validation_split: float) -> None:
    """Refuse what only goes with arrays.

    Raises:
        ValueError: If one of the three is given.

    Example:

    >>> from keras_medaug.fitting.given_data import refuse_beside_iterable
    >>> refuse_beside_iterable(None, None, 0.0)
    """
    if y is not None:
        raise fail("y", "labels beside an iterable", "None, the iterable yields the labels")
    if sample_weight is not None:
        raise fail("sample_weight", "weights beside an iterable", "None")
    if validation_split:
        raise fail("validation_split", validation_split, "0 with an iterable")


def as_batches(
    data: Any,
    check: Callable,
    steps: int | None,
    once: bool = False,
    argument: str = "x",
    after_pass: Callable[[], None] | None = None,
) -> tuple[Any, int | None]:
    """Return what Keras may iterate over in place of an iterable, and the steps of a pass.

    Args:
        data: A `PyDataset`, or an iterable of batches. `ArrayBatches` are returned as they are:
            the package makes them of arrays that it has checked.
        check: Takes a batch and returns it as a tuple of arrays, or raises. The first batch is
            checked at once.
        steps: Number of steps, or `None`.
        once: Whether a single pass is all that Keras will make.
        argument: Name under which the data is reported.
        after_pass: Called where all batches had to be gone through once to count them.

    Returns:
        The batches, and the number of steps, or `None` where Keras can tell.

    Raises:
        ValueError: If there is no batch, or `check` refuses the first batch.

    Example:

    >>> from keras_medaug.fitting.given_data import as_batches
    >>> batches, steps = as_batches(([1], [2]), lambda batch: (batch,), None)
    >>> next(batches), steps
    (([1],), 2)
    """
    if isinstance(data, ArrayBatches):
        return data, steps
    if isinstance(data, keras.utils.PyDataset):
        if data.num_batches == 0:
            raise _empty(argument)
        check(data[0])
        return CheckedSequence(data, check), steps
    if not hasattr(data, "__iter__"):
        raise fail(argument, repr(data), "images, or an iterable of batches")
    iterator = iter(data)
    first = next(iterator, None) if _length(data) != 0 else None
    if first is None:
        raise _empty(argument)
    check(first)
    if iterator is data:
        return checked_stream(_chain(first, iterator), check, repeat=False), steps
    del iterator
    steps = steps or _length(data)
    if steps is None and once:
        return checked_stream(data, check, repeat=False), None
    if steps is None:
        steps = _count(data, check)
        if after_pass is not None:
            after_pass()
    return checked_stream(data, check, repeat=True), steps


def _is_batch(data: Any) -> bool:
    return isinstance(data, CheckedImages) or len(getattr(data, "shape", ())) == 4


def _empty(argument: str) -> ValueError:
    return fail(argument, "an empty iterable", "at least one batch")


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None


def _chain(first: Any, rest: Iterator) -> Iterator:
    yield first
    yield from rest


def _count(data: Any, check: Callable) -> int:
    """Go through an iterable of unknown length once; return the number of batches, all checked."""
    if hasattr(data, "cardinality") and int(data.cardinality()) == -1:  # a `tf.data.Dataset`
        raise fail("x", "an endless dataset", "one that ends, or a number of steps beside it")
    count = sum(1 for _ in map(check, data))
    if count == 0:
        raise exhausted()
    return count
