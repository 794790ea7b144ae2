"""What every model of the package shares: input checks, data order, and saved random state."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_medaug.array_checks import copied
from keras_medaug.checks import check_class_names, check_flag, check_labels, check_positive, fail
from keras_medaug.images import check_image_shape, check_images
from keras_medaug.interrupts import between_steps
from keras_medaug.layers.seed_generator import seeds_of_a_model
from keras_medaug.models.array_batches import ArrayBatches
from keras_medaug.models.checked_sequence import loading
from keras_medaug.models.finite_check import FiniteCheck, saves_by_step
from keras_medaug.models.fit_arguments import (
    check_callbacks,
    check_class_weight,
    check_epochs,
    check_validation,
    check_weights,
)
from keras_medaug.models.given_data import (
    as_batches,
    check_batch_size,
    check_steps,
    count_images,
    is_array,
    is_pair,
    refuse_beside_iterable,
    split_arrays,
    three_parts,
    weighted,
)
from keras_medaug.models.parallel import check_batches, check_parallelism
from keras_medaug.models.quiet_model import QuietModel
from keras_medaug.models.remembered_check import RememberedCheck
from keras_medaug.models.seen_classes import SeenClasses, check_seen
from keras_medaug.models.stop_between_steps import StopBetweenSteps, with_stop
from keras_medaug.progress import check_verbosity
from keras_medaug.seeds import derive_seed, resolve_seed

GO_ON = (
    "The model keeps its weights. With keras_medaug.callbacks.ResumeTraining, the same fit goes on "
    "from its last checkpoint."
)


class ImageModel(QuietModel):
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
        self._scoring = False

    def part_seed(self, *parts: object) -> int:
        """Return the seed of a named part of the model, a function of the model's own seed.

        Args:
            *parts: Names or numbers that tell the part from others.

        Returns:
            An integer in `[0, 2**31 - 1)`.
        """
        return derive_seed(self._seed, *parts)

    @contextlib.contextmanager
    def _own_policy(self) -> Iterator[None]:
        """Give the layers made inside the model's own dtype policy."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)

    # The network that each logged term of the loss belongs to.
    loss_networks: ClassVar[Mapping[str, str]] = {}

    @property
    def _networks(self) -> Mapping[str, keras.layers.Layer]:
        """The networks that train, by the names that messages give them."""
        return {self.name: self}

    def build(self, input_shape=None) -> None:
        """Do nothing: the networks are built when the model is made."""
        self.built = True

    # ---- data -------------------------------------------------------------------------------

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
        y = check_labels(y, of_labels, len(x), self.num_classes, every_class, self.class_names)
        if sample_weight is None:
            return x, y
        return x, y, check_weights(sample_weight, of_weights, len(x))

    def _class_weights(self, class_weight, sample_weight) -> NDArray | None:
        """Return the weight of each class, or `None`."""
        if class_weight is None:
            return None
        if not self._takes_sample_weight or self.num_classes is None:
            raise fail("class_weight", class_weight, "None (a generative model has no use for it)")
        if sample_weight is not None:
            raise fail("sample_weight", "weights beside `class_weight`", "one of the two")
        return check_class_weight(class_weight, self.num_classes, self.class_names)

    _takes_sample_weight = False

    # ---- Keras's entry points ---------------------------------------------------------------

    @between_steps(GO_ON)
    def fit(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose="auto",
        callbacks=None,
        validation_split: float = 0.0,
        validation_data=None,
        shuffle: bool = True,
        class_weight=None,
        sample_weight=None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ):
        """Train, as `keras.Model.fit` does, after checking the data.

        Args:
            x: Images `(n, h, w, c)`, floats in [0, 1] or `uint8`; or an iterable that yields
                batches of them (with labels where the model takes them). One that can be iterated
                anew and has no length is gone through once before, unless `steps_per_epoch` is
                given, which an endless one needs.
            y: Labels where the model was made with `num_classes`, else `None`: integers, or names
                of `class_names`; shape `(n,)` or `(n, 1)`.
            batch_size: Images in a batch, 32 by default.
            epochs: Epoch at which training ends.
            verbose: As in Keras.
            callbacks: As in Keras.
            validation_split: Fraction of the arrays, in [0, 1), taken from their end, that is held
                out. The rest must hold every class. `validation_data` takes its place.
            validation_data: `(x, y)`, or `x` alone for a model without labels, or an iterable.
            shuffle: Whether arrays are put in a new order at each epoch.
            class_weight: Weights, 0 or more, by class: `{0: 2.0, 1: 0.5}`. A class that is not
                named has the weight 1. Only where the model is a classifier.
            sample_weight: Weights, 0 or more, shape `(n,)`; only where the model is a classifier,
                and not beside `class_weight`.
            initial_epoch: Epoch at which training begins.
            steps_per_epoch: As in Keras.
            validation_steps: As in Keras.
            validation_batch_size: As in Keras.
            validation_freq: As in Keras.

        Returns:
            The `History` of the run.

        Raises:
            ValueError: If an argument is not as described, or the images trained on lack a class;
                before any training. Of an iterable the first batch is checked before. Whether all
                its batches hold every class is known after the first epoch.
            FloatingPointError: If a loss is not finite. It names the network, the epoch and the
                step; checkpoints keep the state before.
            KeyboardInterrupt: After the step during which Ctrl-C was pressed. The weights are those
                of whole steps.
            RuntimeError: If training is distributed in a way that is not proven to keep the
                copies of the networks alike.
        """
        self._assert_compile_called("fit")
        check_verbosity(verbose)
        check_parallelism(self)
        steps_per_epoch = check_steps(steps_per_epoch, "steps_per_epoch")
        validation_steps = check_steps(validation_steps, "validation_steps")
        epochs, initial_epoch = check_epochs(epochs, initial_epoch)
        check_callbacks(callbacks)
        check_flag(shuffle, "shuffle")
        check_validation(validation_split, validation_freq)
        batch_size = check_batch_size(batch_size)
        validation_size = check_batch_size(
            validation_batch_size, "validation_batch_size", batch_size
        )
        weights = self._class_weights(class_weight, sample_weight)
        own_callbacks: list[keras.callbacks.Callback] = []
        check = RememberedCheck(self._check_batch)
        if is_array(x):
            arrays = self._check_arrays(x, y, sample_weight, every_class=True)
            if validation_split and validation_data is None:
                arrays, held_out = split_arrays(arrays, validation_split)
                self._check_every_class(arrays)
                validation_data = held_out
            batches = ArrayBatches(
                weighted(arrays, weights),
                batch_size,
                self._order_seed if shuffle else None,
                steps_per_epoch,
            )
            own_callbacks = [batches.epoch_callback()]
            x = batches
        else:
            refuse_beside_iterable(y, sample_weight, validation_split)
            ours = isinstance(x, ArrayBatches)  # a part of a set that holds every class
            seen = SeenClasses([] if ours else self._names(), whole=steps_per_epoch is None)
            own_callbacks = [seen]
            checked = functools.partial(self._check_training_batch, weights, seen)
            x, steps_per_epoch = as_batches(
                x,
                RememberedCheck(checked, check),
                steps_per_epoch,
                after_pass=seen.require_first_pass,
            )
        if validation_data is not None:
            check_validation_batch = RememberedCheck(
                functools.partial(self._check_batch, argument="validation_data"), check
            )
            validation_data, steps = self._as_validation(
                validation_data, validation_size, check_validation_batch, validation_steps
            )
            validation_steps = steps if validation_steps is None else validation_steps
        elif validation_steps is not None:
            raise fail("validation_steps", validation_steps, "None without validation data")
        guard = self._guarded(callbacks, own_callbacks)
        with (
            seeds_of_a_model(),
            check.unwrapped(),
            loading(x, validation_data),
            guard as guarded,
        ):
            return super().fit(
                x,
                epochs=epochs,
                verbose=verbose,
                callbacks=guarded,
                validation_data=validation_data,
                shuffle=False,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_freq=validation_freq,
            )

    def _check_every_class(self, arrays: tuple) -> None:
        """Refuse arrays, what `validation_split` leaves to train on, that lack a class."""
        if self.num_classes is not None:
            seen = set(np.unique(arrays[1]).tolist())
            names = self._names()
            check_seen(seen, names, "what it leaves to train on", "validation_split")

    def _names(self) -> Sequence:
        """Return the names of the classes, or their numbers."""
        return self.class_names or range(self.num_classes or 0)

    @contextlib.contextmanager
    def _guarded(self, callbacks, own: list) -> Iterator:
        """Put the package's own callbacks, the guard first, before those of the user."""
        whole = isinstance(callbacks, keras.callbacks.CallbackList)
        alone = isinstance(callbacks, keras.callbacks.Callback) and not whole
        given = callbacks.callbacks if whole else [callbacks] if alone else list(callbacks or [])
        guard = FiniteCheck(self, self.loss_networks, self._networks, saves_by_step(given))
        own = [StopBetweenSteps(), guard, *own]
        if not whole:
            yield [*own, *given]
            return
        for callback in own:
            callback.set_model(self)
        given[:0] = own
        try:
            yield callbacks
        finally:
            del given[: len(own)]

    def _order_seed(self) -> int:
        """Return the seed of the data order."""
        return self.part_seed("data")

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

    @between_steps()
    def evaluate(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        verbose="auto",
        sample_weight=None,
        steps: int | None = None,
        callbacks=None,
        return_dict: bool = False,
        **kwargs,
    ):
        """Return the losses (and metrics) on data, without training and without dropout.

        Args:
            x: Images as in `fit`, or an iterable of batches.
            y: Labels as in `fit`.
            batch_size: Images in a batch, 32 by default.
            verbose: As in Keras.
            sample_weight: As in Keras; only where the model is a classifier.
            steps: As in Keras.
            callbacks: As in Keras.
            return_dict: Whether to return the values by name.
            **kwargs: What Keras itself passes when it evaluates within `fit`.

        Returns:
            A list of values, or with `return_dict=True` a dictionary.

        Raises:
            ValueError: If images or labels are not as described.
        """
        check_verbosity(verbose)
        check_callbacks(callbacks)
        check_flag(return_dict, "return_dict")
        check, steps = RememberedCheck(self._check_batch), check_steps(steps, "steps")
        if is_array(x):
            arrays = self._check_arrays(x, y, sample_weight, every_class=False)
            x = ArrayBatches(arrays, check_batch_size(batch_size))
        elif not kwargs.get("_use_cached_eval_dataset"):
            refuse_beside_iterable(y, sample_weight, 0)
            x, steps = as_batches(x, check, steps, once=True)
        with seeds_of_a_model(), self._scores_only(), check.unwrapped(), loading(x):
            return super().evaluate(
                x,
                verbose=verbose,
                steps=steps,
                callbacks=with_stop(callbacks),
                return_dict=return_dict,
                **kwargs,
            )

    @between_steps()
    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Return the losses (and metrics) on one batch; see `evaluate`.

        Args:
            x: Images as in `fit`.
            y: Labels as in `fit`.
            sample_weight: As in Keras; only where the model is a classifier.
            return_dict: Whether to return the values by name.

        Returns:
            A list of values, or with `return_dict=True` a dictionary.

        Raises:
            ValueError: If images or labels are not as described.
        """
        check_flag(return_dict, "return_dict")
        arrays = self._check_one_batch(x, y, sample_weight)
        with seeds_of_a_model(), self._scores_only():
            return super().test_on_batch(*arrays, return_dict=return_dict)

    @between_steps()
    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Take one step on one batch; see `fit`.

        Args:
            x: Images as in `fit`.
            y: Labels as in `fit`.
            sample_weight: As in `fit`.
            class_weight: As in `fit`.
            return_dict: Whether to return the values by name.

        Returns:
            The losses (and metrics) since they were last reset: a list of values, or with
            `return_dict=True` a dictionary.

        Raises:
            ValueError: If images or labels are not as described.
            RuntimeError: As in `fit`.
        """
        check_parallelism(self)
        check_flag(return_dict, "return_dict")
        weights = self._class_weights(class_weight, sample_weight)
        arrays = weighted(self._check_one_batch(x, y, sample_weight), weights)
        with seeds_of_a_model():
            return super().train_on_batch(*arrays, return_dict=return_dict)

    @between_steps()
    def predict(
        self,
        x,
        batch_size: int | None = None,
        verbose="auto",
        steps: int | None = None,
        callbacks=None,
    ):
        """Return the model's output on images; see the class for what that is.

        Args:
            x: Images as in `fit` (for a conditional generative model `[images, labels]`), or an
                iterable of batches, whose labels are passed over.
            batch_size: Images in a batch, 32 by default.
            verbose: As in Keras.
            steps: As in Keras.
            callbacks: As in Keras.

        Returns:
            A NumPy array.

        Raises:
            ValueError: If the images are not as described.
        """
        check_verbosity(verbose)
        check_callbacks(callbacks)
        check, steps = RememberedCheck(self._check_inputs_batch), check_steps(steps, "steps")
        if is_array(x) or is_pair(x):
            x, batch_size = self._check_inputs(x), check_batch_size(batch_size)
            check_batches(count_images(x), batch_size)
        else:
            x, steps = as_batches(x, check, steps, once=True)
        with seeds_of_a_model(), check.unwrapped(), loading(x):
            return super().predict(
                x,
                batch_size=batch_size,
                verbose=verbose,
                steps=steps,
                callbacks=with_stop(callbacks),
            )

    @between_steps()
    def predict_on_batch(self, x):
        """Return the model's output on one batch of images; see `predict`.

        Args:
            x: Images as in `predict`.

        Returns:
            A NumPy array.

        Raises:
            ValueError: If the images are not as described.
        """
        x = self._check_inputs(x)
        check_batches(count_images(x))
        with seeds_of_a_model():
            return super().predict_on_batch(x)

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

    @contextlib.contextmanager
    def _scores_only(self) -> Iterator[None]:
        """Say to `call` that Keras runs it ahead of `compute_loss`, not for its output."""
        before, self._scoring = self._scoring, True
        try:
            yield
        finally:
            self._scoring = before

    # ---- another seed -----------------------------------------------------------------------

    def reinitialize(self, seed: int | None = None) -> None:
        """Become what a new model of another seed is, without compiling the training step again.

        Weights, running statistics, random generators and, where the model is compiled, the
        optimizers with their rates are those of a model just made with this seed and compiled as
        this one was (of a model from a file: with the rates that it was saved with). What Keras
        has traced and compiled stays, so that runs with many seeds pay for it once.

        Args:
            seed: Integer seed of weights, noise, dropout and data order, or `None` for one that
                `keras.utils.set_random_seed` governs.

        Raises:
            ValueError: If `seed` is not as described.
            RuntimeError: If the optimizers cannot be made anew as they were, as where a part was
                frozen before `compile`, or where a learning-rate schedule has no `get_config`. The
                model is then as it was.
        """
        fresh = type(self).from_config({**self.get_config(), "seed": seed})
        pairs = [*_paired(fresh.weights, self.weights)]
        pairs += _paired(fresh._random_states(), self._random_states())
        if self.compiled:
            if self._optimizer_record is None:
                raise _not_reinitialized("an optimizer that cannot be saved")
            fresh._compile_as_recorded(self._optimizer_record)
            pairs += _paired(fresh.optimizer.variables, self.optimizer.variables)
        for new, old in pairs:
            old.assign(new.value)
        self.seed, self._seed = fresh.seed, fresh._seed
        self.stop_training = False
        self._initial_epoch = None  # which a resumed training leaves where it is interrupted
        self.reset_metrics()

    # The optimizers as they were compiled with, as JSON; `None` where they cannot be saved.
    _optimizer_record: str | None = None

    def _compile_as_recorded(self, record: str) -> None:
        """Compile with the optimizers of a record."""
        self.compile_from_config(json.loads(record))

    # ---- tensors ----------------------------------------------------------------------------

    def _unit(self, images):
        """Return images as float32 in [0, 1], on the device."""
        if keras.backend.standardize_dtype(images.dtype) == "uint8":
            return ops.cast(images, "float32") / 255.0
        return ops.cast(images, "float32")

    # ---- files ------------------------------------------------------------------------------

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

    # ---- random state -----------------------------------------------------------------------

    def _random_states(self) -> list:
        """Return the state of every random generator inside, in a fixed order."""
        weights = {id(variable) for variable in self.weights}
        metrics = {id(variable) for variable in self.metrics_variables}
        return [
            variable
            for variable in self.non_trainable_variables
            if id(variable) not in weights and id(variable) not in metrics
        ]

    def save_own_variables(self, store) -> None:
        """Save the seed and the states of the random generators, which Keras does not."""
        store["seed"] = np.asarray(self._seed, dtype="int64")
        for index, variable in enumerate(self._random_states()):
            store[f"random_state_{index}"] = copied(variable)

    def load_own_variables(self, store) -> None:
        """Restore the seed, on which the data order depends, and the random generators."""
        self._seed = int(np.asarray(store["seed"]))
        for index, variable in enumerate(self._random_states()):
            variable.assign(np.asarray(store[f"random_state_{index}"]))


