"""The reparameterised draw: its distribution, and the seeds that govern it."""

import keras
import numpy as np

import keras_medaug as kma


def draw(layer, mean, log_var):
    return keras.ops.convert_to_numpy(layer([mean, log_var]))


def test_moments():
    count = 20_000
    mean = np.tile(np.float32([1.0, -2.0, 0.0]), (count, 1))
    log_var = np.tile(np.log(np.float32([4.0, 0.25, 1.0])), (count, 1))
    z = draw(kma.layers.Sampling(seed=0), mean, log_var)
    np.testing.assert_allclose(z.mean(axis=0), mean[0], atol=0.06)
    np.testing.assert_allclose(z.std(axis=0), [2, 0.5, 1], rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(z.T), np.eye(3), atol=0.03)


def test_no_variance_gives_the_mean():
    mean = np.float32([[1, 2]])
    np.testing.assert_allclose(draw(kma.layers.Sampling(seed=0), mean, mean - 100), mean)


def test_seeds_and_state():
    zeros = np.zeros((4, 3), "float32")
    layer, same, other = (kma.layers.Sampling(seed=seed) for seed in (3, 3, 4))
    first = draw(layer, zeros, zeros)
    np.testing.assert_array_equal(first, draw(same, zeros, zeros))
    assert not np.allclose(first, draw(other, zeros, zeros))
    assert not np.allclose(first, draw(layer, zeros, zeros))  # the state moves on


def test_without_a_seed_keras_governs():
    zeros = np.zeros((4, 3), "float32")
    draws = []
    for seed in (5, 5, 6):
        keras.utils.set_random_seed(seed)
        draws.append(draw(kma.layers.Sampling(), zeros, zeros))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])
