"""The label embedding: Keras's outputs and weights, and a gradient that optimizers read alike."""

import keras
import numpy as np
import pytest

from keras_medaug.layers import LabelEmbedding

LABELS = np.int32([1, 1, 1, 2])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_it_does_what_keras_does(policy):
    ours, keras_own = LabelEmbedding(4, 5, dtype=policy), keras.layers.Embedding(4, 5, dtype=policy)
    for layer in (ours, keras_own):
        layer.build((None,))
    ours.set_weights(keras_own.get_weights())
    actual, expected = ours(LABELS), keras_own(LABELS)
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(keras.ops.cast(actual, "float32")),
        keras.ops.convert_to_numpy(keras.ops.cast(expected, "float32")),
    )
    assert tuple(actual.shape) == ours.compute_output_shape((4,))


def test_a_label_of_no_class_gives_zeros():
    vectors = keras.ops.convert_to_numpy(LabelEmbedding(4, 5)(np.int32([-1, 4, 3])))
    assert vectors.any(axis=1).tolist() == [False, False, True]


def test_a_class_that_occurs_often_moves_the_second_moment_by_the_square_of_its_sum():
    """Not, as after a lookup on TensorFlow, by the sum of the squares."""
    model = keras.Sequential([keras.Input((), dtype="int32"), LabelEmbedding(3, 2)])
    model.compile(
        keras.optimizers.Adam(0.1, beta_2=0.5), loss=lambda y, p: keras.ops.sum(p, axis=-1)
    )
    model.train_on_batch(LABELS, np.zeros(4))
    velocity = next(v for v in model.optimizer.variables if "velocity" in v.path)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(velocity.value)[:, 0], [0, 0.5 * 0.75**2, 0.5 * 0.25**2]
    )
