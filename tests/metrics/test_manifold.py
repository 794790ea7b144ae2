"""Precision, recall, density and coverage."""

import numpy as np
import prdc
import pytest

from keras_medaug.metrics import manifold as manifold_module
from keras_medaug.metrics import manifold_scores

pytestmark = pytest.mark.backend_free

NAMES = ("precision", "recall", "density", "coverage")


def values(scores):
    return {name: scores[name]["value"] for name in NAMES}


def normal(count, seed, shift=0.0, size=3):
    return np.random.default_rng(seed).normal(shift, size=(count, size))


@pytest.mark.parametrize("neighbours", [1, 5, 9])
@pytest.mark.parametrize("tile", [11, 64, 2048])
def test_they_are_those_of_prdc(features, neighbours, tile, monkeypatch):
    monkeypatch.setattr(manifold_module, "TILE", tile)
    expected = prdc.compute_prdc(*features, nearest_k=neighbours)
    scores = values(manifold_scores(*features, neighbours=neighbours))
    assert scores == pytest.approx({name: float(expected[name]) for name in NAMES}, abs=1e-4)


def test_far_from_zero_nothing_is_lost():
    """Distances are taken about the real images' mean, not about 0."""
    near = manifold_scores(normal(100, 0), normal(100, 1))
    far = manifold_scores(normal(100, 0) + 1e6, normal(100, 1) + 1e6)
    assert values(far) == pytest.approx(values(near), abs=0.02)


def test_what_each_sees():
    real = np.concatenate([normal(200, 0), normal(200, 1, shift=20.0)])
    unseen = np.concatenate([normal(200, 2), normal(200, 3, shift=20.0)])
    good = values(manifold_scores(real, unseen))
    one_mode = values(manifold_scores(real, normal(400, 4)))
    nonsense = values(manifold_scores(real, normal(400, 5, shift=100.0)))
    assert one_mode["precision"] > 0.8
    assert one_mode["recall"] == pytest.approx(good["recall"] / 2, abs=0.1)
    assert one_mode["coverage"] < 0.6 < good["coverage"]
    assert nonsense == dict.fromkeys(NAMES, 0.0)


def test_a_real_outlier_buys_precision_not_density():
    real = np.concatenate([normal(200, 0), [[1000.0] * 3]])
    off = normal(200, 1, shift=30.0)
    scores = values(manifold_scores(real, off))
    assert scores["precision"] == 1.0
    assert scores["density"] < 0.3


def test_intervals_hold_the_values_and_have_a_width_at_the_edges():
    scores = manifold_scores(normal(50, 0), normal(50, 1, shift=100.0))
    for name in NAMES:
        low, high = scores[name]["ci95"]
        assert low <= scores[name]["value"] <= high
    assert scores["precision"]["ci95"] == pytest.approx([0, 0.0714], abs=1e-3)  # Wilson's, 0 of 50


@pytest.mark.parametrize(("count", "other", "size"), [(150, 80, 3), (120, 200, 10)])
def test_intervals_cover(count, other, size):
    """95 times of 100 the value that other images of both kinds would give on average."""
    scores = [
        manifold_scores(normal(count, s, size=size), normal(other, 1000 + s, 0.3, size))
        for s in range(200)
    ]
    for name in NAMES:
        values = [of_draw[name]["value"] for of_draw in scores]
        ends = [of_draw[name]["ci95"] for of_draw in scores]
        inside = np.mean([low <= np.mean(values) <= high for low, high in ends])
        assert 0.85 <= inside <= 1.0, name
        # Near 1 a single ball can hold much alone, and the interval is wider than need be.
        assert 0.7 < np.mean(np.ptp(ends, axis=1)) / (3.92 * np.std(values)) < 3, name


def test_copies_of_one_image_hold_themselves_alone():
    """Their distance is 0, and a ball of radius 0 holds what is in the same place."""
    scores = values(manifold_scores(normal(40, 0), np.zeros((40, 3))))
    assert scores["recall"] == 0.0
    assert 0 < scores["coverage"] < 1


# ---- ties -----------------------------------------------------------------------------------


def brute_force(real, synthetic, neighbours):
    """Return the scores of whole numbers from exact differences; balls hold their edge."""

    def squares(x, y):
        return ((x[:, None, :] - y[None]) ** 2).sum(axis=2)

    def radii(x):
        return np.sort(squares(x, x), axis=1)[:, neighbours]  # itself is the first

    distances = squares(real, synthetic)
    in_real = distances <= radii(real)[:, None]
    return {
        "precision": in_real.any(axis=0).mean(),
        "recall": (distances <= radii(synthetic)).any(axis=1).mean(),
        "density": in_real.sum(axis=0).mean() / neighbours,
        "coverage": in_real.any(axis=1).mean(),
    }


@pytest.mark.parametrize("offset", [0.0, 1e4, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_of_whole_numbers_ties_are_ties(seed, offset):
    """Of few values, so that most distances occur many times."""
    rng = np.random.default_rng(seed)
    real, synthetic = rng.integers(0, 4, (90, 5)), rng.integers(0, 4, (70, 5))
    scores = values(manifold_scores(real + offset, synthetic + offset))
    assert scores == pytest.approx(brute_force(real, synthetic, 5), abs=1e-12)
    tenths = values(manifold_scores(real * 0.1 + 0.3, synthetic * 0.1 + 0.3))
    assert tenths == pytest.approx(scores, abs=1e-12)


@pytest.mark.parametrize("times", [1, 2, 6, 12])
def test_a_set_is_in_its_own_balls_however_often_images_are_repeated(times):
    x = np.repeat(normal(20, 0, shift=7.0, size=50), times, axis=0)
    scores = values(manifold_scores(x, x))
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1.0, 1.0, 1.0)


def test_repeated_images_whose_features_differ_by_rounding():
    """As an extractor's in float32 do, from one batch to the next."""
    x = np.repeat(normal(20, 0, shift=7.0, size=50), 8, axis=0)
    rounded = x * (1 + 1e-7 * np.random.default_rng(1).normal(size=x.shape))
    scores = values(manifold_scores(rounded, rounded[::-1]))
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_blank_images(value):
    blank = np.full((40, 3), value)
    scores = values(manifold_scores(blank, blank[:20]))
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1.0, 1.0, 1.0)
    other = values(manifold_scores(blank, blank + 1))
    assert other == dict.fromkeys(NAMES, 0.0)


@pytest.mark.parametrize("tile", [7, 64])
def test_order_and_parts_change_nothing(tile, monkeypatch):
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(15, 40))
    real, synthetic = pool[rng.integers(0, 15, 90)], pool[rng.integers(0, 12, 70)]
    expected = manifold_scores(real, synthetic)
    monkeypatch.setattr(manifold_module, "TILE", tile)
    orders = rng.permutation(90), rng.permutation(70)
    scores = values(manifold_scores(real[orders[0]], synthetic[orders[1]]))
    assert scores == pytest.approx(values(expected), abs=1e-12)
