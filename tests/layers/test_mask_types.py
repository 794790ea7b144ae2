"""`GeometricAugmentation`: masks come out with the type and the values that went in, or not at all.

What a backend can hold is written down here, type by type.
"""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.layers import GeometricAugmentation, LabelEmbedding

EVERYWHERE = ["bool", "uint8", "int8", "int16", "int32", "float16", "float32", "bfloat16"]
KEPT = {
    "jax": ["uint16", "uint32"],
    "tensorflow": ["uint16", "uint32", "int64", "float64"],
    "torch": ["int64", "float64"],
}
REFUSED = {
    "jax": ["uint64"],
    "tensorflow": ["uint64"],  # which it has, but selects from as `uint32`
    "torch": ["uint16", "uint32", "uint64"],
}
NARROWED = {"jax": {"int64": "int32", "float64": "float32"}, "tensorflow": {}, "torch": {}}
IMAGES = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
FLIP = {"horizontal_flip": True}


def extremes(dtype):
    """Return masks (2, 8, 8) of values near the ends of a type's range."""
    if dtype == "bool":
        values = [False, True, True]
    elif "float" in dtype:
        widest = {"float16": 65504.0, "bfloat16": 2.0**127}.get(dtype)
        widest = float(np.finfo(dtype).max) if widest is None else widest
        values = [-widest, 2.0**-14, 0.0, 1.0, widest]
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        values = [low, low + 1, 0, 1, high - 1, high]
    return np.resize(np.array(values, dtype), (2, 8, 8))


@pytest.fixture(scope="module")
def layers():
    """Return a layer for each of two ways of filling, made outside what is compiled."""
    return {mode: GeometricAugmentation(fill_mode=mode) for mode in ("nearest", "constant")}


def flipped(layer, masks):
    return layer.transform({"images": IMAGES, "masks": masks}, FLIP)["masks"]


@pytest.fixture
def moved(layers):
    """Return a function that flips masks left to right."""
    return lambda masks: flipped(layers["nearest"], masks)


def called(masks):
    """Return masks that pass the layer as they are, outside training."""
    return GeometricAugmentation()({"images": IMAGES, "masks": masks})["masks"]


def assert_kept(result, masks):
    assert keras.backend.standardize_dtype(result.dtype) == masks.dtype.name
    np.testing.assert_array_equal(ops.convert_to_numpy(result), masks[:, :, ::-1])


def kept(backend):
    return EVERYWHERE + KEPT[backend]


def test_types_and_values_are_kept(backend, layers):
    for dtype in kept(backend):
        masks = extremes(dtype)
        for layer in layers.values():
            assert_kept(flipped(layer, masks), masks)
        assert_kept(flipped(layer, ops.convert_to_tensor(masks)), masks)
        assert_kept(called(masks[:, :, ::-1]), masks)


def test_types_and_values_are_kept_in_training():
    layer = GeometricAugmentation(rotation=0, shift=0, vertical_flip=False, seed=0)
    for dtype in ("int16", "float32"):
        masks = extremes(dtype)
        result = layer({"images": IMAGES, "masks": masks}, training=True)["masks"]
        assert keras.backend.standardize_dtype(result.dtype) == dtype
        for moved, mask in zip(ops.convert_to_numpy(result), masks, strict=True):
            assert np.array_equal(moved, mask) or np.array_equal(moved, mask[:, ::-1])


def test_types_and_values_are_kept_where_it_is_compiled(backend, moved):
    for dtype in kept(backend):
        masks = extremes(dtype)
        if backend == "jax":
            import jax

            assert_kept(jax.jit(moved)(ops.convert_to_tensor(masks)), masks)
        elif backend == "tensorflow":
            import tensorflow as tf

            (result,) = tf.data.Dataset.from_tensors(masks).map(moved)
            assert_kept(result, masks)
            if dtype in ("bool", "int16", "uint16"):  # each takes XLA half a second
                assert_kept(tf.function(moved, jit_compile=True)(tf.constant(masks)), masks)
        else:
            import torch

            (result,) = torch.utils.data.DataLoader([moved(masks)], batch_size=None)
            assert_kept(result, masks)


def test_what_numpy_chose_by_itself_is_narrowed_where_no_value_changes(backend, moved):
    for dtype in ("int64", "float64"):
        narrow = NARROWED[backend].get(dtype, dtype)
        masks = extremes(narrow).astype(dtype)
        for result in (moved(masks), called(masks[:, :, ::-1])):
            assert_kept(result, masks.astype(narrow))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int64", 2**40 + 1), ("int64", 2**31), ("float64", 0.1), ("float64", 1e39)],
)
def test_values_that_would_change_are_refused(backend, moved, dtype, value):
    masks = np.zeros((2, 8, 8), dtype)
    masks[1, 3, 4] = value
    if dtype in kept(backend):
        assert_kept(moved(masks), masks)
        return
    for call in (moved, called):
        with pytest.raises(ValueError, match=rf"`masks`: got {dtype} values .*; expected "):
            call(masks)


def test_types_that_the_backend_does_not_keep_are_refused(backend):
    for dtype in REFUSED[backend]:
        masks = [np.ones((2, 8, 8), dtype)]
        if backend == "torch":
            import torch

            masks.append(torch.ones((2, 8, 8), dtype=getattr(torch, dtype)))
            masks.append(keras.KerasTensor((2, 8, 8), dtype=dtype))
        for mask in masks:
            for training in (False, True):
                inputs = {"images": IMAGES, "masks": mask}
                with pytest.raises(ValueError, match=rf"`masks`: got dtype {dtype}.*; expected "):
                    GeometricAugmentation()(inputs, training=training)


@pytest.mark.parametrize(
    "masks", [np.full((2, 8, 8), "a"), np.full((2, 8, 8), None), [[[0] * 8] * 8] * 2]
)
def test_what_is_no_mask_is_refused(masks):
    with pytest.raises(ValueError, match=r"`masks`: got .*; expected "):
        called(masks)


def test_the_other_byte_order_is_read(moved):
    """NIfTI files often hold big-endian numbers."""
    for dtype in (">i2", ">i4", ">f4"):
        masks = extremes(np.dtype(dtype).name)
        inputs = {"images": IMAGES.astype(">f4"), "masks": masks.astype(dtype)}
        assert_kept(moved(masks.astype(dtype)), masks)
        result = GeometricAugmentation()(inputs)
        np.testing.assert_array_equal(ops.convert_to_numpy(result["masks"]), masks)
        np.testing.assert_array_equal(ops.convert_to_numpy(result["images"]), IMAGES)


def test_a_batch_with_more_pixels_than_there_are_numbers_is_refused():
    images = np.broadcast_to(np.zeros((1, 1, 1, 1), "uint8"), (2**15, 256, 256, 1))
    with pytest.raises(ValueError, match=r"`inputs`: got shape .*; expected fewer than 2\*\*31"):
        GeometricAugmentation().transform(images, FLIP)


def test_a_label_of_no_class_gives_zeros_whatever_its_type(backend):
    embedding = LabelEmbedding(3, 2)
    for labels in ([0, 2**32 + 1, 2], [0, -1, 2]):
        labels = np.array(labels)
        if backend == "jax" and labels.max() > 2**31:
            continue  # `int64` is not there
        vectors = ops.convert_to_numpy(embedding(labels))
        assert not vectors[1].any()
        assert vectors[0].any()
        assert vectors[2].any()
    vectors = ops.convert_to_numpy(embedding(np.array([2, 255], "uint8")))
    assert vectors[0].any()
    assert not vectors[1].any()
