"""A test that is marked `backend_free` fails as soon as it touches Keras."""

import keras
import numpy as np
import pytest

import keras_medaug as kma
from backend_free import Stray

X = np.zeros((4, 8, 8, 1), "float32")
STRAYS = {
    "an operation": lambda: keras.ops.ones((2, 2)),
    "an operation by name": lambda: keras.ops.convert_to_numpy(X),
    "an operation on images": lambda: keras.ops.image.resize(X, (4, 4)),
    "an activation": lambda: keras.activations.relu(X),
    "a loss": lambda: keras.losses.mean_squared_error(X, X),
    "a loss that is an object": lambda: keras.losses.MeanSquaredError()(X, X),
    "a metric": lambda: keras.metrics.mean_squared_error(X, X),
    "an initializer": lambda: keras.initializers.GlorotUniform(0)((2, 2)),
    "a regularizer": lambda: keras.regularizers.L2()(X),
    "a schedule": lambda: keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)(1),
    "a random draw": lambda: keras.random.normal((2, 2), seed=0),
    "a variable": lambda: keras.Variable(np.zeros(2)),
    "a random generator": lambda: keras.random.SeedGenerator(0),
    "a layer without weights": lambda: keras.layers.Flatten()(X),
    "a model of Keras": lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
    "a model of ours": lambda: kma.models.CVAE((8, 8, 1), 2),
    "a classifier inside a call": lambda: kma.features.ClassifierFeatures(X, [0, 1, 0, 1], steps=1),
}


@pytest.mark.backend_free
@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_what_touches_keras_is_told(stray):
    with pytest.raises(Stray, match="marked backend_free"):
        stray()


@pytest.mark.backend_free
def test_numpy_is_left_alone():
    assert kma.metrics.frechet_distance(np.eye(5), np.eye(5))["value"] == pytest.approx(0, abs=1e-6)
    assert not keras.ops.is_tensor(X)


def test_without_the_mark_keras_is_there():
    assert keras.ops.convert_to_numpy(keras.ops.ones(2)).tolist() == [1, 1]
    assert int(keras.Variable(2, trainable=False, dtype="int32")) == 2
