"""What is measured of images, and that nothing is measured twice."""

import numpy as np
import pytest

from keras_medaug.assessment import measures
from keras_medaug.assessment.image_sets import ImageSets, in_8_bits
from keras_medaug.features import PixelFeatures

pytestmark = pytest.mark.backend_free


def test_sharpness_is_taken_from_the_quality_where_that_was_measured(monkeypatch):
    x = in_8_bits(np.random.default_rng(0).random((90, 8, 8, 1)))
    sets = ImageSets(x[:25], x[25:60], x[60:])
    quality = measures.measure_quality(sets, {"pixels": PixelFeatures(x[25:60], components=4)})
    directly = measures.measure_sharpness(sets)
    monkeypatch.setattr(measures, "spectral_distance", None)
    assert measures.measure_sharpness(sets, quality) == directly
    assert directly["reference"]["value"] != directly["value"]
