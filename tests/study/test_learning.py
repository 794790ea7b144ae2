"""Whether trainings were long enough: curves whose truth is known."""

import numpy as np
import pytest

from keras_medaug.study.checks import warn_of_policy
from keras_medaug.study.learning import warn_of_learning

pytestmark = pytest.mark.backend_free


def curves(rng, rise=0.0, seeds=10):
    """Return validation AUCs at twenty points, of noise that lasts for two of them."""
    noise = rng.normal(size=(seeds, 21))
    level = 0.84 + 0.02 * rng.normal(size=(seeds, 1))
    line = rise * np.maximum(np.linspace(-1, 1, 20), 0)
    return (level + line + 0.007 * (noise[:, 1:] + noise[:, :-1])).tolist()


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_flat_noisy_curves_warn_in_one_case_of_twenty_at_most(seeds):
    rng = np.random.default_rng(seeds)
    warned = [bool(warn_of_learning({"none": curves(rng, seeds=seeds)})) for _ in range(500)]
    assert np.mean(warned) <= 0.08  # three standard errors above 5%


def test_a_study_of_flat_arms_warns_in_one_case_of_twenty_at_most():
    rng = np.random.default_rng(0)
    warned = [
        bool(warn_of_learning({str(arm): curves(rng) for arm in range(13)})) for _ in range(150)
    ]
    assert np.mean(warned) <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5


def test_a_rising_arm_among_flat_ones_is_found_with_both_p_values():
    rng = np.random.default_rng(1)
    histories = {str(arm): curves(rng) for arm in range(12)} | {"cvae": curves(rng, rise=0.04)}
    (warning,) = warn_of_learning(histories)
    assert warning["arm"] == "cvae"
    assert warning["p_holm"] == pytest.approx(13 * warning["p"], rel=0.01)
    assert "corrected for 13 arms" in warning["message"]


def test_rising_curves_warn():
    rng = np.random.default_rng(0)
    studies = [warn_of_learning({"cvae": curves(rng, rise=0.04)}) for _ in range(50)]
    assert all(studies)
    assert np.mean([warnings[0]["gain"] for warnings in studies]) == pytest.approx(0.02, abs=0.003)


def test_a_gain_too_small_to_matter_does_not_warn():
    rising = [0.9 + 0.0001 * step for step in range(20)]
    assert warn_of_learning({"none": [rising] * 10}) == []


@pytest.mark.parametrize("histories", [[[0.5, 0.6, 0.7, 0.8]], [[0.5, 0.6]] * 10])
def test_one_seed_or_too_few_points_cannot_tell(histories):
    assert warn_of_learning({"none": histories}) == []


def test_a_policy_is_not_blamed_for_the_noise_of_a_weak_classifier():
    rng, warned = np.random.default_rng(0), []
    for _ in range(300):
        plain, transformed = 0.54 + 0.03 * rng.normal(size=(2, 10))
        warned.append(bool(warn_of_policy("geometric", plain.tolist(), transformed.tolist(), 2)))
    assert np.mean(warned) <= 0.08
    assert warn_of_policy("geometric", [0.8, 0.82, 0.78], [0.6, 0.6, 0.62], 2)
