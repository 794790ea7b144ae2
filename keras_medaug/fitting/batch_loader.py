"""Batches of a `PyDataset`, loaded ahead of the training by threads or processes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import keras

# The dataset of a worker process, which gets it as it starts.
_DATASET: list[keras.utils.PyDataset] = []


class BatchLoader:
    """Loads the batches of a dataset, in order, ahead of their use, within one epoch.

    Args:
        dataset: The dataset. With `workers` of 2 or more, or with `use_multiprocessing` of 1 or
            more, that many threads or processes load up to `max_queue_size` batches ahead.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.fitting.array_batches import ArrayBatches
    >>> from keras_medaug.fitting.batch_loader import BatchLoader
    >>> loader = BatchLoader(ArrayBatches((np.arange(3),), 2))
    >>> loader.load(1)[0].tolist()
    [2]
    """

    def __init__(self, dataset: keras.utils.PyDataset) -> None:
        self.dataset = dataset
        self._executor: Executor | None = None
        self._waiting: dict[int, Future] = {}

    def load(self, index: int) -> object:
        """Return the batch at `index`, and have those after it loaded."""
        dataset = self.dataset
        fewest = 1 if dataset.use_multiprocessing else 2
        if (dataset.workers or 0) < fewest:
            return dataset[index]
        executor, get = self._workers()
        end = index + max(dataset.max_queue_size, dataset.workers)
        if dataset.num_batches is not None:
            end = min(end, dataset.num_batches)
        for ahead in range(index, max(end, index + 1)):
            if ahead not in self._waiting:
                self._waiting[ahead] = executor.submit(get, ahead)
        return self._waiting.pop(index).result()

    def forget(self) -> None:
        """Drop what was loaded ahead; wait for what is being loaded."""
        executor, self._executor, self._waiting = self._executor, None, {}
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)

    def _workers(self) -> tuple[Executor, Callable[[int], object]]:
        """Return the workers, started where there are none, and what they call."""
        processes, count = self.dataset.use_multiprocessing, self.dataset.workers
        if self._executor is None and processes:  # they hold copies of the dataset as it is now
            self._executor = ProcessPoolExecutor(
                count, initializer=_receive, initargs=(self.dataset,)
            )
        self._executor = self._executor or ThreadPoolExecutor(count)
        return self._executor, _get if processes else self.dataset.__getitem__


def _receive(dataset: keras.utils.PyDataset) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that trains
    _DATASET[:] = [dataset]


def _get(index: int) -> object:
    return _DATASET[0][index]
