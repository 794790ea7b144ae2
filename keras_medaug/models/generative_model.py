"""The base of generative models: optimizers for the networks, loss records, and `generate`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_medaug.checks import UNKNOWN, check_positive, fail, one_for_each
from keras_medaug.fitting.fit_arguments import check_compile
from keras_medaug.fitting.parallel import check_batches
from keras_medaug.images import check_images, to_float
from keras_medaug.interrupts import between_steps, stop_if_interrupted
from keras_medaug.models.abilities import lack_of, lacked
from keras_medaug.models.configuration import as_record, reseeded
from keras_medaug.models.image_model import ImageModel
from keras_medaug.networks.network_optimizer import NetworkOptimizer, clone_optimizer, public_config
from keras_medaug.progress import Report, reporting
from keras_medaug.seeds import derive_seed, resolve_seed

DEFAULT_BATCH_SIZE = 256


class GenerativeModel(ImageModel, ABC):
    """Base of all generative models, for models of your own.

    A subclass makes its weights and networks in the constructor and writes two methods:

    - `compute_loss(x, y, y_pred, sample_weight, training)` returns the loss of a batch, as in
      `keras.Model`. `x` may be `uint8`: `self._to_float(x)` gives floats in [0, 1]. `y` is `None`
      without `num_classes`; the other two are of no use. Random numbers come from
      `self.seed_generator`.
    - `_sample(count, labels, seed)` returns `count` images, floats in [0, 1], of shape
      `(count, h, w, c)`. `labels` are integers `(count,)`, or `None`; `seed` is an integer.

    `fit`, `evaluate`, `generate`, `reinitialize` and saving then work. Everything else is optional:

    - `loss_networks`, a dictionary of the class: the name of each term of the loss that
      `self._record(count, name=value)` logs, and the network that the term belongs to.
    - `networks`, a property: the networks that have an optimizer each, by name. Write the loss with
      `keras_medaug.networks.frozen`, so that each term reaches one network.
    - `default_optimizer()`: what `compile()` uses; Adam with a learning rate of 1e-3 otherwise.
    - `takes_unlabelled = True`, of the class: `fit` and `generate` then take labels of -1, which
      mean "unknown", and `compute_loss` and `_sample` get them.
    - `passes_per_image`, of the class: how many passes through a network an image takes, 1
      otherwise. The first estimates of the time left follow it.
    - `_infer(images, labels)`: what `predict` returns.

    Give random initializers a seed, such as `self.part_seed("means")`: two models of the same seed
    then start from the same weights. The configuration holds every argument of the constructor:
    keep each argument as an attribute of the same name. Pass `**kwargs` on to this constructor.
    `register_generator` lets `augment` and studies find the model, and Keras load it.

    Args:
        image_shape: `(height, width, channels)`; sizes from 8 to 256, 1 or 3 channels.
        num_classes: Number of classes of a conditional model, or `None`.
        seed: Integer seed of weights, noise, dropout and data order, or `None`.
        class_names: One distinct name per class, in the order of the labels, which may then be
            names; or `None`. With names, `num_classes` may be left out.
        **kwargs: Passed to `keras.Model`: `name`, `dtype`.

    Attributes:
        seed_generator: A `keras.random.SeedGenerator` for the random numbers of `compute_loss`,
            whose state is saved with the model.

    Raises:
        ValueError: If an argument is not as described.
        TypeError: If the subclass lacks one of the two methods.

    Example:

    A model that learns the mean image of each class, and makes images of it by adding noise:

    >>> import keras
    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> class MeanImages(kma.models.GenerativeModel):
    ...     def __init__(self, image_shape, noise=0.1, **kwargs):
    ...         super().__init__(image_shape, **kwargs)
    ...         self.noise = noise
    ...         shape = (self.num_classes, *self.image_shape)
    ...         self.means = self.add_weight(shape=shape, initializer="zeros")
    ...
    ...     def compute_loss(self, x, y=None, y_pred=None, sample_weight=None, training=True):
    ...         means = keras.ops.take(self.means, y, axis=0)
    ...         return keras.ops.mean(keras.ops.square(self._to_float(x) - means))
    ...
    ...     def _sample(self, count, labels, seed):
    ...         means = keras.ops.convert_to_numpy(self.means)[labels]
    ...         noise = np.random.default_rng(seed).normal(0, self.noise, means.shape)
    ...         return np.clip(means + noise, 0, 1)
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> model = MeanImages((8, 8, 1), num_classes=4, seed=0)
    >>> model.compile()
    >>> history = model.fit(x, y, verbose=0)
    >>> model.generate(3, labels=0, seed=1).shape
    (3, 8, 8, 1)
    """

    passes_per_image = 1

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(image_shape, num_classes, seed, class_names, **kwargs)
        self.seed_generator = keras.random.SeedGenerator(self.part_seed("noise"))
        self._trackers = {name: keras.metrics.Mean(name=name) for name in self.loss_networks}

    # ---- training ---------------------------------------------------------------------------

    @abstractmethod
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of a batch; each model writes its own."""

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The networks that have an optimizer each, by name; empty where one serves the model."""
        return {}

    def _named_networks(self) -> Mapping[str, keras.layers.Layer]:
        return self.networks or super()._named_networks()

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Return what `compile()` uses: Adam with a learning rate of 1e-3."""
        return keras.optimizers.Adam(1e-3)

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str | Mapping | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose the optimizers; the losses are the model's own.

        Args:
            optimizer: One optimizer (or its name), copied for each network; or a dictionary with
                one for each network's name; or `None` for the model's default.
            run_eagerly: As in Keras.
            steps_per_execution: As in Keras.
            jit_compile: As in Keras.
            auto_scale_loss: As in Keras: loss scaling under `mixed_float16`.

        Raises:
            ValueError: If the names in a dictionary are not those of the networks, if two networks
                share an optimizer, or if a value is not an optimizer.
        """
        given = self.default_optimizer() if optimizer is None else optimizer
        self._optimizers = self._optimizer_per_network(given)
        self._compile_arguments = check_compile(
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
        )
        super().compile(
            optimizer=self._joint_optimizer(), loss=None, metrics=None, **self._compile_arguments
        )
        self.optimizer.build(self.trainable_variables)
        self._optimizer_record = as_record(self.get_compile_config)

    def _optimizer_per_network(self, given) -> dict[str, keras.optimizers.Optimizer]:
        names = list(self.networks) or ["model"]
        if isinstance(given, Mapping):
            if set(given) != set(names) or not self.networks:
                expected = f"one for each of {names}" if self.networks else "a single optimizer"
                raise fail("optimizer", f"a dictionary with {sorted(given)}", expected)
            chosen = {name: _as_optimizer(given[name]) for name in names}
            if len(set(map(id, chosen.values()))) < len(chosen):
                raise fail("optimizer", "one optimizer for two networks", "one for each network")
            return chosen
        single = _as_optimizer(given)
        if not self.networks:
            return {"model": single}
        return {name: clone_optimizer(single) for name in names}

    def _joint_optimizer(self) -> keras.optimizers.Optimizer:
        if not self.networks:
            return self._optimizers["model"]
        return NetworkOptimizer(
            self._optimizers, self.networks, skip_zero_gradients=self._may_skip_steps
        )

    @property
    def _may_skip_steps(self) -> bool:
        """Whether a network's objective can be switched off for a step."""
        return False

    def get_compile_config(self) -> dict:
        """Return what `compile_from_config` needs, optimizers under their public names."""
        if not self.compiled:
            return {}
        optimizers = {name: public_config(chosen) for name, chosen in self._optimizers.items()}
        chosen = optimizers if self.networks else optimizers["model"]
        return {"optimizer": chosen, **self._compile_arguments}

    def compile_from_config(self, config: dict) -> None:
        """Compile as the saved model was."""
        if not config:
            return
        config = dict(config)
        optimizer = config.pop("optimizer")
        if self.networks:
            optimizer = {
                name: keras.saving.deserialize_keras_object(chosen)
                for name, chosen in optimizer.items()
            }
        else:
            optimizer = keras.saving.deserialize_keras_object(optimizer)
        self.compile(optimizer=optimizer, **config)

    @property
    def metrics(self) -> list:
        """The total loss and the terms that add up to it."""
        total = [self._loss_tracker] if self.compiled else []
        return [*total, *self._trackers.values()]

    def _record(self, count, **values) -> None:
        """Add a batch's values to the epoch's means, weighted by its number of images."""
        for name, value in values.items():
            if name not in self._trackers:
                raise fail("loss_networks", f"no term named {name!r}", "all that is recorded")
            self._trackers[name].update_state(value, sample_weight=count)

    def _config_of_seed(self, seed: int) -> dict:
        """Return the configuration of a model like this one, of another seed.

        Networks that were handed in take their initial weights from the seed as well.
        """
        config = super()._config_of_seed(seed)
        for name, value in config.items():
            if isinstance(value, dict) and isinstance(getattr(self, name, None), keras.Model):
                config[name] = reseeded(value, derive_seed(seed, name))
        return config

    # ---- tensors ----------------------------------------------------------------------------

    def call(self, inputs, training=False):
        """Return the model's output; in training, and in `evaluate`, the images untouched.

        Keras calls the model before `compute_loss`, which does all the work: passes made here
        would cost time and move statistics.
        """
        images = inputs[0] if isinstance(inputs, list | tuple) else inputs
        if training or self._scoring:
            return images
        labels = inputs[1] if isinstance(inputs, list | tuple) else None
        if (labels is None) != (self.num_classes is None):
            expected = "images" if self.num_classes is None else "[images, labels]"
            raise fail("x", "images alone" if labels is None else "images and labels", expected)
        return self._infer(self._to_float(images), labels)

    def _with_labels(self, tensor, labels):
        """Return the inputs of a network: the tensor, with its labels where it takes them."""
        if self.num_classes is None:
            return tensor
        # Run eagerly, JAX's trainer hands labels over as they came, as NumPy's.
        return [tensor, ops.convert_to_tensor(labels) if ops.is_tensor(tensor) else labels]

    def _infer(self, images, labels):
        """Return what `predict` returns, where a model does something with given images."""
        got = f"a {type(self).__name__}, which makes images and does nothing with given ones"
        raise fail("model", got, "one with a method `_infer`, which `predict` and calls need")

    # ---- images -----------------------------------------------------------------------------

    def _check_inputs(self, x):
        if type(self)._infer is GenerativeModel._infer:
            self._infer(x, None)  # which raises the error, before any array is looked at
        if self.num_classes is None:
            return super()._check_inputs(x)
        if not isinstance(x, list | tuple) or len(x) != 2:
            raise fail("x", "images alone", "[images, labels], since the model is conditional")
        images = check_images(x[0], "x[0]", self.image_shape)
        return [images, self._check_labels(x[1], "x[1]", len(images), every_class=False)]

    def _check_inputs_batch(self, batch):
        if self.num_classes is None:
            return super()._check_inputs_batch(batch)
        if isinstance(batch, list | tuple):
            batch = batch[0] if len(batch) == 1 else list(batch[:2])
        inputs = self._check_inputs(batch)
        check_batches(len(inputs[0]))
        return (tuple(inputs),)

    def _labels_for(self, labels, count: int):
        """Return `labels` checked against the model: given exactly when it is conditional.

        A model that `takes_unlabelled` makes images of any class where there are none.
        """
        if self.num_classes is None:
            if labels is not None:
                raise fail("labels", "labels", "None, since the model was made without num_classes")
            return None
        if labels is None and not self.takes_unlabelled:
            raise fail("labels", "None", f"labels in [0, {self.num_classes}), one per image")
        labels = one_for_each(UNKNOWN if labels is None else labels, "labels", count)
        return self._check_labels(labels, "labels", count, every_class=False)

    @abstractmethod
    def _sample(self, count: int, labels, seed: int) -> NDArray[np.float32]:
        """Return images, floats in [0, 1]; each model writes its own."""

    def generate(
        self,
        n: int,
        labels=None,
        seed: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        verbose: bool | Report = False,
    ) -> np.ndarray:
        """Make new images.

        Args:
            n: Number of images.
            labels: Class of each image, integers `(n,)` or names of `class_names`; or one for all.
                For a conditional model only, which requires them unless it `takes_unlabelled`.
            seed: Integer seed: the same seed, on the same backend, gives the same images. `None`
                draws one that `keras.utils.set_random_seed` governs.
            batch_size: Images made at a time. Where a model has no latent vector, another size
                gives other images, because each batch is drawn from its own seed.
            verbose: Whether to show progress on standard error; or a function `(done, total)` that
                is called instead.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        return self._generate(n, labels, seed, batch_size, verbose)

    @lacked
    def encode(self, *args: Any, **kwargs: Any) -> NDArray[np.float32]:
        """Return what images are in the latent space; `CVAE` and `VAEGAN` do.

        Args:
            *args: What a model that does takes.
            **kwargs: The same by name.

        Raises:
            ValueError: If the model cannot encode images. The message names the models that can.
        """
        raise lack_of(self, "encode", "encode")

    @lacked
    def vary(self, *args: Any, **kwargs: Any) -> NDArray[np.float32]:
        """Return variations of images; `Flow` does.

        Args:
            *args: What a model that does takes.
            **kwargs: The same by name.

        Raises:
            ValueError: If the model cannot vary images. The message names the models that can.
        """
        raise lack_of(self, "vary", "vary")

    @lacked
    def reconstruct(self, *args: Any, **kwargs: Any) -> NDArray[np.float32]:
        """Return images encoded and decoded again; `CVAE` and `VAEGAN` do.

        Args:
            *args: What a model that does takes.
            **kwargs: The same by name.

        Raises:
            ValueError: If the model cannot reconstruct images. The message names the models that
                can.
        """
        raise lack_of(self, "reconstruct", "reconstruct")

    @between_steps()
    def _generate(self, n, labels, seed, batch_size, verbose, **options) -> np.ndarray:
        """Check what `generate` was given, and make the images.

        A subclass whose `generate` takes more arguments passes them on as `options` of `_sample`.
        """
        n = check_positive(n, "n", integer=True)
        labels = self._labels_for(labels, n)
        batch_size = check_positive(batch_size, "batch_size", integer=True)
        seed = resolve_seed(seed)
        with reporting(verbose, "making images") as report:
            return self._sample_all(n, labels, seed, batch_size, report, **options)

    def _sample_all(
        self, n: int, labels, seed: int, batch_size: int, report: Report, **options
    ) -> NDArray[np.float32]:
        """Return images, made by `_sample` in batches of one size with a seed each."""

        def sampled(_rows: slice, some_labels: NDArray | None, of_batch: int) -> NDArray:
            return self._sample(min(batch_size, n), some_labels, of_batch, **options)

        return self._in_batches(n, labels, seed, batch_size, report, sampled)

    def _in_batches(
        self, n: int, labels, seed: int, batch_size: int, report: Report, make: Callable
    ) -> NDArray[np.float32]:
        """Return images, made by `make(rows, labels, seed)` in batches of one size."""
        batch_size = min(batch_size, n)
        labels = filled(labels, batch_size)
        images = np.empty((n, *self.image_shape), "float32")
        for start in range(0, n, batch_size):
            stop = min(start + batch_size, n)
            chosen = slice(start, start + batch_size)
            some_labels = None if labels is None else labels[chosen]
            of_batch = derive_seed(seed, "batch", start // batch_size)
            made = ops.convert_to_numpy(make(chosen, some_labels, of_batch))
            made = check_images(made, f"{type(self).__name__}._sample", self.image_shape)
            images[start:stop] = to_float(made[: stop - start])
            report(stop, n)
            stop_if_interrupted()
        return images


def _as_optimizer(given) -> keras.optimizers.Optimizer:
    """Return `given` as an optimizer that can serve one network."""
    expected = "a Keras optimizer (loss scaling is added under mixed_float16), one or a dictionary"
    if isinstance(given, str | dict):
        try:
            given = keras.optimizers.get(given)
        except (TypeError, ValueError) as error:
            raise fail("optimizer", repr(given), expected) from error
    wrappers = (keras.optimizers.LossScaleOptimizer, keras.optimizers.MultiOptimizer)
    if not isinstance(given, keras.optimizers.Optimizer) or isinstance(given, wrappers):
        raise fail("optimizer", repr(given), expected)
    return given


def filled(rows: np.ndarray | None, size: int) -> np.ndarray | None:
    """Return rows, the last one repeated until their number is a multiple of `size`."""
    if rows is None or not len(rows) % size:
        return rows
    count = len(rows)
    return rows[np.minimum(np.arange(count + -count % size), count - 1)]


def batch_count(images):
    """Return the number of images of a batch, as the weight that means are taken with."""
    return ops.shape(images)[0]
