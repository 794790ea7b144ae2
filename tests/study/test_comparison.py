"""What a comparison says: intervals, p values and verdicts, on tasks whose truth is known."""

import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from keras_medaug.study.comparison import compare, holm_correct
from keras_medaug.study.scores import auc_influence

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from study_statistics import WORLDS, TestSet, World, coverage, false_alarms, power, quick_areas

pytestmark = pytest.mark.backend_free


def tasks(gain, seeds=10, images=300, key=0, **parts):
    """Return labels, an arm with a gain, and the arm that it is compared with."""
    made_of = {"arm_image": 0.3, "noise": 0.5, "seed": 0.1} | parts
    test = TestSet(World(images, **made_of, gain=gain), 2, np.random.default_rng(key))
    against, arm = test.predictions(seeds)
    return test.labels, arm, against


@pytest.mark.parametrize(
    ("gain", "verdict"), [(1.5, "HELPS"), (-1.0, "HURTS"), (0.0, "INCONCLUSIVE")]
)
def test_a_clear_gain_a_clear_loss_and_none_get_their_verdicts(gain, verdict):
    comparison = compare(*tasks(gain))
    assert comparison.verdict == verdict
    assert np.sign(comparison.mean_difference) == np.sign(gain) or not gain


def test_fewer_than_ten_seeds_never_suffice():
    assert compare(*tasks(1.5, seeds=10)).verdict == "HELPS"
    assert compare(*tasks(1.5, seeds=9)).verdict == "INCONCLUSIVE"


def test_to_swap_the_arms_is_to_turn_all_around():
    labels, arm, against = tasks(0.4)
    one, other = compare(labels, arm, against), compare(labels, against, arm)
    assert one.mean_difference == pytest.approx(-other.mean_difference)
    for name in ("ci95", "ci95_images"):
        assert getattr(one, name) == pytest.approx([-x for x in getattr(other, name)[::-1]])
    for name in ("p", "p_images", "p_permutation", "mde"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))


def test_over_seeds_it_is_the_paired_t_test_of_scipy():
    labels, arm, against = tasks(0.4)
    ones = labels == 1
    areas = [
        [np.mean(s[ones, 1][:, None] > s[~ones, 1]) for s in seeds] for seeds in (arm, against)
    ]
    expected = stats.ttest_rel(*areas)
    comparison = compare(labels, arm, against)
    assert comparison.p == pytest.approx(expected.pvalue)
    assert comparison.ci95 == pytest.approx(expected.confidence_interval(0.95))


def test_images_that_differ_between_arms_widen_only_the_interval_over_images():
    mild, strong = compare(*tasks(0.0)), compare(*tasks(0.0, arm_image=1.5))
    assert np.ptp(strong.ci95_images) > 2 * np.ptp(mild.ci95_images)
    assert np.ptp(strong.ci95) < 1.5 * np.ptp(mild.ci95)


def test_a_test_set_alone_can_make_seeds_agree_on_what_is_not_so():
    """Seeds agree that the arm is better, on these images; over images it is nothing."""
    comparison = compare(*tasks(0.0, images=60, arm_image=1.0, noise=0.1, seed=0.0, key=1))
    assert comparison.p < 0.001
    assert comparison.p_images > 0.05
    assert comparison.verdict == "INCONCLUSIVE"


def test_identical_arms_differ_by_nothing():
    labels, arm, _ = tasks(0.0)
    comparison = compare(labels, arm, arm)
    assert (comparison.mean_difference, comparison.p, comparison.p_images) == (0.0, 1.0, 1.0)
    assert comparison.verdict == "INCONCLUSIVE"
    assert comparison.equivalent


def test_equivalent_is_what_lies_within_the_margin_over_images():
    labels, arm, against = tasks(0.0)
    low, high = compare(labels, arm, against).ci95_images
    reach = max(-low, high)
    assert compare(labels, arm, against, margin=reach * 1.01).equivalent
    assert not compare(labels, arm, against, margin=reach * 0.99).equivalent


def test_holm_takes_the_smallest_times_all_and_never_falls():
    comparison = compare(*tasks(0.0))
    given = [replace(comparison, p=p, p_images=0.0) for p in (0.04, 0.001, 0.03, 0.9)]
    assert [corrected.p_holm for corrected in holm_correct(given)] == pytest.approx(
        [0.09, 0.004, 0.09, 0.9]
    )


def test_the_larger_of_both_p_values_counts():
    comparison = compare(*tasks(1.5))
    assert holm_correct([replace(comparison, p=1e-6, p_images=0.2)])[0].verdict == "INCONCLUSIVE"
    assert holm_correct([replace(comparison, p=0.2, p_images=1e-6)])[0].verdict == "INCONCLUSIVE"
    assert holm_correct([replace(comparison, p=1e-6, p_images=1e-6)])[0].verdict == "HELPS"


def test_more_comparisons_find_less():
    labels, arm, against = tasks(0.3)
    assert compare(labels, arm, against, 15).mde > 1.2 * compare(labels, arm, against, 1).mde


