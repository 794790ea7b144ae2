"""The paper's classifier."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import keras

from keras_medaug.checks import check_positive, fail
from keras_medaug.fitting.fit_arguments import check_compile
from keras_medaug.fitting.loss_arguments import check_loss, check_metrics
from keras_medaug.fitting.stop_between_steps import with_stop
from keras_medaug.images import to_float
from keras_medaug.interrupts import between_steps
from keras_medaug.models.checked_settings import check_rate, check_size
from keras_medaug.models.configuration import as_record
from keras_medaug.models.given_augmentation import config_of, seeded_copy
from keras_medaug.models.image_model import ImageModel
from keras_medaug.models.quiet_model import quietly
from keras_medaug.networks import builders
from keras_medaug.networks.network_optimizer import public_config
from keras_medaug.progress import check_verbosity

# Arguments of `compile` that Keras replaces by what they come to on the present backend, with their
# defaults: a file has to hold them as they were given, for the backend that loads it.
_RESOLVED = {"jit_compile": "auto", "auto_scale_loss": True}


@keras.saving.register_keras_serializable(package="keras_medaug")
class Classifier(ImageModel):
    """Convolutions with LeakyReLU and dropout, then softmax.

    `predict` returns class probabilities, `(n, num_classes)`, and `logits` what the softmax is
    taken of.

    Args:
        image_shape: `(height, width, channels)`; sizes from 8 to 256, 1 or 3 channels.
        num_classes: Number of classes, 2 or more.
        dropout: Dropout rate after every convolution, in [0, 1).
        filters: Channels of the first convolution; they double twice.
        kernel_size: Side of the kernels.
        augmentation: Layer through which images go in training, and in training only, such as
            `keras_medaug.layers.GeometricAugmentation()`; or `None`. The model keeps a copy, which
            takes a seed from the model's where the layer was given none.
        seed: Integer seed of weights, dropout, augmentation and data order, or `None`.
        class_names: One distinct name per class, in the order of the labels, which may then be
            names; or `None`.
        **kwargs: Passed to `keras.Model`.

    Attributes:
        network: The plain Keras model from images to probabilities.
        augmentation: The model's own copy of the layer given, or `None`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((16, 8, 8, 1), dtype="float32")
    >>> y = np.arange(16) % 2
    >>> model = kma.models.Classifier((8, 8, 1), num_classes=2, seed=0)
    >>> model.compile()
    >>> history = model.fit(x, y, batch_size=8, verbose=0)
    >>> model.predict(x, verbose=0).shape
    (16, 2)

    References:
        Section 2.5 and figure 9 of the paper this library implements.
    """

    _takes_sample_weight = True

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        dropout: float = 0.4,
        filters: int = 32,
        kernel_size: int = 3,
        augmentation: keras.layers.Layer | None = None,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        if not isinstance(augmentation, keras.layers.Layer | None):
            raise fail("augmentation", type(augmentation).__name__, "a Keras layer or None")
        check_positive(num_classes, "num_classes", integer=True)
        super().__init__(image_shape, num_classes, seed, class_names, **kwargs)
        self.dropout = check_rate(dropout)
        self.filters = check_size(filters, "filters")
        self.kernel_size = check_size(kernel_size, "kernel_size")
        self._given_augmentation = config_of(augmentation)
        self.augmentation = seeded_copy(augmentation, self.part_seed("augmentation"))
        with self._own_policy():
            self.network = builders.build_classifier(
                self.image_shape,
                int(num_classes),
                filters=self.filters,
                kernel_size=self.kernel_size,
                dropout=self.dropout,
                seed=self.part_seed("network"),
            )

    loss_networks: ClassVar[Mapping[str, str]] = {"loss": "classifier"}

    def _named_networks(self) -> dict[str, keras.Model]:
        return {"classifier": self.network}

    def compile(
        self,
        optimizer: keras.optimizers.Optimizer | str | None = None,
        loss="sparse_categorical_crossentropy",
        metrics="default",
        weighted_metrics=None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose optimizer, loss and metrics, as `keras.Model.compile` does.

        Args:
            optimizer: A Keras optimizer; `None` is Adam with a learning rate of 1e-3.
            loss: A loss of class indices `(n,)` and probabilities `(n, num_classes)`; cross-entropy
                by default.
            metrics: A list of metrics of the same; accuracy by default.
            weighted_metrics: Metrics that are weighted as the loss is.
            run_eagerly: As in Keras.
            steps_per_execution: As in Keras.
            jit_compile: As in Keras.
            auto_scale_loss: As in Keras: loss scaling under `mixed_float16`.

        Raises:
            ValueError: If an argument is not as described.
        """
        optimizer = _as_optimizer(keras.optimizers.Adam(1e-3) if optimizer is None else optimizer)
        if isinstance(metrics, str) and metrics == "default":
            metrics = ["accuracy"]
        classes = self.network.output_shape[-1]
        check_loss(loss, classes)
        check_metrics(metrics, classes, "metrics")
        check_metrics(weighted_metrics, classes, "weighted_metrics")
        self._compile_checked(
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            **check_compile(run_eagerly, steps_per_execution, jit_compile, auto_scale_loss),
        )

    def _compile_checked(self, **arguments) -> None:
        """Compile without a check, as a saved model was, which need not pass today's."""
        self._as_given = {name: arguments.get(name, value) for name, value in _RESOLVED.items()}
        super().compile(**arguments)
        self.optimizer.build(self.trainable_variables)
        self._optimizer_record = as_record(lambda: [self._optimizer_config(), self._as_given])

    def _optimizer_config(self) -> dict:
        return public_config(getattr(self.optimizer, "inner_optimizer", self.optimizer))

    def _compile_as_recorded(self, record: str) -> None:
        optimizer, given = json.loads(record)
        self.compile(keras.saving.deserialize_keras_object(optimizer), metrics=None, **given)

    def get_compile_config(self) -> dict:
        """Return what `compile_from_config` needs, the optimizer under its public name."""
        config = super().get_compile_config()
        if config:
            config |= {"optimizer": self._optimizer_config(), **self._as_given}
        return config

    def compile_from_config(self, config: dict) -> None:
        """Compile as the saved model was."""
        if not config:
            return
        self._compile_checked(**keras.saving.deserialize_keras_object(config))

    def call(self, inputs, training=False):
        """Return class probabilities, `(n, num_classes)`."""
        images = self._to_float(inputs)
        if training and self.augmentation is not None:
            images = self.augmentation(images, training=True)
        return self.network(images, training=training)

    @between_steps()
    def logits(self, x, batch_size: int | None = None, verbose=0):
        """Return the logits of images, whose softmax is what `predict` returns.

        Probabilities near 1 are rounded to exactly 1.0, and can no longer be ranked. Logits keep
        their order. They are float32, also under mixed precision.

        Args:
            x: Images `(n, h, w, c)`, floats in [0, 1] or `uint8`.
            batch_size: Images in a batch, 32 by default.
            verbose: As in `predict`.

        Returns:
            A NumPy array, shape `(n, num_classes)`, `float32`.

        Raises:
            ValueError: If the images are not as described.

        Example:

        >>> import numpy as np
        >>> import keras_medaug as kma
        >>> model = kma.models.Classifier((8, 8, 1), num_classes=2, seed=0)
        >>> model.logits(np.zeros((3, 8, 8, 1))).shape
        (3, 2)
        """
        check_verbosity(verbose)
        images = to_float(self._check_inputs(x))
        if self._predict_logits is None:
            with self._own_policy():
                model = keras.Model(self.network.inputs, self.network.get_layer("logits").output)
            # The method alone: a model among the attributes would be saved a second time.
            self._predict_logits = quietly(model.predict)
        return self._predict_logits(
            images, batch_size=batch_size, verbose=verbose, callbacks=with_stop(None)
        )

    _predict_logits: Callable | None = None

    def _argument(self, name: str):
        return self._given_augmentation if name == "augmentation" else super()._argument(name)


def _as_optimizer(given) -> keras.optimizers.Optimizer:
    """Return `given` as an optimizer."""
    try:
        return keras.optimizers.get(given)
    except (TypeError, ValueError) as error:
        raise fail("optimizer", repr(given), "a Keras optimizer, or the name of one") from error
