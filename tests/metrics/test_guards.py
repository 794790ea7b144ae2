"""The guards: planted faults are found, honest data pass, official files give their counts."""

import sys

import numpy as np
import pytest
from scipy import stats

from helpers.halves import by_halves, flip_horizontally, flip_vertically, halves, plain
from keras_medaug.metrics.guards import (
    label_agreement,
    prior_shift,
)
from keras_medaug.metrics.space import as_floats

pytestmark = pytest.mark.backend_free


def make(count, seed, shape=(8, 9, 3)):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype="uint8")


REAL, REAL_LABELS = make(40, seed=1), np.arange(40) % 2


# ---- prior shift ----------------------------------------------------------------------------


def test_the_prior_shift_of_pneumoniamnist(official):
    splits = official("pneumoniamnist")
    found = plain(prior_shift(splits["train"][1], splits["test"][1]))
    assert (round(found["shares"][1], 3), round(found["other_shares"][1], 3)) == (0.742, 0.625)
    assert found["largest"] == pytest.approx(0.742 - 0.625, abs=0.001)
    assert found["p"] < 1e-8
    assert "25.8% of one set and 37.5% of the other (p = " in found["warning"]
    assert prior_shift(splits["train"][1], splits["val"][1])["warning"] is None


def test_the_class_that_differs_most_is_named():
    labels, others = np.repeat([0, 1, 2], [50, 30, 20]), np.repeat([0, 1, 2], [45, 20, 35])
    found = plain(prior_shift(labels, others, num_classes=4))
    assert found["shares"] == [0.5, 0.3, 0.2, 0.0]
    assert found["other_shares"] == [0.45, 0.2, 0.35, 0.0]
    assert (found["class"], round(found["largest"], 9)) == (2, 0.15)
    assert "Class 2 is 20.0% of one set and 35.0% of the other" in found["warning"]


@pytest.mark.parametrize(("count", "warned"), [(2170, False), (2230, True)])
def test_it_warns_above_five_points(count, warned):
    found = plain(prior_shift(np.arange(4000) % 2, (np.arange(4000) < count).astype(int)))
    assert found["p"] < 0.001
    assert (found["warning"] is not None) == warned


@pytest.mark.parametrize("images", [40, 156])
def test_small_splits_drawn_alike_seldom_warn(images):
    rng = np.random.default_rng(0)
    warned = 0
    for _ in range(400):
        labels, others = (rng.random(count) < 0.27 for count in (546, images))
        found = prior_shift(labels.astype(int), others.astype(int))
        warned += found["warning"] is not None
    assert warned / 400 <= 0.08


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 8, 11])
def test_p_is_that_of_scipy(classes):
    rng = np.random.default_rng(classes)
    for shift in (0, 0.3, 1.5):
        labels = rng.choice(classes, 300)
        weights = np.exp(shift * rng.normal(size=classes))
        others = rng.choice(classes, 200, p=weights / weights.sum())
        table = [np.bincount(each, minlength=classes) for each in (labels, others)]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        assert prior_shift(labels, others)["p"] == pytest.approx(expected, rel=1e-9)


def test_equal_shares_have_p_1():
    assert prior_shift([0, 1, 1], [0, 1, 1, 0, 1, 1])["p"] == 1.0
    assert prior_shift([0, 1, 2], [0, 1, 2])["p"] == 1.0
    assert prior_shift([2, 2], [2])["p"] == 1.0


# ---- label-unsafe geometry ------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_transform_that_keeps_labels(dtype):
    images, labels = halves()
    images = images if dtype == "uint8" else as_floats(images)
    assert plain(label_agreement(by_halves, images, labels, flip_vertically)) == {
        "plain": 1.0, "transformed": 1.0, "chance": 0.5, "lost": 0.0, "p": 0.5, "changed": 1.0,
        "warning": None,
    }  # fmt: skip


def test_a_transform_that_destroys_labels():
    found = plain(label_agreement(by_halves, *halves(), flip_horizontally))
    assert (found["plain"], found["transformed"], found["lost"]) == (1.0, 0.0, 2.0)
    assert "falls from 1.000 to 0.000" in found["warning"]
    assert "or are merely new to the classifier" in found["warning"]


@pytest.mark.parametrize(("flipped", "warned"), [(5, False), (6, True)])
def test_it_warns_where_more_than_a_quarter_is_lost(flipped, warned):
    def some(x):
        x[:flipped] = x[:flipped, :, ::-1]
        return x

    found = plain(label_agreement(by_halves, *halves(), some))
    assert found["lost"] == pytest.approx(2 * flipped / 40)  # at 5 of 40, a quarter
    assert found["changed"] == flipped / 40
    assert (found["warning"] is not None) == warned


@pytest.mark.parametrize("count", [40, 100])
def test_a_classifier_that_is_hardly_better_than_chance_seldom_warns(count):
    """Its few points above chance come and go with the images."""
    rng, labels = np.random.default_rng(0), np.arange(count) % 2
    images, warned = np.zeros((count, 8, 8, 1)), 0
    for _ in range(300):
        given = [answers(np.where(rng.random(count) < 0.6, labels, 1 - labels), 2) for _ in "ab"]
        calls = iter(given)
        found = label_agreement(lambda x, calls=calls: next(calls), images, labels, lambda x: x + 1)
        warned += found["warning"] is not None and found["lost"] is not None
    assert warned / 300 <= 0.08


def answers(classes, num_classes):
    return 0.1 / num_classes + 0.9 * np.eye(num_classes)[classes]


def test_accuracy_is_balanced():
    images, labels = halves()
    kept = np.flatnonzero((labels == 0) | (np.arange(40) < 8))  # 20 of class 0, 4 of class 1
    found = label_agreement(lambda x: answers(np.zeros(len(x), int), 2), images[kept],
                            labels[kept], flip_vertically)  # fmt: skip
    assert found["plain"] == 0.5


def test_a_classifier_at_chance_cannot_tell():
    images, labels = halves()

    def constant(x):
        return answers(np.zeros(len(x), int), 2)

    found = plain(label_agreement(constant, images, labels, flip_horizontally))
    assert (found["plain"], found["lost"]) == (0.5, None)
    assert "no better than chance" in found["warning"]


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
        (lambda: prior_shift([], [0]), "`labels`: got no label"),
        (lambda: prior_shift([0], [0.5]), "`other_labels`: got dtype float64"),
        (lambda: prior_shift([0], [2], 2), "`other_labels`: got labels from 2 to 2"),
        (lambda: prior_shift([0], [0], 0), "`num_classes`: got 0"),
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


@pytest.mark.parametrize(
    "call",
    [
        lambda: prior_shift([0, 1], [0, 0]),
    ],
)
def test_without_scipy_they_say_what_to_install(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"keras-medaug\[study\]"):
        call()
