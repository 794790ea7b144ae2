"""`Conv2DTranspose` against `keras.layers.Conv2DTranspose`: outputs, gradients, weights, saving."""

import itertools
from unittest import mock

import keras
import numpy as np
import pytest
from drop_in import images, same_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_medaug.layers import channels_first, conv2d_transpose
from keras_medaug.layers.conv2d_transpose import Conv2DTranspose

Stock = keras.layers.Conv2DTranspose


# The backends whose stock arithmetic is to be taken for slow, and those taken to copy images.
BACKEND = (keras.config.backend(),)
FORMS: dict[str, tuple] = {"overlap_add": (BACKEND, ())}
if keras.config.backend() == "torch":
    FORMS["view"] = ((), BACKEND)  # nowhere else can padding be negative


@pytest.fixture(autouse=True, scope="module", params=FORMS.values(), ids=FORMS)
def form(request):
    """Use one of our own forms throughout, whatever the backend."""
    slow, copying = request.param
    with (
        mock.patch.object(conv2d_transpose, "_SLOW", slow),
        mock.patch.object(channels_first, "_COPYING", copying),
    ):
        yield


def pair(x, *args, **kwargs):
    """Return our layer and the stock one, built for `x`, with the same random weights."""
    # Drawing a kernel of a new shape is slow on JAX; these weights are replaced anyway.
    kwargs = {"kernel_initializer": "zeros", **kwargs}
    return same_weights(Conv2DTranspose(*args, **kwargs), Stock(*args, **kwargs), x)


def output(layer, x):
    """Return the layer's output; compiled on JAX, where op by op is slow at first."""
    if keras.config.backend() == "jax":
        import jax

        values = [v.value for v in layer.trainable_variables]
        return np.asarray(jax.jit(lambda v, x: layer.stateless_call(v, [], x)[0])(values, x))
    return ops.convert_to_numpy(layer(x))


def outputs_and_gradients(layer, x, weight):
    """Return the layer's output and the gradients of sum(output * weight)."""
    backend = keras.config.backend()
    values = [v.value for v in layer.trainable_variables]
    if backend == "jax":
        import jax

        def objective(values, x):
            y = layer.stateless_call(values, [], x)[0]
            return ops.sum(y * weight), y

        gradient = jax.value_and_grad(objective, argnums=(0, 1), has_aux=True)
        (_, y), (dv, dx) = jax.jit(gradient)(values, jax.numpy.asarray(x))
    elif backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = ops.sum(y * weight)
        dx, *dv = tape.gradient(loss, [x, *values])
    else:
        import torch

        x = torch.tensor(x, requires_grad=True, device=values[0].device)
        y = layer(x)
        loss = ops.sum(y * ops.convert_to_tensor(weight))
        dx, *dv = torch.autograd.grad(loss, [x, *values])
        y = y.detach()
    return [ops.convert_to_numpy(t) for t in (y, dx, *dv)]


def assert_same(x, *args, tolerance=1e-5, **kwargs):
    ours, stock = pair(x, *args, **kwargs)
    weight = images(*stock.compute_output_shape(x.shape), seed=2)
    for a, b in zip(
        outputs_and_gradients(ours, x, weight),
        outputs_and_gradients(stock, x, weight),
        strict=True,
    ):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=tolerance * (1 + np.abs(b).max()))


def assert_same_output(x, *args, **kwargs):
    ours, stock = pair(x, *args, **kwargs)
    expected, got = output(stock, x), output(ours, x)
    assert got.shape == expected.shape == tuple(ours.compute_output_shape(x.shape))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def own_forms_refused():
    """Let whatever is not the stock layer's arithmetic fail."""
    names = ("_cut_out", "_overlap_add")
    refused = mock.Mock(side_effect=AssertionError("our own form ran"))
    return mock.patch.multiple(Conv2DTranspose, **dict.fromkeys(names, refused))


def test_the_stock_layer_runs_where_it_is_fast(monkeypatch):
    x = images(2, 4, 4, 3)
    ours, _ = pair(x, 2, 4, strides=2, padding="same")
    with own_forms_refused(), pytest.raises(AssertionError, match="our own form ran"):
        ours(x)
    monkeypatch.setattr(conv2d_transpose, "_SLOW", ())
    monkeypatch.setattr(channels_first, "_COPYING", ())
    with own_forms_refused():
        ours(x)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2, 3, (2, 1)])
def test_every_kernel_size(strides, padding):
    for kernel in [(1, 6), (2, 7), (4, 3), (5, 5), (7, 4)]:
        assert_same_output(images(2, 4, 5, 3), 2, kernel, strides=strides, padding=padding)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("kernel", "strides"),
    [(5, 1), (5, 2), (4, 2), (1, 2), ((2, 5), (2, 1)), ((7, 4), (3, 1))],
)
def test_gradients(kernel, strides, padding):
    assert_same(images(2, 5, 4, 3), 4, kernel, strides=strides, padding=padding)


