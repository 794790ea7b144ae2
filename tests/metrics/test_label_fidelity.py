"""Whether synthetic images show the classes that they are said to show."""

import sys

import numpy as np
import pytest
from scipy import stats

from keras_medaug.metrics import label_fidelity
from keras_medaug.metrics.label_fidelity import fisher_below

pytestmark = pytest.mark.backend_free


def seen_as(labels, classes):
    """Return images that `read` takes for these classes."""
    return np.asarray(labels).reshape(-1, 1, 1, 1) / classes * np.ones((1, 8, 8, 1))


def reader(classes):
    """Return a function that takes an image for the class that it was made to be taken for."""
    return lambda images: np.eye(classes)[np.rint(images[:, 0, 0, 0] * classes).astype(int)]


def found(taken, said, real_taken, real, classes):
    images, held_out = seen_as(taken, classes), seen_as(real_taken, classes)
    return label_fidelity(reader(classes), images, said, held_out, real)


def answered(rng, labels, classes, accuracy):
    """Return answers of a classifier that is right with a probability, else says another class."""
    others = (labels + rng.integers(1, classes, len(labels))) % classes
    return np.where(rng.random(len(labels)) < accuracy, labels, others)


def test_shares_are_those_of_counting():
    said, taken = np.int32([0] * 10 + [1] * 10 + [2] * 5), np.int32([0] * 9 + [1] * 8 + [0] * 8)
    real = np.int32([0] * 4 + [1] * 4 + [3] * 4)
    result = found(taken, said, np.int32([0, 0, 0, 1] + [1] * 4 + [3] * 4), real, 4)
    assert result["by_class"] == [0.9, 0.7, 0.0, None]
    assert result["held_out_by_class"] == [0.75, 1.0, None, 1.0]
    assert result["made"] == pytest.approx((0.9 + 0.7) / 2)  # of the classes that both have
    assert result["held_out"] == pytest.approx(0.875)
    assert result["chance"] == 0.5
    assert result["lost"] == pytest.approx((0.875 - 0.8) / (0.875 - 0.5))


def test_right_labels_are_not_warned_of():
    labels = np.arange(200) % 4
    assert found(labels, labels, labels, labels, 4)["warning"] is None


def test_labels_that_are_all_wrong_are():
    labels = np.arange(200) % 4
    result = found((labels + 1) % 4, labels, labels, labels, 4)
    assert result["wrong"] == [0, 1, 2, 3]
    assert "labels may be wrong" in result["warning"]


def test_two_classes_of_many_that_were_swapped_are_named():
    """Their share of the mean is small."""
    labels = np.arange(440) % 11
    taken = np.where(labels == 3, 7, np.where(labels == 7, 3, labels))
    result = found(taken, labels, labels, labels, 11)
    assert result["lost"] < 0.25
    assert result["wrong"] == [3, 7]
    assert "of classes 3 and 7 it recognises less than half" in result["warning"]


@pytest.mark.parametrize(
    ("classes", "accuracy", "made", "per_class"),
    [
        (2, 0.7, 100, 10), (2, 0.65, 100, 39), (4, 0.4, 100, 30), (8, 0.4, 20, 20),
        (9, 0.5, 100, 3), (20, 0.4, 50, 2), (8, 0.6, 5, 3),
    ],
)  # fmt: skip
def test_honest_images_are_seldom_suspected(classes, accuracy, made, per_class):
    """Of images that are as hard to tell as real ones, chance alone makes few look wrong."""
    rng = np.random.default_rng(classes)
    said, real = np.repeat(range(classes), made), np.repeat(range(classes), per_class)
    false = 0
    for _ in range(150):
        taken, other = (answered(rng, labels, classes, accuracy) for labels in (said, real))
        false += "may be wrong" in (found(taken, said, other, real, classes)["warning"] or "")
    assert false / 150 < 0.07


@pytest.mark.parametrize(("classes", "per_class"), [(2, 5), (4, 5), (2, 50)])
def test_a_judge_by_chance_is_seldom_believed(classes, per_class):
    rng = np.random.default_rng(classes)
    real = np.repeat(range(classes), per_class)
    believed = 0
    for _ in range(150):
        answers = rng.integers(classes, size=len(real))
        warning = found(real, real, answers, real, classes)["warning"]
        believed += warning is None or "cannot tell" not in warning
    assert believed / 150 < 0.08


def test_one_class_alone_is_judged_by_its_share():
    """As where only the smallest class has been grown."""
    real = np.arange(120) % 3
    for taken, wrong in ((1, []), (2, [1])):
        result = found(np.full(50, taken), np.full(50, 1), real, real, 3)
        assert result["wrong"] == wrong
        assert (result["warning"] is None) == (not wrong)
        assert result["lost"] is None


def test_a_classifier_that_tells_nothing_is_no_judge():
    rng = np.random.default_rng(0)
    said, real = np.arange(100) % 2, np.arange(60) % 2
    result = found(rng.integers(2, size=100), said, rng.integers(2, size=60), real, 2)
    assert "cannot tell whether labels are right" in result["warning"]


@pytest.mark.parametrize(
    ("said", "real", "named"),
    [
        ([0, 0], [1, 2], "labels"),
        ([0, 0], [1, 1], "held_out_labels"),
        ([0, 1, 1], [0, 1], "labels"),
        ([0, 9], [0, 1], "labels"),
        ([0, 1], [0, 1, 9], "held_out_labels"),
    ],
)
def test_wrong_arguments_are_named(said, real, named):
    images, held_out = seen_as([0, 1], 3), seen_as([0] * len(real), 3)
    with pytest.raises(ValueError, match=f"^`{named}`: got "):
        label_fidelity(reader(3), images, said, held_out, real)


def test_another_predict_is_refused():
    images = seen_as([0, 1], 2)
    with pytest.raises(ValueError, match=r"^`predict`: got a int"):
        label_fidelity(3, images, [0, 1], images, [0, 1])


@pytest.mark.parametrize("seed", range(4))
def test_p_is_that_of_scipy(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        count, other = map(int, rng.integers(1, 300, 2))
        hits, other_hits = int(rng.integers(count + 1)), int(rng.integers(other + 1))
        table = [[hits, count - hits], [other_hits, other - other_hits]]
        expected = stats.fisher_exact(table, alternative="less").pvalue
        p = fisher_below(hits, count, other_hits, other)
        assert p == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_it_needs_no_scipy(monkeypatch):
    """As `augment` calls it, which needs none."""
    monkeypatch.setitem(sys.modules, "scipy", None)
    labels = np.arange(40) % 2
    assert found(1 - labels, labels, labels, labels, 2)["wrong"] == [0, 1]
