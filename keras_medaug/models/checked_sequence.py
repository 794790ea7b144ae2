"""Batches of a user's iterable, each checked as it comes."""

from collections.abc import Callable, Iterator

import keras

from keras_medaug.checks import fail


def checked_stream(iterable, check: Callable, repeat: bool) -> Iterator[tuple]:
    """Yield each batch of `iterable`, checked as it comes.

    Args:
        iterable: What yields the batches; anew at every pass with `repeat`.
        check: Takes a batch and returns it as a tuple of arrays, or raises.
        repeat: Whether to begin again at the end, without end.

    Yields:
        The checked batches.

    Raises:
        ValueError: If there is nothing left to begin again with.

    Example:

    >>> from keras_medaug.models.checked_sequence import checked_stream
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
    """Batches of a `PyDataset`, each checked as it comes; its workers and hooks keep working.

    Args:
        dataset: The user's dataset.
        check: Takes a batch and returns it as a tuple of arrays, or raises.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.models.array_batches import ArrayBatches
    >>> from keras_medaug.models.checked_sequence import CheckedSequence
    >>> checked = CheckedSequence(ArrayBatches((np.arange(3),), 2), lambda batch: batch)
    >>> len(checked)
    2
    """

    def __init__(self, dataset: keras.utils.PyDataset, check: Callable) -> None:
        super().__init__(
            workers=dataset.workers,
            use_multiprocessing=dataset.use_multiprocessing,
            max_queue_size=dataset.max_queue_size,
        )
        self.dataset = dataset
        self.check = check

    @property
    def num_batches(self) -> int | None:
        """Number of batches of the user's dataset."""
        return self.dataset.num_batches

    def __len__(self) -> int:
        """Return the number of batches of the user's dataset."""
        return len(self.dataset)

    def __getitem__(self, index: int):
        """Return a checked batch."""
        return self.check(self.dataset[index])

    def on_epoch_begin(self) -> None:
        """Pass the hook on."""
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Pass the hook on."""
        self.dataset.on_epoch_end()
