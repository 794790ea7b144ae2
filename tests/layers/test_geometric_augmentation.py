"""`GeometricAugmentation`: against SciPy, its draws, masks, types, compilation and saving."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy import ndimage

from keras_medaug.layers.geometric_augmentation import FILL_MODES, GeometricAugmentation

# JAX compiles each operation once for each shape: tests that share one are quick.
SHAPE = (8, 12, 12, 1)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, "float32")


def to_numpy(structure):
    return keras.tree.map_structure(ops.convert_to_numpy, structure)


def random_layer(**kwargs):
    return GeometricAugmentation(rotation=180, shift=0.9, zoom=0.3, **kwargs)


def source_coordinates(parameters, height, width):
    """Return matrix and offset, in float64, that SciPy takes output pixels into the image by."""
    angle = np.deg2rad(parameters["rotation"])
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    zoom = np.diag([parameters["height_zoom"], parameters["width_zoom"]])
    shift = np.array([parameters["height_shift"] * height, parameters["width_shift"] * width])
    middle = (np.array([height, width]) - 1) / 2
    matrix = rotation @ zoom
    return matrix, rotation @ shift + middle - matrix @ middle


def reference(image, parameters, mode, order=1):
    """Return what `ImageDataGenerator` computes: SciPy's affine transform, then the flips."""
    matrix, offset = source_coordinates(parameters, *image.shape[:2])
    channels = [
        ndimage.affine_transform(channel, matrix, offset, order=order, mode=mode)
        for channel in np.moveaxis(image, -1, 0)
    ]
    result = np.stack(channels, -1)
    if parameters["horizontal_flip"]:
        result = result[:, ::-1]
    return result[::-1] if parameters["vertical_flip"] else result


def is_decided(parameters, height, width, margin=1e-3):
    """Tell which output pixels do not depend on how coordinates are rounded."""
    matrix, offset = source_coordinates(parameters, height, width)
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1)
    position = grid @ matrix.T + offset
    last = np.array([height, width]) - 1
    near_edge = (np.abs(position) < margin) | (np.abs(position - last) < margin)
    near_half = np.abs(position - np.floor(position) - 0.5) < margin
    decided = ~(near_edge | near_half).any(-1)
    if parameters["horizontal_flip"]:
        decided = decided[:, ::-1]
    return decided[::-1] if parameters["vertical_flip"] else decided


def of_image(parameters, i):
    return {name: values[i].item() for name, values in parameters.items()}


@pytest.mark.parametrize("shape", [(12, 12, 1), (9, 14, 3)])
@pytest.mark.parametrize("mode", FILL_MODES)
def test_equals_scipy(mode, shape):
    layer = random_layer(fill_mode=mode, seed=1)
    x = noise(8, *shape)
    masks = np.random.default_rng(1).integers(0, 9, (8, *shape[:2], 2)).astype("int32")
    parameters = to_numpy(layer.random_parameters(8))
    y = to_numpy(layer.transform({"images": x, "masks": masks}, parameters))
    for i in range(8):
        own = of_image(parameters, i)
        decided = is_decided(own, *shape[:2])
        assert decided.mean() > 0.9
        expected = reference(x[i].astype("float64"), own, mode)
        np.testing.assert_allclose(y["images"][i][decided], expected[decided], atol=1e-4)
        expected = reference(masks[i], own, mode, order=0)
        np.testing.assert_array_equal(y["masks"][i][decided], expected[decided])


@pytest.mark.parametrize("mode", FILL_MODES)
def test_whole_pixel_shift_equals_scipy(mode):
    x = noise(*SHAPE)
    own = {"rotation": 0, "height_zoom": 1, "width_zoom": 1, "horizontal_flip": False}
    own |= {"vertical_flip": False, "height_shift": 1 / 3, "width_shift": -0.5}
    y = to_numpy(random_layer(fill_mode=mode).transform(x, own))
    np.testing.assert_allclose(y[0], reference(x[0].astype("float64"), own, mode), atol=1e-5)


@settings(deadline=None, derandomize=True, max_examples=10)
@given(
    rotation=st.floats(-180, 180),
    shifts=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    zooms=st.tuples(st.floats(0.2, 1.8), st.floats(0.2, 1.8)),
    flips=st.tuples(st.booleans(), st.booleans()),
)
def test_equals_scipy_for_any_parameters(rotation, shifts, zooms, flips):
    x = noise(*SHAPE)
    own = {"rotation": rotation, "height_shift": shifts[0], "width_shift": shifts[1]}
    own |= {"height_zoom": zooms[0], "width_zoom": zooms[1]}
    own |= {"horizontal_flip": flips[0], "vertical_flip": flips[1]}
    y = to_numpy(random_layer().transform(x, own))
    expected = reference(x[0].astype("float64"), own, "nearest")
    np.testing.assert_allclose(y[0], expected, atol=1e-4)


