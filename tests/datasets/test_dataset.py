"""The form in which data is held: what it takes, gives back and refuses."""

import hashlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_medaug import datasets
from keras_medaug.checked_images import CheckedImages
from keras_medaug.images import check_images

pytestmark = pytest.mark.backend_free

X = np.arange(4 * 8 * 9, dtype="uint8").reshape(4, 8, 9, 1)
Y = np.array([0, 1, 1, 0])


def make(**changes):
    arguments = {"x_train": X, "y_train": Y, "x_val": X[:2], "y_val": Y[:2]} | changes
    return datasets.from_arrays(**arguments)


def test_bytes_are_kept_and_become_floats_on_access():
    ds = make()
    x, y = ds.train
    assert x.dtype == np.float32
    assert y.dtype == np.int32
    np.testing.assert_allclose(x, X / 255, rtol=0, atol=1e-7)
    assert (x.min(), ds.train[0].max() <= 1) == (0, True)
    assert ds.stored("train")[0].dtype == np.uint8


def test_floats_are_kept():
    images = (X / 255).astype("float64")
    x, _ = make(x_train=images, x_val=images[:2]).train
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, images.astype("float32"))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_nobody_else_can_change_what_is_held(dtype):
    images, labels = (X / (1 if dtype == "uint8" else 255)).astype(dtype), Y.copy()
    ds = make(x_train=images, y_train=labels)
    before = ds.train
    images[:] = 0
    labels[:] = 0
    x, y = ds.train
    x[:] = 1
    y[:] = 1
    for now, then in zip(ds.train, before, strict=True):
        np.testing.assert_array_equal(now, then)
    for array in ds.stored("train"):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_facts():
    ds = make(name="mine", class_names=["benign", "malignant"])
    assert ds.name == "mine"
    assert ds.image_shape == (8, 9, 1)
    assert ds.num_classes == 2
    assert ds.class_names == ("benign", "malignant")
    assert ds.counts == {"train": 4, "val": 2, "test": 0}
    assert ds.source is None
    assert repr(ds) == (
        "Dataset(name='mine', image_shape=(8, 9, 1), num_classes=2, train=4, val=2)"
    )
    assert make().class_names == ("0", "1")


def test_labels_may_be_names():
    names = ["benign", "malignant"]
    ds = make(y_train=np.array(names)[Y], y_val=np.array(names)[Y[:2], None], class_names=names)
    assert ds.md5 == make().md5
    with pytest.raises(ValueError, match=r"`y_val`: got names that are not known: 'normal'"):
        make(y_val=["benign", "normal"], class_names=names)
    with pytest.raises(ValueError, match=r"`y_val`: got names, such as 'benign'.*class_names="):
        make(y_val=names)


def test_an_absent_split_is_named():
    ds = make()
    with pytest.raises(ValueError, match=r"'test'.*expected one of.*train, val"):
        _ = ds.test
    with pytest.raises(ValueError, match="'holdout'"):
        ds.stored("holdout")


def test_the_package_is_given_a_split_that_is_not_checked_again(monkeypatch):
    monkeypatch.setattr("keras_medaug.images._check_axes", None)
    with pytest.raises(TypeError):
        make()
    monkeypatch.undo()
    ds = make()
    monkeypatch.setattr("keras_medaug.images._check_axes", None)
    images, labels = ds.checked("train")
    assert isinstance(images, CheckedImages)
    assert check_images(images) is images.array
    np.testing.assert_array_equal(images, ds.stored("train")[0])
    np.testing.assert_array_equal(labels, ds.stored("train")[1])
    assert not images.array.flags.writeable
    with pytest.raises(ValueError, match="'test'"):
        ds.checked("test")


def test_md5_is_the_one_that_is_documented():
    digest = hashlib.md5()
    for split, x, y in (("train", X, Y), ("val", X[:2], Y[:2])):
        digest.update(f"{split}_images uint8 {len(x)},8,9,1\n".encode() + x.tobytes())
        digest.update(f"{split}_labels int32 {len(y)}\n".encode() + y.astype("<i4").tobytes())
    assert make().md5 == digest.hexdigest()


def test_md5_depends_on_content_and_on_nothing_else():
    reference = make().md5
    same = make(
        x_train=np.asfortranarray(X), y_train=Y.astype(">i8"), name="x", class_names=["a", "b"]
    )
    assert same.md5 == reference
    other = X.copy()
    other[0, 0, 0, 0] ^= 1
    assert make(x_train=other).md5 != reference
    assert make(y_train=Y[::-1]).md5 == reference  # [0, 1, 1, 0] is its own mirror image
    assert make(y_train=1 - Y).md5 != reference
    assert make(x_val=None, y_val=None).md5 != reference
    assert make(x_val=None, y_val=None, x_test=X[:2], y_test=Y[:2]).md5 != reference