def to_unit(images: np.ndarray) -> np.ndarray:
    """Return checked images as float32 in [0, 1].

    Args:
        images: `uint8` in [0, 255], or `float32` in [0, 1].

    Returns:
        `float32` in [0, 1], the same array where it is so already.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.models.image_model import to_unit
    >>> float(to_unit(np.full((1, 8, 8, 1), 255, "uint8")).max())
    1.0
    """
    return images.astype("float32") / 255.0 if images.dtype == np.uint8 else images


def as_record(configuration: Callable[[], object]) -> str | None:
    """Return a configuration as JSON, or `None` where there is none to be had.

    Args:
        configuration: Returns it, or raises.

    Returns:
        JSON, or `None`.

    Example:

    >>> from keras_medaug.models.image_model import as_record
    >>> as_record(lambda: {"rate": 0.1})
    '{"rate": 0.1}'
    """
    try:
        return json.dumps(configuration())
    except (NotImplementedError, TypeError, ValueError):
        return None


def _paired(source: Sequence, target: Sequence) -> Iterator[tuple]:
    """Yield variables and those they stand for, in the same order."""
    if [each.shape for each in source] != [each.shape for each in target]:
        raise _not_reinitialized("an optimizer or networks with variables that a new model has not")
    return zip(source, target, strict=True)


def _not_reinitialized(got: str) -> RuntimeError:
    return RuntimeError(
        f"reinitialize: got {got}; expected a model that can be made and compiled anew: with "
        "Keras's optimizers, and with no part frozen before `compile`."
    )
