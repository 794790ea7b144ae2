"""What the record of `augment` says of classes."""

import numpy as np
import pytest

from keras_medaug.cards.sentences import augment_notes, labels_warning
from keras_medaug.cards.shown_labels import see_labels
from keras_medaug.labels.label_filter import LabelFilter
from keras_medaug.metrics import copy_audit

pytestmark = pytest.mark.backend_free

IMAGES = np.rint(np.random.default_rng(0).random((60, 8, 8, 1)) * 255).astype("uint8")


def test_classes_of_which_too_few_passed_take_one_note():
    record = {
        "copy_audit": copy_audit(IMAGES[:30], IMAGES[30:]), "labels": {"by": "conditional"},
        "fidelity": None, "requested": [4] * 18, "images": {"counts": [1] * 18},
        "class_names": [f"kind {number}" for number in range(18)],
    }  # fmt: skip
    (note,) = [note for note in augment_notes(record) if "filter" in note]
    assert note.startswith("Too few images passed the filter: 1 of 4 of class 'kind 0', 1 of 4 of ")


@pytest.mark.parametrize(("names", "word"), [(["a", "b"], "'b'"), (None, "1")])
def test_the_class_of_one_image_is_called_by_its_name(names, word):
    assert f"of class {word} there is one." in labels_warning(None, [29, 1], names)
    assert labels_warning({"warning": "Wrong."}, [29, 1], names) == "Wrong."
    assert labels_warning(None, [30], names) is None


class Fitted:
    """Tells the classes of real images apart, and none of the others."""

    folds, steps = 2, 7
    real_probabilities = np.eye(2)[np.arange(30) % 2]

    def predict(self, images):
        return np.tile([1.0, 0.0], (len(images), 1))


def test_wrong_labels_are_told_by_name():
    labels = np.arange(30) % 2
    chosen = LabelFilter(Fitted(), 0.5)
    chosen(IMAGES[:30], labels)
    shown = see_labels(
        IMAGES[:30], labels, IMAGES[30:], labels, label_filter=chosen, class_names=["a", "b"]
    )
    assert "of class 'b' it recognises less than half as many" in shown["warning"]
