"""Tiny models and data. Steps run eagerly unless compilation is what a test is about."""

import keras
import numpy as np
import pytest

import keras_medaug as kma

SHAPE = (8, 8, 1)
FILTERS = {
    "CVAE": {"encoder_filters": 2, "decoder_filters": 2},
    "DCGAN": {"generator_filters": 2, "discriminator_filters": 2},
    "VAEGAN": {"encoder_filters": 2, "decoder_filters": 2, "discriminator_filters": 2},
    "Classifier": {"filters": 2},
}


def _build(name, compiled=True, **arguments):
    extra = {"num_classes": 2} if name == "Classifier" else {"latent_dim": 3}
    model = getattr(kma.models, name)(SHAPE, **{"seed": 0, **FILTERS[name], **extra, **arguments})
    if compiled:
        model.compile(run_eagerly=True)
    return eager(model)


def eager(model):
    """Return `model`, whose networks run eagerly as well when called through `predict`."""
    for name in ("encoder", "decoder", "generator", "discriminator"):
        network = getattr(model, name, None)
        if network is not None:
            network.run_eagerly = True
    if not model.compiled:
        model.run_eagerly = True
    return model


@pytest.fixture(scope="session")
def load():
    """Return a function that loads a model to run eagerly."""
    return lambda path: eager(keras.saving.load_model(path))


@pytest.fixture(scope="session")
def build():
    """Return `build(name, compiled=True, **arguments)`: a tiny model of 8 x 8 gray images."""
    return _build


@pytest.fixture
def x():
    """Return eight gray images, 8 x 8, float32 in [0, 1]."""
    return np.random.default_rng(0).random((8, *SHAPE), dtype="float32")


@pytest.fixture
def y():
    """Return the labels of `x`: two classes in turn."""
    return np.arange(8, dtype="int32") % 2


def state(model):
    """Return copies of all a model holds: weights, slots, random states."""
    held = [*model.variables, *(model.optimizer.variables if model.compiled else [])]
    held = [v for v in held if id(v) not in {id(m) for m in model.metrics_variables}]
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in held]


@pytest.fixture(scope="session")
def all_state():
    """Return the function that copies all a model holds."""
    return state


@pytest.fixture(scope="session")
def same():
    """Return a function that says whether two models hold the same, bit by bit."""

    def compare(one, other):
        pairs = list(zip(state(one), state(other), strict=True))
        return all(np.array_equal(a, b) for a, b in pairs)

    return compare
