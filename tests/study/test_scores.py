"""Areas under the ROC curve are scikit-learn's, and influences say what a bootstrap would."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_medaug.study.scores import auc_influence

pytestmark = pytest.mark.backend_free


def predictions(classes, count):
    rng = np.random.default_rng(classes)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    probabilities = rng.dirichlet(np.ones(classes), count) + 0.4 * np.eye(classes)[labels]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, probabilities


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("tied", [False, True])
def test_the_area_is_that_of_scikit_learn_ties_included(classes, tied):
    labels, probabilities = predictions(classes, 60)
    if tied:  # six images ten times
        probabilities = np.tile(probabilities[:6], (10, 1))
    of_classes = [roc_auc_score(labels == c, probabilities[:, c]) for c in range(classes)]
    area, _ = auc_influence(labels, probabilities)
    assert area == pytest.approx(np.mean(of_classes), abs=1e-12)
    from_logits = auc_influence(labels, np.log(probabilities) + 7)
    assert from_logits[0] == pytest.approx(np.mean(of_classes), abs=1e-12)
    np.testing.assert_allclose(from_logits[1], auc_influence(labels, probabilities)[1], atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_logits_are_ranked_where_probabilities_are_exactly_1(classes):
    """A classifier that is sure of all images, and yet orders them without a fault."""
    labels = np.arange(20) % classes
    logits = np.zeros((20, classes), "float32")
    logits[:, 0] = np.where(labels == 0, 60, 40)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    assert (probabilities[:, 0] == 1.0).all()
    assert roc_auc_score(labels == 0, probabilities[:, 0]) == 0.5
    first = np.stack([logits[:, 0], logits[:, 1:].max(axis=1)], axis=1)
    area, influence = auc_influence((labels > 0).astype(int), first)
    assert area == 1.0
    assert influence.tolist() == [1.0] * 20


def test_seeds_in_front_are_seen_one_by_one():
    labels, probabilities = predictions(3, 40)
    stack = np.stack([probabilities, probabilities[:, [1, 0, 2]], np.roll(probabilities, 1, 0)])
    areas, influence = auc_influence(labels, stack)
    for seed, of_seed in enumerate(stack):
        area, influence_of_seed = auc_influence(labels, of_seed)
        assert areas[seed] == area
        np.testing.assert_array_equal(influence[seed], influence_of_seed)


@pytest.mark.parametrize("classes", [2, 4])
def test_influence_is_the_slope_along_which_an_image_gains_weight(classes):
    """To count one of n images of a class twice moves its weight from 1 / n to 2 / (n + 1)."""
    labels, probabilities = predictions(classes, 400)
    area, influence = auc_influence(labels, probabilities)
    for image in (0, 57, 399):
        again = np.append(np.arange(400), image)
        moved = auc_influence(labels[again], probabilities[again])[0] - area
        here = influence[labels == labels[image]]
        expected = (influence[image] - here.mean()) / (len(here) + 1)
        assert moved == pytest.approx(expected, rel=0.15, abs=2e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_spread_of_influences_is_that_of_a_bootstrap_within_classes(classes):
    labels, probabilities = predictions(classes, 150)
    _, influence = auc_influence(labels, probabilities)
    places = [np.flatnonzero(labels == c) for c in range(classes)]
    variance = sum(influence[at].var() / len(at) for at in places)
    rng = np.random.default_rng(0)
    drawn = [np.concatenate([rng.choice(at, len(at)) for at in places]) for _ in range(1500)]
    areas = [auc_influence(labels[rows], probabilities[rows])[0] for rows in drawn]
    assert np.sqrt(variance) == pytest.approx(np.std(areas), rel=0.08)


def test_a_class_without_an_image_is_refused():
    labels, probabilities = predictions(3, 30)
    with pytest.raises(ValueError, match=r"`labels`: got no image of class 1"):
        auc_influence(np.where(labels == 1, 0, labels), probabilities)


@pytest.mark.parametrize("rows", [29, 31])
def test_labels_and_scores_of_different_images_are_refused(rows):
    labels, probabilities = predictions(3, 31)
    with pytest.raises(ValueError, match=r"`predictions`: got .* labels"):
        auc_influence(labels[:30], probabilities[:rows])
