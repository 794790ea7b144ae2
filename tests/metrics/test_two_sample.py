"""The classifier two-sample test."""

import json

import numpy as np
import pytest
from scipy import ndimage, stats
from sklearn.metrics import roc_auc_score

import keras_medaug as kma
from keras_medaug.metrics import two_sample as module
from keras_medaug.metrics import two_sample_auc
from keras_medaug.metrics.two_sample import ridge_scores

pytestmark = pytest.mark.backend_free

DATA = kma.datasets.load("phantom", size=16)
TRAIN, VAL, TEST = DATA.train[0], DATA.val[0], DATA.test[0]


def textures(count, seed, size=8):
    return np.random.default_rng(seed).random((count, size, size, 1)).astype("float32")


def blurred(images, deviation):
    return ndimage.gaussian_filter(images, (0, deviation, deviation, 0))


def rows(count, seed, size=22, shift=0.0):
    return np.random.default_rng(seed).normal(shift, size=(2 * count, size))


def compared(columns, statistics=22, seed=0, folds=5):
    count = len(columns) // 2
    return module._compared(columns[:count], columns[count:], statistics, folds, seed)


# ---- what it sees ---------------------------------------------------------------------------


def test_it_sees_blur_and_not_other_real_images():
    result = two_sample_auc(blurred(TEST, 0.7), TRAIN, held_out=VAL)
    reference = result["reference"]
    assert result["auc"] > 0.95
    assert result["p"] == 0.001
    assert reference["p"] > 0.05
    assert reference["ci95"][0] <= 0.5 <= reference["ci95"][1]


def test_it_sees_more_the_more_there_is():
    areas = [two_sample_auc(blurred(TEST, sd), TRAIN)["auc"] for sd in (0.3, 0.4, 0.5, 0.7)]
    assert areas == sorted(areas)
    assert areas[0] < 0.75 < areas[-1]


def test_few_images_are_enough():
    result = two_sample_auc(blurred(textures(10, 0), 1.0), textures(10, 1))
    assert result["auc"] > 0.9
    assert result["p"] <= 0.01
    assert result["detectable"] > 0.9  # but little could be seen


def test_it_sees_what_the_features_see():
    """A pattern that no statistic shows, in a place of its own, among features that are noise."""
    images, real = textures(60, 0), textures(60, 1)
    images[:, ::2, 0], images[:, 1::2, 0] = images[:, ::2, 0] / 2 + 0.5, images[:, 1::2, 0] / 2

    def pixels(x):
        return x.reshape(len(x), -1)

    assert two_sample_auc(images, real, pixels)["auc"] > 0.9
    assert two_sample_auc(real, textures(60, 2), pixels)["p"] > 0.05


def test_features_that_are_noise_hide_little():
    noise = np.random.default_rng(0).normal(size=(4 * 60, 64))
    calls = iter(np.split(noise, 4))
    images = blurred(textures(60, 0), 0.35)
    alone = two_sample_auc(images, textures(60, 1))["auc"]
    beside = two_sample_auc(images, textures(60, 1), lambda x: next(calls))["auc"]
    assert beside > alone - 0.1
    assert alone > 0.8


@pytest.mark.parametrize("seed", range(3))
def test_copies_are_no_better_than_chance(seed):
    assert two_sample_auc(TRAIN, TRAIN, seed=seed)["auc"] < 0.55


# ---- whether its numbers are right ----------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(20, 22), (20, 80), (78, 22)])
def test_of_one_distribution_p_is_uniform_and_the_interval_holds_a_half(count, size, monkeypatch):
    monkeypatch.setattr(module, "PERMUTATIONS", 99)
    results = [compared(rows(count, seed, size), seed=seed) for seed in range(150)]
    assert np.mean([result["auc"] for result in results]) == pytest.approx(0.5, abs=0.03)
    assert stats.kstest([result["p"] for result in results], "uniform").pvalue > 0.001
    inside = [result["ci95"][0] <= 0.5 <= result["ci95"][1] for result in results]
    assert 0.89 <= np.mean(inside) <= 0.99
    spread = np.std([result["auc"] for result in results])
    detectable = np.mean([result["detectable"] for result in results])
    assert (detectable - 0.5) / 2.8 == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_intervals_cover(shift, monkeypatch):
    monkeypatch.setattr(module, "PERMUTATIONS", 99)
    results = []
    for seed in range(150):
        columns = rows(30, seed)
        columns[:30, :6] += shift
        results.append(compared(columns, seed=seed))
    areas, ends = (np.array([result[name] for result in results]) for name in ("auc", "ci95"))
    assert 0.9 <= np.mean((ends[:, 0] <= areas.mean()) & (areas.mean() <= ends[:, 1])) <= 1.0
    assert 0.7 < np.mean(np.ptp(ends, axis=1)) / (3.92 * areas.std()) < 1.4


