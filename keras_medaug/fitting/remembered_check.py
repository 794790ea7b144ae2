"""Checks of batches whose errors reach the user as they were raised."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


class RememberedCheck:
    """A check that remembers what it raised: a backend may wrap that in an error of its own.

    Args:
        check: Takes a batch and returns it as a tuple of arrays, or raises.
        memory: Another check, which is to remember what this one raises as well.

    Example:

    >>> from keras_medaug.fitting.remembered_check import RememberedCheck
    >>> RememberedCheck(lambda batch: (batch,))([1, 2])
    ([1, 2],)
    """

    def __init__(self, check: Callable, memory: RememberedCheck | None = None) -> None:
        self._check = check
        self._memory = memory or self
        self._error: ValueError | None = None

    def __call__(self, batch):
        """Return the batch, checked."""
        try:
            return self._check(batch)
        except ValueError as error:
            self._memory._error = error
            raise

    @contextlib.contextmanager
    def unwrapped(self) -> Iterator[None]:
        """Raise what the check raised, whatever became of it on the way."""
        try:
            yield
        except Exception as error:
            if self._error is None or error is self._error:
                raise
            raise self._error from error
