"""Images: which are let through, what is said of the rest, and conversions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import raises
from keras_medaug import datasets, metrics, plotting
from keras_medaug.checked_images import CheckedImages
from keras_medaug.images import (
    check_image_shape,
    check_images,
    images_md5,
    pair_distances,
    to_float,
    to_uint8,
)

pytestmark = pytest.mark.backend_free


def images(shape=(2, 8, 9, 1), value=0.5, dtype="float32"):
    return np.full(shape, value, dtype)


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
        check_images(bad, "pictures")


def test_one_bad_value_among_many_is_found():
    for value in (np.nan, np.inf, -1e-6, 1.01):
        bad = images()
        bad[1, 3, 4, 0] = value
        with pytest.raises(ValueError, match="`x`"):
            check_images(bad)


def test_images_of_another_shape_than_the_model():
    with raises("x", r"\(8, 9, 1\)", r"\(9, 8, 1\)"):
        check_images(images(), image_shape=(9, 8, 1))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8"])
def test_good_images(dtype):
    value = 255 if dtype == "uint8" else 1
    checked = check_images(images(value=value, dtype=dtype), image_shape=(8, 9, 1))
    assert checked.dtype == ("uint8" if dtype == "uint8" else "float32")
    assert (checked == value).all()


def test_8_bit_images_of_0_and_1_are_black():
    black = images((3, 8, 9, 1), value=0, dtype="uint8")
    assert check_images(black) is black
    black[2, 1] = 1
    with pytest.warns(UserWarning, match=r"`x`: all values are 0 or 1, .*Multiply by 255"):
        assert check_images(black) is black
    black[1, 1, 1] = 2
    assert check_images(black) is black


def test_good_images_are_not_copied():
    for dtype in ("float32", "uint8"):
        good = images(value=0, dtype=dtype)
        assert check_images(good) is good


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(-2, 300), st.integers(-2, 300), st.integers(-1, 5))
def test_image_shape_is_what_the_contract_names(height, width, channels):
    good = 8 <= height <= 256 and 8 <= width <= 256 and channels in {1, 3}
    if good:
        assert check_image_shape([height, width, channels]) == (height, width, channels)
    else:
        with raises("image_shape", str(height), "sizes from 8 to 256 and 1 or 3 channels"):
            check_image_shape((height, width, channels))


@pytest.mark.parametrize(
    "shape", [(8, 8), (8, 8, 1, 1), 8, None, (8.0, 8, 1), ("8", 8, 1), (8, 8, True), (8, None, 1)]
)
def test_bad_image_shape(shape):
    with raises("image_shape", "", "sizes from 8 to 256 and 1 or 3 channels"):
        check_image_shape(shape)


def test_numpy_integers_make_a_shape_of_ints():
    assert [type(n) for n in check_image_shape(np.array([8, 9, 3]))] == [int] * 3


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
    np.testing.assert_array_equal(check_images(tensor), images())
    listed = [Foreign(images()[0], dtype), Foreign(images()[1], dtype)]
    np.testing.assert_array_equal(check_images(listed), images())


def test_what_is_not_to_be_written_to_is_copied_unless_it_is_an_array():
    given = images()
    given.flags.writeable = False
    assert check_images(Foreign(given)).flags.writeable
    assert check_images(given) is given


# ---- images that were checked ---------------------------------------------------------------


def test_checked_images_are_not_looked_at_again():
    wrong = images(value=2.0)
    assert check_images(CheckedImages(wrong)) is wrong
    with pytest.raises(ValueError, match="from 2 to 2"):
        check_images(wrong)


def test_checked_images_of_another_shape_are_refused():
    with raises("pictures", r"\(8, 9, 1\)", r"\(9, 8, 1\)"):
        check_images(CheckedImages(images()), "pictures", (9, 8, 1))


def test_some_of_checked_images_are_checked_images():
    all_images = CheckedImages(np.random.default_rng(0).random((5, 8, 9, 1), "float32"))
    for rows in (slice(1, 3), [4, 0], np.arange(5) > 2):
        some = all_images[rows]
        assert isinstance(some, CheckedImages)
        assert len(some) == 2
        np.testing.assert_array_equal(some, all_images.array[rows])
    assert np.shares_memory(all_images[1:3].array, all_images.array)
    assert np.asarray(all_images) is all_images.array


def test_users_are_never_given_checked_images():
    data = datasets.load("phantom", size=8, train=12, val=12, test=12)
    (training, y), (held_out, _), (made, _) = map(data.checked, ("train", "val", "test"))
    audit = metrics.copy_audit(made, training, held_out, verbose=False)
    results = [
        data.train, data.stored("train"),
        datasets.from_arrays(training, y).stored("train"),
        audit,
        metrics.near_duplicates(made, training, verbose=False),
        metrics.diversity(made, training),
        list(vars(plotting.nearest_pairs(made, training, audit)).values()),
    ]  # fmt: skip
    assert not [value for value in values(results) if isinstance(value, CheckedImages)]
    assert [value for value in values([data.checked("val")]) if isinstance(value, CheckedImages)]


def values(tree):
    """Yield what nested containers hold."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        for branch in tree:
            yield from values(branch)
    yield tree


# ---- conversions ----------------------------------------------------------------------------


def test_8_bits_become_floats_and_come_back():
    stored = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)
    floats = to_float(stored)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, stored / np.float32(255))
    for dtype in ("float32", "float64"):
        np.testing.assert_array_equal(to_uint8(floats.astype(dtype)), stored)
    assert stored.max() == 255


def test_a_conversion_that_is_none_copies_nothing():
    floats, stored = images(), images(value=3, dtype="uint8")
    assert to_float(floats) is floats
    assert to_uint8(stored) is stored


def test_distances_and_digests_tell_images_apart():
    pair = np.stack([np.zeros((8, 8, 1), "uint8"), np.full((8, 8, 1), 51, "uint8")])
    assert pair_distances(pair) == pytest.approx([0.2])
    assert pair_distances(to_float(pair)) == pytest.approx([0.2])
    assert images_md5(pair) == images_md5(np.asfortranarray(pair)) != images_md5(pair[::-1])
