"""Images of the classes that are wanted."""

import numpy as np
import pytest

from keras_medaug.labels.labelled_images import (
    MOST_TRIES,
    classified_images,
    conditional_images,
)

pytestmark = pytest.mark.backend_free


class Fake:
    """A model whose images show a class by their brightness, half of them the wrong one."""

    image_shape = (8, 8, 1)

    def __init__(self, classes):
        self.classes, self.calls = classes, 0

    def generate(self, n, labels=None, seed=None, **_):
        rng = np.random.default_rng(seed)
        self.calls += 1
        asked = rng.integers(0, self.classes, n) if labels is None else labels
        shown = np.where(rng.random(n) < 0.5, asked, (asked + 1) % self.classes)
        return np.broadcast_to(shown[:, None, None, None] / 10, (n, 8, 8, 1)).astype("float32")

    def predict(self, images, **_):
        shown = np.rint(images[:, 0, 0, 0] * 10).astype(int)
        return np.eye(self.classes, dtype="float32")[shown]


def shown(images):
    return np.rint(images[:, 0, 0, 0] * 10).astype(int)


def test_the_filter_keeps_what_is_what_it_says_and_makes_more():
    wanted = np.repeat([0, 1, 2], [10, 0, 30]).astype("int32")
    images, labels, made = conditional_images(
        Fake(3), wanted, seed=1, label_filter=lambda images, labels: shown(images) == labels
    )
    assert np.array_equal(labels, wanted)
    assert np.array_equal(shown(images), labels)
    assert made > len(wanted)
    images, labels, made = conditional_images(Fake(3), wanted, seed=1)
    assert (shown(images) != labels).any()
    assert made == len(wanted)


def test_a_filter_that_nothing_passes_ends():
    wanted = np.int32([0, 1])
    images, labels, made = conditional_images(
        Fake(2), wanted, seed=1, label_filter=lambda images, labels: labels == 1
    )
    assert labels.tolist() == [1]
    assert len(images) == 1
    assert made <= MOST_TRIES * 2 + 2


def test_a_classifier_labels_images_of_a_model_without_classes():
    wanted = np.repeat([0, 1, 2], [4, 0, 9]).astype("int32")
    images, labels, _ = classified_images(Fake(3), Fake(3), wanted, seed=0, confidence=0.9)
    assert np.array_equal(labels, wanted)
    assert np.array_equal(shown(images), labels)

    class Unsure(Fake):
        def predict(self, images, **_):
            return super().predict(images) * 0.4 + 0.2

    images, _, _ = classified_images(Fake(3), Unsure(3), wanted, seed=0, confidence=0.9)
    assert len(images) == 0
