"""Images are checked once a call, and each extractor and classifier sees an image once."""

from collections import Counter

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug import images as checks

pytestmark = pytest.mark.one_backend

BATCH = 64  # images in a batch of the classifiers
COUNTS = [35, 20, 25, 22]
LABELS = np.repeat(np.arange(4, dtype="int32"), COUNTS)
SMALL = {"latent_dim": 4, "encoder_filters": 4, "decoder_filters": 4}


@pytest.fixture
def checked(monkeypatch):
    """Return the sizes of the sets whose pixels are checked, and how often; batches apart."""
    sizes = Counter()
    check_axes = checks._check_axes

    def noted(array, argument):
        if len(array) != BATCH:
            sizes[len(array)] += 1
        check_axes(array, argument)

    monkeypatch.setattr(checks, "_check_axes", noted)
    return sizes


def calls_of(owner, name, monkeypatch):
    """Return a list that will hold the size of each set that a method is given."""
    sizes, method = [], getattr(owner, name)

    def noted(self, images, *arguments, **options):
        sizes.append(len(images))
        return method(self, images, *arguments, **options)

    monkeypatch.setattr(owner, name, noted)
    return sizes


def test_augment_checks_what_it_is_given_once(data, checked):
    """130 training images and 97 held-out ones; it makes 24."""
    kma.augment(
        *data.stored("train"), "cvae", per_class=6, steps=3, batch_size=BATCH,
        held_out=data.stored("val")[0], seed=0, verbose=0, **SMALL,
    )  # fmt: skip
    assert checked == {130: 1, 97: 1}


def test_augment_with_a_filter_checks_no_set_twice(data, checked, monkeypatch):
    monkeypatch.setattr("keras_medaug.augmenting.CLASSIFIER_STEPS", 2)
    monkeypatch.setattr("keras_medaug.labels.labelled_images.MOST_TRIES", 1)
    asked = calls_of(kma.features.PixelFeatures, "__call__", monkeypatch)
    x, y = data.stored("train")
    x_new, *_ = kma.augment(
        x, y, "cvae", per_class=8, labels="classifier", confidence=0.01, steps=3, seed=0,
        batch_size=BATCH, verbose=0, **SMALL,
    )  # fmt: skip
    assert checked == {130: 1}
    assert sum(asked) <= len(x) + len(x_new)


def test_a_card_checks_only_the_images_that_it_is_given(model, data, checked, tmp_path):
    images = model.generate(len(LABELS), LABELS, seed=0)
    checked.clear()
    kma.model_card(
        model, data, tmp_path, images=images, labels=LABELS, classifier_steps=2, verbose=False
    )
    assert checked == {102: 1}


def test_a_card_asks_classifier_and_extractors_once(model, data, tmp_path, monkeypatch):
    """102 images, 130 training images, 97 held-out ones; the memorization check has 32 more."""
    classifier, features = kma.models.Classifier, kma.features
    predictions = calls_of(classifier, "predict", monkeypatch)
    logits = calls_of(classifier, "logits", monkeypatch)
    passes = calls_of(features.ClassifierFeatures, "_outputs", monkeypatch)
    by_pixels = calls_of(features.PixelFeatures, "__call__", monkeypatch)
    means = []

    def mean_colour(images):
        means.append(len(images))
        return images.mean(axis=(1, 2))

    kma.model_card(
        model, data, tmp_path, labels=LABELS, classifier_steps=2, verbose=False,
        features={"mean": mean_colour},
    )  # fmt: skip
    assert predictions == logits == []
    # Features and predictions come from one pass; the training images were seen at the end of the
    # fit as well, for its accuracy.
    assert sorted(passes) == [32, 97, 102, 130, 130]
    assert sum(by_pixels) == 97 + 102 + 130  # the two-sample test asks for a part of them first
    assert sorted(means) == [2, 97, 102, 130]  # two to try it, before anything is made
