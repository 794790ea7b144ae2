"""How many synthetic images each class gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_class_names, check_labels, check_positive, fail
from keras_medaug.metrics.checking import class_word

PLANS = ("balance", "proportional")
FEW = 10  # real images of a class, below which a generator can hardly learn it

PerClass = int | str | Mapping[int, int] | Mapping[str, int]


def plan_labels(
    y: ArrayLike,
    per_class: PerClass = "balance",
    total: int | None = None,
    class_names: Sequence[str] | None = None,
) -> NDArray[np.int32]:
    """Return the labels of the synthetic images that a training set is to get.

    Args:
        y: Labels of the training set, integers or names of `class_names`, `(n,)` or `(n, 1)`; every
            class occurs.
        per_class: What each class gets. A number: so many images. A dictionary from class to
            number: those, and none for a class left out. `"balance"`: what it lacks to the largest
            one; with a `total`, the images go to the smallest classes, so that all come as near to
            one size as they can. `"proportional"`: its fraction of the training set.
        total: How many images in all, for the two words; by default what balance takes, or as many
            as there are real ones.
        class_names: One distinct name per class, in the order of the labels, where `y` or
            `per_class` has names; or `None`.

    Returns:
        Labels in ascending order, `int32`; empty where a balanced set lacks nothing.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> y = np.array([0] * 5 + [1] * 2)
    >>> kma.labels.plan_labels(y, "balance").tolist()
    [1, 1, 1]
    >>> np.bincount(kma.labels.plan_labels(y, "proportional", total=14)).tolist()
    [10, 4]
    """
    names = None if class_names is None else check_class_names(class_names)
    counts = np.bincount(check_labels(y, "y", every_class=True, class_names=names))
    if total is not None:
        total = check_positive(total, "total", integer=True)
    if isinstance(per_class, str):
        planned = _by_word(per_class, counts, total)
    elif total is not None:
        raise fail("total", total, "None where `per_class` says how many")
    elif isinstance(per_class, Mapping):
        planned = _by_class(per_class, len(counts), names or [])
    else:
        number = check_positive(per_class, "per_class", integer=True)
        planned = np.full(len(counts), number)
    return np.repeat(np.arange(len(counts), dtype=np.int32), planned)


def warn_of_rare(
    counts: Sequence[int], planned: Sequence[int], class_names: Sequence[str] | None = None
) -> str | None:
    """Return a sentence about classes with few real images and synthetic ones planned, or `None`.

    Args:
        counts: Real images of each class.
        planned: Synthetic images of each class that are to be made.
        class_names: Names of the classes, or `None` for their numbers.

    Returns:
        The sentence, where synthetic images are planned of a class with fewer than ten real ones.

    Example:

    >>> from keras_medaug.labels.plan import warn_of_rare
    >>> print(warn_of_rare([40, 1], [0, 144]))
    144 synthetic images are planned of class 1, which has 1 real image: ...
    """
    rare = [
        (class_word(label, class_names), count, number)
        for label, (count, number) in enumerate(zip(counts, planned, strict=True))
        if number and count < FEW
    ]
    if not rare:
        return None
    named = "; ".join(
        f"{number} synthetic image{'s are' if number != 1 else ' is'} planned of class {name}, "
        f"which has {count} real image{'s' if count != 1 else ''}"
        for name, count, number in rare
    )
    return (
        f"{named}: a model can hardly learn a class from fewer than {FEW} images, and may make "
        "copies of them."
    )


def _by_word(word: str, counts: NDArray, total: int | None) -> NDArray:
    if word == "balance":
        return _level(counts, int((counts.max() - counts).sum()) if total is None else total)
    if word == "proportional":
        return _proportional(counts, int(counts.sum()) if total is None else total)
    expected = "a number, a dictionary from class to number, 'balance' or 'proportional'"
    raise fail("per_class", repr(word), expected)


def _by_class(
    wanted: Mapping[int, int] | Mapping[str, int], classes: int, names: Sequence[str]
) -> NDArray:
    planned = np.zeros(classes, int)
    for given, number in wanted.items():
        label = names.index(given) if given in names else given
        if isinstance(label, bool) or label not in range(classes):
            expected = f"classes in [0, {classes})" + f", or among {', '.join(names)}" * bool(names)
            raise fail("per_class", f"class {given!r}", expected)
        planned[label] = check_positive(number, f"per_class[{given!r}]", integer=True, zero=True)
    return planned


def _level(counts: NDArray, total: int) -> NDArray:
    """Return what raises the smallest counts to one level; images left over go to the first."""
    order = np.argsort(counts, kind="stable")
    planned = np.zeros(len(counts), int)
    for number in range(len(counts), 0, -1):
        lowest = order[:number]
        level, surplus = divmod(int(counts[lowest].sum()) + total, number)
        if level >= counts[lowest].max():
            planned[lowest] = level - counts[lowest]
            planned[lowest[:surplus]] += 1
            break
    return planned


def _proportional(counts: NDArray, total: int) -> NDArray:
    """Return whole numbers in proportion, of a given sum; the largest remainders go up."""
    exact = counts * total / counts.sum()
    planned = np.floor(exact).astype(int)
    first = np.argsort(planned - exact, kind="stable")[: total - planned.sum()]
    planned[first] += 1
    return planned
