"""Tells how far a `fit` is, without the time of compilation."""

from typing import Any

import keras

from keras_medaug.progress import Report

WARM_UP = 2  # steps that may hold a compilation, and are not reported


class ReportSteps(keras.callbacks.Callback):
    """Reports each training step but the first two, which may hold a compilation.

    One object may serve several calls of `fit`, one after the other.

    Args:
        report: A function `report(done, total)`.
        total: Steps of all calls of `fit` together.
        steps_per_epoch: Steps of an epoch, where epochs are counted from their number, as in a
            training that is resumed; or `None`, to count the steps taken.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.report_steps import ReportSteps
    >>> x, y = kma.datasets.load("phantom", size=8, train=64).train
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> model.compile()
    >>> steps = ReportSteps(lambda done, total: print(done, "of", total), total=4)
    >>> history = model.fit(x, batch_size=16, epochs=1, verbose=0, callbacks=[steps])
    2 of 4
    3 of 4
    """

    def __init__(self, report: Report, total: int, steps_per_epoch: int | None = None) -> None:
        super().__init__()
        self._report = report
        self._total = total
        self._steps_per_epoch = steps_per_epoch
        self._seen = self._before = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note how many steps were taken before this epoch."""
        if self._steps_per_epoch is not None:
            self._before = epoch * self._steps_per_epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Report at the beginning of a step, where no value has to come from the device."""
        step = self._seen if self._steps_per_epoch is None else self._before + batch
        if self._seen >= WARM_UP:
            self._report(step, self._total)
        self._seen += 1
