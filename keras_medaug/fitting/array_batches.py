"""Batches of arrays, in an order that can be resumed."""

from collections.abc import Callable

import keras
import numpy as np

from keras_medaug.fitting.parallel import check_batches
from keras_medaug.seeds import derive_seed


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays whose order is a function of the seed and the epoch alone.

    Keras's own shuffling draws from global random state, so that a resumed run would see another
    order than the uninterrupted one.

    Args:
        arrays: Arrays of equal length: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        batch_size: Number of images in a batch; the last one of a pass may be shorter.
        seed: Returns the seed of the order, asked anew at each pass since a checkpoint may bring
            another; or `None` to keep the arrays' own order.
        steps_per_epoch: Steps that make an epoch where that is not one pass: batches then go on
            from one epoch to the next.

    Raises:
        ValueError: If a batch cannot be split evenly over the devices that share it.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.fitting.array_batches import ArrayBatches
    >>> batches = ArrayBatches((np.arange(5),), batch_size=2)
    >>> [batch[0].tolist() for batch in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        arrays: tuple[np.ndarray, ...],
        batch_size: int,
        seed: Callable[[], int] | None = None,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__()
        check_batches(len(arrays[0]), batch_size)
        self.arrays = arrays
        self.size = batch_size
        self.seed = seed
        self.steps_per_epoch = steps_per_epoch
        self.epoch = 0
        self.first_epoch: int | None = None
        self._last_order: tuple[tuple[int, int], np.ndarray] = ((-1, -1), np.empty(0, int))

    @property
    def batches_per_pass(self) -> int:
        """Number of batches in one pass over the arrays."""
        return -(-len(self.arrays[0]) // self.size)

    @property
    def num_batches(self) -> int | None:
        """Number of batches, or `None` for a stream cut into epochs by `steps_per_epoch`."""
        return None if self.steps_per_epoch else self.batches_per_pass

    def epoch_callback(self) -> keras.callbacks.Callback:
        """Return the callback by which `fit` says which epoch begins."""
        return _EpochOrder(self)

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
            chosen = self._order(self.seed(), turn)[chosen]
        return tuple(array[chosen] for array in self.arrays)

    def _order(self, seed: int, turn: int) -> np.ndarray:
        """Return the order of a pass, kept for the batches that follow."""
        last, order = self._last_order
        if last != (seed, turn):
            generator = np.random.default_rng(derive_seed(seed, "order", turn))
            order = generator.permutation(len(self.arrays[0]))
            self._last_order = ((seed, turn), order)
        return order


class _EpochOrder(keras.callbacks.Callback):
    """Tells `ArrayBatches` which epoch begins."""

    def __init__(self, batches: ArrayBatches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Pass the epoch on."""
        self.batches.begin_epoch(epoch)
