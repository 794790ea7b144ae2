"""Batch normalisation: the stock layer's outputs, statistics and gradients."""

import keras
import numpy as np
import pytest
from keras import ops

from gradient_oracle.autodiff import gradients
from keras_medaug.layers import BatchNormalization

SHAPES = [(16, 5), (6, 4, 3, 5)]


def data(shape):
    return np.random.default_rng(0).normal(2.0, 3.0, shape).astype("float32")


def pair(shape, **kwargs):
    """Return our layer and the stock one, with equal weights unlike the initial ones."""
    layers = [kind(**kwargs) for kind in (BatchNormalization, keras.layers.BatchNormalization)]
    generator = np.random.default_rng(1)
    for layer in layers:
        layer.build(shape)
    weights = [generator.uniform(0.5, 2.0, w.shape) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return layers


def equal(actual, expected):
    actual, expected = (
        ops.convert_to_numpy(ops.cast(tensor, "float32")) for tensor in (actual, expected)
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kwargs", [{}, {"scale": False}, {"center": False}, {"axis": -1}])
@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_running_statistics_are_those_of_the_stock_layer(shape, kwargs, training):
    ours, stock = pair(shape, momentum=0.9, **kwargs)
    equal(ours(data(shape), training=training), stock(data(shape), training=training))
    for actual, expected in zip(ours.weights, stock.weights, strict=True):
        equal(actual.value, expected.value)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_those_of_the_stock_layer(shape):
    ours, stock = pair(shape)
    # What comes first in a network: its gradient is that of the batch, summed with known weights.
    actual, expected = [], []
    for layer, into in ((ours, actual), (stock, expected)):
        before = keras.layers.Dense(shape[-1], use_bias=False)
        before.build(shape)
        before.set_weights([np.random.default_rng(2).normal(size=(shape[-1],) * 2)])

        def loss(layer=layer, before=before):
            weights = np.random.default_rng(3).normal(size=shape).astype("float32")
            outputs = layer(before(ops.convert_to_tensor(data(shape))), training=True)
            return ops.sum(ops.multiply(outputs, ops.convert_to_tensor(weights)))

        into += gradients(loss, [before.kernel, layer.gamma, layer.beta])
    for ours_, theirs in zip(actual, expected, strict=True):
        scale = np.linalg.norm(theirs)
        assert np.linalg.norm(ours_ - theirs) < 1e-4 * scale


def test_digits_are_kept_where_the_mean_is_large_beside_the_deviation():
    """The mean of squares less the square of the mean would be off by a tenth, or below zero."""
    ours, _ = pair((64, 3), momentum=0.0)
    x = (data((64, 3)) + 5000.0).astype("float32")
    outputs = ops.convert_to_numpy(ours(x, training=True))
    exact = x.astype("float64")
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours.moving_variance.value), exact.var(axis=0), rtol=1e-4
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_statistics_are_taken_in_float32(dtype):
    """Squares of these leave float16, and bfloat16 has not the digits for their mean."""
    ours, stock = pair((64, 3), dtype=f"mixed_{dtype}", momentum=0.0)
    x = ops.cast(data((64, 3)) * 200.0, dtype)
    actual, expected = ours(x, training=True), stock(x, training=True)
    assert actual.dtype == expected.dtype
    exact = ops.convert_to_numpy(ops.cast(x, "float32")).astype("float64")
    equal(ours.moving_mean.value, exact.mean(axis=0))
    equal(ours.moving_variance.value, exact.var(axis=0))


MASK = np.arange(24).reshape(6, 4) % 3 > 0


@pytest.mark.parametrize(
    ("kwargs", "call"), [({"axis": 1}, {}), ({"renorm": True}, {}), ({}, {"mask": MASK})]
)
def test_what_only_the_stock_layer_does_is_left_to_it(kwargs, call):
    ours, stock = pair((6, 4, 5), **kwargs)
    x = data((6, 4, 5))
    equal(ours(x, training=True, **call), stock(x, training=True, **call))


def test_frozen_it_uses_the_running_statistics():
    ours, stock = pair((6, 5))
    ours.trainable = stock.trainable = False
    before = [w.copy() for w in ours.get_weights()]
    equal(ours(data((6, 5)), training=True), stock(data((6, 5)), training=True))
    for actual, expected in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


def penalty_gradient(layer, x):
    """Return the gradient, by the inputs, of the squared norm of a gradient by the inputs."""

    def loss(x):
        return ops.sum(ops.sin(layer(x, training=True)))

    if keras.config.backend() == "jax":
        import jax

        def stateless(x):
            with keras.StatelessScope():  # the statistics that move are of no interest
                return loss(x)

        return jax.grad(lambda x: ops.sum(ops.square(jax.grad(stateless)(x))))(x)
    if keras.config.backend() == "torch":
        from torch.autograd import grad

        x = ops.convert_to_tensor(x).requires_grad_()
        (first,) = grad(loss(x), x, create_graph=True)
        return grad(ops.sum(ops.square(first)), x)[0]
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = loss(x)
        penalty = ops.sum(ops.square(inner.gradient(value, x)))
    return outer.gradient(penalty, x)


def test_second_derivatives_are_those_of_the_stock_layer():
    """As a gradient penalty takes them."""
    ours, stock = pair((16, 5))
    expected = penalty_gradient(stock, data((16, 5)))
    assert np.abs(ops.convert_to_numpy(expected)).max() > 1e-3
    equal(penalty_gradient(ours, data((16, 5))), expected)
