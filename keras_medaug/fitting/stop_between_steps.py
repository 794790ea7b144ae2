"""Ctrl-C ends training, evaluation and prediction between two steps."""

import threading
from typing import Any

import keras

from keras_medaug.interrupts import is_interrupted, stop_if_interrupted


class StopBetweenSteps(keras.callbacks.Callback):
    """Raises `KeyboardInterrupt` before a step if Ctrl-C was pressed during the one before.

    It acts at the beginning of steps, when the other callbacks have seen the step before. On JAX
    and TensorFlow, Keras may call the ends of steps in other threads while the main thread is ahead
    and waits for the end of the epoch. Then the first step that ends stops that wait; the steps
    that the device has been given already are finished, too.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.fitting.stop_between_steps import StopBetweenSteps
    >>> x, y = kma.datasets.load("phantom", size=8, train=16).train
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> model.compile()
    >>> history = model.fit(x, verbose=0, callbacks=[StopBetweenSteps()])
    """

    async_safe = True  # so that Keras may go on doing so

    def __init__(self) -> None:
        super().__init__()
        self._in_main_thread = threading.current_thread() is threading.main_thread()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Stop if Ctrl-C was pressed, after the callbacks of the last epoch's end."""
        self._stop()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Stop if Ctrl-C was pressed."""
        self._stop()

    on_test_batch_begin = on_predict_batch_begin = on_train_batch_begin

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stop the main thread if it waits for this step."""
        self._stop_waiting()

    on_test_batch_end = on_predict_batch_end = on_train_batch_end

    def _stop_waiting(self) -> None:
        elsewhere = threading.current_thread() is not threading.main_thread()
        if elsewhere and self._in_main_thread and is_interrupted():
            raise KeyboardInterrupt  # which Keras raises in the main thread

    def _stop(self) -> None:
        if is_interrupted():
            _ = self.model  # reading it makes JAX hand the weights over, which the loop holds
            stop_if_interrupted()


def with_stop(callbacks: Any) -> Any:
    """Return the callbacks of an `evaluate` or `predict`, and the one that stops it.

    Args:
        callbacks: A callback, a list of callbacks, or `None`. A `CallbackList` comes from `fit`,
            which has put its own callback into it, and is returned as it is.

    Returns:
        The callbacks.

    Example:

    >>> from keras_medaug.fitting.stop_between_steps import with_stop
    >>> len(with_stop(None))
    1
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    given = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks or []
    return [StopBetweenSteps(), *given]
