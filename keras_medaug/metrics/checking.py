"""What the checks of images and classifiers share: arguments, words, and SciPy."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_class_names, check_labels, fail


def check_label_pair(
    labels: ArrayLike | None,
    others: ArrayLike | None,
    argument: str,
    count: int,
    other_count: int,
) -> tuple[NDArray, NDArray] | None:
    """Return the labels of two sets of images, or `None` if there are none.

    Args:
        labels: Classes of the first set, or `None`.
        others: Classes of the second set, or `None`.
        argument: Name of the second argument.
        count: Number of images of the first set.
        other_count: Number of images of the second set.

    Returns:
        Both as integers, shapes `(count,)` and `(other_count,)`, or `None`.

    Raises:
        ValueError: If only one of the two sets has labels, or labels are not as described.

    Example:

    >>> from keras_medaug.metrics.checking import check_label_pair
    >>> check_label_pair(None, None, "real_labels", 3, 2) is None
    True
    """
    if labels is None and others is None:
        return None
    if labels is None:
        raise fail("labels", "None", f"labels, as there are `{argument}`")
    if others is None:
        raise fail(argument, "None", "labels, as there are `labels`")
    return check_labels(labels, "labels", count), check_labels(others, argument, other_count)


def statistics() -> Any:
    """Return SciPy's statistics.

    Returns:
        The module.

    Raises:
        ImportError: If SciPy is not installed.

    Example:

    >>> from keras_medaug.metrics.checking import statistics
    >>> float(statistics().norm.cdf(0))
    0.5
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError(
            'keras_medaug.metrics: this check needs SciPy; pip install "keras-medaug[study]"'
        ) from error
    return stats


def listed(words: Sequence[object]) -> str:
    """Return words or numbers as an enumeration.

    Args:
        words: One or more.

    Returns:
        Them, with commas, and "and" before the last.

    Example:

    >>> from keras_medaug.metrics.checking import listed
    >>> listed([0, 2, 3]), listed(["a"])
    ('0, 2 and 3', 'a')
    """
    *others, last = map(str, words)
    return f"{', '.join(others)} and {last}" if others else last


def class_words(labels: Sequence[int], class_names: Sequence[str] | None = None) -> str:
    """Return what classes are called in a sentence.

    Args:
        labels: One class or more.
        class_names: Names of all classes, or `None` for their numbers.

    Returns:
        "class" or "classes", and the names, in quotes where they are not numbers.

    Example:

    >>> from keras_medaug.metrics.checking import class_words
    >>> class_words([1]), class_words([1], ["0", "1"]), class_words([0, 1], ["benign", "malignant"])
    ('class 1', 'class 1', "classes 'benign' and 'malignant'")
    """
    names = [class_word(label, class_names) for label in labels]
    return f"{'class' if len(names) == 1 else 'classes'} {listed(names)}"


def class_word(label: int, class_names: Sequence[str] | None = None) -> str:
    """Return the name of a class in quotes, or its number where that is all that is known."""
    name = str(label) if class_names is None else class_names[label]
    return name if name == str(label) else repr(name)


def check_names(class_names: Sequence[str] | None, classes: int) -> None:
    """Refuse names of fewer classes than there are, and what is no list of distinct names.

    Args:
        class_names: Names in the order of the labels, or `None`.
        classes: Number of classes, at least.

    Raises:
        ValueError: If `class_names` is not a list of distinct names, one for each class or more.

    Example:

    >>> from keras_medaug.metrics.checking import check_names
    >>> check_names(["benign", "malignant"], 2)
    """
    if class_names is not None and len(check_class_names(class_names)) < classes:
        got = f"{len(class_names)} names"
        raise fail("class_names", got, f"{classes}, one per class in the order of the labels")