def test_directions():
    x = np.zeros((1, 9, 9, 1), "float32")
    x[0, 4, 7] = 1  # right of the centre
    layer = GeometricAugmentation(fill_mode="constant")

    def brightest(parameters):
        y = to_numpy(layer.transform(x, parameters))[0, :, :, 0]
        assert y.max() == pytest.approx(1, abs=1e-5)
        return divmod(int(y.argmax()), 9)

    assert brightest({}) == (4, 7)
    assert brightest({"rotation": 90.0}) == (1, 4)  # anticlockwise
    assert brightest({"height_shift": 1 / 9}) == (3, 7)
    assert brightest({"width_shift": 1 / 9}) == (4, 6)
    assert brightest({"horizontal_flip": True}) == (4, 1)
    assert brightest({"vertical_flip": True, "height_shift": 1 / 9}) == (5, 7)
    assert brightest({"width_zoom": 1.5}) == (4, 6)


@pytest.mark.parametrize("mode", FILL_MODES)
def test_right_angles_keep_every_pixel(mode):
    x = noise(*SHAPE)
    layer = GeometricAugmentation(fill_mode=mode)
    y = to_numpy(layer.transform(x, {"rotation": 90.0}))
    np.testing.assert_allclose(y, np.rot90(x, axes=(1, 2)), atol=1e-4)
    y = to_numpy(layer.transform(x, {"vertical_flip": True, "horizontal_flip": np.arange(8) % 2}))
    np.testing.assert_array_equal(y[::2], x[::2, ::-1])
    np.testing.assert_array_equal(y[1::2], x[1::2, ::-1, ::-1])


def test_draws_have_the_documented_distribution():
    n = 4000
    p = to_numpy(GeometricAugmentation(zoom=0.25, seed=3).random_parameters(n))
    assert all(v.shape == (n,) for v in p.values())
    limits = {"rotation": (-90, 90), "height_shift": (-0.2, 0.2), "width_shift": (-0.2, 0.2)}
    limits |= {"height_zoom": (0.75, 1.25), "width_zoom": (0.75, 1.25)}
    for name, (low, high) in limits.items():
        span = high - low
        assert low <= p[name].min() < low + span / 100
        assert high - span / 100 < p[name].max() <= high
        counts = np.histogram(p[name], bins=4, range=(low, high))[0]
        assert np.all(np.abs(counts - n / 4) < 5 * np.sqrt(n * 3 / 16)), name
    for name in ("horizontal_flip", "vertical_flip"):
        assert p[name].dtype == bool
        assert abs(p[name].mean() - 0.5) < 5 * 0.5 / np.sqrt(n)
    correlation = np.corrcoef(np.stack(list(p.values())).astype("float64"))
    assert np.abs(correlation - np.eye(7)).max() < 5 / np.sqrt(n)


def test_nothing_to_do_is_the_identity():
    layer = GeometricAugmentation(0, 0, False, False, seed=0)
    x = noise(*SHAPE)
    np.testing.assert_array_equal(to_numpy(layer(x, training=True)), x)


@pytest.mark.parametrize("training", [False, None])
def test_only_training_augments(training):
    layer = GeometricAugmentation(seed=0)
    x = noise(*SHAPE)
    state = to_numpy(layer.seed_generator.state.value)
    np.testing.assert_array_equal(to_numpy(layer(x, training=training)), x)
    np.testing.assert_array_equal(to_numpy(layer.seed_generator.state.value), state)
    assert np.abs(to_numpy(layer(x, training=True)) - x).max() > 0.1


def test_each_switch_acts_alone():
    settings_of = {"rotation": (5, 0), "height_shift": (0, 0.1), "width_shift": (0, 0.1)}
    for name, (rotation, shift) in settings_of.items():
        p = to_numpy(GeometricAugmentation(rotation, shift, False, False).random_parameters(50))
        assert np.unique(p[name]).size == 50
        assert not p["horizontal_flip"].any()
        assert not p["vertical_flip"].any()
        assert np.all(p["height_zoom"] == 1)
        if rotation == 0:
            assert np.all(p["rotation"] == 0)


