"""How a number is read, and what could have been seen."""

import numpy as np
import pytest

from keras_medaug.cards.readings import read_number, read_quality
from keras_medaug.metrics import sample_quality
from keras_medaug.metrics.registry import metrics

pytestmark = pytest.mark.backend_free


def numbers(low, value, high):
    return {"value": value, "ci95": [low, high]}


@pytest.mark.parametrize(
    ("value", "floor", "better", "reading"),
    [
        ([0.1, 0.2], [0.15, 0.3], "less", "same"),
        ([0.1, 0.2], [0.3, 0.4], "less", "better"),
        ([0.5, 0.6], [0.3, 0.4], "less", "worse"),
        ([0.1, 0.2], [0.3, 0.4], "more", "worse"),
        ([0.5, 0.6], [0.3, 0.4], "more", "better"),
    ],
)
def test_a_number_is_read_by_the_intervals(value, floor, better, reading):
    beside = numbers(floor[0], np.mean(floor), floor[1])
    value = numbers(value[0], np.mean(value), value[1]) | {"floor": beside}
    assert read_number(value, better)["reading"] == reading


@pytest.mark.parametrize("better", ["less", "more"])
def test_worse_begins_where_it_is_said_to_begin(better):
    """A number that is moved, with its interval, is called worse from that value on."""
    floor = numbers(0.4, 0.5, 0.55)
    sign = 1 if better == "less" else -1

    def moved(to):
        return numbers(to - 0.03, to, to + 0.08) | {"floor": floor}

    read = read_number(moved(0.5), better)
    assert read["reading"] == "same"
    assert read["worse_from"] == pytest.approx(0.5 + sign * read["smallest_difference"])
    for step, reading in ((-1e-6, "same"), (1e-6, "worse")):
        value = read["worse_from"] + sign * step
        assert read_number(moved(value), better)["reading"] == reading


def test_a_fraction_that_cannot_fall_low_enough_is_never_called_worse():
    floor = numbers(0.05, 0.2, 0.35)
    read = read_number(numbers(0.0, 0.1, 0.3) | {"floor": floor}, "more")
    assert read["worse_from"] is None
    assert read["smallest_difference"] == pytest.approx(0.35)


def test_every_number_of_the_quality_is_read():
    x = np.random.default_rng(0).random((60, 8, 8, 1))
    quality = sample_quality(
        x[:20], x[20:40], x[40:], {"means": lambda images: images.mean(axis=(1, 3))}
    )
    read = read_quality(quality)
    of_features = {name for name, metric in metrics().items() if metric.space == "features"}
    assert read["means"].keys() == of_features == quality["spaces"]["means"].keys()
    assert read_quality(None) is None


def test_fewer_images_see_less():
    rng = np.random.default_rng(0)
    x = rng.random((1200, 8, 8, 1))
    smallest = []
    for count in (25, 400):
        parts = x[:count], x[400 : 400 + count], x[800 : 800 + count]
        quality = sample_quality(*parts, {"means": lambda images: images.mean(axis=(1, 3))})
        smallest.append(read_quality(quality)["means"]["coverage"]["smallest_difference"])
    assert smallest[0] > 2 * smallest[1]
