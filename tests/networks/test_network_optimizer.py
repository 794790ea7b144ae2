"""One optimizer per network: who is whose, steps counted, and steps truly skipped."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.networks import NetworkOptimizer
from keras_medaug.networks.network_optimizer import clone_optimizer, public_config


def numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def dense(units=2):
    layer = keras.layers.Dense(units)
    layer.build((None, 3))
    return layer


def pair(one, two, **kwargs):
    """Return two layers, their optimizer and all their variables."""
    layers = {"one": dense(), "two": dense()}
    optimizer = NetworkOptimizer({"one": one, "two": two}, layers, **kwargs)
    variables = [v for layer in layers.values() for v in layer.trainable_variables]
    optimizer.build(variables)
    return layers, optimizer, variables


def test_each_network_moves_by_its_own_optimizer():
    sgd, other = keras.optimizers.SGD(0.5), keras.optimizers.SGD(2.0)
    _, optimizer, variables = pair(sgd, other)
    before = [numpy(v.value) for v in variables]
    optimizer.apply([ops.ones(v.shape) for v in variables], variables)
    moved = [old - numpy(v.value) for old, v in zip(before, variables, strict=True)]
    assert [float(m.flat[0]) for m in moved] == pytest.approx([0.5, 0.5, 2.0, 2.0])
    assert optimizer.by_network == {"one": sgd, "two": other}
    assert int(sgd.iterations) == int(other.iterations) == 1


def test_variables_in_another_order_are_not_confused():
    layers, optimizer, variables = pair(keras.optimizers.SGD(0.5), keras.optimizers.SGD(2.0))
    before = numpy(layers["two"].bias)
    mixed = variables[::-1]
    optimizer.apply([ops.ones(v.shape) for v in mixed], mixed)
    np.testing.assert_allclose(before - numpy(layers["two"].bias), 2.0)


def test_all_variables_are_seen_by_keras():
    _, optimizer, _ = pair(keras.optimizers.Adam(), keras.optimizers.Adam())
    seen = {id(v) for v in optimizer.variables}
    for inner in optimizer.by_network.values():
        assert {id(v) for v in inner.variables} <= seen


@pytest.mark.parametrize("names", [{"one"}, {"one", "three"}, {"one", "two", "three"}])
def test_names_must_agree(names):
    optimizers = {name: keras.optimizers.SGD() for name in names}
    with pytest.raises(ValueError, match=r"`optimizers`: got names .*; expected names"):
        NetworkOptimizer(optimizers, {"one": dense(), "two": dense()})


def test_it_is_not_saved_by_itself():
    _, optimizer, _ = pair(keras.optimizers.SGD(), keras.optimizers.SGD())
    with pytest.raises(TypeError, match="each optimizer under its public name"):
        optimizer.get_config()


@pytest.mark.parametrize("accumulate", [None, 2])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "RMSprop", "SGD"])
def test_a_step_without_gradients_is_a_true_skip(name, accumulate):
    def make():
        extra = {"momentum": 0.9} if name == "SGD" else {}
        return getattr(keras.optimizers, name)(0.1, gradient_accumulation_steps=accumulate, **extra)

    layers, optimizer, variables = pair(make(), make(), skip_zero_gradients=True)
    ones = [ops.ones(v.shape) for v in variables]
    zeros = [ops.zeros(v.shape) for v in layers["one"].trainable_variables]
    for _ in range(3):  # momentum to go on moving by; an accumulator half full
        optimizer.apply(ones, variables)

    def held(name):
        owned = layers[name].trainable_variables + optimizer.by_network[name].variables
        return [numpy(v.value) for v in owned]

    one, two = held("one"), held("two")
    optimizer.apply([*zeros, *ones[2:]], variables)
    assert all(np.array_equal(a, b) for a, b in zip(one, held("one"), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(two, held("two"), strict=True))
    assert int(optimizer.by_network["one"].iterations) == 3 // (accumulate or 1)
    assert int(optimizer.by_network["two"].iterations) == 4 // (accumulate or 1)
    optimizer.apply(ones, variables)  # and on it goes
    assert not all(np.array_equal(a, b) for a, b in zip(one, held("one"), strict=True))


def test_one_gradient_that_is_not_zero_makes_a_step():
    _, optimizer, variables = pair(
        keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.1), skip_zero_gradients=True
    )
    grads = [np.zeros(v.shape, "float32") for v in variables]
    grads[1][0] = 1e-3  # one entry of the first layer's bias
    optimizer.apply([ops.convert_to_tensor(g) for g in grads], variables)
    assert int(optimizer.by_network["one"].iterations) == 1
    assert int(optimizer.by_network["two"].iterations) == 0


def test_without_the_option_a_step_of_zeros_is_a_step():
    _, optimizer, variables = pair(keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.1))
    optimizer.apply([ops.ones(v.shape) for v in variables], variables)
    before = numpy(variables[0].value)
    optimizer.apply([ops.zeros(v.shape) for v in variables], variables)
    assert not np.array_equal(before, numpy(variables[0].value))
    assert int(optimizer.by_network["one"].iterations) == 2


class TwoNetworks(keras.Model):
    """Two dense layers, the first of which has no gradient on negative inputs."""

    def __init__(self):
        super().__init__()
        self.one, self.two = dense(), dense()
        self.built = True

    def call(self, x, training=False):
        return x

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        on = ops.cast(ops.mean(x) > 0, "float32")
        return on * ops.mean(ops.square(self.one(x))) + ops.mean(ops.square(self.two(x) - 1))


def test_a_skip_in_a_compiled_step():
    model = TwoNetworks()
    optimizer = NetworkOptimizer(
        {"one": keras.optimizers.Adam(0.1), "two": keras.optimizers.Adam(0.1)},
        {"one": model.one, "two": model.two},
        skip_zero_gradients=True,
    )
    model.compile(optimizer=optimizer, loss=None)
    if keras.config.backend() == "jax":
        assert model.jit_compile
    ones = np.ones((2, 3), "float32")
    model.train_on_batch(ones)
    before = [numpy(model.one.kernel), numpy(model.two.kernel)]
    model.train_on_batch(-ones)
    assert np.array_equal(before[0], numpy(model.one.kernel))
    assert not np.array_equal(before[1], numpy(model.two.kernel))
    assert [int(inner.iterations) for inner in optimizer.by_network.values()] == [1, 2]


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop", "Nadam", "Adagrad", "Lion"])
def test_public_names(name):
    config = public_config(getattr(keras.optimizers, name)(0.01))
    assert (config["module"], config["class_name"]) == ("keras.optimizers", name)
    assert "torch" not in str(config)


def test_a_clone_is_fresh_and_equal():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    original = keras.optimizers.Adam(schedule, beta_1=0.3, clipnorm=1.0)
    layer = dense()
    original.apply(
        [ops.ones(v.shape) for v in layer.trainable_variables], layer.trainable_variables
    )
    clone = clone_optimizer(original)
    assert clone is not original
    assert clone.get_config() == original.get_config()
    assert int(clone.iterations) == 0
    assert not clone.built


def test_an_optimizer_of_the_users_own_keeps_its_name():
    @keras.saving.register_keras_serializable(package="tests")
    class Halved(keras.optimizers.SGD):
        pass

    config = public_config(Halved(0.1))
    assert config["registered_name"] == "tests>Halved"
    assert type(clone_optimizer(Halved(0.1))) is Halved
