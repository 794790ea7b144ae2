"""How long the stages of a card are expected to take."""

import numpy as np
import pytest

from keras_medaug.cards.stages import STAGES, seconds_of_stages

pytestmark = pytest.mark.backend_free

# Seconds of each stage on 2 busy CPU cores, of cards with 500 steps of the classifier.
MEASURED = {
    (546, 78, 156): [0.29, 0.10, 44.70, 1.35, 1.85, 0.22, 1.11],
    (3000, 500, 600): [0.29, 0.87, 34.21, 7.94, 12.53, 0.91, 1.11],
}


@pytest.mark.parametrize("counts", MEASURED)
def test_progress_goes_as_evenly_as_the_time(counts):
    """At the end of each stage the planned fraction is about that of the time that has passed."""
    splits = dict(zip(("train", "val", "test"), counts, strict=True))
    planned = seconds_of_stages(splits, (28, 28, 1), min(counts[0], 1000), 500)
    assert list(planned) == list(STAGES)
    expected, passed = (
        np.cumsum(seconds) / sum(seconds) for seconds in (list(planned.values()), MEASURED[counts])
    )
    assert np.abs(expected - passed).max() < 0.1


def test_images_that_take_many_passes_take_a_larger_part():
    splits = {"train": 546, "val": 78, "test": 156}
    few, many = (seconds_of_stages(splits, (28, 28, 1), 546, 500, passes) for passes in (1, 39))
    assert few["images"] < 1
    assert many["images"] > 20
    assert few | {"images": 0} == many | {"images": 0}
