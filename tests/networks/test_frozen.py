"""A frozen pass: the live one's values and gradients to its inputs, and no trace of its own."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.networks import frozen

X = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")


def numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


@pytest.fixture
def network():
    """Return a network with everything a pass can leave a trace in."""
    network = keras.Sequential([
        keras.layers.Dense(5, activation="tanh"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5, seed=3),
        keras.layers.Dense(2),
    ])  # fmt: skip
    network.build((None, 6))
    return network


def state(network):
    return [numpy(variable.value) for variable in network.variables]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("training", [False, True])
def test_no_gradient_into_the_weights_and_the_live_one_to_the_inputs(network, gradients, training):
    x = keras.Variable(X)
    weights = network.trainable_variables
    variables = [x, *weights]

    def loss(call):
        return lambda: ops.sum(ops.square(call(x.value, training=training)))

    live = gradients(loss(network), variables, network)
    cold = gradients(loss(frozen(network)), variables, network)
    assert all(gradient.any() for gradient in live[:1])
    assert sum(gradient.any() for gradient in live[1:]) >= 4
    np.testing.assert_allclose(cold[0], live[0], rtol=1e-5, atol=1e-6)
    assert not any(gradient.any() for gradient in cold[1:])


def test_gradients_reach_a_network_below_and_none_above(network, gradients):
    below = keras.layers.Dense(6)
    below.build((None, 6))
    variables = below.trainable_variables + network.trainable_variables
    received = gradients(
        lambda: ops.sum(ops.square(frozen(network)(below(X), training=True))),
        variables,
        network,
    )
    assert all(gradient.any() for gradient in received[:2])
    assert not any(gradient.any() for gradient in received[2:])


def test_no_trace(network):
    before = state(network)
    frozen(network)(X, training=True)
    assert same(before, state(network))
    network(X, training=True)  # a live one does leave one
    after = state(network)
    assert not same(before, after)
    changed = sum(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert changed == 3  # mean, variance, seed


def test_the_mask_is_shared_with_the_next_live_pass(network):
    for _ in range(2):
        cold = [numpy(frozen(network)(X, training=True)) for _ in range(2)]
        live = numpy(network(X, training=True))
        np.testing.assert_allclose(cold[0], cold[1], atol=1e-6)
        np.testing.assert_allclose(cold[0], live, atol=1e-6)
    assert not np.allclose(live, numpy(frozen(network)(X, training=True)), atol=1e-3)


def test_weights_are_read_when_called(network):
    call = frozen(network)
    before = numpy(call(X))
    network.layers[-1].kernel.assign(2 * network.layers[-1].kernel.value)
    bias = numpy(network.layers[-1].bias)
    np.testing.assert_allclose(numpy(call(X)), 2 * (before - bias) + bias, rtol=1e-5, atol=1e-6)


def test_a_network_that_is_not_trainable(network):
    network.trainable = False
    np.testing.assert_allclose(numpy(frozen(network)(X)), numpy(network(X)), atol=1e-6)


def test_several_inputs_and_outputs():
    a, b = keras.Input((3,)), keras.Input((), dtype="int32")
    embedded = keras.layers.Embedding(4, 3)(b)
    network = keras.Model([a, b], {"sum": a + embedded, "product": a * embedded})
    x, labels = np.ones((2, 3), "float32"), np.int32([1, 3])
    live, cold = network([x, labels]), frozen(network)([x, labels])
    assert sorted(cold) == ["product", "sum"]
    for name in live:
        np.testing.assert_allclose(numpy(cold[name]), numpy(live[name]))
