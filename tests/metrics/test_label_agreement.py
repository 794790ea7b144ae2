"""Transforms that keep labels, and transforms that destroy them."""

import numpy as np
import pytest

from helpers.halves import by_halves, flip_horizontally, flip_vertically, halves, plain
from keras_medaug.images import to_float
from keras_medaug.metrics import label_agreement

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_transform_that_keeps_labels(dtype):
    images, labels = halves()
    images = images if dtype == "uint8" else to_float(images)
    assert plain(label_agreement(by_halves, images, labels, flip_vertically)) == {
        "plain": 1.0, "transformed": 1.0, "chance": 0.5, "lost": 0.0, "p": 0.5, "changed": 1.0,
        "warning": None,
    }  # fmt: skip


def test_a_transform_that_destroys_labels():
    agreement = plain(label_agreement(by_halves, *halves(), flip_horizontally))
    assert (agreement["plain"], agreement["transformed"], agreement["lost"]) == (1.0, 0.0, 2.0)
    assert "falls from 1.000 to 0.000" in agreement["warning"]
    assert "or are merely new to the classifier" in agreement["warning"]


@pytest.mark.parametrize(("flipped", "warned"), [(5, False), (6, True)])
def test_it_warns_where_more_than_a_quarter_is_lost(flipped, warned):
    def some(x):
        x[:flipped] = x[:flipped, :, ::-1]
        return x

    agreement = plain(label_agreement(by_halves, *halves(), some))
    assert agreement["lost"] == pytest.approx(2 * flipped / 40)  # at 5 of 40, a quarter
    assert agreement["changed"] == flipped / 40
    assert (agreement["warning"] is not None) == warned


@pytest.mark.parametrize("count", [40, 100])
def test_a_classifier_that_is_hardly_better_than_chance_seldom_warns(count):
    """Its few points above chance come and go with the images."""
    rng, labels = np.random.default_rng(0), np.arange(count) % 2
    images, warned = np.zeros((count, 8, 8, 1)), 0
    for _ in range(300):
        given = [answers(np.where(rng.random(count) < 0.6, labels, 1 - labels), 2) for _ in "ab"]
        calls = iter(given)
        agreement = label_agreement(
            lambda x, calls=calls: next(calls), images, labels, lambda x: x + 1
        )
        warned += agreement["warning"] is not None and agreement["lost"] is not None
    assert warned / 300 <= 0.08


def answers(classes, num_classes):
    return 0.1 / num_classes + 0.9 * np.eye(num_classes)[classes]


def test_accuracy_is_balanced():
    images, labels = halves()
    kept = np.flatnonzero((labels == 0) | (np.arange(40) < 8))  # 20 of class 0, 4 of class 1
    agreement = label_agreement(lambda x: answers(np.zeros(len(x), int), 2), images[kept],
                            labels[kept], flip_vertically)  # fmt: skip
    assert agreement["plain"] == 0.5


def test_a_classifier_at_chance_cannot_tell():
    images, labels = halves()

    def constant(x):
        return answers(np.zeros(len(x), int), 2)

    agreement = plain(label_agreement(constant, images, labels, flip_horizontally))
    assert (agreement["plain"], agreement["lost"]) == (0.5, None)
    assert "no better than chance" in agreement["warning"]


def test_what_rounding_leaves_of_the_range_is_let_through():
    images, labels = halves()
    assert label_agreement(by_halves, images, labels, lambda x: x - 5e-4)["lost"] == 0
    with pytest.raises(ValueError, match="`transform`: got values from"):
        label_agreement(by_halves, images, labels, lambda x: x - 5e-2 - x.min())


# ---- refusals -------------------------------------------------------------------------------

HALVES = halves()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: label_agreement(3, *HALVES, np.array), "`predict`: got a int"),
        (lambda: label_agreement(by_halves, *HALVES, 3), "`transform`: got a int"),
        (
            lambda: label_agreement(by_halves, HALVES[0], np.zeros(40, int), np.array),
            "`labels`: got one class",
        ),
        (lambda: label_agreement(by_halves, HALVES[0], [0, 1], np.array), "`labels`: got 2 labels"),
        (lambda: label_agreement(np.array, *HALVES, np.array), "`predict`: got shape"),
        (
            lambda: label_agreement(by_halves, HALVES[0], HALVES[1] * 2, np.array),
            "`labels`: got labels from 0 to 2",
        ),
        (lambda: label_agreement(by_halves, *HALVES, lambda x: x[1:]), "`transform`: got images"),
        (lambda: label_agreement(by_halves, *HALVES, lambda x: x * 9), "`transform`: got values"),
    ],
)  # fmt: skip
def test_what_is_refused(call, expected):
    with pytest.raises(ValueError, match=rf"^.*{expected}.*; expected .*"):
        call()
