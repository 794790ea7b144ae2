"""What the provenance record says of classes."""

import numpy as np
import pytest

from keras_medaug.assessment.image_sets import ImageSets, in_8_bits
from keras_medaug.assessment.record import measure_record, notes_of
from keras_medaug.assessment.shown_labels import see_labels
from keras_medaug.labels.label_filter import LabelFilter
from keras_medaug.metrics import copy_audit

pytestmark = pytest.mark.one_backend

IMAGES = in_8_bits(np.random.default_rng(0).random((60, 8, 8, 1)))


def test_classes_of_which_too_few_passed_take_one_note():
    record = {
        "copy_audit": copy_audit(IMAGES[:30], IMAGES[30:]), "labels": {"by": "conditional"},
        "fidelity": None, "requested": [4] * 18, "counts": [1] * 18,
        "class_names": [f"kind {number}" for number in range(18)],
    }  # fmt: skip
    (note,) = [note for note in notes_of(record) if "filter" in note]
    assert note.startswith("Too few images passed the filter: 1 of 4 of class 'kind 0', 1 of 4 of ")


@pytest.mark.parametrize(("names", "word"), [(["a", "b"], "'b'"), (None, "1")])
def test_the_class_of_one_image_is_called_by_its_name(names, word):
    labels = (np.arange(30) == 0).astype("int32")
    sets = ImageSets(IMAGES[:30], IMAGES[30:], IMAGES[:0], labels, labels, class_names=names)
    record = measure_record(sets, copy_audit(IMAGES[:30], IMAGES[30:]), None, 100)
    assert f"of class {word} there is one." in " ".join(record["warnings"])


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
    seen = see_labels(
        IMAGES[:30], labels, IMAGES[30:], labels, label_filter=chosen, class_names=["a", "b"]
    )
    assert "of class 'b' it recognises less than half as many" in seen["warning"]
