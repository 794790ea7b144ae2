"""An extractor that is asked once for each image."""

import numpy as np
import pytest

from keras_medaug.cards.once import Once

pytestmark = pytest.mark.backend_free


def test_images_that_differ_in_one_pixel_have_rows_of_their_own():
    images = np.zeros((64, 8, 8, 1), "float32")
    images.reshape(64, 64)[np.arange(64), np.arange(64)] = np.linspace(0.1, 1, 64)
    once = Once(lambda x: x.reshape(len(x), -1))
    for given in (images[:40], images[::-1], images):
        np.testing.assert_array_equal(once(given), given.reshape(len(given), -1))


def test_a_function_that_writes_into_its_images_changes_none_of_ours():
    def halved(images):
        images *= 0.5
        return images.mean(axis=(1, 2))

    images = np.random.default_rng(0).random((5, 8, 8, 1), "float32")
    before = images.copy()
    Once(halved)(images)
    np.testing.assert_array_equal(images, before)


def test_bytes_and_the_floats_that_they_stand_for_are_the_same_image():
    asked = []
    once = Once(lambda x: asked.append(len(x)) or x.mean(axis=(1, 2)))
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), "uint8")
    np.testing.assert_array_equal(once(images), once(images / np.float32(255)))
    assert asked == [5]
