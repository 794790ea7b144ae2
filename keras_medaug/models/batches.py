"""What `fit` and its kin iterate over: checked batches in an order that can be resumed."""

from collections.abc import Callable, Iterator

import keras
import numpy as np

from keras_medaug.seeds import derive_seed


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays whose order is a function of the seed and the epoch alone.

    Keras's own shuffling draws from global random state, so that a resumed run would see another
    order than the uninterrupted one.

    Args:
        arrays: Arrays of equal length: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        batch_size: Number of images in a batch; the last one of a pass may be shorter.
        seed: Seed of the order, or `None` to keep the arrays' own.
        steps_per_epoch: Steps that make an epoch where that is not one pass: batches then go on
            from one epoch to the next.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.models.batches import ArrayBatches
    >>> batches = ArrayBatches((np.arange(5),), batch_size=2)
    >>> [batch[0].tolist() for batch in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        arrays: tuple[np.ndarray, ...],
        batch_size: int,
        seed: int | None = None,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__()
        self.arrays = arrays
        self.size = batch_size
        self.seed = seed
        self.steps_per_epoch = steps_per_epoch
        self.epoch = 0
        self.first_epoch: int | None = None
        self._last_order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    @property
    def batches_per_pass(self) -> int:
        """Number of batches in one pass over the arrays."""
        return -(-len(self.arrays[0]) // self.size)

    @property
    def num_batches(self) -> int | None:
        """Number of batches, or `None` for a stream cut into epochs by `steps_per_epoch`."""
        return None if self.steps_per_epoch else self.batches_per_pass

    def begin_epoch(self, epoch: int) -> None:
        """Take note of the epoch that `fit` begins."""
        self.epoch = epoch
        if self.first_epoch is None:
            self.first_epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches in one pass."""
        return self.batches_per_pass

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Return the batch at `index` of this epoch, or of the stream since `fit` began."""
        turn = self.epoch
        if self.steps_per_epoch:
            position = (self.first_epoch or 0) * self.steps_per_epoch + index
            turn, index = divmod(position, self.batches_per_pass)
        start = index * self.size
        chosen: slice | np.ndarray = slice(start, start + self.size)
        if self.seed is not None:
            chosen = self._order(turn)[chosen]
        return tuple(array[chosen] for array in self.arrays)

    def _order(self, turn: int) -> np.ndarray:
        """Return the order of a pass, kept for the batches that follow."""
        last_turn, order = self._last_order
        if last_turn != turn:
            generator = np.random.default_rng(derive_seed(self.seed or 0, "order", turn))
            order = generator.permutation(len(self.arrays[0]))
            self._last_order = (turn, order)
        return order


def checked_stream(iterable, check: Callable, repeat: bool) -> Iterator[tuple]:
    """Yield each batch of `iterable`, checked as it comes.

    Args:
        iterable: What yields the batches; anew at every pass with `repeat`.
        check: Takes a batch and returns it as a tuple of arrays, or raises.
        repeat: Whether to begin again at the end, without end.

    Yields:
        The checked batches.

    Example:

    >>> from keras_medaug.models.batches import checked_stream
    >>> list(checked_stream([1, 2], lambda batch: (batch,), repeat=False))
    [(1,), (2,)]
    """
    while True:
        yield from map(check, iterable)
        if not repeat:
            return


class CheckedSequence(keras.utils.PyDataset):
    """Batches of a `PyDataset`, each checked as it comes; its workers and hooks keep working.

    Args:
        dataset: The user's dataset.
        check: Takes a batch and returns it as a tuple of arrays, or raises.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.models.batches import ArrayBatches, CheckedSequence
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


class EpochOrder(keras.callbacks.Callback):
    """Tells `ArrayBatches` which epoch begins.

    Args:
        batches: The batches that `fit` iterates over.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.models.batches import ArrayBatches, EpochOrder
    >>> batches = ArrayBatches((np.arange(4),), 2, seed=0)
    >>> EpochOrder(batches).on_epoch_begin(3)
    >>> batches.epoch
    3
    """

    def __init__(self, batches: ArrayBatches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Pass the epoch on."""
        self.batches.begin_epoch(epoch)
