"""Precision, recall, density and coverage."""

import numpy as np
import prdc
import pytest

from keras_medaug.metrics import manifold as manifold_module
from keras_medaug.metrics import manifold_scores

pytestmark = pytest.mark.backend_free

NAMES = ("precision", "recall", "density", "coverage")


def values(found):
    return {name: found[name]["value"] for name in NAMES}


def normal(count, seed, shift=0.0, size=3):
    return np.random.default_rng(seed).normal(shift, size=(count, size))


@pytest.mark.parametrize("neighbours", [1, 5, 9])
@pytest.mark.parametrize("tile", [11, 64, 2048])
def test_they_are_those_of_prdc(features, neighbours, tile, monkeypatch):
    monkeypatch.setattr(manifold_module, "TILE", tile)
    expected = prdc.compute_prdc(*features, nearest_k=neighbours)
    found = values(manifold_scores(*features, neighbours=neighbours))
    assert found == pytest.approx({name: float(expected[name]) for name in NAMES}, abs=1e-4)


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
    found = values(manifold_scores(real, off))
    assert found["precision"] == 1.0
    assert found["density"] < 0.3


def test_intervals_hold_the_values_and_have_a_width_at_the_edges():
    found = manifold_scores(normal(50, 0), normal(50, 1, shift=100.0))
    for name in NAMES:
        low, high = found[name]["ci95"]
        assert low <= found[name]["value"] <= high
    assert found["precision"]["ci95"] == pytest.approx([0, 0.0714], abs=1e-3)  # Wilson's, 0 of 50


@pytest.mark.parametrize(("count", "other", "size"), [(150, 80, 3), (120, 200, 10)])
def test_intervals_cover(count, other, size):
    """95 times of 100 the value that other images of both kinds would give on average."""
    found = [
        manifold_scores(normal(count, s, size=size), normal(other, 1000 + s, 0.3, size))
        for s in range(200)
    ]
    for name in NAMES:
        values = [each[name]["value"] for each in found]
        ends = [each[name]["ci95"] for each in found]
        inside = np.mean([low <= np.mean(values) <= high for low, high in ends])
        assert 0.85 <= inside <= 1.0, name
        # Near 1 a single ball can hold much alone, and the interval is wider than need be.
        assert 0.7 < np.mean(np.ptp(ends, axis=1)) / (3.92 * np.std(values)) < 3, name


def test_copies_of_one_image_have_no_ball():
    """Their distance is 0, and a ball of radius 0 holds nothing."""
    found = values(manifold_scores(normal(40, 0), np.zeros((40, 3))))
    assert found["recall"] == 0.0
    assert 0 < found["coverage"] < 1
