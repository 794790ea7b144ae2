"""The networks of figures 6 to 9 at every size of the contract."""

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_medaug.networks import builders

SIZES = st.integers(8, 256)
CHANNELS = st.sampled_from([1, 3])


@settings(deadline=None, derandomize=True, max_examples=4)
@given(SIZES, SIZES, CHANNELS)
@example(8, 8, 1)
@example(9, 256, 3)
@example(28, 28, 1)
@example(255, 65, 3)
def test_every_size_of_the_contract(height, width, channels):
    shape = (height, width, channels)
    decoder = builders.build_decoder(shape, latent_dim=3, filters=2, seed=0)
    assert decoder.output_shape == (None, *shape)
    encoder = builders.build_encoder(shape, latent_dim=3, filters=2, seed=0)
    assert encoder.output_shape == [(None, 3), (None, 3)]
    discriminator = builders.build_discriminator(shape, filters=2, seed=0)
    assert discriminator.output["logit"].shape == (None, 1)
    assert len(discriminator.output["features"].shape) == 4
    classifier = builders.build_classifier(shape, num_classes=3, filters=2, seed=0)
    assert classifier.output_shape == (None, 3)
    base = decoder.get_layer("logits").get_layer("reshape").output.shape[1:3]
    assert max(base) <= 8


def test_an_odd_size_is_cropped_not_stretched():
    whole = builders.build_decoder((12, 12, 1), 3, filters=2, batch_normalization=False, seed=0)
    cropped = builders.build_decoder((9, 11, 1), 3, filters=2, batch_normalization=False, seed=0)
    for one, other in zip(whole.variables, cropped.variables, strict=True):
        other.assign(keras.ops.convert_to_numpy(one.value).copy())
    z = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    images = whole.predict(z, verbose=0)
    np.testing.assert_allclose(cropped.predict(z, verbose=0), images[:, 1:10, 0:11], atol=1e-6)


def test_the_layer_sizes_of_the_tutorials():
    encoder = builders.build_encoder((28, 28, 1), 16, seed=0)
    assert [encoder.get_layer(f"block_{n}").filters for n in (1, 2)] == [32, 64]
    decoder = builders.build_decoder((28, 28, 1), 16, seed=0).get_layer("logits")
    assert decoder.get_layer("reshape").output.shape == (None, 7, 7, 128)
    assert decoder.get_layer("block_1").filters == 64
    discriminator = builders.build_discriminator((28, 28, 1), seed=0)
    assert [discriminator.get_layer(f"block_{n}").filters for n in (1, 2)] == [64, 128]
    assert discriminator.get_layer("block_1").rate == 0.0


@pytest.mark.parametrize("block", [1, 2, 3])
def test_the_compared_layer_can_be_chosen(block):
    network = builders.build_discriminator((64, 64, 1), filters=2, feature_block=block, seed=0)
    assert network.output["features"].shape[1:] == [(32, 32, 2), (16, 16, 4), (8, 8, 8)][block - 1]
    middle = builders.build_discriminator((64, 64, 1), filters=2, seed=0)
    assert middle.output["features"].shape[1:] == (16, 16, 4)


def test_the_compared_layer_is_the_middle_ones_raw_convolution():
    network = builders.build_discriminator((8, 8, 1), filters=2, seed=0)
    below = keras.Model(network.input, network.get_layer("block_1").output)
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype="float32")
    features = keras.ops.convert_to_numpy(network(x)["features"])
    expected = network.get_layer("block_2").convolution(below(x))
    expected = keras.ops.convert_to_numpy(expected)
    np.testing.assert_allclose(features, expected, atol=1e-6)
    assert (features < 0).any()


def test_logits_are_the_images_before_the_sigmoid():
    decoder = builders.build_decoder((8, 8, 3), 3, filters=2, seed=0)
    z = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    logits = keras.ops.convert_to_numpy(decoder.get_layer("logits")(z))
    images = keras.ops.convert_to_numpy(decoder(z))
    np.testing.assert_allclose(images, 1 / (1 + np.exp(-logits)), atol=1e-6)


@pytest.mark.parametrize("kind", ["encoder", "decoder", "discriminator", "classifier"])
def test_seeds(kind):
    def weights(seed):
        argument = {"latent_dim": 3} if kind in {"encoder", "decoder"} else {}
        if kind == "classifier":
            argument = {"num_classes": 2}
        build = getattr(builders, f"build_{kind}")
        return build((8, 8, 1), filters=2, seed=seed, **argument).get_weights()

    one, same, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    kernels = [i for i, weight in enumerate(one) if weight.ndim > 1]
    assert kernels
    assert not any(np.array_equal(one[i], other[i]) for i in kernels)
    # No two layers of the same shape start from the same weights either.
    flat = [tuple(one[i].ravel()[:4]) for i in kernels]
    assert len(set(flat)) == len(flat)
