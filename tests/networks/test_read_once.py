"""One reading of the weights for several passes: the same results, and fewer passes."""

import contextlib

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.networks import frozen, read_once

X = np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
ON_TENSORFLOW = pytest.mark.skipif(
    keras.config.backend() != "tensorflow",
    reason="on JAX the compiler merges passes by itself, eager PyTorch merges none",
)


def numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def made():
    """Return a network with everything a pass can leave a trace in, the same each time."""
    network = keras.Sequential([
        keras.Input((6,)),
        keras.layers.Dense(5, activation="tanh", kernel_initializer=keras.initializers.HeNormal(1)),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.5, seed=3),
        keras.layers.Dense(2, kernel_initializer=keras.initializers.HeNormal(2)),
    ])  # fmt: skip
    return network


def passes(network, block):
    """Return what two live passes and two frozen ones give in turn, and the variables after."""
    with block:
        outputs = [call(X, training=True) for call in [network, frozen(network)] * 2]
    state = [numpy(variable.value) for variable in network.variables]
    return [numpy(output) for output in outputs] + state


def test_results_and_traces_are_those_without_it():
    network, other = made(), made()
    inside, outside = passes(network, read_once(network)), passes(other, contextlib.nullcontext())
    for one, two in zip(inside, outside, strict=True):
        np.testing.assert_array_equal(one, two)
    untouched = [numpy(variable.value) for variable in made().variables]
    changed = sum((a != b).any() for a, b in zip(inside[4:], untouched, strict=True))
    assert changed == 3  # mean, variance, seed


@pytest.mark.parametrize("call", [lambda network: network, frozen], ids=["live", "frozen"])
def test_gradients_are_those_without_it(gradients, call):
    network = made()
    x = keras.Variable(X)

    def loss(block):
        def within():
            value = x.value  # of another's variable: read before the block
            with block(network):
                return ops.sum(ops.square(call(network)(value, training=False)))

        return within

    variables = [x, *network.trainable_variables]
    inside = gradients(loss(read_once), variables, network)
    outside = gradients(loss(lambda _: contextlib.nullcontext()), variables, network)
    assert inside[0].any()
    assert any(gradient.any() for gradient in inside[1:]) == (call is not frozen)
    for one, two in zip(inside, outside, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-7)


def test_variables_of_others_are_refused():
    network, other = made(), keras.Variable(1.0)
    with (
        pytest.raises(RuntimeError, match=r"1 variables .* not variables of '\w+'"),
        read_once(network),
    ):
        other.assign(2.0)


def test_an_error_in_the_block_is_raised_and_nothing_assigned():
    network = made()
    before = [numpy(variable.value) for variable in network.variables]
    with pytest.raises(ZeroDivisionError), read_once(network):
        raise ZeroDivisionError(network(X, training=True))
    for variable, value in zip(network.variables, before, strict=True):
        np.testing.assert_array_equal(numpy(variable.value), value)


@ON_TENSORFLOW
def test_a_live_pass_and_its_frozen_twin_are_run_once():
    assert products(read_once) == 2
    assert products(lambda _: contextlib.nullcontext()) == 4


def products(block):
    """Return how many matrix products TensorFlow runs for a live and a frozen pass."""
    import tensorflow as tf
    from tensorflow.python.eager import context

    network = made()

    @tf.function
    def both(x):
        with block(network):
            return network(x, training=False) + frozen(network)(x, training=False)

    context.enable_run_metadata()
    both(tf.constant(X))
    graphs = context.export_run_metadata().partition_graphs
    context.disable_run_metadata()
    return sum("MatMul" in node.op for graph in graphs for node in graph.node)
