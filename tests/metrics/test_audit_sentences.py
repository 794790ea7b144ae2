"""What the memorization check says in sentences."""

import pytest

from keras_medaug.metrics.audit_sentences import audit_warnings

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(("near", "warns"), [(40, False), (90, True)])
def test_more_near_copies_than_held_out_ones_are_a_warning(near, warns):
    """Second views among held-out images hide copies with noise, but not that there are many."""
    relative = {"near_copies": near, "held_out": {"near_copies": 39}}
    space = {"relative": relative, "held_out": {"count": 117}}
    audit = {
        "count": 100, "exact_copies": 0, "suspect_count": 0, "uniform": 0,
        "spaces": {"pixels": space},
    }  # fmt: skip
    expected = f"{near} of 100 images are near copies of a training image, and 39 of 117 held-out"
    assert any(expected in sentence for sentence in audit_warnings(audit)) is warns
