"""Whether batches that come one by one hold every class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_medaug.checks import fail

REMEDY = "at least one image of each class; shuffle the images before they are split or batched"


def check_seen(
    seen: set[int], classes: Sequence[str | int], where: str, argument: str = "x"
) -> None:
    """Refuse training images that lack a class.

    Args:
        seen: The classes that occur.
        classes: The name of each class, or its number.
        where: Which images these are, in words.
        argument: Name under which they are reported.

    Raises:
        ValueError: If a class is missing.

    Example:

    >>> from keras_medaug.fitting.seen_classes import check_seen
    >>> check_seen({0, 1}, range(2), "the first pass")
    """
    if missing := [name for label, name in enumerate(classes) if label not in seen]:
        named = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise fail(argument, f"no image of class {named} in {where}", REMEDY)


class SeenClasses(keras.callbacks.Callback):
    """Stops a training on batches, after the first epoch, if a class has no image.

    Where the user says how many steps an epoch has, an epoch need not be a pass over all images.
    A class that is missing at the end of all epochs is then reported in a warning.

    Args:
        classes: The name of each class that is required, or its number.
        whole: Whether the first epoch is a pass over all images.

    Example:

    >>> from keras_medaug.fitting.seen_classes import SeenClasses
    >>> seen = SeenClasses(range(2), whole=True)
    >>> seen.note([0, 1])
    >>> seen.require_first_pass()
    """

    def __init__(self, classes: Sequence[str | int], whole: bool) -> None:
        super().__init__()
        self.classes = classes
        self.whole = whole
        self._seen: set[int] = set()

    def note(self, labels: ArrayLike = ()) -> None:
        """Take note of the labels of a batch, if it has any."""
        self._seen.update(np.unique(labels).tolist())

    def require_first_pass(self) -> None:
        """Refuse a first pass that lacks a class."""
        check_seen(self._seen, self.classes, "the first pass")

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Stop after a first pass that lacks a class, unless another callback cut it short."""
        self.whole = self.whole and not self.model.stop_training
        if self.whole:
            self.require_first_pass()

    def on_train_end(self, logs=None) -> None:
        """Warn of classes that no batch held."""
        if len(self._seen) < len(self.classes):
            try:
                check_seen(self._seen, self.classes, "this training")
            except ValueError as error:
                warnings.warn(f"fit: {error}", UserWarning, stacklevel=2)
