"""Gradients by the backend's own automatic differentiation, and tiny models to take them of."""

import functools

import numpy as np
import pytest

import harness
from gradient_oracle import autodiff


@pytest.fixture
def gradients():
    """Return `gradients(function, variables, *networks)`: NumPy arrays, one per variable."""
    return autodiff.gradients


@pytest.fixture
def value():
    """Return `value(function, *networks)`: a float, and no trace left in the networks."""
    return autodiff.value


@pytest.fixture
def build():
    """Return a function that makes a tiny model by the name of its class, not compiled yet."""
    return functools.partial(harness.build, compiled=False)


@pytest.fixture
def batch():
    """Return four images and their labels, two classes."""
    return np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32"), np.int32([0, 1, 1, 0])
