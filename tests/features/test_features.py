"""Extractors of features."""

import json

import keras
import numpy as np
import pytest

import keras_medaug as kma

DATA = kma.datasets.load("phantom", size=8)


@pytest.fixture(scope="module")
def classifier_features():
    return kma.features.ClassifierFeatures(*DATA.train, steps=60, filters=8, seed=3)


def small_model(*outputs):
    images = keras.Input((8, 8, 1), name="images")
    maps = keras.layers.Conv2D(3, 3, name="maps")(images)
    flat = keras.layers.Dense(5, name="flat")(keras.layers.Flatten()(maps))
    given = {"maps": maps, "flat": flat}
    return keras.Model(
        images, [given[name] for name in outputs] if outputs[1:] else given[outputs[0]]
    )


# ---- pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [200, 40])  # more images than pixels, and fewer
def test_principal_components_are_those_of_scikit_learn(count):
    from sklearn.decomposition import PCA

    x, unseen = DATA.train[0][:count], DATA.test[0]
    features = kma.features.PixelFeatures(x, components=6)
    expected = PCA(6, svd_solver="full").fit(x.reshape(count, -1).astype(float))
    projected = expected.transform(unseen.reshape(len(unseen), -1).astype(float))
    np.testing.assert_allclose(np.abs(features(unseen)), np.abs(projected), atol=1e-8)
    share = expected.explained_variance_ratio_.sum()
    assert features.card["variance"] == pytest.approx(share, abs=1e-6)


def test_bytes_and_floats_have_the_same_components():
    stored, _ = DATA.stored("train")
    assert stored.dtype == np.uint8
    floats = kma.features.PixelFeatures(DATA.train[0], components=4)
    bytes_ = kma.features.PixelFeatures(stored, components=4)
    np.testing.assert_allclose(bytes_(stored), floats(DATA.train[0]), atol=1e-5)


def test_there_are_no_more_components_than_images_allow():
    features = kma.features.PixelFeatures(DATA.train[0][:4])
    assert features(DATA.test[0]).shape[1] == features.card["components"] == 3


def test_repeated_images_have_the_axes_of_one_each():
    once, thrice = DATA.train[0][:10], np.repeat(DATA.train[0][:10], 3, axis=0)
    ours, theirs = (kma.features.PixelFeatures(x, components=29) for x in (once, thrice))
    assert ours.card["components"] == theirs.card["components"] == 9
    np.testing.assert_allclose(
        np.abs(ours(DATA.test[0])), np.abs(theirs(DATA.test[0])), rtol=1e-6, atol=1e-6
    )


def test_equal_images_have_components_all_the_same():
    vectors = kma.features.PixelFeatures(np.full((5, 8, 8, 1), 0.5))(np.full((2, 8, 8, 1), 0.5))
    assert np.isfinite(vectors).all()
    assert not vectors.any()


def test_of_many_images_some_are_drawn(monkeypatch):
    from keras_medaug.features import pixel_features

    monkeypatch.setattr(pixel_features, "MOST_FITTED", 50)
    first, same, other = (kma.features.PixelFeatures(DATA.train[0], seed=s) for s in (0, 0, 1))
    assert first.card["images"] == 50
    x = DATA.test[0]
    np.testing.assert_array_equal(first(x), same(x))
    assert not np.array_equal(first(x), other(x))


def test_of_large_images_fewer_are_drawn(monkeypatch):
    """As many as there is memory for: what counts is pixels."""
    from keras_medaug.features import pixel_features

    size = DATA.train[0][0].size
    monkeypatch.setattr(pixel_features, "MOST_VALUES", 30 * size + size // 2)
    monkeypatch.setattr(pixel_features, "CHUNK", 7 * size)  # parts that do not fit
    features = kma.features.PixelFeatures(DATA.train[0])
    assert features.card["images"] == 30
    x = DATA.test[0]
    np.testing.assert_allclose(features(x), [features(first[None])[0] for first in x], atol=1e-10)


# ---- a model --------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [256, 7])
def test_outputs_of_a_model(batch_size):
    model = small_model("flat")
    x = DATA.test[0]
    vectors = kma.features.ModelFeatures(model, batch_size=batch_size)(x)
    expected = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_maps_are_averaged_over_positions():
    model = small_model("flat")
    x = DATA.test[0][:5]
    vectors = kma.features.ModelFeatures(model, "maps")(x)
    maps = keras.ops.convert_to_numpy(model.get_layer("maps")(x))
    np.testing.assert_allclose(vectors, maps.mean((1, 2)), atol=1e-5)


def test_a_subclass_of_model_is_taken_as_it_is():
    class Mean(keras.Model):
        def call(self, inputs):
            return keras.ops.mean(inputs, axis=(1, 2))

    x = DATA.test[0]
    np.testing.assert_allclose(kma.features.ModelFeatures(Mean())(x), x.mean((1, 2)), atol=1e-6)


def test_images_go_through_the_function_given():
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])

    def preprocess(images):
        return np.repeat(images.repeat(2, axis=1).repeat(2, axis=2), 3, axis=3) * 2 - 1

    vectors = kma.features.ModelFeatures(model, preprocess=preprocess)(DATA.test[0])
    np.testing.assert_allclose(vectors, DATA.test[0].mean((1, 2)).repeat(3, 1) * 2 - 1, atol=1e-5)


