"""The embedding of times: its formula, and how close two times may be."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.layers import TimeEmbedding
from keras_medaug.layers.time_embedding import HIGHEST, LOWEST


def embedded(times, features=64, **arguments):
    waves = TimeEmbedding(features, **arguments)(ops.convert_to_tensor(np.float32(times)))
    return np.array(ops.convert_to_numpy(ops.cast(waves, "float32")))


def test_sines_and_cosines_at_frequencies_in_geometric_progression():
    times = np.linspace(0, 1, 9)
    ratio = (HIGHEST / LOWEST) ** (1 / 3)
    angles = times[:, None] * [LOWEST * ratio**step for step in range(4)]
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(embedded(times, 8), expected, atol=1e-3)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_times_that_are_near_each_other_are_told_apart(policy):
    """By more than half precision rounds: the largest distance of two waves is 2."""
    waves = embedded(np.arange(0, 1.001, 0.01), dtype=policy)
    distances = np.abs(waves[:, None] - waves).max(axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() > 0.1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_rounds_the_waves_and_not_the_times(policy):
    """In bfloat16, 0.997 and 0.999 are both 1."""
    times = np.linspace(0.99, 1, 50)
    np.testing.assert_allclose(embedded(times, dtype=policy), embedded(times), atol=5e-3)


def test_a_model_in_half_precision_hands_times_over_whole():
    times = keras.Input(())
    model = keras.Model(times, TimeEmbedding(8, dtype="mixed_bfloat16")(times))
    values = np.linspace(0.99, 1, 50, dtype="float32")
    waves = ops.convert_to_numpy(ops.cast(model(values), "float32"))
    np.testing.assert_allclose(waves, embedded(values, 8), atol=5e-3)
    assert model.output.dtype == "bfloat16"
