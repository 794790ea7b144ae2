"""Whether classifiers that have not seen an image see its class."""

import numpy as np
import pytest

from keras_medaug.cards.shown_labels import see_labels
from keras_medaug.labels.label_filter import LabelFilter


def halves(count, seed=0):
    """Return images of two classes: bright above, or bright below."""
    rng = np.random.default_rng(seed)
    y = (np.arange(count) % 2).astype("int32")
    x = rng.random((count, 8, 8, 1), "float32") * 0.4
    x[y == 0, :4] += 0.5
    x[y == 1, 4:] += 0.5
    return x, y


@pytest.mark.one_backend
def test_wrong_labels_are_seen_without_held_out_images():
    x, y = halves(80)
    new, labels = halves(40, seed=1)
    right = see_labels(new, labels, x, y, 16, steps=80, seed=0)
    wrong = see_labels(new, 1 - labels, x, y, 16, steps=80, seed=0)
    assert right["held_out"] == wrong["held_out"] > 0.9
    assert right["warning"] is None
    assert right["made"] > 0.9
    assert wrong["made"] < 0.1
    assert "labels may be wrong" in wrong["warning"]


class Fitted:
    """Sees class 1 in all images, and both classes in the real ones."""

    folds, steps = 2, 7
    real_probabilities = np.eye(2)[np.arange(30) % 2]

    def predict(self, images):
        return np.tile([0.1, 0.9], (len(images), 1))


@pytest.mark.backend_free
def test_of_filtered_images_those_before_the_filter_are_compared():
    """Those that passed have the labels that the classifiers see, whatever the generator does."""
    x, y = halves(30)
    keep = LabelFilter(Fitted(), least=0.5)
    passed = keep(x, y)
    assert (y[passed] == 1).all()
    shown = see_labels(x[passed], y[passed], x, y, label_filter=keep)
    assert shown["by_class"] == [0.0, 1.0]
    assert (shown["count"], shown["filtered"], shown["folds"], shown["steps"]) == (30, True, 2, 7)
    assert shown["wrong"] == [0]


@pytest.mark.backend_free
@pytest.mark.parametrize("labels", [[0] * 6, [0] * 5 + [1]])
def test_one_class_or_a_class_of_one_image_tells_nothing(labels):
    x, _ = halves(6)
    assert see_labels(x, np.int32(labels), x, np.int32(labels)) is None
