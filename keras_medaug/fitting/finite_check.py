"""Training that has gone wrong stops, and says where."""

import math
import threading
from collections.abc import Iterable, Mapping

import keras
import numpy as np

from keras_medaug.array_checks import copied


class FiniteCheck(keras.callbacks.Callback):
    """Stops `fit` with an error at the first step whose loss is not a finite number.

    It has to come before callbacks that save, so that what is not finite replaces no checkpoint.
    The weights are looked at, too, at the end of an epoch, and at the end of a step where one of
    Keras's callbacks saves by steps: a step can spoil them though its own loss was finite.

    The networks it names are those whose loss is not finite. A number that is none spreads with the
    images, so that they are often all that see them.

    Args:
        model: The model that trains.
        loss_networks: Name of the network that each logged term of the loss belongs to.
        networks: The networks by name.
        saves_by_step: Whether another callback saves at the end of steps.

    Example:

    >>> import keras
    >>> from keras_medaug.fitting.finite_check import FiniteCheck
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> check = FiniteCheck(model, {}, {"model": model})
    >>> check.on_epoch_begin(0)
    >>> check.on_train_batch_end(6, {"loss": float("nan")})
    Traceback (most recent call last):
    FloatingPointError: Training stopped in epoch 1, at step 7: loss is nan...
    """

    # Logs come to it in threads where every callback allows that, and steps need not wait.
    async_safe = True

    def __init__(
        self,
        model: keras.Model,
        loss_networks: Mapping[str, str],
        networks: Mapping[str, keras.layers.Layer],
        saves_by_step: bool = False,
    ) -> None:
        super().__init__()
        # Reading `self.model` would make JAX hand its state over at every step.
        self._training_model = model
        self._loss_networks = loss_networks
        self._networks = networks
        self._saves_by_step = saves_by_step
        self._epoch = 0
        self._thread = 0
        self._problems: dict[int, str] = {}

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Take note of the epoch and of the thread that `fit` runs in."""
        self._epoch, self._thread, self._problems = epoch, threading.get_ident(), {}

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Look at a step's losses; stop where one is not finite."""
        problem = self._not_finite(logs or {})
        if not problem and self._saves_by_step:
            problem = self._spoiled_weights()
        if not problem:
            return
        self._problems[batch + 1] = problem
        self._training_model.stop_training = True
        if threading.get_ident() == self._thread:
            self._stop()

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Stop at the first step that was found; else look at the weights."""
        if not self._problems and (problem := self._spoiled_weights()):
            raise self._error("at its end", problem)
        self._stop()

    def _stop(self) -> None:
        """Raise the error of the first step that was found, if one was."""
        if self._problems:
            last = min(self._problems)
            # Of several steps an execution Keras tells the last one only.
            first = last - getattr(self._training_model, "steps_per_execution", 1) + 1
            where = f"at step {last}" if first == last else f"in steps {first} to {last}"
            raise self._error(where, self._problems[last])

    def _error(self, where: str, problem: str) -> FloatingPointError:
        return FloatingPointError(
            f"Training stopped in epoch {self._epoch + 1}, {where}: {problem}. Checkpoints hold "
            "the state before. A lower learning rate or gradient clipping may help, and float32 or "
            "bfloat16 in place of float16."
        )

    def _not_finite(self, logs: Mapping[str, float]) -> str:
        """Say which losses are not finite and whose they are; empty where all are."""
        terms = {
            name: logs[name]
            for name in (*self._loss_networks, "loss")
            if name in logs and not math.isfinite(logs[name])
        }
        if len(terms) > 1:
            terms.pop("loss", None)  # the sum of the others says nothing more
        said = ", ".join(f"{name} is {value}" for name, value in terms.items())
        owners = dict.fromkeys(filter(None, map(self._loss_networks.get, terms)))
        return f"{said} (network: {', '.join(owners)})" if owners else said

    def _spoiled_weights(self) -> str:
        """Say which networks' weights are not finite; empty where all are."""
        _ = self.model  # reading it makes JAX hand the weights over
        spoiled = [
            name for name, network in self._networks.items() if not _finite(network.variables)
        ]
        return f"weights are not finite (network: {', '.join(spoiled)})" if spoiled else ""


def _finite(variables: Iterable[keras.Variable]) -> bool:
    floats = [v for v in variables if "float" in keras.backend.standardize_dtype(v.dtype)]
    return all(bool(np.isfinite(copied(v)).all()) for v in floats)


def saves_by_step(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Say whether one of the callbacks saves after a number of steps, as Keras's can.

    Args:
        callbacks: The callbacks of a `fit`.

    Returns:
        Whether one has an integer `save_freq`.

    Example:

    >>> import keras
    >>> from keras_medaug.fitting.finite_check import saves_by_step
    >>> saves_by_step([keras.callbacks.ModelCheckpoint("m.keras", save_freq=10)])
    True
    """
    return any(isinstance(getattr(callback, "save_freq", None), int) for callback in callbacks)
