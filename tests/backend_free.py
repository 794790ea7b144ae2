"""Keeps Keras away from tests that are marked `backend_free`, which run once."""

import contextlib
import types
from unittest import mock

import keras

# It tells a tensor from an array, and computes nothing.
HARMLESS = {"is_tensor"}
MODULES = (
    keras.ops, keras.ops.image, keras.ops.linalg, keras.ops.nn, keras.ops.numpy, keras.random,
    keras.activations, keras.losses, keras.metrics,
)  # fmt: skip
# Their public classes compute when they are called.
CALLED = (keras.initializers, keras.regularizers, keras.optimizers.schedules)
METHODS = (
    (keras.Variable, "__init__"),
    (keras.layers.Layer, "__call__"),
    (keras.losses.Loss, "__call__"),
    *(
        (value, "__call__")
        for module in CALLED
        for value in vars(module).values()
        if isinstance(value, type) and "__call__" in vars(value)
    ),
)


class Stray(AssertionError):
    """A test that is marked `backend_free` touched Keras."""


def _refusing(name):
    def refuse(*_, **__):
        raise Stray(
            f"{name}: a test that is marked backend_free runs on no backend; expected NumPy alone. "
            "Take the mark away, and the test runs on each backend."
        )

    return refuse


@contextlib.contextmanager
def off_limits():
    """Refuse the public functions of Keras that compute, its variables, and calls of its layers."""
    with contextlib.ExitStack() as stack:
        for module in MODULES:
            functions = {
                name: _refusing(f"{module.__name__}.{name}")
                for name, value in vars(module).items()
                if isinstance(value, types.FunctionType) and name not in HARMLESS
            }
            stack.enter_context(mock.patch.multiple(module, **functions))
        for owner, name in METHODS:
            refuse = _refusing(f"keras.{owner.__name__}")
            stack.enter_context(mock.patch.object(owner, name, refuse))
        yield
