"""Seeds that differ from one data-loading worker to the next, and from one thread to the next."""

import contextlib
import os
import random
import threading
from collections.abc import Iterator
from multiprocessing.context import get_spawning_popen
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_medaug.array_checks import copied
from keras_medaug.seeds import derive_seed

# What a copy that is made for a new process carries beside its state.
_COPIED = "copied_for_a_process"


class SeedGenerator(keras.random.SeedGenerator):
    """Draws seeds as Keras's generator does, and draws anew in a copy inside another process.

    A worker process that loads data holds a copy of each layer, in the state of the original.
    Without a change all workers would draw the same numbers, in every epoch again, since the
    original never moves. A copy therefore adds a number to its seed before its first draw. The
    number comes from Python's `random`, which is different in each worker: Python seeds it anew in
    each forked process, and PyTorch's `DataLoader` seeds it from `torch.manual_seed`, the worker
    and the epoch. All generators of a process add the same number, so that two layers that draw
    alike in the original process draw alike in a worker as well.

    Copies are told from originals as follows. A forked process has another name than the one in
    which the generator was made. A layer that is sent to a process as it starts is marked (see
    `save`). Layers that are made in a process, or loaded from a file, are originals.

    The draws of several threads are never the same: one thread at a time takes a seed.

    Args:
        seed: Integer seed, or `None` for one that `keras.utils.set_random_seed` governs.
        **kwargs: Passed to `keras.random.SeedGenerator`.

    Example:

    >>> import keras
    >>> from keras_medaug.layers.seed_generator import SeedGenerator
    >>> tuple(keras.random.normal((2, 3), seed=SeedGenerator(0)).shape)
    (2, 3)
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self._process: bytes | None = _PROCESS.name

    @classmethod
    def take_over(cls, generator: keras.random.SeedGenerator) -> None:
        """Make a generator that a layer of Keras has made into one of this class.

        Args:
            generator: The generator; its state stays.
        """
        # A built layer accepts no second generator, so that the first one has to change.
        generator.__class__ = cls
        generator._process = _PROCESS.name

    def next(self, ordered: bool = True) -> Any:
        """Return the next seed.

        Args:
            ordered: As in Keras.

        Returns:
            Tensor of shape `(2,)`.
        """
        with _PROCESS.lock:
            if self._process != _PROCESS.name:
                if not _PROCESS.models_at_work:
                    self._draw_anew()
                self._process = _PROCESS.name
            return super().next(ordered)

    def save(self, store: Any) -> None:
        """Save the state, and whether the saved copy is one for a process that is being started.

        Args:
            store: Where a layer saves its own variables.
        """
        store["seed_state"] = copied(self.state)
        if get_spawning_popen() is not None:
            store[_COPIED] = np.ones((), "int32")

    def load(self, store: Any) -> None:
        """Load the state; a store without one leaves it as it is.

        Args:
            store: Where a layer saved its own variables.
        """
        if "seed_state" in store:
            self.state.assign(store["seed_state"])
            self._process = None if _COPIED in store else _PROCESS.name

    def _draw_anew(self) -> None:
        # The sum is part of the state: a file that the copy saves goes on with the copy's draws.
        change = np.array([_PROCESS.offset(), 0])
        self.state.assign(ops.add(self.state, ops.convert_to_tensor(change, self.state.dtype)))


@contextlib.contextmanager
def seeds_of_a_model() -> Iterator[None]:
    """Leave seeds as they are while a model of this package runs in this process.

    A model that is built in one process and trained in a forked one is no worker: its seed decides
    what it becomes, in whatever process.

    Example:

    >>> from keras_medaug.layers.seed_generator import seeds_of_a_model
    >>> with seeds_of_a_model():
    ...     pass
    """
    with _PROCESS.lock:
        process = _PROCESS.name
        _PROCESS.models_at_work += 1
    try:
        yield
    finally:
        with _PROCESS.lock:
            if process == _PROCESS.name:  # and not one that was forked meanwhile
                _PROCESS.models_at_work -= 1


class _Process:
    """What the generators of one process share."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the process that this one was forked from."""
        self.name = os.urandom(16)  # numbers of processes are used again
        self.lock = threading.Lock()  # that of the parent may be held for ever
        self.models_at_work = 0
        self._offset: int | None = None

    def offset(self) -> int:
        """Return what copies add to their seeds, from the generator that workers seed."""
        if self._offset is None:
            state = random.getstate()
            self._offset = derive_seed(random.getrandbits(64), "worker")
            random.setstate(state)
        return self._offset


_PROCESS = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PROCESS.begin)
