"""Training for a number of steps, all batches full, whatever the number of images is."""

from collections.abc import Callable
from itertools import pairwise

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.fitting.array_batches import ArrayBatches
from keras_medaug.models.report_steps import ReportSteps
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed


def fit_steps(
    model: keras.Model,
    x: NDArray,
    y: NDArray | None,
    steps: int,
    batch_size: int = 64,
    seed: int = 0,
    rounds: int = 1,
    after_round: Callable[[int], None] | None = None,
    report: Report = ignore,
) -> list[float]:
    """Train a model for a number of steps, in batches of one size.

    Sets of different sizes are thus trained on alike, which epochs, with their short last batches,
    do not give. Images are gone through in a new order at each pass; a batch may hold the end of
    one pass and the beginning of the next.

    Args:
        model: A compiled model of this package.
        x: Images.
        y: Labels, or `None` for a model without.
        steps: Number of steps.
        batch_size: Images in every batch.
        seed: Of the order.
        rounds: Parts into which the steps are divided.
        after_round: Called after each part with the number of steps so far.
        report: Called with the steps so far and `steps`.

    Returns:
        The mean loss of each part.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.fit_steps import fit_steps
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> model = kma.models.Classifier((8, 8, 1), num_classes=4, filters=4, seed=0)
    >>> model.compile()
    >>> len(fit_steps(model, x, y, steps=4, batch_size=16, rounds=2))
    2
    """
    order = endless_order(len(x), steps * batch_size, seed)
    ends = np.linspace(0, steps, rounds + 1).round().astype(int)
    losses = []
    callbacks = [] if report is ignore else [ReportSteps(report, steps)]
    for start, stop in pairwise(ends):
        chosen = order[start * batch_size : stop * batch_size]
        arrays = (x[chosen],) if y is None else (x[chosen], y[chosen])
        history = model.fit(ArrayBatches(arrays, batch_size), verbose=0, callbacks=callbacks)
        losses.append(float(history.history["loss"][0]))
        if after_round is not None:
            after_round(int(stop))
    return losses


def endless_order(count: int, length: int, seed: int) -> NDArray[np.intp]:
    """Return the indices of `length` draws: one shuffled pass over `count` after another.

    Args:
        count: Number of images.
        length: Number of draws.
        seed: Of the orders.

    Returns:
        Indices in `[0, count)`, shape `(length,)`.

    Example:

    >>> from keras_medaug.models.fit_steps import endless_order
    >>> sorted(endless_order(3, 6, seed=0).tolist())
    [0, 0, 1, 1, 2, 2]
    """
    passes = [
        np.random.default_rng(derive_seed(seed, "order", turn)).permutation(count)
        for turn in range(-(-length // count))
    ]
    return np.concatenate(passes)[:length]
