"""All that a model holds, copied and compared."""

import keras
import numpy as np


def numpy(variable):
    """Return a copy of a variable's value."""
    return np.array(keras.ops.convert_to_numpy(variable.value))


def state(model):
    """Return copies of all a model holds but its metrics: weights, slots, random states."""
    metrics = {id(variable) for variable in model.metrics_variables}
    held = [*model.variables, *(model.optimizer.variables if model.compiled else [])]
    return [numpy(variable) for variable in held if id(variable) not in metrics]


def equal(one, other):
    """Say whether two lists of arrays are the same, bit by bit."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def same(model, other):
    """Say whether two models hold the same, bit by bit."""
    return equal(state(model), state(other))
