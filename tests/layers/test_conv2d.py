"""`Conv2D` against `keras.layers.Conv2D`: outputs, gradients, weights, saving."""

import keras
import numpy as np
import pytest
from drop_in import images, same_weights
from keras import ops

from keras_medaug.layers import Conv2D, channels_first

Stock = keras.layers.Conv2D


@pytest.fixture(autouse=True, scope="module")
def form():
    """Convolve through a view wherever the backend can: TensorFlow cannot, on a CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channels_first, "_COPYING", ("jax", "torch"))
        yield


def pair(x, *args, **kwargs):
    return same_weights(Conv2D(*args, **kwargs), Stock(*args, **kwargs), x)


def output(layer, x):
    return ops.convert_to_numpy(layer(x))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(7, 6), (8, 9)])
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3, "strides": 1},
        {"kernel_size": 3, "strides": 2},
        {"kernel_size": (4, 5), "strides": 2},
        {"kernel_size": (5, 1), "strides": (2, 1)},
        {"kernel_size": 3, "dilation_rate": 2},
        {"kernel_size": 3, "groups": 2},
        {"kernel_size": 2, "activation": "relu", "use_bias": False},
        {"kernel_size": (9, 11), "padding": "same"},  # larger than the image
    ],
    ids=str,
)
def test_outputs(arguments, size, padding):
    x = images(3, *size, 2)
    ours, stock = pair(x, 4, **{"padding": padding, **arguments})
    shapes = [[w.shape for w in layer.weights] for layer in (ours, stock)]
    assert shapes[0] == shapes[1]
    expected, got = output(stock, x), output(ours, x)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_trains_like_the_stock_layer(channels):
    x, y = images(8, 7, 7, channels), images(8, 4, 4, 5, seed=2)
    ours, stock = pair(x, 5, 3, strides=2, padding="same")
    for layer in (ours, stock):
        model = keras.Sequential([keras.Input(x.shape[1:]), layer])
        model.compile(keras.optimizers.SGD(0.5), "mse")
        model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    for got, expected in zip(ours.get_weights(), stock.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_unknown_sizes():
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, Conv2D(3, 3, strides=2, padding="same")(inputs))
    assert model.output_shape == (None, None, None, 3)
    stock = Stock(3, 3, strides=2, padding="same")
    stock.build((None, None, None, 2))
    stock.set_weights(model.get_weights())
    for shape in [(2, 5, 6, 2), (3, 8, 7, 2)]:
        x = images(*shape)
        np.testing.assert_allclose(model.predict(x, verbose=0), output(stock, x), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    x = images(2, 6, 6, 3)
    ours, _ = pair(x, 4, 3, strides=2, padding="same", dtype=policy)
    full, _ = pair(x, 4, 3, strides=2, padding="same")
    got, expected = ours(x), output(full, x)
    assert keras.backend.standardize_dtype(got.dtype) == policy.removeprefix("mixed_")
    assert ours.kernel.dtype == "float32"
    got = ops.convert_to_numpy(ops.cast(got, "float32"))
    np.testing.assert_allclose(got, expected, atol=0.02 * np.abs(expected).max())


def test_weight_files_load_both_ways(tmp_path):
    def model(layer):
        return keras.Sequential([keras.Input((6, 6, 3)), layer(2, 3, padding="same", name="conv")])

    x = images(2, 6, 6, 3)
    for n, (first, other) in enumerate([(Conv2D, Stock), (Stock, Conv2D)]):
        path = tmp_path / f"{n}.weights.h5"
        source, target = model(first), model(other)
        source.save_weights(path)
        target.load_weights(path)
        np.testing.assert_allclose(output(target, x), output(source, x), atol=1e-5)


def test_channels_first_is_left_to_the_stock_layer():
    x = images(2, 2, 5, 5)
    ours, stock = pair(x, 3, 3, data_format="channels_first")
    try:
        expected = output(stock, x)
    except Exception as error:  # TensorFlow has no channels_first on CPU: neither have we.
        with pytest.raises(type(error)):
            ours(x)
        return
    np.testing.assert_array_equal(output(ours, x), expected)
