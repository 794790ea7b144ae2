"""Which images a card compares with."""

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.cards import subject as module
from keras_medaug.cards.subject import Subject

pytestmark = pytest.mark.backend_free


@pytest.fixture
def subject():
    """Return a subject whose images tell by their values in which split they are, and where."""

    def split(first, count, dtype):
        values = np.arange(first, first + count).reshape(-1, 1, 1, 1) * np.ones((1, 8, 8, 1))
        images = values.astype(dtype) if dtype == "uint8" else (values / 255).astype(dtype)
        return images, np.arange(count) % 2

    data = kma.datasets.Dataset(
        "x", split(0, 50, "uint8"), split(60, 40, "uint8"), split(120, 30, "float32")
    )
    return Subject(None, data, data.stored("val")[0], None, 0, True)


def values(images):
    scale = 1 if images.dtype == np.uint8 else 255
    return np.rint(images[:, 0, 0, 0] * scale).astype(int).tolist()


def test_the_reference_is_the_validation_split(subject):
    splits, images, labels = subject.reference()
    assert splits == ("val",)
    assert values(images) == list(range(60, 100))
    assert labels.tolist() == [0, 1] * 20
    assert images.dtype == np.uint8


def test_splits_of_two_types_are_joined_in_their_order(subject):
    splits, images, labels = subject.held_out(("val", "test"))
    assert splits == ("val", "test")
    assert values(images) == [*range(60, 100), *range(120, 150)]
    assert labels.tolist() == [0, 1] * 35
    assert images.dtype == np.uint8  # floats as they are once saved


def test_of_many_some_are_drawn_from_all_splits(subject, monkeypatch):
    monkeypatch.setattr(module, "MOST", 20)
    _, images, labels = subject.held_out(("val", "test"))
    drawn = values(images)
    assert len(set(drawn)) == 20
    assert drawn == sorted(drawn)
    assert min(drawn) < 100 < max(drawn)
    assert labels.tolist() == [value % 2 for value in drawn]
    assert values(subject.held_out(("val", "test"))[1]) == drawn