def test_it_can_be_sent_to_another_process():
    ds = make()
    sent = pickle.loads(pickle.dumps(ds))  # noqa: S301
    assert sent.md5 == ds.md5
    np.testing.assert_array_equal(sent.train[0], ds.train[0])


NAN = np.full((4, 8, 9, 1), np.nan)
BAD = {
    "rank": ({"x_train": X[..., 0]}, "x_train", "shape (4, 8, 9)", "four axes"),
    "too small": ({"x_train": X[:, :7]}, "x_train", "(7, 9, 1)", "8 to 256"),
    "channels": ({"x_train": np.repeat(X, 2, -1)}, "x_train", "(8, 9, 2)", "1 or 3"),
    "no image": ({"x_train": X[:0], "y_train": Y[:0]}, "x_train", "shape (0", "at least one"),
    "integers": ({"x_train": X.astype("int64")}, "x_train", "int64", "uint8"),
    "objects": ({"x_train": X.astype(object)}, "x_train", "object", "uint8"),
    "NaN": ({"x_train": NAN}, "x_train", "NaN", "finite"),
    "infinite": ({"x_val": np.full((2, 8, 9, 1), np.inf)}, "x_val", "infinite", "finite"),
    "range": ({"x_train": X.astype("float32")}, "x_train", "from 0 to 255", "[0, 1]"),
    "negative": ({"x_val": X[:2] / -255.0}, "x_val", "from -", "[0, 1]"),
    "other size in val": ({"x_val": X[:2, :, :8]}, "x_val", "(8, 8, 1)", "(8, 9, 1)"),
    "label count": ({"y_train": Y[:3]}, "y_train", "3 labels", "4"),
    "label rank": ({"y_train": Y[None]}, "y_train", "(1, 4)", "`.ravel()`"),
    "float labels": ({"y_train": Y.astype("float32")}, "y_train", "float32", "integers"),
    "negative label": ({"y_train": Y - 1}, "y_train", "-1", "0 or more"),
    "label beyond names": ({"class_names": ["a"]}, "y_train", "0 to 1", "[0, 1)"),
    "val label beyond names": (
        {"y_val": np.array([0, 2]), "class_names": ["a", "b"]},
        "y_val",
        "0 to 2",
        "[0, 2)",
    ),
    "class only in val": ({"y_val": np.array([0, 2])}, "y_train", "class 2", "each of the 3"),
    "class without image": ({"class_names": list("abc")}, "y_train", "class 'c'", "each of the 3"),
    "gap in labels": ({"y_train": Y * 2}, "y_train", "class 1", "each of the 3"),
    "names as a string": ({"class_names": "ab"}, "class_names", "'ab'", "one distinct name"),
    "no names": ({"class_names": []}, "class_names", "[]", "one distinct name"),
    "equal names": ({"class_names": ["a", "a"]}, "class_names", "['a', 'a']", "distinct"),
    "names that are none": ({"class_names": [0, 1]}, "class_names", "[0, 1]", "string"),
    "name": ({"name": ""}, "name", "''", "not empty"),
    "no labels": ({"y_val": None}, "y_val", "None", "go together"),
    "labels alone": ({"x_val": None}, "x_val", "None", "go together"),
    "no training images": ({"x_train": None}, "x_train", "None", "an array"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    changes, argument, got, expected = BAD[case]
    with pytest.raises(ValueError, match=r"got .*; expected ") as caught:
        make(**changes)
    message = str(caught.value)
    assert f"`{argument}" in message
    came, wanted = message.split("; expected")
    assert got in came
    assert expected in wanted


ARRAYS = st.one_of(
    hnp.arrays(
        dtype=st.sampled_from(["uint8", "float32", "float64", "int32", "bool", "complex64"]),
        shape=hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=9),
    ),
    st.none(),
    st.text(max_size=3),
    st.integers(-2, 2),
)


@given(x=ARRAYS, y=ARRAYS)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_anything_is_taken_or_refused_by_name(x, y):
    try:
        ds = datasets.from_arrays(x, y)
    except ValueError as error:
        assert "train`" in str(error) or "train." in str(error)  # noqa: PT017
    else:
        assert ds.train[0].shape == (len(y), *ds.image_shape)


@given(
    shape=st.tuples(
        st.integers(1, 5), st.integers(8, 20), st.integers(8, 20), st.sampled_from([1, 3])
    ),
    floats=st.booleans(),
)
@settings(deadline=None, derandomize=True, max_examples=25)
def test_every_supported_shape_is_taken(shape, floats):
    rng = np.random.default_rng(0)
    images = rng.random(shape) if floats else rng.integers(0, 256, shape, "uint8")
    ds = datasets.from_arrays(images, np.arange(shape[0]))
    assert ds.image_shape == shape[1:]
    assert ds.num_classes == shape[0]
    assert 0 <= ds.train[0].min() <= ds.train[0].max() <= 1
