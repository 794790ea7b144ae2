"""Gradients by the backend's own automatic differentiation, and tiny models to take them of."""

import importlib

import keras
import numpy as np
import pytest

import keras_medaug as kma

LATENT = 3


def _value_and_gradients(function, variables):
    """Return the value of `function()` and its gradients with respect to `variables`.

    `function` reads the variables where it finds them: there is no argument for a frozen pass to
    hide behind.
    """
    backend = keras.config.backend()
    native = importlib.import_module(backend)
    if backend == "jax":

        def stateless(values):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function()

        return native.value_and_grad(stateless)([variable.value for variable in variables])
    tensors = [variable.value for variable in variables]
    if backend == "torch":
        value = function()
        return value, native.autograd.grad(value, tensors, allow_unused=True)
    with native.GradientTape() as tape:
        value = function()
    return value, tape.gradient(value, tensors)


@pytest.fixture
def gradients():
    """Return `gradients(function, variables, *networks)`: NumPy arrays, one per variable.

    What the pass leaves in the networks (moving statistics, random states) is taken back, so that
    the next call sees the same noise and the same masks.
    """

    def call(function, variables, *networks):
        with restored(*networks):
            _, found = _value_and_gradients(function, variables)
            return [
                np.zeros(variable.shape, "float32")
                if gradient is None
                else keras.ops.convert_to_numpy(gradient)
                for variable, gradient in zip(variables, found, strict=True)
            ]

    return call


class restored:  # noqa: N801
    """Take back what happens inside to variables that are not trained."""

    def __init__(self, *networks):
        self.variables = [v for network in networks for v in network.non_trainable_variables]

    def __enter__(self):
        self.before = [np.array(keras.ops.convert_to_numpy(v.value)) for v in self.variables]

    def __exit__(self, *error):
        for variable, value in zip(self.variables, self.before, strict=True):
            variable.assign(value)


@pytest.fixture
def value():
    """Return `value(function, *networks)`: a float, and no trace left in the networks."""

    def call(function, *networks):
        with restored(*networks):
            return float(keras.ops.convert_to_numpy(function()))

    return call


@pytest.fixture
def build():
    """Return a function that makes a tiny model by the name of its class."""

    def call(name, **arguments):
        filters = {"decoder_filters": 2, "encoder_filters": 2, "discriminator_filters": 2}
        if name == "DCGAN":
            filters = {"generator_filters": 2, "discriminator_filters": 2}
        arguments = {"latent_dim": LATENT, "seed": 0, **filters, **arguments}
        return getattr(kma.models, name)((8, 8, 1), **arguments)

    return call


@pytest.fixture
def batch():
    """Return four images and their labels, two classes."""
    return np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32"), np.int32([0, 1, 1, 0])