@settings(deadline=None, derandomize=True, max_examples=8)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    strides=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.sampled_from(["same", "valid"]),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
)
def test_any_shape(size, kernel, strides, padding, channels, filters):
    x = images(2, *size, channels)
    assert_same_output(x, filters, kernel, strides=strides, padding=padding)


@pytest.mark.parametrize(
    ("activation", "use_bias"), [(None, False), ("relu", False), ("sigmoid", True)]
)
def test_bias_and_activation(activation, use_bias):
    x = images(3, 4, 4, 2)
    assert_same(x, 3, 5, strides=2, padding="same", activation=activation, use_bias=use_bias)


@pytest.mark.parametrize(
    "arguments",
    [{"dilation_rate": 2}, {"output_padding": 1, "strides": 2}, {"data_format": "channels_first"}],
    ids=["dilation", "output_padding", "channels_first"],
)
@pytest.mark.filterwarnings("ignore:You might experience inconsistencies")
def test_stock_arithmetic_where_the_form_does_not_apply(arguments):
    x = images(2, 4, 4, 4)
    ours, stock = pair(x, 3, 3, padding="same", **arguments)
    try:
        expected = stock(x)
    except Exception as error:  # TensorFlow has no channels_first on CPU: neither have we.
        with pytest.raises(type(error)):
            ours(x)
        return
    with own_forms_refused():
        got = ours(x)
    np.testing.assert_array_equal(ops.convert_to_numpy(got), ops.convert_to_numpy(expected))


@pytest.mark.parametrize("kernel", [4, 5])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_unknown_sizes(padding, kernel):
    inputs = keras.Input((None, None, 2))
    layer = Conv2DTranspose(3, kernel, strides=(2, 3), padding=padding)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, None, 3)
    stock = Stock(3, kernel, strides=(2, 3), padding=padding)
    stock.build((None, None, None, 2))
    stock.set_weights(layer.get_weights())
    for shape in [(3, 4, 5, 2), (2, 6, 3, 2)]:
        x = images(*shape)
        np.testing.assert_allclose(
            model.predict(x, verbose=0), ops.convert_to_numpy(stock(x)), atol=1e-5
        )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    x = images(2, 4, 4, 3)
    ours, _ = pair(x, 2, 5, strides=2, padding="same", dtype=policy)
    weight = images(2, 8, 8, 2)
    y, dx, dkernel, dbias = outputs_and_gradients(ours, x, weight)
    assert keras.backend.standardize_dtype(ours(x).dtype) == policy.removeprefix("mixed_")
    assert ours.kernel.dtype == "float32"
    assert dkernel.dtype == "float32"
    full, _ = pair(x, 2, 5, strides=2, padding="same")
    for a, b in zip((y, dx, dkernel, dbias), outputs_and_gradients(full, x, weight), strict=True):
        np.testing.assert_allclose(a.astype("float32"), b, atol=0.02 * np.abs(b).max())


def test_weight_files_load_both_ways(tmp_path):
    def model(layer):
        return keras.Sequential(
            [keras.Input((4, 4, 3)), layer(2, 5, strides=2, padding="same", name="up")]
        )

    x = images(2, 4, 4, 3)
    for n, (first, other) in enumerate(itertools.permutations([Conv2DTranspose, Stock])):
        path = tmp_path / f"{n}.weights.h5"
        source, target = model(first), model(other)
        source.save_weights(path)
        target.load_weights(path)
        np.testing.assert_allclose(
            target.predict(x, verbose=0), source.predict(x, verbose=0), atol=1e-5
        )


def test_trains_compiled_like_the_stock_layer():
    x, target = images(8, 4, 4, 2), images(8, 8, 8, 1, seed=3)
    histories = []
    for layer in (Conv2DTranspose, Stock):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4, 4, 2)), layer(1, 5, strides=2, padding="same")])
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        history = model.fit(x, target, batch_size=3, epochs=2, shuffle=False, verbose=0)
        histories.append(history.history["loss"])
        if keras.config.backend() == "jax":
            assert model.jit_compile
    np.testing.assert_allclose(*histories, rtol=1e-4)


def test_compiles():
    x = images(2, 4, 4, 3)
    ours, stock = pair(x, 2, 5, strides=2, padding="same")
    expected = ops.convert_to_numpy(stock(x))
    backend = keras.config.backend()
    if backend == "jax":
        import jax

        got = jax.jit(ours)(x)
    elif backend == "tensorflow":
        import tensorflow as tf

        got = tf.function(ours, jit_compile=True)(x)
    else:
        got = ours(x)
    np.testing.assert_allclose(ops.convert_to_numpy(got), expected, atol=1e-5)
