"""The blocks of figures 6 to 8: shapes, parts, configurations, and what they compute."""

import keras
import numpy as np
import pytest

import keras_medaug as kma

BLOCKS = ["EncoderBlock", "DecoderBlock", "DiscriminatorBlock"]


def make(block, /, *args, **kwargs):
    return getattr(kma.layers, block)(*args, **kwargs)


def images(shape=(2, 5, 7, 3)):
    return np.random.default_rng(0).random(shape, dtype="float32")


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("name", BLOCKS)
def test_shapes(name, strides):
    block = make(name, 4, strides=strides, seed=0)
    expected = (2, 5 * strides, 7 * strides, 4)
    if name != "DecoderBlock":
        expected = (2, -(-5 // strides), -(-7 // strides), 4)
    assert tuple(block(images()).shape) == expected
    assert tuple(block.compute_output_shape((2, 5, 7, 3))) == expected


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_what_a_block_computes(name, normalized):
    block = make(name, 4, batch_normalization=normalized, seed=0)
    x = images()
    convolved = numpy(block.convolution(x)) if block(x) is not None else None
    if normalized:  # moving statistics of a new layer: mean 0, variance 1
        convolved = convolved / np.sqrt(1 + block.normalization.epsilon)
    slope = 0.0 if name == "EncoderBlock" else 0.2
    expected = np.where(convolved > 0, convolved, slope * convolved)
    np.testing.assert_allclose(numpy(block(x, training=False)), expected, atol=1e-6)
    assert (convolved < 0).any()


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("name", BLOCKS)
def test_weights(name, normalized):
    block = make(name, 4, kernel_size=3, batch_normalization=normalized, seed=0)
    block.build((None, 5, 7, 3))
    assert block.built
    names = [weight.name for weight in block.weights]
    expected = ["kernel", "gamma", "beta", "moving_mean", "moving_variance"]
    assert sorted(names) == sorted(expected if normalized else ["kernel", "bias"])


@pytest.mark.parametrize("name", BLOCKS)
def test_training_reaches_the_normalisation(name):
    block = make(name, 4, batch_normalization=True, seed=0)
    block(images(), training=False)
    assert not numpy(block.normalization.moving_mean).any()
    block(images(), training=True)
    assert numpy(block.normalization.moving_mean).any()


@pytest.mark.parametrize("name", BLOCKS)
def test_seeds(name):
    kernels = []
    for seed in (1, 1, 2):
        block = make(name, 4, seed=seed)
        block.build((None, 5, 7, 3))
        kernels.append(numpy(block.convolution.kernel))
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_raw_convolution_of_the_discriminator():
    block = make(
        "DiscriminatorBlock", 4, dropout=0.5, batch_normalization=True, return_convolution=True,
        seed=0,
    )  # fmt: skip
    output, raw = block(images(), training=True)
    np.testing.assert_array_equal(numpy(raw), numpy(block.convolution(images())))
    assert (numpy(raw) < 0).any()
    assert (numpy(output) == 0).any()
    assert block.compute_output_shape((2, 5, 7, 3)) == ((2, 3, 4, 4), (2, 3, 4, 4))


def test_dropout_of_the_discriminator_is_off_in_inference_and_seeded():
    block, same = (make("DiscriminatorBlock", 4, dropout=0.5, seed=0) for _ in range(2))
    x = images()
    np.testing.assert_array_equal(numpy(block(x, training=False)), numpy(block(x)))
    assert not (numpy(block(x)) == 0).any()
    first, again, twin = (numpy(layer(x, training=True)) for layer in (block, block, same))
    assert 0.3 < (first == 0).mean() < 0.7
    assert not np.array_equal(first, again)
    np.testing.assert_array_equal(first, twin)
