"""The copy audit: distances against brute force, planted copies, and what it costs in memory."""

import json
import tracemalloc

import numpy as np
import pytest

from keras_medaug.metrics import copy_audit, nearest_images


def make(count, seed, shape=(8, 9, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype="uint8")


def as_type(images, dtype):
    return images if dtype == "uint8" else images.astype(dtype) / np.dtype(dtype).type(255)


def brute_force(images, training):
    """Every distance by differences, in an order and a way of its own."""
    a, b = (as_type(x, "float64") if x.dtype == np.uint8 else x for x in (images, training))
    table = np.array([[np.linalg.norm(x - y) / np.sqrt(x.size) for y in b] for x in a])
    return table.min(axis=1), table.argmin(axis=1)


IMAGES, TRAINING, HELD_OUT = make(23, seed=1), make(41, seed=2), make(20, seed=3)


@pytest.mark.parametrize("second", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("first", ["uint8", "float32"])
def test_distances_are_those_of_brute_force(first, second):
    images, training = as_type(IMAGES, first), as_type(TRAINING, second)
    distances, indices = nearest_images(images, training)
    expected, which = brute_force(images, training)
    assert distances.dtype == np.float64
    assert np.issubdtype(indices.dtype, np.integer)
    np.testing.assert_allclose(distances, expected, rtol=1e-6)
    np.testing.assert_array_equal(indices, which)


def test_the_unit_is_that_of_images_in_0_to_1():
    black, white = np.zeros((1, 8, 8, 3), "uint8"), np.full((1, 8, 8, 3), 255, "uint8")
    assert nearest_images(black, white)[0].tolist() == [1.0]
    assert nearest_images(black / 255, white / 255)[0].tolist() == [1.0]
    half = black.copy()
    half[:, :4] = 255  # half the pixels are off by 1
    assert nearest_images(half, black)[0] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("batch_size", [1, 2, 7, 22, 23, 24, 41, 1000])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_size_of_chunks_does_not_matter(dtype, batch_size):
    images, training = as_type(IMAGES, dtype), as_type(TRAINING, dtype)
    distances, indices = nearest_images(images, training, batch_size)
    expected, which = nearest_images(images, training)
    np.testing.assert_array_equal(indices, which)
    np.testing.assert_allclose(distances, expected, rtol=1e-12)
    audit, same = (copy_audit(images, training, HELD_OUT, size) for size in (batch_size, 256))
    assert audit["held_out"] == pytest.approx(same["held_out"])
    assert audit["nearer_than_held_out_05"] == same["nearer_than_held_out_05"]


@pytest.mark.parametrize("dtypes", ["uint8 uint8", "float32 float32", "uint8 float32"])
def test_equal_images_are_at_distance_0(dtypes):
    """Bright ones, in which the expanded square loses most."""
    first, second = dtypes.split()
    training = 200 + make(60, seed=4, shape=(28, 28, 1)) // 5
    chosen = [59, 0, 17, 31]
    distances, indices = nearest_images(
        as_type(training, first)[chosen], as_type(training, second), batch_size=16
    )
    assert distances.tolist() == [0.0] * 4
    assert indices.tolist() == chosen


def test_small_distances_are_accurate():
    """The expanded square, even in float64, has a relative error of 1e-4 here."""
    training = (200 + make(30, seed=4, shape=(28, 28, 1)) // 5) / np.float32(255)
    images = training + np.float32(1e-6)
    distances, indices = nearest_images(images, training)
    expected = np.sqrt(np.mean((images.astype("float64") - training) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(distances, expected, rtol=1e-9)
    np.testing.assert_array_equal(indices, np.arange(30))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_near_candidates_are_told_apart(dtype):
    """Bright images, each with one pixel of its own a step darker: float32 is too coarse here."""
    training = np.full((40, 28, 28, 1), 240, "uint8")
    training[np.arange(40), np.arange(40) // 28, np.arange(40) % 28] -= 1
    distances, indices = nearest_images(as_type(training, dtype), as_type(training, dtype), 16)
    np.testing.assert_array_equal(indices, np.arange(40))
    assert not distances.any()


@pytest.mark.parametrize("batch_size", [1, 3, 256])
def test_of_equally_near_ones_it_is_the_first(batch_size):
    training = make(12, seed=5)
    training[[4, 9]] = training[2]
    assert nearest_images(training[9:10], training, batch_size)[1].tolist() == [2]


@pytest.mark.parametrize("axis", ["images", "training"])
def test_memory_does_not_grow_with_the_sets(axis):
    few, many = make(50, seed=6, shape=(8, 8, 1)), make(20_000, seed=7, shape=(8, 8, 1))
    pair = (many, few) if axis == "images" else (few, many)
    tracemalloc.start()
    try:
        nearest_images(*pair, batch_size=50)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # all distances are 8 MB, either set as floats is 10 MB; the result takes up to 0.3 MB
    assert peak < 1e6


def test_the_audit_has_the_numbers_of_brute_force():
    audit = copy_audit(IMAGES, TRAINING, HELD_OUT)
    nearest, expected = (brute_force(x, TRAINING)[0] for x in (IMAGES, HELD_OUT))
    # linear between the two neighbours of place 0.05 * (20 - 1) in the sorted distances
    low, high = np.sort(expected)[:2]
    quantile = low + 0.95 * (high - low)
    assert audit == {
        "space": "pixels",
        "count": 23,
        "training_count": 41,
        "exact_copies": 0,
        "nearest": pytest.approx({"min": nearest.min(), "median": np.median(nearest)}),
        "held_out": pytest.approx(
            {
                "count": 20,
                "min": expected.min(),
                "median": np.median(expected),
                "quantile_05": quantile,
            }
        ),
        "nearer_than_held_out_05": pytest.approx((nearest < quantile).mean()),
    }
    assert json.loads(json.dumps(audit, allow_nan=False)) == audit


def test_without_held_out_images_there_is_no_yardstick():
    audit = copy_audit(IMAGES, TRAINING)
    assert audit["held_out"] is audit["nearer_than_held_out_05"] is None
    assert audit["nearest"] == copy_audit(IMAGES, TRAINING, HELD_OUT)["nearest"]


@pytest.mark.parametrize("dtypes", ["uint8 uint8", "float32 uint8", "uint8 float32"])
def test_planted_copies_are_found(dtypes):
    first, second = dtypes.split()
    images = IMAGES.copy()
    images[[3, 20]] = TRAINING[[40, 0]]
    images[11] = TRAINING[40]  # counted although it is the second copy of that image
    audit = copy_audit(as_type(images, first), as_type(TRAINING, second), HELD_OUT, batch_size=8)
    assert audit["exact_copies"] == 3
    assert audit["nearest"]["min"] == 0
    assert audit["nearer_than_held_out_05"] >= 3 / 23


def test_what_is_equal_after_rounding_to_8_bits_is_a_copy():
    inner = np.clip(TRAINING, 1, 254)
    for step, expected in ((0.49, 41), (-0.49, 41), (0.51, 0), (-0.51, 0)):
        images = ((inner + step) / 255).astype("float32")
        audit = copy_audit(images, inner)
        assert audit["exact_copies"] == expected
        assert audit["nearest"]["median"] == pytest.approx(abs(step) / 255, rel=1e-3)


def test_one_pixel_that_differs_by_one_step_makes_it_no_exact_copy():
    image = TRAINING[:1].copy()
    image[0, 0, 0, 0] ^= 1
    audit = copy_audit(image, TRAINING)
    assert audit["exact_copies"] == 0
    assert audit["nearest"]["min"] == pytest.approx(1 / 255 / np.sqrt(image.size))


def test_noise_of_one_percent_is_near_but_no_exact_copy():
    noise = np.random.default_rng(8).normal(0, 0.01, TRAINING.shape)
    images = np.clip(TRAINING / 255 + noise, 0, 1)
    audit = copy_audit(images, TRAINING, HELD_OUT)
    assert audit["exact_copies"] == 0
    assert audit["nearest"]["median"] == pytest.approx(0.01, rel=0.1)
    assert audit["nearer_than_held_out_05"] == 1


def test_images_that_are_no_copies_get_about_a_twentieth():
    new, training, held_out = (make(400, seed, (8, 8, 1)) for seed in (9, 10, 11))
    share = copy_audit(new, training, held_out)["nearer_than_held_out_05"]
    # both the share and the quantile are estimates from 400: standard error 0.015
    assert 0.005 < share < 0.095


@pytest.mark.parametrize("function", [copy_audit, nearest_images])
def test_bad_input_is_named(function):
    with pytest.raises(ValueError, match="`images`: got shape"):
        function(IMAGES[0], TRAINING)
    with pytest.raises(ValueError, match="`images`: got values"):
        function(IMAGES.astype("float32"), TRAINING)
    with pytest.raises(ValueError, match="`training`: got images of shape"):
        function(IMAGES, TRAINING[..., :1])
    with pytest.raises(ValueError, match=r"`training`: got .*; expected at least one"):
        function(IMAGES, TRAINING[:0])
    with pytest.raises(ValueError, match="`batch_size`: got 0"):
        function(IMAGES, TRAINING, batch_size=0)


def test_bad_held_out_images_are_named_before_any_work():
    with pytest.raises(ValueError, match="`held_out`: got images of shape"):
        copy_audit(IMAGES, TRAINING, HELD_OUT[..., :1], batch_size=0)
