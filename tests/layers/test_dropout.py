"""Dropout by half the random numbers: as much is dropped, independently, and the mean is kept."""

import keras
import numpy as np
import pytest
from keras import ops

from gradient_oracle.autodiff import gradients
from keras_medaug.layers import Dropout


def dropped(layer, shape=(401, 500), **kwargs):
    outputs = layer(ops.ones(shape), training=True, **kwargs)
    return ops.convert_to_numpy(outputs)


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.5, 0.9])
def test_values_are_zero_or_scaled_by_what_keeps_the_mean(rate):
    outputs = dropped(Dropout(rate, seed=1))
    low, high = np.unique(outputs)
    assert low == 0
    exact = round(rate * 2048) / 2048
    np.testing.assert_allclose(high, 1 / (1 - exact), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / outputs.size)
    assert abs((outputs == 0).mean() - exact) < 4 * deviation


def test_the_two_values_of_a_draw_are_dropped_independently():
    zeros = dropped(Dropout(0.4, seed=2), (400, 500)) == 0
    first, second = zeros[:200], zeros[200:]
    for half in (first, second):
        assert abs(half.mean() - 0.4) < 4 * np.sqrt(0.24 / half.size)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / np.sqrt(first.size)


def test_neighbours_are_dropped_independently():
    zeros = dropped(Dropout(0.4, seed=3), (400, 500)) == 0
    for axis in (0, 1):
        near = np.corrcoef(zeros.ravel(), np.roll(zeros, 1, axis).ravel())[0, 1]
        assert abs(near) < 4 / np.sqrt(zeros.size)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_batch_size_has_its_draws(count):
    outputs = dropped(Dropout(0.5, seed=4), (count, 3, 5, 40))
    assert outputs.shape == (count, 3, 5, 40)
    assert all(0.3 < (image == 0).mean() < 0.7 for image in outputs)


def test_calls_differ_and_seeds_govern_them():
    layer = Dropout(0.5, seed=5)
    first, second = dropped(layer, (50, 50)), dropped(layer, (50, 50))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, dropped(Dropout(0.5, seed=5), (50, 50)))


@pytest.mark.parametrize(("rate", "own"), [(0.4, True), (0.0003, False), (0.9999, False)])
def test_a_rate_that_rounding_would_change_is_left_to_the_stock_layer(rate, own, monkeypatch):
    layer, calls = Dropout(rate, seed=0), []
    monkeypatch.setattr(keras.layers.Dropout, "call", lambda _, x, **__: calls.append(1) or x)
    layer(ops.ones((4, 4)), training=True)
    assert calls == ([] if own else [1])


def test_gradients_pass_where_values_stay():
    layer, dense = Dropout(0.5, seed=5), keras.layers.Dense(40, use_bias=False)
    dense.build((None, 30))
    outputs = dropped(Dropout(0.5, seed=5), (30, 40))
    (gradient,) = gradients(
        lambda: ops.sum(layer(dense.kernel.value, training=True)), [dense.kernel]
    )
    np.testing.assert_array_equal(gradient, outputs)


@pytest.mark.parametrize("rate", [0.0, 1e-5])
def test_a_rate_of_nothing_drops_nothing_out_of_the_ordinary(rate):
    outputs = dropped(Dropout(rate, seed=6), (20, 20))
    np.testing.assert_allclose(outputs, 1.0, rtol=1e-4)


def test_the_stock_layer_runs_where_axes_share_their_draw():
    outputs = dropped(Dropout(0.5, noise_shape=(None, 1), seed=7), (60, 7))
    assert all(len(set(row)) == 1 for row in outputs.tolist())


def test_it_is_off_outside_training():
    layer, x = Dropout(0.5, seed=8), ops.ones((4, 4))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, training=False)), np.ones((4, 4)))
