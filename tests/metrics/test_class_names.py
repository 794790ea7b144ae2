"""Warnings speak of classes by name, where names are given."""

import numpy as np
import pytest

from keras_medaug.metrics import collapsed_classifier, diversity, label_fidelity, prior_shift
from keras_medaug.metrics.checking import class_words

pytestmark = pytest.mark.backend_free

NAMES = ["benign", "malignant"]
LABELS = np.arange(80) % 2
REAL = np.random.default_rng(0).random((80, 8, 8, 1)) * 0.2 + LABELS.reshape(-1, 1, 1, 1) * 0.5


def bright(images):
    p = (images.mean(axis=(1, 2, 3)) > 0.35).astype(float)
    return np.stack([1 - p, p], axis=1)


def of_shift(names):
    return prior_shift([0] * 90 + [1] * 10, [0] * 50 + [1] * 50, class_names=names)


def of_collapse(names):
    return collapsed_classifier(LABELS, np.tile([0.9, 0.1], (80, 1)), class_names=names)


def of_diversity(names):
    made = np.where(LABELS.reshape(-1, 1, 1, 1) == 1, REAL[1], REAL)
    return diversity(made, REAL, LABELS, LABELS, class_names=names)


def of_labels(names):
    made = REAL * (1 - 0.6 * LABELS.reshape(-1, 1, 1, 1))  # those of class 1 look like class 0
    return label_fidelity(bright, made, LABELS, REAL, LABELS, class_names=names)


WARNINGS = [of_shift, of_collapse, of_diversity, of_labels]


@pytest.mark.parametrize("warn", WARNINGS)
def test_a_class_is_called_by_its_name(warn):
    named, numbered = warn(NAMES)["warning"], warn(None)["warning"]
    assert ("'malignant'" in named) != ("'benign'" in named)
    assert named.replace("'benign'", "0").replace("'malignant'", "1") == numbered
    assert warn(["0", "1"])["warning"] == numbered  # the names that a set has by default


@pytest.mark.parametrize("warn", WARNINGS)
@pytest.mark.parametrize("names", [["benign"], "ab", [0, 1]])
def test_what_are_no_names_is_refused(warn, names):
    with pytest.raises(ValueError, match=r"`class_names`: got .*; expected .* per class"):
        warn(names)


def test_several_classes_are_listed():
    assert class_words([0, 1, 2], ["a", "b", "c"]) == "classes 'a', 'b' and 'c'"
