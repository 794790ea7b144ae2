"""The residual block: what it begins as, what it computes, and the seeds that govern it."""

import numpy as np
import pytest
from drop_in import images
from keras import ops

from gradient_oracle.autodiff import gradients
from keras_medaug.layers import ResidualBlock

X, CONDITION = images(2, 5, 6, 4), images(2, 3, seed=1)


def array(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def made(filters, stirred=True, **arguments):
    """Return a block, by default one whose weights are all random."""
    block = ResidualBlock(filters, groups=2, **{"seed": 0, **arguments})
    block.build([X.shape, CONDITION.shape])
    if stirred:
        draws = np.random.default_rng(0)
        for variable in block.trainable_variables:
            variable.assign(draws.normal(0, 0.3, variable.shape))
    return block


def test_it_begins_as_the_identity():
    block = made(4, stirred=False, dropout=0.5)
    for training in (False, True):
        np.testing.assert_array_equal(array(block([X, CONDITION], training=training)), X)
    assert block.shortcut is None


def test_where_it_widens_it_begins_as_a_linear_map_of_the_channels():
    block = made(6, stirred=False)
    kernel, bias = (weight for weight in block.shortcut.get_weights())
    assert kernel.shape == (1, 1, 4, 6)
    outputs = array(block([X, CONDITION]))
    np.testing.assert_allclose(outputs, X @ kernel[0, 0] + bias, atol=1e-6)
    assert np.abs(outputs).min(axis=(0, 1, 2)).max() > 0


@pytest.mark.parametrize("filters", [4, 6])
def test_it_adds_what_two_convolutions_make_after_a_normalisation_each(filters):
    block = made(filters, dropout=0.5)
    first, second = block.normalizations
    x = block.convolutions[0](ops.silu(first([X, CONDITION])))
    x = block.convolutions[1](ops.silu(second([x, CONDITION])))
    base = X if filters == 4 else array(block.shortcut(X))
    np.testing.assert_allclose(array(block([X, CONDITION])), base + array(x), atol=1e-5)
    assert np.abs(array(x)).mean() > 0.1


def test_dropout_is_of_training_alone_and_follows_the_seed():
    one, same, other = (made(4, dropout=0.5, seed=seed) for seed in (3, 3, 4))
    quiet = made(4, dropout=0.0, seed=3)
    inputs = [X, CONDITION]
    np.testing.assert_array_equal(array(one(inputs)), array(quiet(inputs)))
    first, second = (array(one(inputs, training=True)) for _ in range(2))
    assert not np.allclose(first, array(quiet(inputs, training=True)), atol=1e-3)
    assert not np.allclose(first, second, atol=1e-3)
    np.testing.assert_array_equal(first, array(same(inputs, training=True)))
    assert not np.allclose(first, array(other(inputs, training=True)), atol=1e-3)


def test_seeds_decide_the_initial_weights():
    def kernels(seed):
        block = made(6, stirred=False, seed=seed)
        return [block.convolutions[0].get_weights()[0], block.shortcut.get_weights()[0]]

    one, same, other = kernels(1), kernels(1), kernels(2)
    assert all(map(np.array_equal, one, same))
    assert not any(map(np.array_equal, one, other))


def test_every_weight_has_a_gradient():
    block = made(6)
    found = gradients(lambda: ops.sum(ops.square(block([X, CONDITION]))), block.trainable_variables)
    assert len(found) == 2 * 2 + 2 * 2 + 2
    assert all(np.abs(gradient).max() > 0 for gradient in found)
