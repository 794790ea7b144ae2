"""Checks of labels: class indices, or names where the classes have names."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.array_checks import as_array, fail, flat
from keras_medaug.files import check_text

LARGEST_LABEL = 2**31 - 1
UNKNOWN = -1  # the label of an image whose class is not known
MISSING = {"None", "nan", "<NA>"}  # as Python and pandas write them
AS_INTEGERS = "`np.asarray(y).astype(int)`"
FEW = 5  # classes that a message names
NO_NAMES = (
    "integers, which `class_names, y = np.unique(y, return_inverse=True)` gives; or give "
    "`class_names=` to the model, the data set or `augment`"
)


def check_labels(
    labels: ArrayLike,
    argument: str = "y",
    count: int | None = None,
    num_classes: int | None = None,
    every_class: bool = False,
    class_names: Sequence[str] | None = None,
) -> NDArray[np.int32]:
    """Return `labels` as an `int32` vector if they are class indices, or names that are known.

    Args:
        labels: Integers, or names of `class_names`; shape `(n,)` or `(n, 1)`.
        argument: Name under which the value is reported.
        count: How many there must be, or `None` for any number above zero.
        num_classes: Labels must be in `[0, num_classes)`; `None` asks for non-negative ones.
        every_class: Whether each class must occur at least once.
        class_names: Names of the classes, in the order of the labels; `None` where none are known.

    Returns:
        The labels as `int32`, shape `(n,)`.

    Raises:
        ValueError: On another shape or type, a label outside the range, or a missing class.

    Example:

    >>> from keras_medaug.label_checks import check_labels
    >>> check_labels([0, 1, 1], num_classes=2)
    array([0, 1, 1], dtype=int32)
    >>> check_labels([["b"], ["a"]], class_names=["a", "b"])
    array([1, 0], dtype=int32)
    """
    array = flat(as_array(labels, argument))
    _check_shape(array, argument)
    if count is not None and array.shape[0] != count:
        raise fail(argument, f"{array.shape[0]} labels", f"{count}, one per image")
    if are_names(array):
        array = _numbers(array, argument, class_names)
    if class_names is not None and num_classes is None:
        num_classes = len(class_names)
    if not np.issubdtype(array.dtype, np.integer):
        raise _not_integers(array, argument)
    _check_range(array, argument, num_classes)
    if every_class:
        classes = int(array.max()) + 1 if num_classes is None else num_classes
        _check_every_class(array, argument, classes, class_names or range(classes))
    return array.astype(np.int32, copy=False)


def check_partly_known(
    labels: ArrayLike,
    argument: str,
    count: int,
    num_classes: int | None,
    class_names: Sequence[str] | None = None,
) -> NDArray[np.int32]:
    """Return labels of which some may be unknown, checked.

    Args:
        labels: As in `check_labels`; -1 stands for an unknown class.
        argument: Name under which the value is reported.
        count: Number of images.
        num_classes: As in `check_labels`.
        class_names: As in `check_labels`.

    Returns:
        The labels as `int32`, shape `(count,)`.

    Raises:
        ValueError: As in `check_labels`.

    Example:

    >>> from keras_medaug.label_checks import check_partly_known
    >>> check_partly_known([0, -1, 1], "y", 3, num_classes=2)
    array([ 0, -1,  1], dtype=int32)
    """
    given = flat(as_array(labels, argument))
    if given.dtype.kind != "i" or given.ndim != 1 or not len(given) or given.min() >= 0:
        return check_labels(given, argument, count, num_classes, class_names=class_names)
    if given.min() < UNKNOWN:
        got = f"labels from {given.min()} to {given.max()}"
        expected = f"{_range_of(num_classes)}, or {UNKNOWN} for an unknown class"
        raise fail(argument, got, expected)
    if len(given) != count:
        raise fail(argument, f"{len(given)} labels", f"{count}, one per image")
    checked = given.astype(np.int32)
    known = given != UNKNOWN
    if known.any():
        checked[known] = check_labels(
            given[known], argument, None, num_classes, class_names=class_names
        )
    return checked


def one_for_each(labels: ArrayLike, argument: str, count: int) -> NDArray:
    """Return a label for each image, of which there may be one for all.

    Args:
        labels: An array, or a single integer or name.
        argument: Name under which the value is reported.
        count: Number of images.

    Returns:
        The array; or the single label, `count` times.

    Example:

    >>> from keras_medaug.label_checks import one_for_each
    >>> one_for_each(1, "labels", 3)
    array([1, 1, 1])
    """
    array = as_array(labels, argument)
    return np.repeat(array, count) if array.ndim == 0 else array


def check_class_names(class_names: Sequence[str], num_classes: int | None = None) -> list[str]:
    """Return `class_names` if there is a distinct one for each class.

    Args:
        class_names: The names, in the order of the labels; a sequence or an array.
        num_classes: How many there must be, or `None` for any number.

    Returns:
        The names.

    Raises:
        ValueError: If `class_names` is not a list of distinct names, or not of `num_classes` names.

    Example:

    >>> from keras_medaug.label_checks import check_class_names
    >>> check_class_names(("benign", "malignant"), num_classes=2)
    ['benign', 'malignant']
    """
    expected = "one distinct name, a string that is not empty, per class"
    got = fail("class_names", repr(class_names), expected)
    if hasattr(class_names, "to_numpy"):  # a pandas Series
        class_names = class_names.to_numpy()
    if isinstance(class_names, str) or not isinstance(class_names, Sequence | np.ndarray):
        raise got
    if isinstance(class_names, np.ndarray) and class_names.ndim != 1:
        raise got
    names = [str(name) if isinstance(name, str) else name for name in class_names]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise got
    if len(set(names)) != len(names):
        raise got
    for name in names:
        check_text(name, "class_names")
    if num_classes not in (None, len(names)):
        raise fail("class_names", f"{len(names)} names", f"{num_classes}, one per class")
    return names


def are_names(labels: ArrayLike) -> bool:
    """Tell names from numbers.

    Args:
        labels: An array, or what `as_array` makes one of.

    Returns:
        Whether there are labels, and all of them are strings.

    Example:

    >>> from keras_medaug.label_checks import are_names
    >>> are_names(["benign", "malignant"]), are_names([0, 1])
    (True, False)
    """
    array = as_array(labels, "labels")
    if array.dtype.kind == "O":
        return array.size > 0 and all(isinstance(label, str | bytes) for label in array.flat)
    return array.dtype.kind in "UST"


def _check_shape(array: NDArray, argument: str) -> None:
    if array.size == 0:
        raise fail(argument, "no label", "at least one label")
    if array.ndim == 1:
        return
    expected = "one axis (n,), or (n, 1): a class index per image"
    if array.ndim == 2 and array.shape[0] == 1:
        expected += "; `.ravel()` makes one axis of a row"
    elif array.ndim == 2 and array.dtype.kind in "iufb":
        rows = "one-hot rows" if _is_one_hot(array) else "a number for each class"
        expected += f"; `.argmax(-1)` gives it where there are {rows}"
    raise fail(argument, f"shape {array.shape}", expected)


def _is_one_hot(array: NDArray) -> bool:
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())


def _numbers(array: NDArray, argument: str, class_names: Sequence[str] | None) -> NDArray:
    """Return the index of each name among those known."""
    names = [
        name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in array
    ]
    if class_names is None:
        raise fail(argument, f"names, such as {names[0]!r}", NO_NAMES)
    index = {name: label for label, name in enumerate(class_names)}
    unknown = sorted(set(names) - set(index))
    if unknown:
        got = ", ".join(map(repr, unknown[:FEW])) + (" and more" if len(unknown) > FEW else "")
        raise fail(argument, f"names that are not known: {got}", f"among {', '.join(index)}")
    return np.array([index[name] for name in names], np.int32)


def _not_integers(array: NDArray, argument: str) -> ValueError:
    if array.dtype.kind == "b":
        return fail(argument, "dtype bool", f"integers ({AS_INTEGERS} makes 0 and 1 of them)")
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            got = f"dtype {array.dtype}, with NaN"
            return fail(argument, got, "integers (leave images without a label out)")
        if (array == np.floor(array)).all():
            return fail(argument, f"dtype {array.dtype}", f"integers ({AS_INTEGERS} makes them so)")
        other = f"dtype {array.dtype}, with {array[array != np.floor(array)][0]:.9g}"
        return fail(argument, other, "integers, a class index per image")
    if array.dtype == object and any(str(label) in MISSING for label in array):
        got = "labels of which some are missing"
        return fail(argument, got, "integers (leave images without a label out)")
    return fail(argument, f"dtype {array.dtype}", f"integers ({AS_INTEGERS} where they are whole)")


def _range_of(num_classes: int | None) -> str:
    return "labels of 0 or more" if num_classes is None else f"labels in [0, {num_classes})"


def _check_range(array: NDArray, argument: str, num_classes: int | None) -> None:
    low, high = int(array.min()), int(array.max())
    got = f"labels from {low} to {high}"
    expected = _range_of(num_classes)
    if low < 0:
        signs = set(np.unique(array).tolist()) == {-1, 1}
        remedy = (
            "`(y + 1) // 2` makes 0 and 1 of -1 and 1"
            if signs
            else "leave images without a label out"
        )
        raise fail(argument, got, f"{expected} ({remedy})")
    if num_classes is not None and high >= num_classes:
        from_one = low == 1 and high == num_classes
        raise fail(argument, got, expected + (" (subtract 1: they count from 0)" * from_one))
    if high > LARGEST_LABEL:
        raise fail(argument, f"labels up to {high}", f"labels of at most {LARGEST_LABEL}")


def _check_every_class(
    labels: NDArray, argument: str, classes: int, names: Sequence[str] | range
) -> None:
    present = set(np.unique(labels).tolist())
    missing = list(itertools.islice((c for c in range(classes) if c not in present), FEW))
    if not missing:
        return
    total = classes - len(present)
    more = f" and {total - len(missing)} more" if total > len(missing) else ""
    from_one = total == 1 and missing == [0]
    remedy = " (labels count from 0: subtract 1 from those that count from 1)" * from_one
    raise fail(
        argument,
        f"no image of class {', '.join(repr(names[label]) for label in missing)}{more}",
        f"at least one image of each of the {classes} classes{remedy}",
    )
