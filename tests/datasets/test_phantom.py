"""The procedural set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_medaug import datasets
from keras_medaug.datasets import phantom
from keras_medaug.datasets.phantom import _Draws

pytestmark = pytest.mark.backend_free


def small(**changes):
    return datasets.load("phantom", **({"train": 20, "val": 5, "test": 10} | changes))


def test_the_default_set():
    ds = datasets.load("phantom")
    assert ds.name == "phantom"
    assert ds.image_shape == (28, 28, 1)
    assert ds.counts == {"train": 480, "val": 96, "test": 192}
    assert ds.class_names == ("cyst", "spiculated mass", "vessel", "target lesion")
    for split in (ds.train, ds.val, ds.test):
        counts = np.bincount(split[1], minlength=4)
        assert counts.max() == counts.min()
    assert np.any(np.diff(ds.train[1][:8]) < 0), "labels are mixed, not sorted"
    images = ds.train[0]
    assert 0.3 < images.mean() < 0.6
    assert images.std() > 0.15
    assert (images == 1).mean() < 0.02, "hardly anything is clipped"
    assert len(np.unique(images.reshape(480, -1), axis=0)) == 480


@given(
    height=st.integers(8, 256),
    width=st.integers(8, 256),
    channels=st.sampled_from([1, 3]),
    num_classes=st.integers(3, 5),
    seed=st.integers(0, 2**63),
)
@settings(deadline=None, derandomize=True, max_examples=12)
def test_every_size_that_the_contract_names(height, width, channels, num_classes, seed):
    ds = datasets.load(
        "phantom",
        size=(height, width),
        channels=channels,
        num_classes=num_classes,
        seed=seed,
        train=num_classes,
        val=num_classes,
        test=num_classes,
    )
    assert ds.image_shape == (height, width, channels)
    assert ds.num_classes == num_classes
    assert ds.train[0].std() > 0.03


def test_it_is_a_function_of_its_arguments_alone():
    reference = small().md5
    np.random.seed(5)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert small().md5 == reference
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert small(seed=1).md5 != reference
    assert small(channels=3).md5 != reference
    assert small(size=29).md5 != reference
    assert small(num_classes=3).md5 != reference


def test_it_is_the_same_on_every_machine():
    assert small(size=16).md5 == "ade8dc483e39e102316f363e1b01c232"
    assert small(size=(16, 20), channels=3, num_classes=5).md5 == "05f9adc9ffb1b489960fb49d0ecd8c9f"


def test_a_split_does_not_depend_on_the_others_and_begins_with_a_smaller_one(monkeypatch):
    ds = small()
    monkeypatch.setattr(phantom, "CHUNK", 3 * 28 * 28)
    larger = small(train=31, val=9)
    for split, count in (("train", 20), ("val", 5), ("test", 10)):
        for few, many in zip(ds.stored(split), larger.stored(split), strict=True):
            np.testing.assert_array_equal(few, many[:count])


def test_no_image_of_one_split_is_in_another():
    ds = small(train=40, val=40, test=40, seed=3)
    images = np.concatenate([ds.stored(split)[0] for split in ("train", "val", "test")])
    assert len(np.unique(images.reshape(120, -1), axis=0)) == 120


def test_colour_is_colour():
    red, green, blue = np.moveaxis(small(channels=3).train[0], -1, 0).reshape(3, -1).mean(axis=1)
    assert red > green + 0.05, "pink and purple"
    assert blue > green + 0.05


def test_speckle_is_multiplicative():
    """Where the tissue is brighter, the grain is coarser in value too."""
    ds = small(size=64, train=40)
    images = ds.train[0][..., 0]
    patches = images.reshape(40, 8, 8, 8, 8)
    mean = patches.mean(axis=(2, 4)).ravel()
    spread = patches.std(axis=(2, 4)).ravel()
    middle = mean < 0.6  # above, values are clipped
    assert np.corrcoef(mean[middle], spread[middle])[0, 1] > 0.3


def _accuracy(train, test, y_train, y_test):
    """Return the best test accuracy of ridge regression over a range of penalties."""
    mean, spread = train.mean(axis=0), train.std(axis=0) + 1e-3
    train, test = (train - mean) / spread, (test - mean) / spread
    targets = np.eye(4)[y_train] - 0.25
    scores = []
    for penalty in 10.0 ** np.arange(1, 6, 0.5):
        weights = np.linalg.solve(train @ train.T + penalty * np.eye(len(train)), targets)
        scores.append(((test @ (train.T @ weights)).argmax(1) == y_test).mean())
    return max(scores)


def _features(images):
    """Return what random 5x5 filters find anywhere in the image, at half its resolution."""
    gray = images.mean(axis=-1).reshape(len(images), 14, 2, 14, 2).mean(axis=(2, 4))
    patches = np.lib.stride_tricks.sliding_window_view(gray, (5, 5), (1, 2))
    patches = patches.reshape(len(images), 100, 25)
    patches = patches - patches.mean(axis=-1, keepdims=True)
    filters = np.random.default_rng(0).normal(size=(25, 100)).astype("float32")
    responses = patches @ filters
    summaries = responses.max(1), responses.min(1), responses.mean(1), responses.std(1)
    return np.concatenate(summaries, axis=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_learn_it_and_a_linear_model_does_not(channels):
    """A layer of filters, even of untrained ones, tells the classes apart; single pixels do not."""
    ds = datasets.load("phantom", channels=channels)
    (x, y), (x_test, y_test) = ds.train, ds.test
    linear = _accuracy(x.reshape(480, -1), x_test.reshape(192, -1), y, y_test)
    filters = _accuracy(_features(x), _features(x_test), y, y_test)
    assert 0.25 < linear < 0.65
    assert 0.7 < filters < 0.95


BAD = {
    "size": [7, 257, 0, -28, 28.0, "28", True, None, (28,), (28, 28, 1), (28, 300), (28, None)],
    "channels": [0, 2, 4, "1", None, True],
    "num_classes": [0, 2, 6, 3.0, None, True],
    "seed": [-1, 1.5, "a", None, True],
    "train": [0, 3, -1, 20.0, None],
    "val": [0, 3, "5"],
    "test": [0, 3, 1e3],
}


@pytest.mark.parametrize(("argument", "value"), [(k, v) for k in BAD for v in BAD[k]])
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"`{argument}.*`: got .*; expected "):
        small(**{argument: value})


def test_draws_have_their_distributions_and_no_overlap():
    normal = _Draws(1, "a").normal((100_001,))
    assert abs(normal.mean()) < 0.015
    assert abs(normal.std() - 1) < 0.01
    assert abs((normal**4).mean() - 3) < 0.15
    uniform = _Draws(1, "b").uniform((100_000,))
    assert 0 <= uniform.min() < 1e-3
    assert 1 - 1e-3 < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(uniform, _Draws(1, "c").uniform((100_000,)))[0, 1]) < 0.02