def test_with_the_seeds_needed_the_margin_is_what_is_found():
    labels, arm, against = tasks(0.0, images=3000, arm_image=0.02, seed=0.2)
    comparison = compare(labels, arm, against, margin=0.006)
    assert comparison.mde > comparison.margin
    assert 10 < comparison.seeds_needed < 1000
    assert compare(labels, arm, against, margin=comparison.mde * 1.1).seeds_needed <= 10


def test_no_number_of_seeds_makes_a_small_test_set_large():
    assert compare(*tasks(0.0, images=60, arm_image=1.0)).seeds_needed is None


def test_a_comparison_is_plain_numbers():
    plain = (int, float, str, bool, type(None))
    for value in asdict(compare(*tasks(0.5))).values():
        parts = value if isinstance(value, tuple) else (value,)
        assert all(type(part) in plain for part in parts)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("arm", lambda rows: rows[:1]),
        ("arm", lambda rows: rows[0]),
        ("arm", lambda rows: rows[:, 1:]),
        ("arm", lambda rows: np.full_like(rows, np.nan)),
        ("arm", lambda rows: rows.astype(object)),
        ("against", lambda rows: rows[:9]),
        ("against", lambda rows: np.concatenate([rows, rows[..., :1]], axis=-1)),
    ],
)
def test_what_does_not_fit_is_named(name, change):
    labels, arm, against = tasks(0.0)
    given = {"arm": arm, "against": against}
    given[name] = change(given[name])
    with pytest.raises(ValueError, match=rf"`{name}`: got (shape|values|dtype)"):
        compare(labels, **given)


def test_labels_that_leave_nothing_to_compare():
    scores = np.random.default_rng(0).random((3, 2, 2))
    with pytest.raises(ValueError, match="`labels`: got one image of each class"):
        compare([0, 1], scores, scores)
    with pytest.raises(ValueError, match=r"`arm`: got shape \(3, 2, 1\).*two classes or more"):
        compare([0, 0], scores[..., :1], scores[..., :1])


@pytest.mark.parametrize(("name", "value"), [("comparisons", 0), ("margin", 0.0)])
def test_settings_have_to_be_above_nothing(name, value):
    with pytest.raises(ValueError, match=f"`{name}`: got {value}"):
        compare(*tasks(0.0), **{name: value})


# ---- promises, a smaller form of benchmarks/study_statistics.py ---------------------------------


def test_quick_areas_are_those_of_the_influences():
    test = TestSet(World(80, *WORLDS["mild"], gain=0.4), 3, np.random.default_rng(2))
    drawn = test.predictions(5)
    expected, _ = auc_influence(test.labels, drawn)
    np.testing.assert_allclose(quick_areas(test.labels, drawn), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["mild", "seeds matter most"])
def test_intervals_hold_what_they_are_about(name):
    counted = coverage(World(156, *WORLDS[name]), 200, np.random.default_rng(0), known_seeds=100)
    for fraction in counted.values():
        assert 0.90 <= fraction <= 0.995  # three standard errors of 200 studies around 93% to 97%


def test_studies_without_an_effect_seldom_say_that_an_arm_helps():
    counted = false_alarms(World(156, *WORLDS["mild"]), 100, np.random.default_rng(0))
    assert counted["HELPS"] <= 0.11  # three standard errors of 100 studies above 5%


def test_the_minimum_detectable_effect_is_found_four_times_in_five():
    counted = power(World(156, *WORLDS["mild"]), 200, np.random.default_rng(0))
    assert 0.70 <= counted["power"] <= 0.90


def test_logits_and_probabilities_of_the_same_order_compare_alike():
    labels, arm, against = tasks(0.4)
    logits = [np.log(p) + 3 for p in (arm, against)]
    expected = asdict(compare(labels, arm, against))
    for mine, other in ((logits[0], logits[1]), (arm, logits[1]), (logits[0], against)):
        assert_alike(asdict(compare(labels, mine, other)), expected)
    lists = compare(labels[:, None].tolist(), arm.tolist(), against.tolist())
    assert_alike(asdict(lists), expected)


def assert_alike(actual, expected):
    for name, value in expected.items():
        assert actual[name] == (value if isinstance(value, str) else pytest.approx(value))


def test_an_arm_that_is_sure_of_all_images_is_not_taken_for_one_that_knows_nothing():
    """In float32 its probabilities of the images of class 1 are all exactly 1.0."""
    labels = np.arange(200) % 2
    rng = np.random.default_rng(0)
    margin = 50 + 8 * labels + 4 * rng.normal(size=(10, 200))
    logits = np.stack([np.zeros_like(margin), margin], axis=-1).astype("float32")
    probabilities = 1 / (1 + np.exp(-margin.astype("float32")))
    assert (probabilities == 1.0).all()
    nothing = np.stack([1 - probabilities, probabilities], axis=-1)
    assert compare(labels, nothing, nothing).mean_difference == 0
    comparison = compare(labels, logits, nothing)
    assert comparison.mean_difference == pytest.approx(0.42, abs=0.02)  # .5 where all tie
    assert comparison.verdict == "HELPS"