def test_a_function_that_writes_into_its_images_changes_none_of_ours():
    def preprocess(images):
        images -= 0.5
        return images

    features = kma.features.ModelFeatures(small_model("flat"), preprocess=preprocess)
    x = DATA.test[0]
    features(x)
    np.testing.assert_array_equal(x, DATA.test[0])


def test_bytes_are_scaled():
    features = kma.features.ModelFeatures(small_model("flat"))
    x = np.rint(DATA.test[0] * 255).astype(np.uint8)
    np.testing.assert_allclose(features(x), features(x.astype("float32") / 255), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kma.features.ModelFeatures(len), "`model`: got a builtin_function_or_method"),
        (lambda: kma.features.ModelFeatures(small_model("flat"), "nose"), "`layer`: got 'nose'"),
        (lambda: kma.features.ModelFeatures(small_model("flat"), batch_size=0), "`batch_size`"),
        (
            lambda: kma.features.ModelFeatures(small_model("flat", "maps"))(DATA.test[0]),
            "`model`: got 2 outputs",
        ),
        (lambda: kma.features.PixelFeatures(DATA.train[0], components=0), "`components`"),
        (lambda: kma.features.PixelFeatures(DATA.train[0])(np.zeros((1, 9, 9, 1))), "`images`"),
        (lambda: kma.features.ClassifierFeatures(DATA.train[0], [0] * 480), "`labels`: got one"),
        (lambda: kma.features.ClassifierFeatures(*DATA.train, steps=0), "`steps`"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- a classifier ---------------------------------------------------------------------------


def test_features_of_a_classifier_are_what_its_last_layer_sees(classifier_features):
    x = DATA.test[0]
    vectors = classifier_features(x)
    assert vectors.shape == (len(x), classifier_features.card["components"])
    network = classifier_features.classifier.network
    before = network.get_layer("features").input
    maps = keras.Model(network.inputs[0], before).predict(x, verbose=0)
    np.testing.assert_allclose(vectors, maps.mean((1, 2)), atol=1e-5)


def stripes(count, seed):
    """Return noisy stripes, upright or lying, with what they are."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    waves = np.sin(np.arange(12)[:, None] * 2 + rng.uniform(0, 6, size=(count, 1, 1)))
    upright = np.broadcast_to(waves, (count, 12, 12))
    images = np.where(labels[:, None, None] == 1, upright, upright.transpose(0, 2, 1))
    noisy = 0.5 + 0.2 * images + rng.normal(0, 0.1, images.shape)
    return np.clip(noisy, 0, 1)[..., None], labels


def test_they_tell_classes_apart():
    """Unseen images are nearest to the centre of their class, which pixels do not tell."""
    (x, y), (unseen, labels) = stripes(120, 0), stripes(80, 1)

    def share_right(features):
        vectors = features(x)
        centres = np.array([vectors[y == label].mean(0) for label in (0, 1)])
        distances = np.linalg.norm(features(unseen)[:, None] - centres, axis=2)
        return np.mean(distances.argmin(1) == labels)

    fitted = kma.features.ClassifierFeatures(x, y, steps=200, filters=8)
    assert fitted.card["accuracy"] > 0.95
    assert share_right(fitted) > 0.9
    assert share_right(kma.features.PixelFeatures(x)) < 0.8


def test_a_seed_decides():
    def features(seed):
        return kma.features.ClassifierFeatures(*DATA.train, steps=3, filters=4, seed=seed)

    x = DATA.test[0]
    np.testing.assert_allclose(features(0)(x), features(0)(x), atol=1e-5)
    assert not np.allclose(features(0)(x), features(1)(x), atol=1e-3)


def test_the_global_random_state_is_left_alone():
    keras.utils.set_random_seed(1)
    expected = np.random.rand(3)  # noqa: NPY002 -- the state in question
    keras.utils.set_random_seed(1)
    kma.features.ClassifierFeatures(*DATA.train, steps=2, filters=4)
    np.testing.assert_array_equal(np.random.rand(3), expected)  # noqa: NPY002


def test_cards_go_into_json(classifier_features):
    cards = [
        classifier_features.card,
        kma.features.PixelFeatures(DATA.train[0]).card,
        kma.features.ModelFeatures(small_model("flat"), "maps").card,
    ]
    assert all(json.loads(json.dumps(card)) == card for card in cards)
    assert classifier_features.card["seed"] == 3
