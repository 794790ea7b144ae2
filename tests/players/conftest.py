"""Gradients by the backend's own automatic differentiation, and tiny models to take them of."""

import numpy as np
import pytest

import keras_medaug as kma
from gradient_oracle import autodiff

LATENT = 3


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
