"""The gradient that `Flow`'s optimizer is handed, against the objective written by each backend."""

import importlib
from itertools import pairwise
from unittest import mock

import keras
import numpy as np
import pytest
from keras import ops

import keras_medaug as kma
from gradient_oracle.agreement import relative_error
from gradient_oracle.recorder import Recorder

COUNT, CLASSES = 6, 2
LARGEST_ERROR = 1e-5
NOISE = np.random.default_rng(1).standard_normal((COUNT, 8, 8, 1)).astype("float32")
LOGITS = np.random.default_rng(2).standard_normal(COUNT).astype("float32")
# Of these six the second is augmented, and the label of the fifth is hidden.
DRAWS = {"flag": np.float32([0.9, 0.1, 0.8, 0.7, 0.9, 0.6]), "label": np.float32([0.5] * COUNT)}
DRAWS["label"][4] = 0.01
X = np.random.default_rng(3).random((COUNT, 8, 8, 1)).astype("float32")
Y = np.int32([0, 1, 1, -1, 0, 0])


class Normal:
    """Stands in for `keras.random.normal`: noise, then the logits of the times."""

    def __call__(self, shape, dtype=None, seed=None):
        return ops.convert_to_tensor(NOISE if len(shape) == 4 else LOGITS)


class Uniform:
    """Stands in for `keras.random.uniform`: for the flags, then for the labels."""

    def __init__(self):
        self.calls = 0

    def __call__(self, shape, dtype=None, seed=None):
        self.calls += 1
        return ops.convert_to_tensor(DRAWS["flag" if self.calls % 2 else "label"])


@keras.saving.register_keras_serializable(package="flow_gradient")
class Inverse(keras.layers.Layer):
    """An augmentation without draws: the negative of an image."""

    def call(self, inputs, training=None):
        return 1.0 - inputs


def affine_network():
    """Return a network of one hidden layer from all that it is told to velocities."""
    inputs = [
        keras.Input((8, 8, 1)), keras.Input(()), keras.Input((), dtype="int32"), keras.Input(()),
    ]  # fmt: skip
    images, times, labels, flags = inputs
    told = [
        keras.layers.Flatten()(images),
        keras.layers.Reshape((1,))(times),
        kma.layers.LabelEmbedding(
            CLASSES + 1, 3, embeddings_initializer=keras.initializers.RandomNormal(seed=1)
        )(labels),
        keras.layers.Reshape((1,))(flags),
    ]
    x = keras.layers.Concatenate()(told)
    for width, seed in ((16, 2), (64, 3)):
        start = keras.initializers.GlorotUniform(seed)
        x = keras.layers.Dense(width, "tanh" if width == 16 else None, kernel_initializer=start)(x)
    return keras.Model(inputs, keras.layers.Reshape((8, 8, 1))(x))


def native_gradients(weights):
    """Return the gradients of the objective, which the backend's own functions compute."""
    backend = keras.config.backend()
    native = importlib.import_module({"jax": "jax.numpy"}.get(backend, backend))
    times = (1 / (1 + np.exp(-(LOGITS - 0.4).astype("float64")))).astype("float32")[:, None]
    images = 2 * np.where(DRAWS["flag"][:, None, None, None] < 0.5, 1 - X, X) - 1
    images, noise = images.reshape(COUNT, -1), NOISE.reshape(COUNT, -1)
    shown = np.where((Y < 0) | (DRAWS["label"] < 0.1), CLASSES, Y)
    one_hot = np.eye(CLASSES + 1, dtype="float32")[shown]
    flags = (DRAWS["flag"] < 0.5).astype("float32")[:, None]
    state, target = (1 - times) * noise + times * images, images - noise

    def objective(embedding, kernel_1, bias_1, kernel_2, bias_2):
        names = {"torch": "tensor", "jax": "asarray", "tensorflow": "constant"}
        constant = getattr(native, names[backend])
        state_, times_, labels_, flags_, target_ = map(
            constant, map(np.float32, (state, times, one_hot, flags, target))
        )
        rows = (64, 1, 3, 1)
        ends = np.cumsum((0, *rows))
        parts = [kernel_1[a:b] for a, b in pairwise(ends)]
        told = state_ @ parts[0] + times_ @ parts[1] + (labels_ @ embedding) @ parts[2]
        hidden = native.tanh(told + flags_ @ parts[3] + bias_1)
        error = hidden @ kernel_2 + bias_2 - target_
        return (native.reduce_mean if backend == "tensorflow" else native.mean)(error**2)

    if backend == "jax":
        return importlib.import_module("jax").grad(objective, argnums=range(5))(*weights)
    if backend == "torch":
        tensors = [native.tensor(weight, requires_grad=True) for weight in weights]
        objective(*tensors).backward()
        return [tensor.grad.numpy() for tensor in tensors]
    variables = [native.Variable(weight) for weight in weights]
    with native.GradientTape() as tape:
        value = objective(*variables)
    return [gradient.numpy() for gradient in tape.gradient(value, variables)]


@pytest.mark.parametrize("eagerly", [False, True])
def test_the_optimizer_is_handed_the_gradient_of_the_objective(eagerly, report_error):
    model = kma.models.Flow(
        (8, 8, 1), CLASSES, network=affine_network(), augmentation=Inverse(), seed=0
    )
    model.compile(Recorder(), run_eagerly=eagerly)
    weights = [ops.convert_to_numpy(v.value) for v in model.network.trainable_variables]
    with (
        mock.patch.object(keras.random, "normal", Normal()),
        mock.patch.object(keras.random, "uniform", Uniform()),
    ):
        model.fit(X, Y, batch_size=COUNT, shuffle=False, verbose=0)
    expected = native_gradients(weights)
    assert all(np.any(np.asarray(gradient)) for gradient in expected)
    error = relative_error(model.optimizer.gradients(), expected)
    report_error("gradient, to the native objective's", error)
    assert error < LARGEST_ERROR
