"""A filter by what classifiers see, and its memory of what they saw."""

import numpy as np
import pytest

from keras_medaug.labels.label_filter import LabelFilter

pytestmark = pytest.mark.backend_free


class Fitted:
    """Sees the class in the brightness of an image, the more surely the brighter its corner."""

    def predict(self, images):
        sure = images[:, 0, 0, 0]
        seen = np.rint(images[:, 1, 1, 0]).astype(int)
        return np.eye(2)[seen] * sure[:, None] + (1 - sure[:, None]) * np.eye(2)[1 - seen]


def image(seen, sure):
    made = np.full((8, 8, 1), seen, "float32")
    made[0, 0] = sure
    return made


def test_an_image_passes_if_its_label_is_likely_enough():
    images = np.stack([image(0, 0.9), image(0, 0.6), image(1, 0.9), image(1, 0.6)])
    keep = LabelFilter(Fitted(), least=0.8)
    assert keep(images, np.int32([0, 0, 0, 1])).tolist() == [True, False, False, False]


def test_what_failed_is_remembered_as_well():
    keep = LabelFilter(Fitted(), least=0.8)
    for labels in ([0, 1], [1]):
        keep(np.stack([image(0, 0.9)] * len(labels)), np.int32(labels))
    assert keep.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(keep.probabilities, [[0.9, 0.1]] * 3, rtol=1e-6)
