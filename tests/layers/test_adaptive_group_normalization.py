"""Group normalisation under a condition: against NumPy and Keras, and where numbers are large."""

import keras
import numpy as np
import pytest
from drop_in import images
from keras import ops

from keras_medaug.layers import AdaptiveGroupNormalization

X, CONDITION = images(3, 4, 5, 12) * 2 + 3, images(3, 7, seed=1)


def array(tensor):
    return np.array(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def made(groups, channels=12, **arguments):
    """Return a layer whose scale and shift depend on the condition."""
    layer = AdaptiveGroupNormalization(groups, **arguments)
    layer.build(((None, None, None, channels), (None, 7)))
    layer.set_weights([0.3 * images(*w.shape, seed=2) for w in layer.weights])
    return layer


def by_numpy(x, condition, layer, groups):
    """Return the outputs in float64; `groups` divides the number of channels."""
    x, condition = x.astype("float64"), condition.astype("float64")
    kernel, bias = (weight.astype("float64") for weight in layer.get_weights())
    size, outputs = x.shape[-1] // groups, np.empty_like(x)
    for image in range(len(x)):
        for group in range(groups):
            chosen = slice(group * size, (group + 1) * size)
            values = x[image, ..., chosen]
            normalised = (values - values.mean()) / np.sqrt(values.var() + layer.epsilon)
            outputs[image, ..., chosen] = normalised
    scale, shift = np.split(condition @ kernel + bias, 2, axis=-1)
    return outputs * (1 + scale[:, None, None]) + shift[:, None, None]


@pytest.mark.parametrize(("groups", "taken"), [(1, 1), (4, 4), (12, 12), (8, 4), (5, 1), (24, 12)])
def test_it_does_what_numpy_does(groups, taken):
    """Also where the groups asked for do not divide the twelve channels: a common divisor does."""
    layer = made(groups, epsilon=1e-2)
    expected = by_numpy(X, CONDITION, layer, taken)
    np.testing.assert_allclose(array(layer([X, CONDITION])), expected, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_it_begins_as_keras_own_group_normalisation(groups):
    layer = AdaptiveGroupNormalization(groups, epsilon=1e-3)
    stock = keras.layers.GroupNormalization(groups, epsilon=1e-3)
    np.testing.assert_allclose(array(layer([X, CONDITION])), array(stock(X)), atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_overflows_nowhere(policy):
    """Squares of 300 are above the largest number of float16, and their sums far above."""
    layer = made(4, dtype=policy)
    x = (100 * X).round()  # some 300 to each side of 300
    expected = by_numpy(array(ops.cast(x, layer.compute_dtype)), CONDITION, layer, 4)
    outputs = layer([ops.convert_to_tensor(x), ops.convert_to_tensor(CONDITION)])
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    np.testing.assert_allclose(array(outputs), expected, atol=0.05)


def test_other_images_of_the_batch_do_not_matter():
    layer = made(4)
    alone = np.concatenate([array(layer([X[[n]], CONDITION[[n]]])) for n in range(3)])
    np.testing.assert_allclose(array(layer([X, CONDITION])), alone, atol=1e-6)


def test_each_image_has_its_own_condition():
    layer, other = made(4), CONDITION.copy()
    other[1] += 1
    one, changed = (array(layer([X, condition])) for condition in (CONDITION, other))
    assert [np.array_equal(a, b) for a, b in zip(one, changed, strict=True)] == [True, False, True]


def test_it_takes_images_of_any_size():
    layer = made(4)
    inputs = [keras.Input((None, None, 12)), keras.Input((7,))]
    model = keras.Model(inputs, layer(inputs))
    for size in (2, 5):
        x = images(3, size, size + 1, 12)
        outputs = model.predict([x, CONDITION], verbose=0)
        np.testing.assert_allclose(outputs, by_numpy(x, CONDITION, layer, 4), atol=1e-5)
