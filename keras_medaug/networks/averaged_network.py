"""A network whose weights are a running mean of those of a network in training."""

from __future__ import annotations

import keras
from keras import ops

from keras_medaug.array_checks import copied
from keras_medaug.checks import check_fraction, fail
from keras_medaug.networks.running_statistics import RunningStatistics


class AveragedNetwork(keras.layers.Layer):
    """A copy of a network that follows it: each weight an exponential moving average.

    Two networks that train against each other circle around where they would settle; the mean of
    a generator's weights is nearer to it than any of them, and its images are better. The copy is
    never trained and changes nothing of the training. Moving statistics are averaged as well.

    The average begins with a short memory, so that it forgets the initial weights: step `n` (from
    0) keeps `min(momentum, (1 + n) / (10 + n))` of it, a memory of a ninth of the steps so far.

    It holds a copy of a network that it cannot rebuild from a configuration: whatever owns it makes
    it anew from the network it follows, and then loads its weights, as the models here do.

    Args:
        network: A built functional model.
        momentum: Share of the average that a step keeps, in (0, 1); 0.99 averages over some
            hundred steps.
        statistics: Running statistics of the network for another kind of batch, which are averaged
            as well, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Attributes:
        network: The copy, a plain Keras model.
        statistics: The average of `statistics`, or `None`.

    Raises:
        ValueError: If `momentum` is not in (0, 1), or `network` is not a built functional model.

    Example:

    >>> import keras
    >>> from keras_medaug.networks import AveragedNetwork
    >>> live = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> average = AveragedNetwork(live, momentum=0.99)
    >>> average.follow(live)  # after, or before, each step
    >>> average.trainable_variables
    []

    References:
        Yazici et al., The Unusual Effectiveness of Averaging in GAN Training, 2019.
    """

    def __init__(
        self,
        network: keras.Model,
        momentum: float = 0.99,
        statistics: RunningStatistics | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.momentum = check_fraction(momentum, "momentum")
        if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
            raise fail("network", type(network).__name__, "a built functional model")
        self.network = keras.models.clone_model(network)
        self.network.set_weights([copied(weight) for weight in network.weights])
        self.network.trainable = False
        self.statistics = None if statistics is None else RunningStatistics(network)
        # Keras's own choice of integer: TensorFlow keeps int32 variables off the GPU.
        self.steps = self.add_weight(
            shape=(), dtype="int", initializer="zeros", trainable=False, name="steps"
        )
        self.built = True

    @property
    def trainable(self) -> bool:
        """Always false, also where all of a model is made trainable."""
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        pass

    def follow(self, network: keras.Model, statistics: RunningStatistics | None = None) -> None:
        """Move the average towards the present weights of the network that it is a copy of.

        Args:
            network: That network.
            statistics: The statistics that the average was made with, or `None`.
        """
        averages, present = list(self.network.weights), list(network.weights)
        if self.statistics is not None and statistics is not None:
            averages += self.statistics.weights
            present += statistics.weights
        steps = ops.cast(self.steps.value, "float32")
        kept = ops.minimum(self.momentum, (1.0 + steps) / (10.0 + steps))
        for average, live in zip(averages, present, strict=True):
            value = ops.cast(ops.stop_gradient(live.value), average.dtype)
            average.assign(value + ops.cast(kept, average.dtype) * (average.value - value))
        self.steps.assign_add(1)

    def call(self, *args, **kwargs):
        """Return the output of the averaged network, in inference whatever `training` says.

        Args:
            *args: As the network takes them.
            **kwargs: As the network takes them.

        Returns:
            What the network returns.
        """
        return self.network(*args, **{**kwargs, "training": False})

    def get_config(self) -> dict:
        """Refuse: a configuration cannot hold the network that is followed.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "An AveragedNetwork is not saved by itself: the model that owns it makes it from the "
            "network it follows, and saves its weights."
        )


def average_of(
    network: keras.Model,
    ema_momentum: float | None,
    statistics: RunningStatistics | None = None,
) -> AveragedNetwork | None:
    """Return the average that a model's argument `ema_momentum` asks for, or `None`.

    Args:
        network: The network to follow.
        ema_momentum: As `AveragedNetwork`'s `momentum`, or `None` for no average.
        statistics: As for `AveragedNetwork`.

    Returns:
        An `AveragedNetwork` or `None`.

    Raises:
        ValueError: If `ema_momentum` is neither `None` nor in (0, 1).

    Example:

    >>> import keras
    >>> from keras_medaug.networks.averaged_network import average_of
    >>> average_of(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), None) is None
    True
    """
    if ema_momentum is None:
        return None
    momentum = check_fraction(ema_momentum, "ema_momentum")
    return AveragedNetwork(network, momentum, statistics, name="averaged")