def test_draws_differ_by_image_and_call_and_repeat_by_seed():
    x = np.repeat(noise(1, *SHAPE[1:]), 8, axis=0)
    layer, twin, other = (GeometricAugmentation(seed=seed) for seed in (5, 5, 6))
    first, second = to_numpy(layer(x, training=True)), to_numpy(layer(x, training=True))
    assert len(np.unique(np.concatenate([first, second]).reshape(16, -1), axis=0)) == 16
    np.testing.assert_array_equal(to_numpy(twin(x, training=True)), first)
    np.testing.assert_array_equal(to_numpy(twin(x, training=True)), second)
    assert np.abs(to_numpy(other(x, training=True)) - first).max() > 0.1


def test_stays_in_range():
    for x in (noise(*SHAPE), np.ones(SHAPE, "float32")):
        y = to_numpy(random_layer(seed=2)(x, training=True))
        assert y.min() >= x.min()
        assert y.max() <= x.max()


@pytest.mark.parametrize("training", [True, False])
def test_bytes_become_floats(training):
    x = (noise(*SHAPE) * 255).astype("uint8")
    y = to_numpy(GeometricAugmentation(seed=1)(x, training=training))
    expected = to_numpy(
        GeometricAugmentation(seed=1)((x / 255.0).astype("float32"), training=training)
    )
    assert y.dtype == "float32"
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "channels"), [("uint8", None), ("int32", 1), ("float32", 3), ("bool", 1)]
)
def test_masks_follow_their_images(dtype, channels):
    x = (noise(*SHAPE) > 0.5).astype("float32")
    masks = (2 * x if dtype != "bool" else x).astype(dtype)
    masks = masks[..., 0] if channels is None else np.repeat(masks, channels, axis=-1)
    # Flips alone move whole pixels, so that images and masks must agree exactly.
    layer = GeometricAugmentation(rotation=0, shift=0, seed=0)
    y = layer({"images": x, "masks": masks}, training=True)
    assert keras.backend.standardize_dtype(y["masks"].dtype) == dtype
    y = to_numpy(y)
    assert y["masks"].shape == masks.shape
    got = y["masks"] if channels is not None else y["masks"][..., None]
    scale = 1 if dtype == "bool" else 2
    np.testing.assert_array_equal(got, np.broadcast_to(scale * y["images"], got.shape))
    assert np.abs(y["images"] - x).max() == 1


def test_masks_keep_their_labels_and_overlap_their_images():
    rows, columns = np.mgrid[0:12, 0:12]
    disc = ((rows - 7) ** 2 + (columns - 5) ** 2 < 10).astype("float32")[None, :, :, None]
    x = np.repeat(disc, 8, axis=0)
    y = to_numpy(
        GeometricAugmentation(seed=0)({"images": x, "masks": 7 * x.astype("int32")}, training=True)
    )
    assert set(np.unique(y["masks"])) <= {0, 7}
    # A pixel's nearest neighbour has at least a quarter of the bilinear weight.
    assert np.all(y["images"][y["masks"] == 7] >= 0.25 - 1e-5)
    assert np.all(y["images"][y["masks"] == 0] <= 0.75 + 1e-5)


def test_masks_pass_untouched_outside_training():
    masks = np.arange(8 * 144, dtype="int32").reshape(8, 12, 12)
    y = to_numpy(GeometricAugmentation()({"images": noise(*SHAPE), "masks": masks}))
    np.testing.assert_array_equal(y["masks"], masks)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    x = noise(*SHAPE)
    masks = np.full(SHAPE, 3001.0, "float32")  # no number of half the precision
    layer = GeometricAugmentation(seed=0, dtype=policy)
    y = layer({"images": x, "masks": masks}, training=True)
    assert keras.backend.standardize_dtype(y["images"].dtype) == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(to_numpy(y["masks"]), masks)
    full = to_numpy(GeometricAugmentation(seed=0, dtype="float32")(x, training=True))
    half = to_numpy(ops.cast(y["images"], "float32"))
    np.testing.assert_allclose(half, full, atol=0.004)  # rounded once, at the end


def model_of(layer):
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layer,
            keras.layers.Conv2D(2, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1),
        ]
    )


