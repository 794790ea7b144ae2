"""What a model checks of the images, labels and weights that it is given."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import UNKNOWN, check_labels, check_partly_known, fail
from keras_medaug.fitting.array_batches import ArrayBatches
from keras_medaug.fitting.fit_arguments import check_class_weight, check_weights
from keras_medaug.fitting.given_data import as_batches, is_array, is_pair, three_parts, weighted
from keras_medaug.fitting.parallel import check_batches
from keras_medaug.fitting.seen_classes import SeenClasses, check_seen
from keras_medaug.images import check_images
from keras_medaug.models.quiet_model import QuietModel

SIGNS = (
    f"`y` holds {UNKNOWN} and 1 alone. {UNKNOWN} means an unknown class to this model, so no image "
    "of class 0 is known. If it is your negative class, `(y + 1) // 2` makes 0 and 1 of them."
)


class CheckedData(QuietModel):
    """The part of `ImageModel` that checks data before a model sees it."""

    image_shape: tuple[int, int, int]
    num_classes: int | None
    class_names: tuple[str, ...] | None
    # Whether a label of -1 means "unknown"; then no class need have a training image.
    takes_unlabelled = False
    _takes_sample_weight = False
    takes_checked_images = True  # see `metrics.samples.as_argument_of`

    def _check_batch(self, batch, argument: str = "x") -> tuple:
        """Return one batch of a user's iterable as checked arrays."""
        images = argument if argument == "x" else f"{argument}[0]"
        return self._check_one_batch(*three_parts(batch, argument), images)

    def _check_training_batch(self, weights: NDArray | None, seen: SeenClasses, batch) -> tuple:
        """Return one batch to train on as checked arrays, weighted by class."""
        arrays = weighted(self._check_batch(batch), weights)
        seen.note(*arrays[1:2])
        return arrays

    def _check_one_batch(self, x, y, sample_weight, argument: str = "x") -> tuple:
        """Return one batch as checked arrays."""
        arrays = self._check_arrays(x, y, sample_weight, every_class=False, argument=argument)
        check_batches(len(arrays[0]))
        return arrays

    def _check_arrays(self, x, y, sample_weight, every_class: bool, argument: str = "x") -> tuple:
        """Return `(x,)`, `(x, y)` or `(x, y, sample_weight)`, checked."""
        of_labels, of_weights = "y", "sample_weight"
        if argument != "x":
            of_labels, of_weights = (argument.replace("[0]", f"[{part}]") for part in (1, 2))
        x = check_images(x, argument, self.image_shape)
        if sample_weight is not None and not self._takes_sample_weight:
            raise fail(of_weights, "weights", "None (a generative model weighs images equally)")
        if self.num_classes is None:
            if y is not None:
                expected = "None, since the model was made without num_classes"
                raise fail(of_labels, "labels", expected)
            return (x,)
        if y is None:
            raise fail(of_labels, "None", f"labels in [0, {self.num_classes}), one per image")
        y = self._check_labels(y, of_labels, len(x), every_class)
        if sample_weight is None:
            return x, y
        return x, y, check_weights(sample_weight, of_weights, len(x))

    def _check_labels(self, y, argument: str, count: int, every_class: bool) -> NDArray[np.int32]:
        """Return labels, checked."""
        if self.takes_unlabelled:
            known = check_partly_known(y, argument, count, self.num_classes, self.class_names)
            if every_class and self.num_classes == 2 and set(np.unique(known)) == {UNKNOWN, 1}:
                warnings.warn(SIGNS, stacklevel=2)
            return known
        return check_labels(y, argument, count, self.num_classes, every_class, self.class_names)

    def _class_weights(self, class_weight, sample_weight) -> NDArray | None:
        """Return the weight of each class, or `None`."""
        if class_weight is None:
            return None
        if not self._takes_sample_weight or self.num_classes is None:
            raise fail("class_weight", class_weight, "None (a generative model has no use for it)")
        if sample_weight is not None:
            raise fail("sample_weight", "weights beside `class_weight`", "one of the two")
        return check_class_weight(class_weight, self.num_classes, self.class_names)

    def _check_every_class(self, arrays: tuple) -> None:
        """Refuse arrays, what `validation_split` leaves to train on, that lack a class."""
        if self.num_classes is not None and not self.takes_unlabelled:
            seen = set(np.unique(arrays[1]).tolist())
            names = self._names()
            check_seen(seen, names, "what it leaves to train on", "validation_split")

    def _names(self) -> Sequence:
        """Return the names of the classes, or their numbers."""
        return self.class_names or range(self.num_classes or 0)

    def _required(self) -> Sequence:
        """Return the names of the classes that must have a training image, or their numbers."""
        return () if self.takes_unlabelled else self._names()

    def _as_validation(self, data, batch_size, check, steps):
        """Return validation data as batches, and the steps of a pass where they need saying."""
        if is_array(data) and not is_pair(data):
            data = (data,)
        if isinstance(data, tuple | list) and data and is_array(data[0]):
            x, y, weight = three_parts(data, "validation_data")
            arrays = self._check_arrays(
                x, y, weight, every_class=False, argument="validation_data[0]"
            )
            return ArrayBatches(arrays, batch_size), None
        return as_batches(data, check, steps, argument="validation_data")

    def _check_inputs(self, x):
        """Return what `predict` was given, checked."""
        if is_pair(x):
            raise fail("x", "images and labels", "images alone")
        return check_images(x, "x", self.image_shape)

    def _check_inputs_batch(self, batch):
        """Return the images of one batch of an iterable, checked."""
        x = self._check_inputs(batch[0] if isinstance(batch, tuple | list) else batch)
        check_batches(len(x))
        return (x,)
