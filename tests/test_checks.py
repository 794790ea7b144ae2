"""What the checks let through, and what they say of the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_medaug import checks

pytestmark = pytest.mark.backend_free


def images(shape=(2, 8, 9, 1), value=0.5, dtype="float32"):
    return np.full(shape, value, dtype)


def raises(argument, got, expected):
    """Expect the `ValueError` of every check: argument, what came, what was expected."""
    return pytest.raises(
        ValueError, match=rf"(?s)`{argument}`: got .*{got}.*; expected .*{expected}"
    )


BAD_IMAGES = {
    "no batch axis": (images((8, 8, 1)), r"\(8, 8, 1\)", r"four axes.*x\[np.newaxis\]"),
    "five axes": (images((2, 2, 8, 8, 1)), r"\(2, 2, 8, 8, 1\)", "four axes"),
    "none": (images((0, 8, 8, 1)), r"\(0, 8, 8, 1\)", "at least one image"),
    "two channels": (images((2, 8, 8, 2)), r"\(8, 8, 2\)", "1 or 3 channels"),
    "four channels": (images((2, 8, 8, 4)), r"\(8, 8, 4\)", "1 or 3 channels"),
    "channels first": (images((2, 3, 8, 8)), r"\(2, 3, 8, 8\)", r"np.moveaxis\(x, 1, -1\)"),
    "one axis": (images((64,)), r"\(64,\)", "four axes"),
    "a table of pixels": (
        images((2, 64)),
        r"\(2, 64\)",
        r"`np.asarray\(x\).reshape\(-1, height, width, 1\)`",
    ),
    "no channels": (images((2, 8, 9)), r"\(2, 8, 9\)", r"x\[..., np.newaxis\]"),
    "too low": (images((2, 7, 8, 1)), r"\(7, 8, 1\)", "sizes from 8 to 256"),
    "too narrow": (images((2, 8, 7, 1)), r"\(8, 7, 1\)", "sizes from 8 to 256"),
    "too high": (images((1, 257, 8, 1)), r"\(257, 8, 1\)", "sizes from 8 to 256"),
    "too wide": (images((1, 8, 257, 1)), r"\(8, 257, 1\)", "sizes from 8 to 256"),
    "int64": (images(value=255, dtype="int64"), "int64", r"`.astype\(\"uint8\"\)`"),
    "int64 mask": (images(value=1, dtype="int64"), "int64", r"`.astype\(\"float32\"\)`"),
    "16 bits": (images(value=4095, dtype="uint16"), "uint16", "divide by the largest value"),
    "signed": (images(value=-1, dtype="int16"), "int16", r"floats in \[0, 1\]"),
    "bool": (images(dtype="bool"), "bool", r"`.astype\(\"float32\"\)`"),
    "complex": (images(dtype="complex64"), "complex64", "floats"),
    "object": (images(dtype="object"), "object", r"floats.*`.astype\(\"float32\"\)`"),
    "objects": (
        np.array([images(), None, None], object)[:2],
        "of objects",
        r"np.stack\(list\(x\)\)",
    ),
    "negative": (images(value=-1e-3), "-0.001", r"\[0, 1\].*np.clip"),
    "above 1": (images(value=1.5), "1.5", r"\[0, 1\]"),
    "between -1 and 1": (np.linspace(-1, 1, 144).reshape(2, 8, 9, 1), "-1 to 1", r"\(x \+ 1\) / 2"),
    "between -1 and 1, resized": (
        np.linspace(-1.03, 1.02, 144).reshape(2, 8, 9, 1),
        "-1.03 to 1.02",
        r"\(x \+ 1\) / 2",
    ),
    "z-scores": (
        np.linspace(-1.9, 2.1, 144).reshape(2, 8, 9, 1),
        "-1.9 to 2.1",
        r"x.max\(\) - x.min\(\)",
    ),
    "8-bit as float": (images(value=255.0), "255", "divide by 255"),
    "NaN": (images(value=np.nan), "NaN", "finite"),
    "infinite": (images(value=np.inf), "infinite", "finite"),
    "minus infinite": (images(value=-np.inf), "infinite", "finite"),
}


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images(case):
    bad, got, expected = BAD_IMAGES[case]
    with raises(r"pictures(\.shape\[1:\])?", got, expected):
        checks.check_images(bad, "pictures")


def test_one_bad_value_among_many_is_found():
    for value in (np.nan, np.inf, -1e-6, 1.01):
        bad = images()
        bad[1, 3, 4, 0] = value
        with pytest.raises(ValueError, match="`x`"):
            checks.check_images(bad)


def test_images_of_another_shape_than_the_model():
    with raises("x", r"\(8, 9, 1\)", r"\(9, 8, 1\)"):
        checks.check_images(images(), image_shape=(9, 8, 1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8"])
def test_good_images(dtype):
    value = 255 if dtype == "uint8" else 1
    checked = checks.check_images(images(value=value, dtype=dtype), image_shape=(8, 9, 1))
    assert checked.dtype == ("uint8" if dtype == "uint8" else "float32")
    assert (checked == value).all()


def test_8_bit_images_of_0_and_1_are_black():
    black = images((3, 8, 9, 1), value=0, dtype="uint8")
    assert checks.check_images(black) is black
    black[2, 1] = 1
    with pytest.warns(UserWarning, match=r"`x`: all values are 0 or 1, .*Multiply by 255"):
        assert checks.check_images(black) is black
    black[1, 1, 1] = 2
    assert checks.check_images(black) is black


def test_good_images_are_not_copied():
    for dtype in ("float32", "uint8"):
        good = images(value=0, dtype=dtype)
        assert checks.check_images(good) is good


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(-2, 300), st.integers(-2, 300), st.integers(-1, 5))
def test_image_shape_is_what_the_contract_names(height, width, channels):
    good = 8 <= height <= 256 and 8 <= width <= 256 and channels in {1, 3}
    if good:
        assert checks.check_image_shape([height, width, channels]) == (height, width, channels)
    else:
        with raises("image_shape", str(height), "sizes from 8 to 256 and 1 or 3 channels"):
            checks.check_image_shape((height, width, channels))


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 1, 1), 8, None, (8.0, 8, 1), ("8", 8, 1), (8, 8, True), (8, None, 1)]
)
def test_bad_image_shape(shape):
    with raises("image_shape", "", "sizes from 8 to 256 and 1 or 3 channels"):
        checks.check_image_shape(shape)


def test_numpy_integers_make_a_shape_of_ints():
    assert [type(n) for n in checks.check_image_shape(np.array([8, 9, 3]))] == [int] * 3


class Foreign:
    """A tensor of PyTorch as another backend sees it."""

    def __init__(self, values, dtype="float32", step="start"):
        self.values, self.dtype, self.step = values, f"torch.{dtype}", step

    def detach(self):
        return Foreign(self.values, self.dtype[6:], "detached")

    def cpu(self):
        assert self.step == "detached"
        return Foreign(self.values, self.dtype[6:], "here")

    def float(self):
        return Foreign(self.values, step=self.step)

    def numpy(self):
        assert self.step == "here"
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values

    def __array__(self, dtype=None):
        raise AssertionError("NumPy warns of it")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tensors_of_a_backend_that_does_not_run(dtype):
    tensor = Foreign(images(), dtype)
    np.testing.assert_array_equal(checks.check_images(tensor), images())
    listed = [Foreign(images()[0], dtype), Foreign(images()[1], dtype)]
    np.testing.assert_array_equal(checks.check_images(listed), images())


def test_what_is_not_to_be_written_to_is_copied_unless_it_is_an_array():
    given = images()
    given.flags.writeable = False
    assert checks.check_images(Foreign(given)).flags.writeable
    assert checks.check_images(given) is given


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


@pytest.mark.parametrize("one", [1, np.int64(1), np.array(1), "malignant"])
def test_one_label_for_all(one):
    assert checks.labels_of_all(one, "labels", 3, 2, NAMES).tolist() == [1, 1, 1]


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
