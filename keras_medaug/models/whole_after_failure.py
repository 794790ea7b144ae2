"""Models that a failure on JAX leaves with their weights."""

import functools
from collections.abc import Callable

import keras

from keras_medaug.array_checks import copied

# Backends on which Keras empties the variables.
_EMPTYING = ("jax",)


def whole_after_failure(method: Callable) -> Callable:
    """Return `predict` or `evaluate` of a class, after whose failure a model has its weights.

    On JAX, Keras takes the values out of the variables while it predicts, and puts them back only
    if all goes well. After a lack of memory, say, a trained model would be lost.

    Args:
        method: The method of the class, whose first argument is the model.

    Returns:
        The same method.

    Example:

    >>> from keras_medaug.models.whole_after_failure import whole_after_failure
    >>> import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> whole_after_failure(keras.Model.predict)(model, keras.ops.ones((3, 2)), verbose=0).shape
    (3, 1)
    """

    @functools.wraps(method)
    def call(model, *args, **kwargs):
        if keras.config.backend() not in _EMPTYING:
            return method(model, *args, **kwargs)
        # Copies: the arrays themselves are given to the compiled function, to be used up.
        values = [(variable, copied(variable)) for variable in model.variables]
        try:
            return method(model, *args, **kwargs)
        except BaseException:
            for variable, value in values:
                if variable._value is None:
                    variable.assign(value)
            raise

    return call
