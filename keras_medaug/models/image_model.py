"""What every model of the package shares."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
from keras import ops

from keras_medaug.checks import check_class_names, check_positive, fail
from keras_medaug.images import check_image_shape
from keras_medaug.models.configuration import as_config, constructor_arguments, from_config_value
from keras_medaug.models.entry_points import EntryPoints
from keras_medaug.models.random_state import RandomState
from keras_medaug.seeds import resolve_seed


class ImageModel(EntryPoints, RandomState):
    """Base of the models: `fit`, `evaluate` and `predict` of Keras over checked images.

    `fit` stops with an error where a loss is not finite, before a checkpoint is written.

    Arrays are checked before anything runs; of an iterable the first batch is checked before, the
    others as they come (but where it can be iterated anew, and neither its own length nor the
    number of steps says how many batches make a pass: then a first pass counts and checks them
    all). `uint8` images are scaled on the device, batch by batch. With `shuffle`, the order of
    arrays is a function of the model's seed and the epoch. The seed and the states of all random
    generators are saved with the weights, so that training resumed from a file goes on as if it
    had never stopped.

    Args:
        image_shape: `(height, width, channels)`; sizes from 8 to 256, 1 or 3 channels.
        num_classes: Number of classes, or `None` where the model knows no labels.
        seed: Integer seed of weights, noise, dropout and data order, or `None` for one that
            `keras.utils.set_random_seed` governs.
        class_names: One distinct name per class, in the order of the labels, which may then be
            names; or `None`.
        **kwargs: Passed to `keras.Model`.

    Raises:
        ValueError: If `image_shape`, `num_classes`, `seed` or `class_names` is not as described.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        if unknown := sorted(set(kwargs) - {"name", "dtype", "trainable"}):
            raise fail(unknown[0], repr(kwargs[unknown[0]]), "no argument of that name")
        super().__init__(**kwargs)
        self.image_shape = check_image_shape(image_shape)
        names = None if class_names is None else check_class_names(class_names)
        if num_classes is None and names is not None:
            num_classes = len(names)
        if num_classes is not None:
            num_classes = int(check_positive(num_classes, "num_classes", integer=True))
            if num_classes < 2:
                raise fail("num_classes", num_classes, "None, or 2 or more")
        if names is not None:
            check_class_names(names, num_classes)
        self.num_classes = num_classes
        self.class_names = None if names is None else tuple(names)
        self.seed = seed
        self._seed = resolve_seed(seed)
        self.built = True

    @contextlib.contextmanager
    def _own_policy(self) -> Iterator[None]:
        """Give the layers made inside the model's own dtype policy."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)

    def build(self, input_shape=None) -> None:
        """Do nothing: the networks are built when the model is made."""
        self.built = True

    def _to_float(self, images):
        """Return images as float32 in [0, 1], on the device."""
        if keras.backend.standardize_dtype(images.dtype) == "uint8":
            return ops.cast(images, "float32") / 255.0
        return ops.cast(images, "float32")

    def get_config(self) -> dict:
        """Return the arguments that rebuild the model, which are attributes of the same names."""
        arguments = {name: self._argument(name) for name in constructor_arguments(type(self))}
        own = {"name": self.name, "dtype": self.dtype_policy}
        return {name: as_config(value) for name, value in (own | arguments).items()}

    def _argument(self, name: str):
        """Return an argument of the constructor."""
        try:
            return getattr(self, name)
        except AttributeError as error:
            expected = "each argument of the constructor as an attribute, or a `get_config`"
            raise fail(name, "no attribute of that name", expected) from error

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """Rebuild the model from `get_config`."""
        return cls(
            **{name: from_config_value(value, custom_objects) for name, value in config.items()}
        )

    def save(self, filepath, overwrite: bool = True, zipped: bool | None = None) -> None:
        """Save the model, its optimizers and its random state.

        Args:
            filepath: A file name that ends in `.keras`.
            overwrite: As in Keras.
            zipped: As in Keras.

        Raises:
            ValueError: If the file name ends in anything else. Keras's older format, HDF5, cannot
                hold these models.
        """
        if Path(filepath).suffix != ".keras":
            expected = "a file name that ends in .keras (weights alone: `save_weights`)"
            raise fail("filepath", f"{filepath}", expected)
        super().save(filepath, overwrite=overwrite, zipped=zipped)
