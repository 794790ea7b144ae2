"""Batches of a user's iterable, each checked as it comes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import keras

from keras_medaug.checks import fail
from keras_medaug.fitting.batch_loader import BatchLoader


def checked_stream(iterable, check: Callable, repeat: bool) -> Iterator[tuple]:
    """Yield each batch of `iterable`, checked as it comes.

    Args:
        iterable: What yields the batches; anew at every pass with `repeat`.
        check: Takes a batch and returns it as a tuple of arrays, or raises.
        repeat: Whether to begin again at the end, without end.

    Yields:
        The checked batches.

    Raises:
        ValueError: If the iterable is used up and cannot be iterated again.

    Example:

    >>> from keras_medaug.fitting.checked_sequence import checked_stream
    >>> list(checked_stream([1, 2], lambda batch: (batch,), repeat=False))
    [(1,), (2,)]
    """
    while True:
        batch = None
        for batch in map(check, iterable):
            yield batch
        if not repeat:
            return
        if batch is None:
            raise exhausted()


def exhausted() -> ValueError:
    """Return the error of an iterable that can be gone through only once."""
    return fail(
        "x",
        "an iterable that yields nothing when it is gone through again",
        "one that begins anew, or an iterator",
    )


class CheckedSequence(keras.utils.PyDataset):
    """Batches of a `PyDataset`, each checked as it comes, and loaded ahead by its workers.

    Keras's own workers go on to the next epoch before a dataset's `on_epoch_end` has run. A dataset
    that shuffles itself there then drops images and repeats others. Here the batches that were
    loaded ahead are dropped before either hook runs.

    Args:
        dataset: The user's dataset. Its `workers`, `use_multiprocessing` and `max_queue_size` are
            obeyed.
        check: Takes a batch and returns it as a tuple of arrays, or raises.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.fitting.array_batches import ArrayBatches
    >>> from keras_medaug.fitting.checked_sequence import CheckedSequence
    >>> checked = CheckedSequence(ArrayBatches((np.arange(3),), 2), lambda batch: batch)
    >>> len(checked)
    2
    """

    def __init__(self, dataset: keras.utils.PyDataset, check: Callable) -> None:
        super().__init__()  # without Keras's workers
        self.dataset = dataset
        self.check = check
        self._loader = BatchLoader(dataset)

    @property
    def num_batches(self) -> int | None:
        """Number of batches of the user's dataset."""
        return self.dataset.num_batches

    def __len__(self) -> int:
        """Return the number of batches of the user's dataset."""
        return len(self.dataset)

    def __getitem__(self, index: int):
        """Return a checked batch."""
        return self.check(self._loader.load(index))

    def close(self) -> None:
        """Stop the workers."""
        self._loader.forget()

    def on_epoch_begin(self) -> None:
        """Pass the hook on."""
        self._loader.forget()
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Pass the hook on."""
        self._loader.forget()
        self.dataset.on_epoch_end()


@contextlib.contextmanager
def loading(*data: object) -> Iterator[None]:
    """Stop the workers of checked sequences at the end, whatever happens.

    Args:
        *data: Checked sequences; anything else is left alone.

    Example:

    >>> from keras_medaug.fitting.checked_sequence import loading
    >>> with loading(None):
    ...     pass
    """
    try:
        yield
    finally:
        for sequence in data:
            if isinstance(sequence, CheckedSequence):
                sequence.close()
