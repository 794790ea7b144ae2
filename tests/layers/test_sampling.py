"""The reparameterised draw: its distribution, and the seeds that govern it."""

import keras
import numpy as np
import pytest

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
    one, same, other = (kma.layers.Sampling(seed=seed) for seed in (3, 3, 4))
    first = draw(one, zeros, zeros)
    np.testing.assert_array_equal(first, draw(same, zeros, zeros))
    assert not np.allclose(first, draw(other, zeros, zeros))
    assert not np.allclose(first, draw(one, zeros, zeros))  # the state moves on


def test_without_a_seed_keras_governs():
    zeros = np.zeros((4, 3), "float32")
    draws = []
    for seed in (5, 5, 6):
        keras.utils.set_random_seed(seed)
        draws.append(draw(kma.layers.Sampling(), zeros, zeros))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])


def test_config():
    layer = kma.layers.Sampling(seed=3, name="draw")
    twin = kma.layers.Sampling.from_config(layer.get_config())
    zeros = np.zeros((2, 3), "float32")
    assert twin.get_config() == layer.get_config()
    np.testing.assert_array_equal(draw(twin, zeros, zeros), draw(layer, zeros, zeros))


def test_saved_inside_a_model(tmp_path):
    pair = [keras.Input((3,)), keras.Input((3,))]
    model = keras.Model(pair, kma.layers.Sampling(seed=3)(pair))
    model.save(tmp_path / "m.keras")
    zeros = np.zeros((2, 3), "float32")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict([zeros, zeros], verbose=0).shape, (2, 3))
    assert isinstance(loaded.layers[-1], kma.layers.Sampling)
    assert loaded.layers[-1].seed == 3


def test_shape_and_dtype():
    layer = kma.layers.Sampling(seed=0, dtype="mixed_bfloat16")
    assert layer.compute_output_shape([(None, 3), (None, 3)]) == (None, 3)
    z = layer([np.zeros((2, 3), "float32")] * 2)
    assert keras.backend.standardize_dtype(z.dtype) == "bfloat16"


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_bad_seed(seed):
    with pytest.raises(ValueError, match="`seed`"):
        kma.layers.Sampling(seed=seed)
