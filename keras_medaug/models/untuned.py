"""Batches of arrays as TensorFlow is to be fed with them."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_medaug.models.array_batches import ArrayBatches

# Backends whose input pipeline tunes itself, on a thread beside the training.
_TUNING = ("tensorflow",)


def untuned(batches: ArrayBatches) -> Any:
    """Return batches in a form that the backend does not tune as it reads them.

    Keras reads a `PyDataset` on TensorFlow through a `tf.data` pipeline that tunes itself. The
    thread that does so does not always hear that a pass is over, and is waited for: up to as long
    again as the pass took, at each epoch. There is nothing to tune in slices of arrays, so that
    they are put into a pipeline without that thread. On other backends they stay as they are.

    Args:
        batches: The batches.

    Returns:
        The same batches, in the same order, as a `tf.data.Dataset` on TensorFlow.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.models.array_batches import ArrayBatches
    >>> from keras_medaug.models.untuned import untuned
    >>> fed = untuned(ArrayBatches((np.arange(5),), batch_size=2))
    >>> len(fed)
    3
    """
    if keras.config.backend() not in _TUNING:
        return batches
    import tensorflow as tf

    def in_order() -> Iterator[tuple[np.ndarray, ...]]:
        count = batches.num_batches
        numbers = itertools.count() if count is None else range(count)
        return (batches[number] for number in numbers)

    specs = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in batches.arrays)
    endless = tf.data.INFINITE_CARDINALITY
    count = endless if batches.num_batches is None else batches.num_batches
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(in_order, output_signature=specs)
    counted = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return counted.prefetch(1).with_options(options)
