"""Values and gradients by the backend's own automatic differentiation."""

import contextlib
import importlib

import keras
import numpy as np
from keras import ops


def value_and_gradients(function, variables):
    """Return the value of `function()` and its gradients with respect to Keras variables.

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


def gradients(function, variables, *networks):
    """Return the gradients of `function()`, as NumPy arrays, and leave no trace in the networks."""
    with restored(*networks):
        _, derivatives = value_and_gradients(function, variables)
        return [
            np.zeros(variable.shape, "float32") if gradient is None else as_numpy(gradient)
            for variable, gradient in zip(variables, derivatives, strict=True)
        ]


def value(function, *networks):
    """Return `function()` as a float, and leave no trace in the networks."""
    with restored(*networks):
        return float(as_numpy(function()))


def as_numpy(tensor):
    """Return a copy of a tensor."""
    return np.array(ops.convert_to_numpy(tensor))


@contextlib.contextmanager
def restored(*networks):
    """Take back what happens inside to variables that are not trained."""
    variables = [v for network in networks for v in network.non_trainable_variables]
    before = [as_numpy(v.value) for v in variables]
    try:
        yield
    finally:
        for variable, held in zip(variables, before, strict=True):
            variable.assign(held)
