"""The velocity towards a predicted image: its formula, up to the end of the way."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.layers import VelocityFromImage

DRAWS = np.random.default_rng(0)
IMAGE, NOISE = DRAWS.normal(size=(2, 5, 8, 8, 3)).astype("float32")


def velocity(predicted, noisy, times, **arguments):
    inputs = [ops.convert_to_tensor(np.float32(part)) for part in (predicted, noisy, times)]
    return ops.convert_to_numpy(VelocityFromImage(**arguments)(inputs))


def test_the_right_image_gives_the_velocity_of_the_straight_way():
    times = np.float32([0, 0.1, 0.5, 0.9, 0.97])
    time = times.reshape(-1, 1, 1, 1)
    noisy = (1 - time) * NOISE + time * IMAGE
    np.testing.assert_allclose(velocity(IMAGE, noisy, times), IMAGE - NOISE, atol=2e-5)


@pytest.mark.parametrize("shortest", [0.02, 0.25])
def test_a_distance_is_divided_by_so_much_at_least(shortest):
    times = np.float32([0.98, 0.99, 0.999, 1, 1])
    expected = (IMAGE - NOISE) / max(shortest, 0.02)
    np.testing.assert_allclose(
        velocity(IMAGE, NOISE, times, shortest=shortest), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_it_computes_in_float32_whatever_the_policy_of_the_program(policy):
    keras.config.set_dtype_policy(policy)
    try:
        layer = VelocityFromImage()
    finally:
        keras.config.set_dtype_policy("float32")
    assert layer.compute_dtype == "float32"
