"""The paper's confidence: the mean of the largest class probability."""

import numpy as np
import pytest

import keras_medaug as kma

pytestmark = pytest.mark.backend_free


class Stub:
    """A classifier with given answers."""

    def __init__(self, answers):
        self.answers = np.asarray(answers)
        self.batches = []

    def predict(self, images, batch_size=None, verbose="auto"):
        self.batches.append(batch_size)
        return self.answers[: len(images)]


IMAGES = np.zeros((3, 8, 8, 1), "float32")


def test_known_probabilities():
    stub = Stub([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0, 1, 0]])
    assert kma.metrics.mean_confidence(stub, IMAGES) == pytest.approx((0.5 + 0.7 + 1) / 3)


def test_batch_size_is_handed_on():
    stub = Stub(np.full((3, 2), 0.5))
    assert kma.metrics.mean_confidence(stub, IMAGES, batch_size=2) == 0.5
    kma.metrics.mean_confidence(stub, IMAGES)
    assert stub.batches == [2, 3]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (np.ones(3), r"shape \(3, num_classes\)"),
        (np.ones((3, 1)), r"shape \(3, num_classes\)"),
        (np.full((2, 2), 0.5), r"shape \(3, num_classes\)"),
        ([[2.0, -1.0]] * 3, "softmax"),
        ([[0.2, 0.3]] * 3, "softmax"),
        ([[np.nan, 0.3]] * 3, "softmax"),
    ],
)
def test_what_are_no_probabilities(answers, expected):
    with pytest.raises(ValueError, match=f"`classifier`: got .*; expected .*{expected}"):
        kma.metrics.mean_confidence(Stub(answers), IMAGES)


def test_bad_images():
    with pytest.raises(ValueError, match=r"`images`: got shape \(8, 8, 1\); expected four axes"):
        kma.metrics.mean_confidence(Stub([[0.5, 0.5]]), IMAGES[0])
    with pytest.raises(ValueError, match="`images`"):
        kma.metrics.mean_confidence(Stub([[0.5, 0.5]]), IMAGES + 2)