def test_the_areas_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, (40, 6)).astype(float)  # many ties
    positive = np.column_stack([rng.permutation(np.arange(40) < 15) for _ in range(6)])
    expected = [roc_auc_score(positive[:, k], scores[:, k]) for k in range(6)]
    np.testing.assert_allclose(module._areas(scores, positive), expected, rtol=1e-12)


def test_the_scores_are_those_of_ridge_regression():
    known, tested, labels = rows(20, 0, 6), rows(5, 1, 6), np.repeat([1.0, -1.0], 20)
    scaled = [(x - known.mean(0)) / known.std(0) for x in (known, tested)]
    for x in scaled:
        x[:, 4:] /= np.sqrt(2)  # two features beside four statistics
    weights = np.linalg.solve(scaled[0].T @ scaled[0] + np.eye(6), scaled[0].T @ labels)
    scores = ridge_scores(known, labels[:, None], tested, weights=module._weights(6, statistics=4))[
        :, 0
    ]
    np.testing.assert_allclose(scores, scaled[1] @ weights)


def test_the_interval_is_newcombes():
    """Where independent scores are ranked: its ends are 1.96 of their own errors away."""
    low, high = module._interval(0.8, 25, 1.0)
    for end in (low, high):
        wide = 24 * ((1 - end) / (2 - end) + end / (1 + end))
        error = np.sqrt(end * (1 - end) * (1 + wide)) / 25
        assert abs(end - 0.8) == pytest.approx(1.959964 * error, rel=1e-6)
    low, high = module._interval(1.0, 25, 1.0)
    assert 0.85 < low < 1
    assert high == 1.0


# ---- what does not matter -------------------------------------------------------------------


def test_other_numbers_and_types_change_nothing():
    """Real images drawn of many, bytes, a scale of the features; and the same seed, the same."""
    images, real = textures(30, 0), textures(90, 1)
    result = two_sample_auc(images, real, lambda x: x[:, 0, :, 0])
    assert result["count"] == 30
    assert json.loads(json.dumps(result)) == result
    assert two_sample_auc(images, real, lambda x: x[:, 0, :, 0]) == result
    scaled = two_sample_auc(images, real, lambda x: 1e3 * x[:, 0, :, 0].astype("float64") - 5)
    assert scaled["auc"] == pytest.approx(result["auc"], abs=1e-3)
    whole = [np.rint(x * 255).astype("uint8") for x in (images, real)]
    floats = [x.astype("float32") / 255 for x in whole]
    assert two_sample_auc(*whole, seed=1) == two_sample_auc(*floats, seed=1)


def test_a_reference_is_of_equal_numbers():
    images, real, unseen = textures(40, 0), textures(90, 1), textures(15, 2)
    result = two_sample_auc(images, real, held_out=unseen)
    assert (result["count"], result["reference"]["count"]) == (40, 15)
    assert two_sample_auc(images, real) == {**result, "reference": None}
    assert result["reference"]["detectable"] > result["detectable"]


def test_blank_images_are_tied():
    blank = np.full((12, 8, 8, 1), 0.5)
    result = two_sample_auc(blank, blank)
    assert (result["auc"], result["p"]) == (0.5, 1.0)
    assert two_sample_auc(np.zeros((12, 8, 8, 1)), blank)["auc"] == 1.0


@pytest.mark.parametrize("folds", [2, 7, 12])
def test_folds_of_unequal_size(folds):
    assert two_sample_auc(blurred(textures(12, 0), 1.0), textures(12, 1), folds=folds)["auc"] > 0.9


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": textures(9, 0)}, "`images`: got 9 images; expected 10 or more"),
        ({"real": textures(9, 0)}, "`real`: got 9 images"),
        ({"held_out": textures(9, 0)}, "`held_out`: got 9 images"),
        ({"real": textures(12, 0, 9)}, "`real`: got images of shape"),
        ({"features": 3}, "`features`: got 3"),
        ({"features": lambda x: x}, "`features`: got shape"),
        ({"features": lambda x: x[:3, 0, :, 0]}, "`features`: got 3 rows for 12 images"),
        ({"features": lambda x: x[:, 0, :, 0] * np.nan}, "`features`: got NaN"),
        ({"folds": 1}, "`folds`: got 1; expected 2 to 12"),
        ({"folds": 13}, "`folds`: got 13"),
        ({"folds": 2.5}, "`folds`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_what_is_refused(change, message):
    options = {"images": textures(12, 0), "real": textures(12, 1)}
    with pytest.raises(ValueError, match=message):
        two_sample_auc(**{**options, **change})
