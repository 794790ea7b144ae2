"""What the generative models share: optimizers per network, loss records, and `generate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from keras import ops

from keras_medaug.checks import as_array, check_labels, check_positive, fail, labels_of_all
from keras_medaug.images import check_images
from keras_medaug.interrupts import between_steps, stop_if_interrupted
from keras_medaug.models.fit_arguments import check_compile
from keras_medaug.models.image_model import ImageModel, as_record
from keras_medaug.models.parallel import batch_devices, check_batches
from keras_medaug.models.quiet_model import quietly
from keras_medaug.networks.averaged_network import AveragedNetwork
from keras_medaug.networks.network_optimizer import NetworkOptimizer, clone_optimizer, public_config
from keras_medaug.progress import Report, ignore, reporting
from keras_medaug.seeds import resolve_seed

DEFAULT_BATCH_SIZE = 256
# How many batches of results wait in memory of their own.
BATCHES_AT_A_TIME = 4


class GenerativeModel(ImageModel):
    """Base of `CVAE`, `DCGAN` and `VAEGAN`.

    A subclass builds its networks, names those with an optimizer each in `networks`, and writes
    `compute_loss`; the
    training itself is Keras's. It further has `generator`, the network that makes images from
    latent vectors, possibly `averaged`, which images then come from, and `_infer(images, labels)`,
    which returns what `predict` returns.

    Args:
        image_shape: `(height, width, channels)`; sizes from 8 to 256, 1 or 3 channels.
        latent_dim: Size of the latent vector.
        num_classes: Number of classes of a conditional model, or `None`.
        seed: Integer seed of weights, noise, dropout and data order, or `None`.
        class_names: Names of the classes, or `None`; see `ImageModel`.
        **kwargs: Passed to `keras.Model`.

    Raises:
        ValueError: If an argument is not as described.
    """

    averaged: AveragedNetwork | None

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        num_classes: int | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(image_shape, num_classes, seed, class_names, **kwargs)
        self.latent_dim = check_positive(latent_dim, "latent_dim", integer=True)
        self.averaged = None
        self.seed_generator = keras.random.SeedGenerator(self.part_seed("noise"))
        self._trackers = {name: keras.metrics.Mean(name=name) for name in self.loss_networks}

    # ---- training ---------------------------------------------------------------------------

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The networks that have an optimizer each, by name; empty where one serves the model."""
        return {}

    @property
    def _networks(self) -> Mapping[str, keras.layers.Layer]:
        return self.networks

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Return what `compile()` uses: Adam, rate 2e-4, first moment 0.5 (Radford et al.)."""
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

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
            ValueError: If a dictionary's names are not those of the networks, if an optimizer
                serves two of them, or if something is no optimizer.
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
            if len({id(each) for each in chosen.values()}) < len(chosen):
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
        optimizers = {name: public_config(each) for name, each in self._optimizers.items()}
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
                name: keras.saving.deserialize_keras_object(each)
                for name, each in optimizer.items()
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
            self._trackers[name].update_state(value, sample_weight=count)

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
        return self._infer(self._unit(images), labels)

    def _with_labels(self, tensor, labels):
        """Return the inputs of a network: the tensor, with its labels where it takes them."""
        if self.num_classes is None:
            return tensor
        # Run eagerly, JAX's trainer hands labels over as they came, as NumPy's.
        return [tensor, ops.convert_to_tensor(labels) if ops.is_tensor(tensor) else labels]

    def _noise(self, count):
        """Return draws from the latent prior, shape `(count, latent_dim)`."""
        return keras.random.normal(
            (count, self.latent_dim), dtype="float32", seed=self.seed_generator
        )

    # ---- images -----------------------------------------------------------------------------

    def _check_inputs(self, x):
        if self.num_classes is None:
            return super()._check_inputs(x)
        if not isinstance(x, list | tuple) or len(x) != 2:
            raise fail("x", "images alone", "[images, labels], since the model is conditional")
        images = check_images(x[0], "x[0]", self.image_shape)
        labels = check_labels(
            x[1], "x[1]", len(images), self.num_classes, class_names=self.class_names
        )
        return [images, labels]

    def _check_inputs_batch(self, batch):
        if self.num_classes is None:
            return super()._check_inputs_batch(batch)
        if isinstance(batch, list | tuple):
            batch = batch[0] if len(batch) == 1 else list(batch[:2])
        inputs = self._check_inputs(batch)
        check_batches(len(inputs[0]))
        return (tuple(inputs),)

    def _labels_for(self, labels, count: int):
        """Return `labels` checked against the model: given exactly when it is conditional."""
        if self.num_classes is None:
            if labels is not None:
                raise fail("labels", "labels", "None, since the model was made without num_classes")
            return None
        if labels is None:
            raise fail("labels", "None", f"labels in [0, {self.num_classes}), one per image")
        return labels_of_all(labels, "labels", count, self.num_classes, self.class_names)

    @between_steps()
    def _run(
        self, network, count: int, rows: Callable, labels, batch_size: int, report: Report = ignore
    ):
        """Return a network's outputs on `count` rows, in inference.

        `rows(start, stop)` gives the inputs; it is called in order, for a few batches at a time, so
        that beside the result no more memory is needed for many rows than for few.
        """
        batch_size, devices = (
            check_positive(batch_size, "batch_size", integer=True),
            batch_devices(),
        )
        batch_size = min(batch_size, count)
        batch_size += -batch_size % devices
        results = None
        for start in range(0, count, batch_size * BATCHES_AT_A_TIME):
            stop = min(start + batch_size * BATCHES_AT_A_TIME, count)
            chosen = None if labels is None else labels[start:stop]
            # Batches of one size only: another one would have to be compiled for.
            filled = _filled(rows(start, stop), batch_size)
            inputs = self._with_labels(filled, _filled(chosen, batch_size))
            outputs = quietly(network.predict)(inputs, batch_size=batch_size, verbose=0)
            if results is None:
                results = keras.tree.map_structure(
                    lambda output: np.empty((count, *output.shape[1:]), output.dtype), outputs
                )
            _write(results, outputs, start, stop)
            report(stop, count)
            stop_if_interrupted()
        return results

    @property
    def _image_network(self) -> keras.Model:
        """The network that makes images, the average of the generator if there is one."""
        return self.generator if self.averaged is None else self.averaged.network

    def _follow(self, training: bool) -> None:
        """Move the average of the generator, in training."""
        if training and self.averaged is not None:
            self.averaged.follow(self.generator)

    def decode(self, z, labels=None, batch_size: int = DEFAULT_BATCH_SIZE) -> np.ndarray:
        """Return the images that latent vectors stand for.

        Args:
            z: Latent vectors, shape `(n, latent_dim)`.
            labels: Class of each image, or one for all, where the model is conditional, else
                `None`.
            batch_size: Images made at a time.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        z = as_array(z, "z")
        if z.ndim != 2 or z.shape[1] != self.latent_dim or not len(z):
            raise fail("z", f"shape {z.shape}", f"shape (n, {self.latent_dim}), n of 1 or more")
        if z.dtype.kind not in "iuf" or not np.abs(z).max() <= np.finfo("float32").max:
            raise fail("z", "values that are not finite numbers", "finite float32 numbers")
        labels = self._labels_for(labels, len(z))
        z = z.astype("float32", copy=False)
        return self._run(self._image_network, len(z), _slices(z), labels, batch_size)

    def generate(
        self,
        n: int,
        labels=None,
        seed: int | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        verbose: bool | Report = False,
    ) -> np.ndarray:
        """Make new images from the latent prior.

        Args:
            n: Number of images.
            labels: Class of each image, integers `(n,)` or names of `class_names`; or one for all.
                For a conditional model only, which requires them.
            seed: Integer seed: the same seed, on the same backend, gives the same images. `None`
                draws one that `keras.utils.set_random_seed` governs.
            batch_size: Images made at a time.
            verbose: Whether to show progress on standard error; or a function `(done, total)` that
                is called instead.

        Returns:
            `float32` images in [0, 1], shape `(n, h, w, c)`.

        Raises:
            ValueError: If an argument is not as described.
        """
        n = check_positive(n, "n", integer=True)
        labels = self._labels_for(labels, n)
        generator = np.random.default_rng(resolve_seed(seed))

        def noise(start: int, stop: int) -> np.ndarray:
            return generator.standard_normal((stop - start, self.latent_dim), dtype="float32")

        with reporting(verbose, "making images") as report:
            return self._run(self._image_network, n, noise, labels, batch_size, report)

    # ---- configuration ----------------------------------------------------------------------

    def get_config(self) -> dict:
        """Return the arguments that rebuild the model."""
        return {
            "name": self.name,
            "dtype": keras.saving.serialize_keras_object(self.dtype_policy),
            "image_shape": list(self.image_shape),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "seed": self.seed,
            "class_names": None if self.class_names is None else list(self.class_names),
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """Rebuild the model from `get_config`."""
        config = dict(config)
        for name in ("dtype", "gate"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(
                    config[name], custom_objects=custom_objects
                )
        return cls(**config)


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


def _slices(array: np.ndarray) -> Callable:
    return lambda start, stop: array[start:stop]


def _filled(rows: np.ndarray | None, size: int) -> np.ndarray | None:
    """Repeat the last row until the number of rows is a multiple of `size`."""
    if rows is None or not len(rows) % size:
        return rows
    count = len(rows)
    return rows[np.minimum(np.arange(count + -count % size), count - 1)]


def _write(results, outputs, start: int, stop: int) -> None:
    """Put outputs into their rows of the results; what was filled up is left out."""
    for result, output in zip(
        keras.tree.flatten(results), keras.tree.flatten(outputs), strict=True
    ):
        result[start:stop] = output[: stop - start]


def batch_count(images):
    """Return the number of images of a batch, as the weight that means are taken with."""
    return ops.shape(images)[0]
