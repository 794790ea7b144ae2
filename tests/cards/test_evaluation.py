"""What is measured of images, and that nothing is measured twice."""

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.cards import evaluation as module
from keras_medaug.cards.evaluation import Evaluation
from keras_medaug.cards.once import Once
from keras_medaug.checked_images import CheckedImages

X = np.random.default_rng(0).random((90, 8, 8, 1), "float32")


@pytest.mark.backend_free
def test_sharpness_is_taken_from_the_quality_where_that_was_measured(monkeypatch):
    evaluation = Evaluation(X[:25], X[25:60], X[60:])
    quality = evaluation.quality()
    directly = evaluation.sharpness()
    monkeypatch.setattr(module, "spectral_distance", None)
    assert evaluation.sharpness(quality) == directly
    assert directly["reference"]["value"] != directly["value"]


@pytest.mark.backend_free
def test_what_too_few_images_cannot_tell_is_none():
    evaluation = Evaluation(X[:9], X[9:30], X[:0])
    measured = evaluation.measure()
    assert measured["two_sample"] is measured["quality"] is measured["readings"] is None
    assert evaluation.classified() is evaluation.collapsed() is None
    assert evaluation.counts == {"synthetic": 9, "training": 21, "held-out": 0}


@pytest.mark.backend_free
def test_images_in_another_order_or_form_are_not_asked_again():
    asked = []

    def corners(images):
        asked.append(len(images))
        return images[:, 0, 0]

    once = Once(corners)
    rows = once(X[:40])
    np.testing.assert_array_equal(once(X[10:30][::-1]), rows[10:30][::-1])
    np.testing.assert_array_equal(once(CheckedImages(X[:3])), X[:3, 0, 0])
    assert asked == [40]
    once(X[30:50])
    assert asked == [40, 10]
    as_bytes = np.rint(X[:5] * 255).astype("uint8")
    np.testing.assert_array_equal(once(as_bytes), once(as_bytes / np.float32(255)))
    assert asked == [40, 10, 5]


@pytest.mark.backend_free
def test_equal_images_are_asked_once_and_a_wrong_number_of_rows_is_left_to_the_metric():
    once = Once(lambda images: images.mean(axis=(1, 2)))
    assert once(np.repeat(X[:1], 3, axis=0)).shape == (3, 1)
    assert len(Once(lambda images: images[:2, 0, 0])(X[:5])) == 2


class OwnPixels(kma.features.PixelFeatures):
    """An extractor of a user, who calculates with the images."""

    def __call__(self, images):
        return super().__call__(1 - images * 0.5)


@pytest.mark.backend_free
def test_an_extractor_that_overrides_the_call_gets_an_array():
    evaluation = Evaluation(X[:25], X[25:60], X[60:], features={"own": OwnPixels(X[25:60])})
    assert set(evaluation.quality()["spaces"]) == {"pixels", "own"}
