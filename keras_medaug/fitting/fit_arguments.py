"""Checks of the arguments that `fit`, `evaluate` and `predict` hand on to Keras.

Keras passes over much of what it cannot use, and fails on the rest in the middle of its work.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from keras_medaug.checks import as_array, check_flag, check_positive, fail, flat


def check_epochs(epochs: int, initial_epoch: int) -> tuple[int, int]:
    """Return the epochs between which `fit` trains.

    Args:
        epochs: Epoch at which training ends, 0 or more; with 0 there is none, as in Keras.
        initial_epoch: Epoch at which it begins, 0 or more. Where it is not before `epochs`, as in
            a run that is resumed when all is done, `fit` trains nothing.

    Returns:
        Both, as integers.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> from keras_medaug.fitting.fit_arguments import check_epochs
    >>> check_epochs(3, 0)
    (3, 0)
    """
    return (
        check_positive(epochs, "epochs", integer=True, zero=True),
        check_positive(initial_epoch, "initial_epoch", integer=True, zero=True),
    )


def check_callbacks(callbacks: Any) -> Any:
    """Return callbacks as they came, if they are callbacks.

    Args:
        callbacks: `None`, a `keras.callbacks.Callback`, or a list of them.

    Returns:
        The same.

    Raises:
        ValueError: If a callback is not a `keras.callbacks.Callback`.

    Example:

    >>> import keras
    >>> from keras_medaug.fitting.fit_arguments import check_callbacks
    >>> len(check_callbacks([keras.callbacks.TerminateOnNaN()]))
    1
    """
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    for callback in given:
        if callback is not None and not isinstance(callback, keras.callbacks.Callback):
            got = f"{callback!r} of type {type(callback).__name__}"
            raise fail("callbacks", got, "None, a keras.callbacks.Callback or a list of them")
    return callbacks


def check_validation(split: float, frequency: Any) -> None:
    """Check how much of the arrays is held out, and how often a model is evaluated on it.

    Args:
        split: Fraction in [0, 1).
        frequency: Epochs from one evaluation to the next, or the epochs after which to evaluate.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> from keras_medaug.fitting.fit_arguments import check_validation
    >>> check_validation(0.25, 2)
    """
    number = isinstance(split, int | float | np.integer | np.floating)
    if not number or isinstance(split, bool) or not 0 <= split < 1:
        raise fail("validation_split", repr(split), "a fraction in [0, 1)")
    several = isinstance(frequency, Collection) and not isinstance(frequency, str)
    expected = "an integer above 0, or a list of such epochs"
    epochs: Sequence = list(frequency) if several else [frequency]
    for epoch in epochs or [0]:
        if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or epoch < 1:
            raise fail("validation_freq", repr(frequency), expected)


def check_class_weight(
    class_weight: Any, num_classes: int, class_names: Sequence[str] | None = None
) -> np.ndarray:
    """Return the weight of each class.

    Args:
        class_weight: Weights, 0 or more, by class; a class that is not named has the weight 1.
        num_classes: Number of classes.
        class_names: Names of the classes, which may be keys as well; or `None`.

    Returns:
        `float32`, shape `(num_classes,)`.

    Raises:
        ValueError: If `class_weight` is not a dictionary, if a key is not a class, if a weight is
            not a finite number of 0 or more, or if all weights are 0.

    Example:

    >>> from keras_medaug.fitting.fit_arguments import check_class_weight
    >>> check_class_weight({0: 9.0}, 2).tolist()
    [9.0, 1.0]
    """
    expected = (
        f"a dictionary with a weight for each class, such as {{0: 2.0, {num_classes - 1}: 1}}"
    )
    if not isinstance(class_weight, dict) or not class_weight:
        raise fail("class_weight", repr(class_weight), expected)
    weights = np.ones(num_classes, "float32")
    index = {name: label for label, name in enumerate(class_names or [])}
    named: set[int] = set()
    for key, weight in class_weight.items():
        label: Any = index.get(key, key)
        whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if not whole or not 0 <= label < num_classes:
            got = f"the key {key!r} of type {type(key).__name__}"
            expected = f"integers in [0, {num_classes})" + ", or names of classes" * bool(index)
            raise fail("class_weight", got, f"{expected} as keys")
        if label in named:
            raise fail("class_weight", f"two weights for class {label}", "one for each class")
        named.add(label)
        weights[label] = check_positive(weight, f"class_weight[{key!r}]", zero=True)
    if not weights.any():
        raise fail("class_weight", repr(class_weight), "a weight above 0 for some class")
    return weights


def check_weights(weights: Any, argument: str, count: int) -> np.ndarray:
    """Return the weights of images.

    Args:
        weights: Finite numbers of 0 or more, shape `(count,)` or `(count, 1)`.
        argument: Name under which they are reported.
        count: Number of images.

    Returns:
        `float32`, shape `(count,)`.

    Raises:
        ValueError: If the weights are not as described.

    Example:

    >>> from keras_medaug.fitting.fit_arguments import check_weights
    >>> check_weights([1, 0.5], "sample_weight", 2).tolist()
    [1.0, 0.5]
    """
    array = flat(as_array(weights, argument))
    if array.shape != (count,):
        raise fail(argument, f"shape {array.shape}", f"shape ({count},)")
    with np.errstate(over="ignore"):
        array = array.astype("float32") if array.dtype.kind in "biuf" else np.full(1, np.nan)
    if not np.isfinite(array).all():
        raise fail(argument, "values that are not finite numbers", "finite numbers")
    if array.min() < 0:
        raise fail(argument, f"weights down to {array.min():g}", "0 or more")
    return array


def check_compile(
    run_eagerly: bool,
    steps_per_execution: int,
    jit_compile: bool | str | None,
    auto_scale_loss: bool,
) -> dict[str, Any]:
    """Return the arguments of `compile` that say how steps run.

    Args:
        run_eagerly: `True` or `False`.
        steps_per_execution: 1 or more.
        jit_compile: `True`, `False` or `"auto"`; `None` is `False`, as in Keras.
        auto_scale_loss: `True` or `False`.

    Returns:
        All four, by name.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> from keras_medaug.fitting.fit_arguments import check_compile
    >>> check_compile(False, 1, "auto", True)["steps_per_execution"]
    1
    """
    if not isinstance(jit_compile, bool | None) and jit_compile != "auto":
        raise fail("jit_compile", repr(jit_compile), "True, False or 'auto'")
    return {
        "run_eagerly": check_flag(run_eagerly, "run_eagerly"),
        "steps_per_execution": check_positive(
            steps_per_execution, "steps_per_execution", integer=True
        ),
        "jit_compile": jit_compile or False,
        "auto_scale_loss": check_flag(auto_scale_loss, "auto_scale_loss"),
    }
