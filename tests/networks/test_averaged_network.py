"""The average of a network in training: what it holds, when it moves, and no more than that."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_medaug as kma
from keras_medaug.networks import AveragedNetwork

X = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")


def numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


@pytest.fixture
def live():
    network = keras.Sequential([
        keras.Input((3,)), keras.layers.Dense(5), keras.layers.BatchNormalization(),
    ])  # fmt: skip
    network.layers[0].kernel.assign(np.full((3, 5), 2.0))
    return network


def state(network):
    return [numpy(variable.value) for variable in network.weights]


def test_it_begins_as_a_copy_and_has_nothing_to_train(live):
    average = AveragedNetwork(live, 0.9)
    for one, other in zip(state(average.network), state(live), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not {id(v) for v in average.network.weights} & {id(v) for v in live.weights}
    assert average.trainable_variables == []
    average.trainable = True
    assert average.trainable_variables == []
    assert not average.trainable
    assert live.trainable_variables


def test_it_is_the_moving_mean_of_all_weights(live):
    """Against the recursion written out; the share kept grows to the momentum."""
    average = AveragedNetwork(live, 0.3)
    expected = state(live)
    rng = np.random.default_rng(0)
    for step in range(6):
        for variable in live.weights:
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        kept = min(0.3, (1 + step) / (10 + step))
        pairs = zip(expected, state(live), strict=True)
        expected = [kept * old + (1 - kept) * new for old, new in pairs]
        average.follow(live)
        for one, other in zip(state(average.network), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
    assert (1 + 5) / (10 + 5) > 0.3 > 1 / 10  # both regimes were seen


def test_its_images_are_those_of_inference(live):
    average = AveragedNetwork(live, 0.9)
    before = state(average.network)
    averaged = average(X, training=True)
    np.testing.assert_allclose(numpy(averaged), numpy(live(X, training=False)), atol=1e-6)
    for one, other in zip(state(average.network), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("momentum", [0, 1, -0.5, 1.5, True, "0.9", float("nan")])
def test_a_momentum_that_is_none(live, momentum):
    with pytest.raises(ValueError, match=r"`momentum`: got .*; expected a number in \(0, 1\)"):
        AveragedNetwork(live, momentum)
    with pytest.raises(ValueError, match=r"`ema_momentum`: got .*; expected a number in \(0, 1\)"):
        kma.models.DCGAN((8, 8, 1), ema_momentum=momentum)


def test_only_a_built_functional_model_can_be_followed():
    for network in (keras.layers.Dense(2), keras.Sequential([keras.layers.Dense(2)])):
        with pytest.raises(ValueError, match=r"`network`: got .*; expected a built functional"):
            AveragedNetwork(network)


def test_it_is_not_saved_by_itself(live):
    with pytest.raises(TypeError, match="the model that owns it"):
        AveragedNetwork(live).get_config()


# ---- in the models --------------------------------------------------------------------------


@pytest.fixture
def trained(build, batch):
    """Return a function: a model after three steps, and the averages that it should have."""

    def train(name, jit, **arguments):
        model = build(name, **arguments)
        model.compile(keras.optimizers.Adam(0.1), run_eagerly=not jit)
        expected = state(model.generator)
        for step in range(3):
            seen = [] if jit else state(model.generator)
            model.train_on_batch(batch[0])
            if not jit:
                kept = (1 + step) / (10 + step)
                moved = state(model.generator)  # its statistics have moved, its weights since
                pairs = zip(model.generator.weights, expected, seen, moved, strict=True)
                expected = [
                    kept * old + (1 - kept) * (before if variable.trainable else after)
                    for variable, old, before, after in pairs
                ]
        return model, expected

    return train


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_each_step_moves_the_average_once(trained, name):
    model, expected = trained(name, jit=False)
    assert int(model.averaged.steps.value) == 3
    for one, other in zip(state(model.averaged.network), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    compiled, _ = trained(name, jit=True)
    assert int(compiled.averaged.steps.value) == 3
    for one, other in zip(state(compiled.averaged.network), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_images_come_from_the_average(trained, batch, name):
    model, _ = trained(name, jit=False)
    z = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    average = numpy(model.averaged.network(z))
    np.testing.assert_allclose(model.decode(z), average, atol=1e-6)
    assert np.abs(numpy(model.generator(z)) - average).max() > 1e-3
    images = model.generate(4, seed=0)
    if name == "VAEGAN":
        reconstructed = model.decode(model.encode(batch[0]), encoded=True)
        np.testing.assert_allclose(model.predict(batch[0], verbose=0), reconstructed, atol=1e-6)
    before = [*state(model.averaged.network), numpy(model.averaged.steps.value)]
    model.evaluate(batch[0], verbose=0)
    for one, other in zip(before, [*state(model.averaged.network), 3], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(images, model.generate(4, seed=0))


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_training_is_the_same_without_it(trained, name):
    with_average, _ = trained(name, jit=False)
    without, _ = trained(name, jit=False, ema_momentum=None)
    assert without.averaged is None
    pairs = zip(with_average.networks.items(), without.networks.values(), strict=True)
    for (network, one), other in pairs:
        for a, b in zip(state(one), state(other), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=network)
    z = np.zeros((2, 3), "float32")
    np.testing.assert_allclose(without.decode(z), numpy(without.generator(z)), atol=1e-6)


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_it_is_never_among_what_a_model_trains(build, name):
    model = build(name)
    networks = [v for network in model.networks.values() for v in network.trainable_variables]
    assert {id(v) for v in model.trainable_variables} == {id(v) for v in networks}
    model.trainable = False
    model.trainable = True
    assert {id(v) for v in model.trainable_variables} == {id(v) for v in networks}


@pytest.mark.parametrize("name", ["DCGAN", "VAEGAN"])
def test_it_survives_saving(trained, name, tmp_path):
    model, _ = trained(name, jit=False, ema_momentum=0.7)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.averaged.momentum == 0.7
    assert int(loaded.averaged.steps.value) == 3
    for one, other in zip(
        state(loaded.averaged.network), state(model.averaged.network), strict=True
    ):
        np.testing.assert_array_equal(one, other)
