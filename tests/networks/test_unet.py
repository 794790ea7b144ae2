"""The network of `Flow`: every size, what it is told, how far a pixel reaches, and its seeds."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.layers import AdaptiveGroupNormalization
from keras_medaug.networks import unet
from keras_medaug.networks.unet import build_unet

SMALL = {"filters": 4, "blocks": 1, "seed": 0}
SHAPE = (8, 8, 1)


def woken(network):
    """Return the network with random values in place of kernels that begin at zero."""
    draws = np.random.default_rng(0)
    for variable in network.trainable_variables:
        if not np.any(ops.convert_to_numpy(variable.value)):
            variable.assign(draws.normal(0, 0.1, variable.shape))
    return network


def inputs_of(network, count=3):
    """Return images and times, labels and flags where the network takes them."""
    draws = np.random.default_rng(0)
    images, *others = network.inputs
    given = [draws.normal(size=(count, *images.shape[1:])), draws.random(count)]
    given += [np.arange(count) % 2 for _ in others[1:]]
    return [
        ops.convert_to_tensor(array.astype(tensor.dtype))
        for array, tensor in zip(given, network.inputs, strict=True)
    ]


def velocities(network, inputs, training=False):
    return np.array(ops.convert_to_numpy(network(inputs, training=training)))


SIZES = [
    (8, 8, 1), (9, 10, 3), (28, 28, 1), (50, 28, 3), (32, 33, 1), (64, 64, 3), (8, 256, 1),
    (255, 65, 3), (256, 256, 1),
]  # fmt: skip


@pytest.mark.parametrize("shape", SIZES)
def test_every_size_of_the_contract(shape):
    network = build_unet(shape, num_classes=2, augmented=True, **SMALL)
    assert network.output_shape == (None, *shape)
    folded = network.get_layer("folded").output.shape
    patch = unet.patch_size(shape)
    assert patch == (2 if max(shape[:2]) <= 32 else 4)
    assert folded[-1] == patch**2 * shape[-1]
    padded = [side * patch for side in folded[1:3]]
    multiple = patch * 2 ** unet.halvings(shape)
    assert padded == [-(-side // multiple) * multiple for side in shape[:2]]
    lowest = max(network.get_layer("middle_1").output.shape[1:3])
    assert lowest <= 8
    assert unet.halvings(shape) == 1 or lowest > 4  # no lower than it has to


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 10, 3), (50, 28, 1)])
def test_images_of_any_size_have_velocities_of_their_shape(shape):
    network = woken(build_unet(shape, **SMALL))
    outputs = velocities(network, inputs_of(network, count=2))
    assert outputs.shape == (2, *shape)
    assert all(np.unique(image).size > image.size // 2 for image in outputs)


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 10, 3), (50, 28, 3)])
@pytest.mark.parametrize("patch", [2, 4])
def test_unfolding_is_the_inverse_of_folding(shape, patch):
    images = keras.Input(shape)
    pads, folded = unet._fold(images, patch, 2 * patch)
    again = keras.Model(images, [folded, unet._unfold(folded, patch, shape[-1], pads)])
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    channels, back = (ops.convert_to_numpy(output) for output in again(x))
    np.testing.assert_array_equal(back, x)
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    np.testing.assert_array_equal(
        channels[:, 1, 1], padded[:, patch : 2 * patch, patch : 2 * patch].reshape(2, -1)
    )
    assert all(0 <= after - before <= 1 for before, after in pads)  # it stands in the middle


def test_it_begins_by_predicting_gray_images():
    network = build_unet(SHAPE, num_classes=2, augmented=True, **SMALL)
    images, times, *others = inputs_of(network)
    outputs = velocities(network, [images, times, *others], training=True)
    left = 1 - ops.convert_to_numpy(times).reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(outputs, -ops.convert_to_numpy(images) / left, rtol=1e-5)


@pytest.mark.parametrize(
    ("num_classes", "augmented"), [(None, False), (2, False), (None, True), (2, True)]
)
def test_it_takes_labels_and_flags_where_it_was_built_for_them(num_classes, augmented):
    network = woken(build_unet(SHAPE, num_classes, augmented, **SMALL))
    names = ["images", "times", *["labels"] * bool(num_classes), *["augmented"] * augmented]
    assert [tensor.name for tensor in network.inputs] == names
    inputs = inputs_of(network)
    base = velocities(network, inputs)
    for place, name in enumerate(names):
        changed = list(inputs)
        changed[place] = 1 - inputs[place]
        moved = np.abs(velocities(network, changed) - base).max(axis=(1, 2, 3))
        assert (moved > 1e-4).all(), name


def test_the_label_after_the_last_class_is_one_of_its_own():
    network = woken(build_unet(SHAPE, num_classes=2, **SMALL))
    images, times, _ = inputs_of(network, count=1)
    made = [velocities(network, [images, times, ops.convert_to_tensor([n])]) for n in (0, 1, 2)]
    assert all(np.abs(made[n] - made[n - 1]).max() > 1e-4 for n in range(3))
    (vectors,) = network.get_layer("label").get_weights()
    assert vectors.shape == (3, unet.EMBEDDED)


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 48, 1)])
def test_a_pixel_reaches_every_place(shape, monkeypatch):
    """By convolutions: the means of the normalisations, which hold all pixels, are left out."""
    monkeypatch.setattr(AdaptiveGroupNormalization, "call", lambda _, inputs: inputs[0])
    network = woken(build_unet(shape, filters=4, blocks=2, seed=0))
    inputs = inputs_of(network, count=1)
    changed = ops.convert_to_numpy(inputs[0]).copy()
    changed[0, 0, 0, 0] += 50
    others = [ops.convert_to_tensor(changed), inputs[1]]
    moved = velocities(network, others) - velocities(network, inputs)
    assert (moved != 0).mean() > 0.99


def test_other_images_of_the_batch_do_not_matter():
    network = woken(build_unet(SHAPE, num_classes=2, augmented=True, **SMALL))
    inputs = inputs_of(network)
    alone = [velocities(network, [part[n : n + 1] for part in inputs]) for n in range(3)]
    np.testing.assert_allclose(velocities(network, inputs), np.concatenate(alone), atol=1e-5)


def test_dropout_is_of_training_alone_and_follows_the_seed():
    one, same, other, none = (
        woken(build_unet(SHAPE, dropout=dropout, **(SMALL | {"seed": seed})))
        for dropout, seed in ((0.5, 1), (0.5, 1), (0.5, 2), (0.0, 1))
    )
    for variable, value in zip(other.trainable_variables, one.trainable_variables, strict=True):
        variable.assign(value)
    inputs = inputs_of(one)
    np.testing.assert_array_equal(velocities(one, inputs), velocities(none, inputs))
    first, second = (velocities(one, inputs, training=True) for _ in range(2))
    assert not np.allclose(first, second, atol=1e-4)
    np.testing.assert_array_equal(first, velocities(same, inputs, training=True))
    assert not np.allclose(first, velocities(other, inputs, training=True), atol=1e-4)


def test_seeds_decide_the_weights():
    def kernels(seed):
        network = build_unet(SHAPE, num_classes=2, augmented=True, **(SMALL | {"seed": seed}))
        return [weight for weight in network.get_weights() if weight.ndim > 1 and weight.any()]

    one, same, other = kernels(1), kernels(1), kernels(2)
    assert len(one) > 8
    assert all(map(np.array_equal, one, same))
    assert not any(map(np.array_equal, one, other))
    # No two layers start from the same draws either, whatever their scale.
    draws = {tuple((weight.ravel()[1:4] / weight.ravel()[0]).round(3)) for weight in one}
    assert len(draws) == len(one)


def test_sizes():
    network = build_unet((64, 64, 1), filters=4, blocks=3, seed=0)
    blocks = [layer.name for layer in network.layers if type(layer).__name__ == "ResidualBlock"]
    assert sum(name.startswith("down_") for name in blocks) == 3
    assert sum(name.startswith("up_") for name in blocks) == 3
    assert sum(name.startswith("middle_") for name in blocks) == 4
    deep = build_unet((256, 256, 1), **SMALL)
    widths = [deep.get_layer(f"down_{step}_1").filters for step in (1, 2, 3)]
    assert [*widths, deep.get_layer("middle_1").filters] == [4, 8, 16, 16]


def test_half_precision_ends_in_float32():
    network = build_unet(SHAPE, **SMALL)
    assert network.output.dtype == "float32"
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        rough = woken(build_unet(SHAPE, **SMALL))
    finally:
        keras.config.set_dtype_policy("float32")
    assert rough.output.dtype == "float32"
    assert rough.get_layer("middle_1").compute_dtype == "bfloat16"
    outputs = velocities(rough, inputs_of(rough))
    assert np.abs(outputs - velocities(woken(network), inputs_of(network))).max() < 0.1
