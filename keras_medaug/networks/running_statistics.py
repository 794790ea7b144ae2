"""Running statistics of a network for one kind of batch, beside the network's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras

from keras_medaug.array_checks import copied


class RunningStatistics(keras.layers.Layer):
    """The moving means and variances of a network's batch normalisation, for one kind of batch.

    In training, a batch is normalised by its own mean and variance. Outside training, it is
    normalised by running ones. A GAN passes batches of several kinds through one network: real
    and generated images, reconstructions and images from the prior. Each kind has another mean and
    variance, and the running average over all of them fits none. Images come out with too little
    or too much contrast.

    So each kind has statistics of its own. The network itself holds those of one kind. An object of
    this class holds those of another: the weights are the network's, the statistics are not.

    The object does not hold the network, and cannot be rebuilt from a configuration: the model that
    owns both makes it and saves its weights.

    Args:
        network: A built functional model. Its present statistics are copied.
        **kwargs: Passed to `keras.layers.Layer`.

    Example:

    >>> import keras
    >>> from keras_medaug.networks import RunningStatistics
    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization()])
    >>> generated = RunningStatistics(network)
    >>> x = 1 + keras.random.normal((64, 3), seed=0)
    >>> outputs = generated.through(network)(x, training=True)  # moves these statistics alone
    >>> keras.ops.convert_to_numpy(network.layers[0].moving_mean).tolist()
    [0.0, 0.0, 0.0]

    References:
        Xie et al., Adversarial Examples Improve Image Recognition, 2020, section 4: auxiliary
        batch normalisation for inputs of another distribution.
    """

    def __init__(self, network: keras.Model, **kwargs) -> None:
        super().__init__(**kwargs)
        self._places = [
            place for place, variable in enumerate(network.weights) if _is_statistic(variable)
        ]
        self.values = [self._copied(network.weights[place]) for place in self._places]
        self.built = True

    def _copied(self, variable: keras.Variable) -> keras.Variable:
        copy = self.add_weight(
            shape=variable.shape,
            dtype=variable.dtype,
            initializer="zeros",
            trainable=False,
            name=variable.name,
        )
        copy.assign(copied(variable))  # JAX gives buffers away once
        return copy

    def through(self, network: keras.Model) -> Callable:
        """Return a function that calls `network` under these statistics.

        Gradients reach the network's weights, as in any call. In training these statistics move,
        and the network's own stay as they were. Random states of the network move as in any call.

        Args:
            network: The network, or one of the same layers.

        Returns:
            A function with the arguments of `network`.
        """

        def call(*args, training=None, **kwargs):
            trainable = [variable.value for variable in network.trainable_variables]
            others = network.non_trainable_variables
            outputs, moved = network.stateless_call(
                trainable, self.in_place_of(network), *args, training=training, **kwargs
            )
            if training:
                own = self._by_variable(network)
                for variable, value in zip(others, moved, strict=True):
                    own.get(id(variable), variable).assign(value)
            return outputs

        return call

    def in_place_of(self, network: keras.Model) -> list:
        """Return the values of a network's non-trainable variables, these statistics among them.

        Args:
            network: The network, or one of the same layers.

        Returns:
            One value for each of `network.non_trainable_variables`.
        """
        own = self._by_variable(network)
        return [own.get(id(v), v).value for v in network.non_trainable_variables]

    @contextmanager
    def lent_to(self, network: keras.Model) -> Iterator[None]:
        """Let a network use these statistics as its own within the block, as in `predict`.

        Args:
            network: The network, or one of the same layers.

        Returns:
            The block's context manager.
        """
        variables = [network.weights[place] for place in self._places]
        before = [copied(variable) for variable in variables]
        try:
            for variable, value in zip(variables, self.values, strict=True):
                variable.assign(copied(value))
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def _by_variable(self, network: keras.Model) -> dict[int, keras.Variable]:
        """Return these statistics by the identity of the network's variables."""
        weights = network.weights
        pairs = zip(self._places, self.values, strict=True)
        return {id(weights[place]): value for place, value in pairs}

    def get_config(self) -> dict:
        """Refuse: a configuration cannot hold the network that the statistics are of.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "RunningStatistics are not saved by themselves: the model that owns them makes them "
            "from the network they are of, and saves their values."
        )


def _is_statistic(variable: keras.Variable) -> bool:
    return variable.name in ("moving_mean", "moving_variance")
