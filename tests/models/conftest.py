"""Tiny models and data. Steps run eagerly unless compilation is what a test is about."""

import keras
import pytest

import harness
from harness import bad_input
from harness.models import eager
from harness.state import same as same_state
from harness.state import state


@pytest.fixture(scope="session")
def load():
    """Return a function that loads a model to run eagerly."""
    return lambda path: eager(keras.saving.load_model(path))


@pytest.fixture(scope="session")
def build():
    """Return `build(name, compiled=True, **arguments)`: a tiny model of 8 x 8 gray images."""
    return harness.build


@pytest.fixture
def x():
    """Return eight gray images, 8 x 8, float32 in [0, 1]."""
    return bad_input.X.copy()


@pytest.fixture
def y():
    """Return the labels of `x`: two classes in turn."""
    return bad_input.Y.copy()


@pytest.fixture(scope="session")
def all_state():
    """Return the function that copies all a model holds."""
    return state


@pytest.fixture(scope="session")
def same():
    """Return a function that says whether two models hold the same, bit by bit."""
    return same_state
