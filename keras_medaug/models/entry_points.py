"""Keras's entry points, `fit`, `evaluate` and `predict`, over checked images."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import keras

from keras_medaug.checks import check_flag, fail
from keras_medaug.fitting.array_batches import ArrayBatches
from keras_medaug.fitting.checked_sequence import loading
from keras_medaug.fitting.finite_check import FiniteCheck, saves_by_step
from keras_medaug.fitting.fit_arguments import check_callbacks, check_epochs, check_validation
from keras_medaug.fitting.given_data import (
    as_batches,
    check_batch_size,
    check_steps,
    count_images,
    is_array,
    is_pair,
    refuse_beside_iterable,
    split_arrays,
    weighted,
)
from keras_medaug.fitting.parallel import check_batches, check_parallelism
from keras_medaug.fitting.remembered_check import RememberedCheck
from keras_medaug.fitting.seen_classes import SeenClasses
from keras_medaug.fitting.stop_between_steps import StopBetweenSteps, with_stop
from keras_medaug.interrupts import between_steps
from keras_medaug.layers.seed_generator import seeds_of_a_model
from keras_medaug.models.checked_data import CheckedData
from keras_medaug.progress import check_verbosity
from keras_medaug.seeds import derive_seed

GO_ON = (
    "The model keeps its weights. With keras_medaug.callbacks.ResumeTraining, the same fit goes on "
    "from its last checkpoint."
)


class EntryPoints(CheckedData):
    """The part of `ImageModel` through which Keras trains it and asks it.

    Each part of the model has a seed of its own, from `part_seed`.
    """

    _seed: int

    # The network that each logged term of the loss belongs to.
    loss_networks: ClassVar[Mapping[str, str]] = {}
    # Whether Keras runs `call` ahead of `compute_loss`, not for its output.
    _scoring = False

    def _named_networks(self) -> Mapping[str, keras.layers.Layer]:
        """Return the networks that train, by the names that messages give them.

        No property: Keras, which looks for layers in the values of all of those, would not end.
        """
        return {self.name: self}

    def part_seed(self, *parts: object) -> int:
        """Return the seed of a named part of the model, a function of the model's own seed.

        Args:
            *parts: Names or numbers that tell the part from others.

        Returns:
            An integer in `[0, 2**31 - 1)`.
        """
        return derive_seed(self._seed, *parts)

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
            ours = isinstance(x, ArrayBatches)  # checked images, of a set that holds every class
            if ours and weights is not None:
                raise fail("class_weight", class_weight, "None with batches that are made already")
            seen = SeenClasses([] if ours else self._required(), whole=steps_per_epoch is None)
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
        all_callbacks = self._with_own(callbacks, own_callbacks)
        with (
            seeds_of_a_model(),
            check.unwrapped(),
            loading(x, validation_data),
            all_callbacks as joined,
        ):
            return super().fit(
                x,
                epochs=epochs,
                verbose=verbose,
                callbacks=joined,
                validation_data=validation_data,
                shuffle=False,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_freq=validation_freq,
            )

    @contextlib.contextmanager
    def _with_own(self, callbacks, own: list) -> Iterator:
        """Put the package's own callbacks, the check first, before those of the user."""
        whole = isinstance(callbacks, keras.callbacks.CallbackList)
        alone = isinstance(callbacks, keras.callbacks.Callback) and not whole
        given = callbacks.callbacks if whole else [callbacks] if alone else list(callbacks or [])
        finite = FiniteCheck(self, self.loss_networks, self._named_networks(), saves_by_step(given))
        own = [StopBetweenSteps(), finite, *own]
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

    @contextlib.contextmanager
    def _scores_only(self) -> Iterator[None]:
        """Say to `call` that Keras runs it ahead of `compute_loss`, not for its output."""
        before, self._scoring = self._scoring, True
        try:
            yield
        finally:
            self._scoring = before
