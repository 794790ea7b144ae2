"""A classifier that augments its images in training: when, with which draws, and after a file."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medaug.layers import GeometricAugmentation


def augmented(build, seed=0, **settings):
    layer = GeometricAugmentation(**settings)
    return build("Classifier", dropout=0.0, augmentation=layer, seed=seed)


def losses(model, x, y, epochs=3):
    return model.fit(x, y, batch_size=4, epochs=epochs, verbose=0).history["loss"]


def test_in_training_and_nowhere_else(build, x, y):
    model, plain = augmented(build), build("Classifier", dropout=0.0)
    inferred = [classifier.predict(x, verbose=0) for classifier in (model, plain)]
    np.testing.assert_array_equal(*inferred)
    scored = [classifier.evaluate(x, y, verbose=0) for classifier in (model, plain)]
    np.testing.assert_allclose(*scored, rtol=1e-6)
    trained = [
        np.array(ops.convert_to_numpy(classifier(x, training=True)))
        for classifier in (model, plain)
    ]
    assert not np.allclose(*trained, atol=1e-4)
    assert not np.allclose(losses(model, x, y), losses(plain, x, y), rtol=1e-4)


def test_each_step_draws_anew(build, x):
    model = augmented(build)
    first, second = (np.array(ops.convert_to_numpy(model(x, training=True))) for _ in range(2))
    assert not np.allclose(first, second, atol=1e-5)


def test_pixels_of_either_type_are_augmented_alike(build):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), "uint8")
    given = [pixels, (pixels / 255).astype("float32")]
    outputs = [ops.convert_to_numpy(augmented(build)(pixels, training=True)) for pixels in given]
    np.testing.assert_allclose(*outputs, atol=1e-5)


def test_the_draws_follow_the_seed_of_the_model(build, x, y):
    one, same, other = (augmented(build, seed) for seed in (1, 1, 2))
    np.testing.assert_allclose(losses(one, x, y), losses(same, x, y), rtol=1e-6)
    assert one.augmentation.seed != other.augmentation.seed
    other.reinitialize(1)
    assert other.seed == 1
    np.testing.assert_allclose(losses(other, x, y), losses(augmented(build, 1), x, y), rtol=1e-6)


def test_a_seed_given_to_the_layer_is_kept_and_the_layer_left_alone(build, x):
    layer = GeometricAugmentation(seed=7)
    model = build("Classifier", augmentation=layer)
    before = np.array(ops.convert_to_numpy(layer.seed_generator.state.value))
    model(x, training=True)
    assert model.augmentation is not layer
    assert model.augmentation.seed == 7
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.seed_generator.state.value), before)


def test_a_file_brings_it_back_with_its_next_draws(build, load, x, y, tmp_path):
    model = augmented(build, rotation=20, zoom=0.1)
    losses(model, x, y)
    model.save(tmp_path / "model.keras")
    loaded = load(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert loaded.augmentation.zoom == 0.1
    np.testing.assert_allclose(losses(loaded, x, y), losses(model, x, y), rtol=1e-5)


def test_keras_own_layers_serve_too(build, x, y):
    model = build("Classifier", augmentation=keras.layers.GaussianNoise(0.5))
    assert np.isfinite(losses(model, x, y)).all()
    assert not np.allclose(*(ops.convert_to_numpy(model(x, training=True)) for _ in range(2)))


@pytest.mark.parametrize("given", [True, "geometric", lambda x: x, GeometricAugmentation])
def test_only_a_layer_is_taken(build, given):
    with pytest.raises(ValueError, match=r"`augmentation`: got .*expected a Keras layer or None"):
        build("Classifier", augmentation=given)


def test_layers_within_the_layer_draw_by_the_seed_of_the_model(build, x):
    """Layers of a `Sequential` without seeds: each gets its own, the same in equal models."""

    def drawn(seed):
        inside = [keras.layers.GaussianNoise(0.2), keras.layers.GaussianNoise(0.2)]
        layer = keras.Sequential([keras.Input(x.shape[1:]), *inside])
        model = build("Classifier", augmentation=layer, seed=seed)
        noise = model.augmentation.layers
        assert noise[0].seed != noise[1].seed
        return np.array(ops.convert_to_numpy(model.augmentation(x, training=True)))

    np.testing.assert_array_equal(drawn(0), drawn(0))
    assert not np.allclose(drawn(0), drawn(1))


def test_the_copy_of_a_layer_has_its_weights(build, x):
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(x)
    model = build("Classifier", augmentation=layer, seed=0)
    for ours, given in zip(model.augmentation.get_weights(), layer.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, given)
