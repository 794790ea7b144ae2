"""Whether a classifier knows more than chance: a rank test, and classes that it never gives."""

import sys

import numpy as np
import pytest
from scipy import stats

from helpers.halves import plain
from keras_medaug.metrics.collapsed_classifier import collapsed_classifier

pytestmark = pytest.mark.backend_free


@pytest.mark.parametrize(
    ("labels", "named"), [([0, 0, 1, 1], "With 4 images nobody"), ([1] * 30, "With one class")]
)
def test_too_little_to_tell_is_not_called_a_collapse(labels, named):
    result = plain(collapsed_classifier(labels, answers(np.array(labels), 2)))
    assert result["accuracy"] == 1
    assert result["warning"].startswith(named)


def answers(classes, num_classes):
    return 0.1 / num_classes + 0.9 * np.eye(num_classes)[classes]


def test_a_classifier_that_always_answers_one_class():
    labels = np.repeat([0, 1, 2], [10, 20, 10])
    result = plain(collapsed_classifier(labels, answers(np.ones(40, int), 3)))
    assert result["never"] == [0, 2]
    assert result["accuracy"] == result["majority"] == 0.5
    assert "Classes 0 and 2 are never" in result["warning"]


def test_a_classifier_that_never_answers_one_class():
    labels = np.arange(60) % 3
    result = plain(collapsed_classifier(labels, answers(np.minimum(labels, 1), 3)))
    assert (result["never"], round(result["accuracy"], 3)) == ([2], 0.667)
    assert result["p"] < 0.05
    assert "Class 2 is never" in result["warning"]


def test_a_classifier_at_chance():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    result = plain(collapsed_classifier(labels, scored(rng.normal(size=200))))
    assert result["never"] == []
    assert result["p_rank"] > 0.05
    assert "no better than by chance, as far as 200 images show" in result["warning"]


def scored(score):
    """Return probabilities of class 1 that rise with a score."""
    return np.stack([1 / (1 + np.exp(score)), 1 / (1 + np.exp(-score))], axis=1)


def test_a_good_classifier_of_few_images_is_not_taken_for_a_constant_one():
    """An accuracy below the most common class's, at an AUC of 0.85: most of BreastMNIST's."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [42, 114])
    result = plain(collapsed_classifier(labels, scored(1.5 * labels + rng.normal(size=156) - 1.2)))
    assert result["accuracy"] < result["majority"] + 0.05
    assert result["p"] > 0.05  # by which it was told before
    assert (result["auc"] > 0.8, result["p_rank"] < 1e-8, result["warning"]) == (True, True, None)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("kind", ["random", "shuffled", "constant", "tied"])
def test_a_classifier_without_skill_passes_in_one_case_of_twenty(kind, classes):
    rng = np.random.default_rng(classes)
    labels = np.minimum(rng.permutation(156) // 42, classes - 1)
    passed = 0
    for _ in range(400):
        scores = rng.normal(size=(156, classes))
        if kind == "shuffled":  # of a good classifier
            scores += 2 * np.eye(classes)[rng.permutation(labels)]
        elif kind == "tied":
            scores = np.round(scores)
        elif kind == "constant":
            scores = np.tile(scores[:1], (156, 1))
        passed += collapsed_classifier(labels, scores)["p_rank"] < 0.05
    assert passed == 0 if kind == "constant" else 0.02 <= passed / 400 <= 0.085


@pytest.mark.parametrize("ties", [False, True])
def test_for_two_classes_it_is_the_mann_whitney_test(ties):
    rng = np.random.default_rng(0)
    labels = (np.arange(90) % 3 == 0).astype(int)
    score = 0.3 * labels + rng.normal(size=90)
    score = np.round(score) if ties else score
    expected = stats.mannwhitneyu(
        score[labels == 1], score[labels == 0], alternative="greater", method="asymptotic",
        use_continuity=False,
    )  # fmt: skip
    result = collapsed_classifier(labels, scored(score))
    assert result["p_rank"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert result["auc"] == pytest.approx(expected.statistic / (30 * 60), abs=1e-12)


def test_the_variance_is_that_of_permutations():
    rng = np.random.default_rng(0)
    labels, scores = np.arange(60) % 4 % 3, rng.normal(size=(60, 3))
    scores[:, 1] = np.round(scores[:, 0] + scores[:, 1])
    drawn = [collapsed_classifier(rng.permutation(labels), scores)["auc"] for _ in range(1500)]
    result = collapsed_classifier(labels, scores)
    z = (result["auc"] - 0.5) / np.std(drawn)
    assert result["p_rank"] == pytest.approx(stats.norm.sf(z), abs=0.03)
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.01)


def test_logits_are_ranked_where_probabilities_are_exactly_1():
    labels = np.arange(60) % 2
    margin = 40 + 20 * labels + np.random.default_rng(0).normal(size=60)
    logits = np.stack([np.where(np.arange(60) < 4, 99, 0), margin], axis=1).astype("float32")
    result = plain(collapsed_classifier(labels, logits))
    assert (result["warning"], result["never"]) == (None, [])
    assert result["auc"] > 0.9


def test_a_classifier_that_works():
    labels = np.arange(50) % 2
    given = np.where(np.arange(50) < 5, 1 - labels, labels)
    result = plain(collapsed_classifier(labels, answers(given, 2)))
    assert (result["accuracy"], result["never"], result["warning"]) == (0.9, [], None)


def test_a_class_without_images_is_not_missed():
    labels = np.arange(50) % 2
    assert collapsed_classifier(labels, answers(labels, 4))["warning"] is None


@pytest.mark.parametrize("count", [1, 20, 156, 5000])
def test_p_is_that_of_the_exact_binomial_test(count):
    rng = np.random.default_rng(count)
    for share in (0.0, 0.5, 0.75, 0.8, 1.0):
        labels = (rng.random(count) < 0.7).astype(int)
        given = np.where(rng.random(count) < share, labels, 1 - labels)
        majority = max(labels.mean(), 1 - labels.mean())
        right = int((given == labels).sum())
        expected = stats.binomtest(right, count, majority, alternative="greater").pvalue
        p = collapsed_classifier(labels, answers(given, 2))["p"]
        assert p == pytest.approx(expected, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: collapsed_classifier([0, 1], np.ones(2)), r"`probabilities`: got shape \(2,\)"),
        (lambda: collapsed_classifier([0, 1], np.ones((3, 2)) / 2), "`probabilities`: got shape"),
        (lambda: collapsed_classifier([0, 1], [["a", "b"]] * 2), "`probabilities`: got dtype"),
        (
            lambda: collapsed_classifier([0, 1], [[np.nan, 1], [0, 1]]),
            "`probabilities`: got values that are not finite",
        ),
        (lambda: collapsed_classifier([0, 2], [[0.5, 0.5]] * 2), "`labels`: got labels from 0 to"),
    ],
)
def test_what_is_refused(call, expected):
    with pytest.raises(ValueError, match=rf"^.*{expected}.*; expected .*"):
        call()


def test_without_scipy_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"keras-medaug\[study\]"):
        collapsed_classifier([0, 1], [[0.9, 0.1], [0.2, 0.8]])
