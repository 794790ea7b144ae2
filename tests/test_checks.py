"""What the checks of labels and numbers let through, and what they say of the rest."""

import numpy as np
import pytest

from helpers.errors import raises
from keras_medaug import checks

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize("value", [None, {}, {1: 2}, [[1, 2], [3]], object(), map(int, "12"), int])
def test_what_is_no_array(value):
    with raises("x", f"a {type(value).__name__} that is no array", "an array, nested lists"):
        checks.as_array(value, "x")


BAD_LABELS = {
    "too large": ([0, 1, 3], r"labels from 0 to 3", r"\[0, 3\)"),
    "negative": ([0, -1, 2], "labels from -1 to 2", r"\[0, 3\)"),
    "from 1 to 3": ([1, 2, 3], "labels from 1 to 3", r"\[0, 3\).*subtract 1"),
    "-1 and 1": ([-1, 1, 1], "labels from -1 to 1", r"\(y \+ 1\) // 2"),
    "float": ([0.0, 1.0, 2.0], "float64", r"integers.*`np.asarray\(y\).astype\(int\)`"),
    "no whole number": ([0.0, 1.0, 0.25], "float64, with 0.25", "integers, a class index"),
    "NaN": ([0.0, 1.0, np.nan], "NaN", "leave images without a label out"),
    "missing": ([0, 1, None], "some are missing", "leave images without a label out"),
    "objects": (
        np.array([0, 1, 2], object),
        "object",
        r"integers.*`np.asarray\(y\).astype\(int\)`",
    ),
    "bool": ([True, False, True], "bool", r"integers.*`np.asarray\(y\).astype\(int\)`"),
    "text": (["a", "b", "c"], "names, such as 'a'", "integers.*return_inverse.*class_names="),
    "one-hot": (np.eye(3, dtype=int), r"\(3, 3\)", r"one axis.*`.argmax\(-1\)`.*one-hot"),
    "scores": ([[0.5, 0.5]] * 3, r"\(3, 2\)", r"one axis.*`.argmax\(-1\)`"),
    "a row": ([[0, 1, 2]], r"\(1, 3\)", r"one axis.*`.ravel\(\)`"),
    "scalar": (1, r"\(\)", "one axis"),
    "empty": ([], "no label", "at least one"),
    "too few": ([0, 1], "2 labels", "3, one per image"),
    "too many": ([0, 1, 2, 2], "4 labels", "3, one per image"),
    "a class missing": ([0, 0, 2], "no image of class 1", "each of the 3 classes"),
    "the last class missing": ([0, 1, 1], "no image of class 2", "each of the 3 classes"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(case):
    bad, got, expected = BAD_LABELS[case]
    with raises("y", got, expected):
        checks.check_labels(bad, count=3, num_classes=3, every_class=True)


def test_a_column_of_labels():
    assert checks.check_labels([[0], [1], [2]], "y", 3, 3).tolist() == [0, 1, 2]


NAMES = ["benign", "malignant"]


@pytest.mark.parametrize(
    "given",
    [
        ["malignant", "benign"],
        [["malignant"], ["benign"]],
        np.array(["malignant", "benign"], object),
        np.array([b"malignant", b"benign"]),
        [1, 0],
    ],
)
def test_names_that_are_known(given):
    checked = checks.check_labels(given, class_names=NAMES, every_class=True)
    assert checked.dtype == np.int32
    assert checked.tolist() == [1, 0]


def test_names_that_are_not_known():
    with raises("y", "'Malignant', 'normal'", "among benign, malignant"):
        checks.check_labels(["normal", "benign", "Malignant"], class_names=NAMES)
    with raises("y", "names, such as 'benign'", "class_names="):
        checks.check_labels(NAMES)


def test_a_class_without_an_image_has_its_name():
    with raises("y", "no image of class 'malignant'", "each of the 2 classes"):
        checks.check_labels([0, 0], every_class=True, class_names=NAMES)


def test_names_tell_the_number_of_classes():
    with raises("y", "labels from 0 to 2", r"\[0, 2\)"):
        checks.check_labels([0, 2], class_names=NAMES)


@pytest.mark.parametrize("label", [1, np.int64(1), np.array(1), "malignant"])
def test_one_label_for_all(label):
    assert checks.one_for_each(label, "labels", 3).tolist() == [label] * 3


@pytest.mark.parametrize("bad", ["ab", 3, ["a", "a"], ["a", ""], ["a", 1], [], ["a", "b", "c"]])
def test_class_names_that_are_none(bad):
    with raises("class_names", "", "per class"):
        checks.check_class_names(bad, 2)


def test_labels_that_count_from_1():
    with raises("y", "no image of class 0", "subtract 1"):
        checks.check_labels([1, 2, 3], every_class=True)


def test_several_missing_classes_are_all_named():
    with raises("y", "no image of class 1, 3", "4 classes"):
        checks.check_labels([0, 2], num_classes=4, every_class=True)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "uint64"])
def test_good_labels(dtype):
    checked = checks.check_labels(np.array([2, 0, 1], dtype), "y", 3, 3, every_class=True)
    assert checked.dtype == np.int32
    assert checked.tolist() == [2, 0, 1]


def test_labels_without_a_number_of_classes():
    assert checks.check_labels([5, 0]).tolist() == [5, 0]
    with raises("y", "labels from -1", "0 or more"):
        checks.check_labels([-1, 0])
    with raises("y", "no image of class 1", "each of the 3"):
        checks.check_labels([2, 0], every_class=True)


@pytest.mark.parametrize("value", [0, -1, -0.5, np.nan, np.inf, "1", None, True, [1]])
def test_not_positive(value):
    with raises("size", "", "above 0"):
        checks.check_positive(value, "size")


@pytest.mark.parametrize("value", [1.0, 1.5, np.float64(2), 0, True])
def test_not_a_positive_integer(value):
    with raises("size", "", "an integer above 0"):
        checks.check_positive(value, "size", integer=True)


def test_positive():
    assert checks.check_positive(np.int64(3), "size", integer=True) == 3
    assert type(checks.check_positive(np.int64(3), "size", integer=True)) is int
    assert checks.check_positive(np.float32(0.5), "size") == 0.5
    assert checks.check_positive(0, "size", zero=True) == 0.0
    with raises("size", "-1", "0 or more"):
        checks.check_positive(-1, "size", zero=True)


@pytest.mark.parametrize(
    ("labels", "got", "expected"),
    [
        ([-1, 5, 0], "labels from 0 to 5", r"\[0, 2\)"),
        ([-1, 1, 2], "labels from 1 to 2", r"\[0, 2\) .subtract 1"),
        ([-2, 0, 1], "labels from -2 to 1", r"\[0, 2\), or -1 for an unknown class"),
        ([[-1, 0, 1]], r"shape \(1, 3\)", "one axis"),
        ([-1, 0], "2 labels", "3, one per image"),
    ],
)
def test_errors_of_partly_known_labels_are_about_those_that_came(labels, got, expected):
    with raises("y", got, expected):
        checks.check_partly_known(labels, "y", 3, 2)


def test_partly_known_labels():
    assert checks.check_partly_known([[-1], [1], [0]], "y", 3, 2).tolist() == [-1, 1, 0]
    assert checks.check_partly_known([-1, -1], "y", 2, 2).tolist() == [-1, -1]
    assert checks.check_partly_known(["malignant"], "y", 1, 2, NAMES).tolist() == [1]
