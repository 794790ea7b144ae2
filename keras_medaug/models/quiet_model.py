"""A Keras model that runs and is saved without a warning for each of its variables."""

import functools
from collections.abc import Callable

import keras

from keras_medaug.array_checks import copied, without_copy_warning
from keras_medaug.models.whole_after_failure import whole_after_failure


def quietly(method: Callable) -> Callable:
    """Return a function that keeps NumPy's warning of `array_checks.copied` from users.

    Args:
        method: The function, in which Keras makes arrays of tensors or variables.

    Returns:
        The same function, without the warning.

    Example:

    >>> from keras_medaug.models.quiet_model import quietly
    >>> quietly(len)([1, 2])
    2
    """

    @functools.wraps(method)
    def call(*args, **kwargs):
        with without_copy_warning():
            return method(*args, **kwargs)

    return call


class QuietModel(keras.Model):
    """A model of whose tensors Keras makes arrays without a warning of NumPy for each.

    Otherwise PyTorch warns of each metric at each step, and TensorFlow of each variable that is
    saved.
    """

    fit = quietly(keras.Model.fit)
    evaluate = whole_after_failure(quietly(keras.Model.evaluate))
    predict = whole_after_failure(quietly(keras.Model.predict))
    train_on_batch = quietly(keras.Model.train_on_batch)
    test_on_batch = quietly(keras.Model.test_on_batch)
    predict_on_batch = quietly(keras.Model.predict_on_batch)
    save = quietly(keras.Model.save)
    save_weights = quietly(keras.Model.save_weights)

    def get_weights(self):
        """Return the weights, as Keras does."""
        return [copied(variable) for variable in self.weights]
