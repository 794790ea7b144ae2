"""The guards of a study on cases that a whole study hardly reaches."""

import numpy as np
import pytest

from keras_medaug.study.guards import warn_of_classifier

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(("given", "never"), [(0, [0]), (1, [])])
def test_test_images_of_one_class_have_no_auc(given, never):
    answers = np.tile(np.roll([0.1, 0.9], given), (10, 1))
    (warning,) = warn_of_classifier("none", np.zeros(10, int), [answers, answers])
    assert (warning["auc"], warning["p_rank"]) == (None, None)
    assert (warning["never"], warning["seeds"]) == (never, [0, 1])
    assert "AUC" not in warning["message"]
    assert ("collapsed" if never else "of one class") in warning["message"]
