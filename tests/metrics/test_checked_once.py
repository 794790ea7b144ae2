"""Images are checked once in a public call, and their features are computed once."""

from unittest import mock

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug import images as images_module

DATA = kma.datasets.load("phantom", size=8)
SETS = [DATA.test[0], DATA.train[0], DATA.val[0]]
PIXELS = kma.features.PixelFeatures(DATA.train[0], components=6)


class Counted:
    """An extractor of ours that counts the images that it gets."""

    takes_checked_images = True

    def __init__(self, extractor):
        self.extractor, self.images, self.calls = extractor, 0, 0

    def __call__(self, images):
        self.images += len(images)
        self.calls += 1
        return self.extractor(images)


@pytest.fixture
def scanned(monkeypatch):
    """How many images of each check were looked at."""
    counts = []
    original = images_module._check_axes

    def counting(array, argument):
        counts.append(len(array))
        original(array, argument)

    monkeypatch.setattr(images_module, "_check_axes", counting)
    return counts


def quality(features):
    return kma.metrics.sample_quality(*SETS, {"ours": features})


def audit(features):
    return kma.metrics.copy_audit(*SETS, features)


def two_sample(features):
    return kma.metrics.two_sample_auc(SETS[0], SETS[1], features, held_out=SETS[2])


@pytest.mark.backend_free
@pytest.mark.parametrize(("function", "calls"), [(quality, 3), (audit, 1 + 2 + 1), (two_sample, 3)])
def test_images_are_checked_once(function, calls, scanned):
    """By batches of an extractor at most: each image goes through it once."""
    features = Counted(PIXELS)
    function(features)
    assert sorted(scanned) == sorted(map(len, SETS))
    fewest = min(len(SETS[0]), len(SETS[1]))
    drawn = sum(min(len(x), fewest) for x in SETS)
    assert features.images == (drawn if function is two_sample else sum(map(len, SETS)))
    assert features.calls == calls


@pytest.mark.one_backend
@pytest.mark.parametrize("function", [quality, audit, two_sample])
def test_features_of_a_classifier_do_not_check_again(function, scanned):
    features = kma.features.ClassifierFeatures(*DATA.train, steps=2, filters=4)
    del scanned[:]
    function(features)
    assert sorted(scanned) == sorted(map(len, SETS))


@pytest.mark.backend_free
def test_a_function_of_the_user_gets_an_array():
    got = []
    quality(lambda x: got.append(type(x)) or x.mean(axis=(2, 3)))
    assert set(got) == {np.ndarray}


def in_place(images):
    """Return features of images that are written into, as Keras's `preprocess_input` does."""
    images *= 0.5
    return images.mean(axis=(2, 3))


def probabilities_in_place(images):
    images -= images.min()
    return np.full((len(images), DATA.num_classes), 1 / DATA.num_classes)


def agreement(_):
    kma.metrics.label_agreement(probabilities_in_place, SETS[0], DATA.test[1], lambda x: x[:, ::-1])


def fidelity(_):
    kma.metrics.label_fidelity(probabilities_in_place, SETS[0], DATA.test[1], SETS[2], DATA.val[1])


@pytest.mark.backend_free
@pytest.mark.parametrize("function", [quality, audit, two_sample, agreement, fidelity])
def test_a_function_that_writes_into_its_images_changes_none_of_ours(function):
    before = [x.copy() for x in SETS]
    function(in_place)
    for images, as_they_were in zip(SETS, before, strict=True):
        np.testing.assert_array_equal(images, as_they_were)


@pytest.mark.backend_free
def test_the_next_extractor_gets_the_images_as_they_are():
    def means(images):
        return images.mean(axis=(2, 3))

    alone = kma.metrics.sample_quality(*SETS, {"means": means}, seed=0)["spaces"]
    both = {"in place": in_place, "means": means}
    beside = kma.metrics.sample_quality(*SETS, both, seed=0)["spaces"]
    assert beside["means"] == alone["means"]


class OwnPixels(kma.features.PixelFeatures):
    """An extractor of a user, who calculates with the images."""

    def __call__(self, images):
        return super().__call__(1 - images * 0.5)


@pytest.mark.backend_free
@pytest.mark.parametrize("function", [quality, audit, two_sample])
def test_a_subclass_that_overrides_the_call_gets_an_array(function):
    function(OwnPixels(DATA.train[0], components=6))


class OwnClassifier(kma.models.Classifier):
    """A classifier of a user, who calculates with the images."""

    def predict(self, x, *args, **kwargs):
        return super().predict(x * 0.5, *args, **kwargs)


@pytest.mark.one_backend
def test_a_subclass_that_overrides_predict_gets_an_array():
    classifier = OwnClassifier((8, 8, 1), 4, filters=4, seed=0)
    assert 0 < kma.metrics.mean_confidence(classifier, SETS[0]) <= 1


@pytest.mark.one_backend
def test_features_and_predictions_come_from_one_pass():
    """And are what the classifier and its layer give."""
    features = kma.features.ClassifierFeatures(*DATA.train, steps=2, filters=4)
    model = features._model
    with mock.patch.object(model, "predict_on_batch", wraps=model.predict_on_batch) as passes:
        outputs = features.outputs(SETS[2])
    assert passes.call_count == -(-len(SETS[2]) // 256)
    classifier = features.classifier
    np.testing.assert_allclose(outputs["logits"], classifier.logits(SETS[2]), atol=1e-5)
    probabilities = classifier.predict(SETS[2], verbose=0)
    np.testing.assert_allclose(outputs["probabilities"], probabilities, atol=1e-6)
    np.testing.assert_array_equal(outputs["features"], features(SETS[2]))
