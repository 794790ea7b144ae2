"""Statistics of one kind of batch: what moves them, what they change, and nothing else."""

import keras
import numpy as np
import pytest
from keras import ops

from harness.state import equal
from keras_medaug.networks import RunningStatistics, frozen

X = np.random.default_rng(1).normal(3.0, 2.0, (8, 6)).astype("float32")


def numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def state(variables):
    return [numpy(variable) for variable in variables]


@pytest.fixture
def network():
    """Return a network with statistics, weights and a random state."""
    network = keras.Sequential([
        keras.Input((6,)),
        keras.layers.Dense(5),
        keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.Dropout(0.5, seed=3),
        keras.layers.Dense(2),
    ])  # fmt: skip
    return network


def normalisation(network):
    return network.layers[1]


def test_they_begin_as_those_of_the_network(network):
    network(X, training=True)
    statistics = RunningStatistics(network)
    own = normalisation(network)
    assert equal(state(statistics.values), state([own.moving_mean, own.moving_variance]))
    assert statistics.trainable_variables == []


def test_a_pass_moves_them_and_the_random_state_and_not_the_networks(network):
    statistics = RunningStatistics(network)
    before = state(network.variables)
    twin = keras.models.clone_model(network)
    twin.set_weights(network.get_weights())
    outputs = statistics.through(network)(X, training=True)
    np.testing.assert_allclose(numpy(outputs), numpy(twin(X, training=True)), atol=1e-6)
    changed = [
        variable.path
        for variable, old in zip(network.variables, before, strict=True)
        if not np.array_equal(numpy(variable.value), old)
    ]
    assert len(changed) == 1
    assert "seed" in changed[0]
    moved = normalisation(twin)
    np.testing.assert_allclose(numpy(statistics.values[0]), numpy(moved.moving_mean), rtol=1e-5)
    np.testing.assert_allclose(numpy(statistics.values[1]), numpy(moved.moving_variance), rtol=1e-5)


def test_outside_training_they_normalise_and_stay(network):
    statistics = RunningStatistics(network)
    for _ in range(20):
        statistics.through(network)(X, training=True)
    before = state(statistics.values)
    twin = keras.models.clone_model(network)
    twin.set_weights(network.get_weights())
    normalisation(twin).moving_mean.assign(before[0])
    normalisation(twin).moving_variance.assign(before[1])
    expected = numpy(twin(X, training=False))
    for call in (statistics.through(network), frozen(network, statistics)):
        np.testing.assert_allclose(numpy(call(X, training=False)), expected, atol=1e-6)
    assert np.abs(numpy(network(X, training=False)) - expected).max() > 0.1
    assert equal(before, state(statistics.values))


def test_gradients_reach_the_weights_and_none_of_a_frozen_pass(network, gradients):
    statistics = RunningStatistics(network)
    x = keras.Variable(X)
    variables = [x, *network.trainable_variables]

    def received(call):
        def loss():
            return ops.sum(ops.square(call(x.value, training=True)))

        return [bool(gradient.any()) for gradient in gradients(loss, variables, network)]

    live, cold = received(statistics.through(network)), received(frozen(network, statistics))
    assert live[0]
    assert sum(live[1:]) >= 4
    assert cold == [True] + [False] * len(network.trainable_variables)


def test_they_are_lent_and_taken_back(network):
    statistics = RunningStatistics(network)
    for _ in range(5):
        statistics.through(network)(X, training=True)
    expected = numpy(statistics.through(network)(X, training=False))
    before = state(network.weights)
    with statistics.lent_to(network):
        np.testing.assert_allclose(network.predict(X, verbose=0), expected, atol=1e-6)
    assert equal(before, state(network.weights))
    with pytest.raises(KeyError), statistics.lent_to(network):
        raise KeyError
    assert equal(before, state(network.weights))
    assert np.abs(network.predict(X, verbose=0) - expected).max() > 0.1


def test_a_copy_that_is_not_trainable_can_use_them(network):
    statistics = RunningStatistics(network)
    for _ in range(5):
        statistics.through(network)(X, training=True)
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    expected = numpy(statistics.through(network)(X, training=False))
    np.testing.assert_allclose(
        numpy(statistics.through(copy)(X, training=False)), expected, atol=1e-6
    )
    with statistics.lent_to(copy):
        np.testing.assert_allclose(copy.predict(X, verbose=0), expected, atol=1e-6)


def test_a_network_without_any():
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    statistics = RunningStatistics(network)
    assert statistics.values == []
    with statistics.lent_to(network):
        outputs = statistics.through(network)(X, training=True)
    np.testing.assert_allclose(numpy(outputs), numpy(network(X)), atol=1e-6)


def test_they_are_not_saved_by_themselves(network):
    with pytest.raises(TypeError, match="the model that owns them"):
        RunningStatistics(network).get_config()
