"""The checks of a study on cases that a whole study hardly reaches."""

import numpy as np
import pytest

from keras_medaug.study.checks import warn_of_classifier

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(("given", "never"), [(0, [0]), (1, [])])
def test_test_images_of_one_class_have_no_auc(given, never):
    predictions = np.tile(np.roll([0.1, 0.9], given), (10, 1))
    (warning,) = warn_of_classifier("none", np.zeros(10, int), [predictions, predictions])
    assert (warning["auc"], warning["p_rank"]) == (None, None)
    assert (warning["never"], warning["seeds"]) == (never, [0, 1])
    assert "AUC" not in warning["message"]
    assert ("collapsed" if never else "of one class") in warning["message"]


def test_a_class_that_is_never_predicted_is_called_by_its_name():
    always_one = np.tile([0.1, 0.9], (10, 1))
    labels = np.arange(10) % 2
    (named,) = warn_of_classifier("none", labels, [always_one], ["benign", "malignant"])
    assert "class 'benign' is never predicted" in named["message"]
    (numbered,) = warn_of_classifier("none", labels, [always_one])
    assert "class 0 is never predicted" in numbered["message"]