def test_trains_inside_a_model(backend):
    layer = GeometricAugmentation(seed=0)
    model = model_of(layer)
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    if backend == "jax":
        assert model.jit_compile
    x, state = noise(10, *SHAPE[1:]), to_numpy(layer.seed_generator.state.value)
    model.fit(x, np.ones((10, 1)), batch_size=4, epochs=1, verbose=0)  # the last batch is short
    assert np.any(to_numpy(layer.seed_generator.state.value) != state)
    assert layer.supports_jit
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))


def test_compiles(backend):
    x = noise(*SHAPE)
    layer = random_layer(seed=4)
    parameters = to_numpy(layer.random_parameters(8))
    expected = to_numpy(layer.transform(x, parameters))
    if backend == "jax":
        import jax

        state = [v.value for v in layer.non_trainable_variables]
        step = jax.jit(lambda s, x: layer.stateless_call([], s, x, training=True))
        first, state = step(state, x)
        second, state = step(state, x)
        got = jax.jit(layer.transform)(x, parameters)
    elif backend == "tensorflow":
        import tensorflow as tf

        # XLA draws other numbers from the same seed: only the transform can be compared.
        step = tf.function(lambda x: layer(x, training=True), jit_compile=True)
        first, second = step(x), step(x)
        got = tf.function(layer.transform, jit_compile=True)(x, parameters)
    else:
        first, second = layer(x, training=True), layer(x, training=True)
        got = layer.transform(x, parameters)
    assert np.any(to_numpy(first) != to_numpy(second))
    np.testing.assert_allclose(to_numpy(got), expected, atol=1e-4)


def test_unknown_sizes():
    inputs = {
        "images": keras.Input((None, None, 1), dtype="uint8", name="images"),
        "masks": keras.Input((None, None), dtype="int32", name="masks"),
    }
    outputs = GeometricAugmentation(seed=0)(inputs, training=True)
    assert outputs["images"].shape == (None, None, None, 1)
    assert outputs["images"].dtype == "float32"
    assert outputs["masks"].dtype == "int32"
    model = keras.Model(inputs, outputs)
    for n, height, width in [(3, 8, 9), (2, 11, 8)]:
        masks = np.ones((n, height, width), "int32")
        images = np.full((n, height, width, 1), 255, "uint8")
        y = model.predict({"images": images, "masks": masks}, verbose=0)
        np.testing.assert_array_equal(y["images"], np.ones((n, height, width, 1)))
        np.testing.assert_array_equal(y["masks"], masks)


def test_gradients_reach_the_images(backend):
    x = noise(*SHAPE)
    layer = GeometricAugmentation()
    parameters = {"rotation": 20.0, "height_shift": 0.1}
    if backend == "jax":
        import jax

        gradient = jax.grad(lambda x: ops.sum(layer.transform(x, parameters)))(x)
    elif backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = ops.sum(layer.transform(x, parameters))
        gradient = tape.gradient(total, x)
    else:
        x = ops.convert_to_tensor(x).requires_grad_()
        ops.sum(layer.transform(x, parameters)).backward()
        gradient = x.grad
    # Every output pixel distributes a weight of one over the input.
    assert to_numpy(ops.convert_to_tensor(gradient)).sum() == pytest.approx(
        x.shape[0] * 144, rel=1e-4
    )


@pytest.mark.parametrize(
    ("inputs", "argument"),
    [
        (np.zeros((8, 8, 1), "float32"), "inputs"),
        (np.zeros((2, 8, 8, 1), "int32"), "inputs"),
        ({"images": np.zeros((2, 8, 8, 1), "float32")}, "inputs"),
        ({"images": np.zeros((2, 8, 8, 1), "float32"), "mask": np.zeros((2, 8, 8))}, "inputs"),
        (
            {"images": np.zeros((2, 8, 8, 1), "float32"), "masks": np.zeros((2, 9, 8), "int32")},
            "masks",
        ),
        ({"images": np.zeros((2, 8, 8, 1), "float32"), "masks": np.zeros((2, 8))}, "masks"),
    ],
    ids=["rank", "dtype", "no masks", "misspelt", "size of masks", "rank of masks"],
)
def test_refuses_bad_inputs(inputs, argument):
    with pytest.raises(ValueError, match=f"`{argument}`: got .*; expected "):
        GeometricAugmentation()(inputs, training=True)


def test_refuses_unknown_parameters():
    with pytest.raises(ValueError, match=r"`parameters`: got .*shear.*; expected "):
        GeometricAugmentation().transform(noise(1, 8, 8, 1), {"shear": 3.0})
