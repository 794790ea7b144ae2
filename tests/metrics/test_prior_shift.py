"""Classes that are more common in one set than in another."""

import sys

import numpy as np
import pytest
from scipy import stats

from helpers.halves import plain
from keras_medaug.metrics import prior_shift

pytestmark = pytest.mark.backend_free


def test_the_prior_shift_of_pneumoniamnist(official):
    splits = official("pneumoniamnist")
    shift = plain(prior_shift(splits["train"][1], splits["test"][1]))
    assert (round(shift["shares"][1], 3), round(shift["other_shares"][1], 3)) == (0.742, 0.625)
    assert shift["largest"] == pytest.approx(0.742 - 0.625, abs=0.001)
    assert shift["p"] < 1e-8
    assert "25.8% of one set and 37.5% of the other (p = " in shift["warning"]
    assert prior_shift(splits["train"][1], splits["val"][1])["warning"] is None


def test_the_class_that_differs_most_is_named():
    labels, others = np.repeat([0, 1, 2], [50, 30, 20]), np.repeat([0, 1, 2], [45, 20, 35])
    shift = plain(prior_shift(labels, others, num_classes=4))
    assert shift["shares"] == [0.5, 0.3, 0.2, 0.0]
    assert shift["other_shares"] == [0.45, 0.2, 0.35, 0.0]
    assert (shift["class"], round(shift["largest"], 9)) == (2, 0.15)
    assert "Class 2 is 20.0% of one set and 35.0% of the other" in shift["warning"]


@pytest.mark.parametrize(("count", "warned"), [(2170, False), (2230, True)])
def test_it_warns_above_five_points(count, warned):
    shift = plain(prior_shift(np.arange(4000) % 2, (np.arange(4000) < count).astype(int)))
    assert shift["p"] < 0.001
    assert (shift["warning"] is not None) == warned


@pytest.mark.parametrize("images", [40, 156])
def test_small_splits_drawn_alike_seldom_warn(images):
    rng = np.random.default_rng(0)
    warned = 0
    for _ in range(400):
        labels, others = (rng.random(count) < 0.27 for count in (546, images))
        shift = prior_shift(labels.astype(int), others.astype(int))
        warned += shift["warning"] is not None
    assert warned / 400 <= 0.08


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 8, 11])
def test_p_is_that_of_scipy(classes):
    rng = np.random.default_rng(classes)
    for shift in (0, 0.3, 1.5):
        labels = rng.choice(classes, 300)
        weights = np.exp(shift * rng.normal(size=classes))
        others = rng.choice(classes, 200, p=weights / weights.sum())
        table = [np.bincount(of_set, minlength=classes) for of_set in (labels, others)]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        assert prior_shift(labels, others)["p"] == pytest.approx(expected, rel=1e-9)


def test_equal_shares_have_p_1():
    assert prior_shift([0, 1, 1], [0, 1, 1, 0, 1, 1])["p"] == 1.0
    assert prior_shift([0, 1, 2], [0, 1, 2])["p"] == 1.0
    assert prior_shift([2, 2], [2])["p"] == 1.0


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: prior_shift([], [0]), "`labels`: got no label"),
        (lambda: prior_shift([0], [0.5]), "`other_labels`: got dtype float64"),
        (lambda: prior_shift([0], [2], 2), "`other_labels`: got labels from 2 to 2"),
        (lambda: prior_shift([0], [0], 0), "`num_classes`: got 0"),
    ],
)
def test_what_is_refused(call, expected):
    with pytest.raises(ValueError, match=rf"^.*{expected}.*; expected .*"):
        call()


def test_without_scipy_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"keras-medaug\[study\]"):
        prior_shift([0, 1], [0, 0])
