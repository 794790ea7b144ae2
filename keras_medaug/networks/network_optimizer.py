"""One optimizer per network, seen by Keras as a single one."""

from __future__ import annotations

from collections.abc import Mapping

import keras
from keras import ops

from keras_medaug.array_checks import without_copy_warning
from keras_medaug.checks import fail


class _Owners:
    """Maps a variable to the optimizer of the network that owns it."""

    def __init__(
        self,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        networks: Mapping[str, keras.layers.Layer],
    ) -> None:
        self._optimizers = optimizers
        self._owner = {
            id(variable): name
            for name, network in networks.items()
            for variable in network.variables
        }

    def values(self):
        return self._optimizers.values()

    def __call__(self, variable) -> keras.optimizers.Optimizer:
        return self._optimizers[self._owner[id(variable)]]


class NetworkOptimizer(keras.optimizers.MultiOptimizer):
    """Updates every network with an optimizer of its own.

    Variables are assigned by the network that owns them, not by their paths: the paths of a
    functional sub-model do not say whose they are.

    Args:
        optimizers: An optimizer for each network's name.
        networks: The networks by the same names.
        skip_zero_gradients: Whether a network all of whose gradients are exactly zero keeps its
            weights and its optimizer's slots, as if the step had not been. An adaptive optimizer
            would otherwise go on moving them by momentum.
        name: Name of the optimizer.

    Raises:
        ValueError: If the names of optimizers and networks differ.

    Example:

    >>> import keras
    >>> from keras_medaug.networks import NetworkOptimizer
    >>> one, two = keras.layers.Dense(2), keras.layers.Dense(2)
    >>> one.build((None, 3)), two.build((None, 3))
    (None, None)
    >>> optimizer = NetworkOptimizer(
    ...     {"one": keras.optimizers.SGD(0.1), "two": keras.optimizers.Adam()},
    ...     {"one": one, "two": two},
    ... )
    >>> optimizer.build(one.trainable_variables + two.trainable_variables)
    >>> sorted(optimizer.by_network)
    ['one', 'two']
    """

    def __init__(
        self,
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        networks: Mapping[str, keras.layers.Layer],
        skip_zero_gradients: bool = False,
        name: str = "network_optimizer",
    ) -> None:
        if set(optimizers) != set(networks):
            raise fail("optimizers", f"names {sorted(optimizers)}", f"names {sorted(networks)}")
        by_network = {network: optimizers[network] for network in networks}
        super().__init__(_Owners(by_network, networks), name=name)
        self.by_network = by_network
        self.skip_zero_gradients = skip_zero_gradients

    def apply(self, grads, trainable_variables=None) -> None:
        """Update the variables, each by its own network's optimizer.

        Args:
            grads: Gradients, one per variable.
            trainable_variables: The variables, or `None` for those the optimizer was built with.
        """
        variables = (
            self._trainable_variables if trainable_variables is None else trainable_variables
        )
        if not self.skip_zero_gradients:
            super().apply(grads, variables)
            return
        if not self.built:
            self.build(variables)
        grads = list(grads)
        before = [self._snapshot(optimizer, grads, variables) for optimizer in self.optimizers]
        super().apply(grads, variables)
        for idle, values in before:
            for variable, value in values:
                variable.assign(ops.where(idle, value, variable.value))

    def _snapshot(self, optimizer, grads, variables):
        """Return whether `optimizer` has nothing to do, and copies of all that it may change."""
        owned = [
            (grad, variable)
            for grad, variable in zip(grads, variables, strict=True)
            if grad is not None and self._optimizer_map(variable) is optimizer
        ]
        zeros = [ops.all(ops.equal(grad, 0)) for grad, _ in owned]
        idle = ops.all(ops.stack(zeros)) if zeros else True
        changing = [variable for _, variable in owned] + list(optimizer.variables)
        return idle, [(variable, ops.copy(variable.value)) for variable in changing]

    def get_config(self) -> dict:
        """Refuse: a configuration cannot hold the networks that own the variables.

        Models save each network's optimizer by its public name instead.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "A NetworkOptimizer is not saved by itself: the model that owns the networks saves "
            "each optimizer under its public name and rebuilds it when loaded."
        )


def public_config(optimizer: keras.optimizers.Optimizer) -> dict:
    """Serialize `optimizer` under its public name, so that any backend can load it.

    On torch Keras substitutes private classes for the public ones; a file that named those could
    not be read under another backend.

    Args:
        optimizer: A Keras optimizer.

    Returns:
        A configuration for `keras.saving.deserialize_keras_object`.

    Example:

    >>> import keras
    >>> from keras_medaug.networks.network_optimizer import public_config
    >>> config = public_config(keras.optimizers.Adam(1e-3))
    >>> config["module"], config["class_name"]
    ('keras.optimizers', 'Adam')
    """
    with without_copy_warning():
        config = keras.saving.serialize_keras_object(optimizer)
    public = getattr(keras.optimizers, type(optimizer).__name__, None)
    if public is not None and isinstance(optimizer, public):
        config.update(
            module="keras.optimizers", class_name=type(optimizer).__name__, registered_name=None
        )
    return config


def clone_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return a fresh optimizer of the same configuration.

    Args:
        optimizer: A Keras optimizer.

    Returns:
        A new optimizer that has taken no step.

    Example:

    >>> import keras
    >>> from keras_medaug.networks.network_optimizer import clone_optimizer
    >>> type(clone_optimizer(keras.optimizers.SGD(0.1))).__name__
    'SGD'
    """
    return keras.saving.deserialize_keras_object(public_config(optimizer))
