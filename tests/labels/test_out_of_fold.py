"""Classifiers that predict labels of images which they were not trained on."""

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.labels.out_of_fold_classifier import stratified_folds
from keras_medaug.models.fit_steps import fit_steps


def separable(count, seed=0):
    """Return images of two classes that a small classifier tells apart: bright above, or below."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 2
    x = rng.random((count, 8, 8, 1), "float32") * 0.4
    x[y == 0, :4] += 0.5
    x[y == 1, 4:] += 0.5
    return x, y


@pytest.fixture(scope="module")
def classifier():
    x, y = separable(60)
    return kma.labels.OutOfFoldClassifier(
        folds=3, steps=60, batch_size=16, seed=0, filters=4, dropout=0.0
    ).fit(x, y)


def test_right_labels_are_agreed_with_and_wrong_ones_are_not(classifier):
    x, y = separable(40, seed=1)
    wrong = y.copy()
    wrong[:10] = 1 - wrong[:10]
    agrees = classifier.agrees(x, wrong)
    assert agrees[10:].mean() > 0.9
    assert agrees[:10].mean() < 0.1
    assert classifier.real_agreement > 0.9


@pytest.mark.one_backend
def test_labels_learned_by_heart_do_not_count():
    """Of random labels each classifier knows those of its own images, and no others."""
    x, _ = separable(60)
    y = np.random.default_rng(3).integers(0, 2, 60)
    classifier = kma.labels.OutOfFoldClassifier(
        folds=3, steps=300, batch_size=20, seed=0, filters=16, dropout=0.0
    ).fit(x, y)
    assert classifier.real_agreement < 0.75
    alone = kma.models.Classifier((8, 8, 1), 2, filters=16, dropout=0.0, seed=0)
    alone.compile()
    fit_steps(alone, x, y, 300, 20)
    assert (alone.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.85


def test_the_mean_of_the_folds_is_what_counts(classifier):
    x, _ = separable(5, seed=2)
    predictions = []
    for weights in classifier._weights:
        classifier._classifier.set_weights(weights)
        predictions.append(classifier._classifier.predict(x, verbose=0))
    assert len(predictions) == 3
    assert not np.allclose(predictions[0], predictions[1])
    np.testing.assert_allclose(classifier.predict(x), np.mean(predictions, axis=0), atol=1e-6)


def test_the_least_probability_is_asked_for(classifier):
    x, y = separable(40, seed=1)
    of_label = classifier.predict(x)[np.arange(40), y]
    least = float(np.median(of_label))
    assert classifier.agrees(x, y, least).sum() == (of_label >= least).sum()


def test_folds_are_stratified_and_repeatable():
    y = np.repeat([0, 1], [30, 6])
    fold_of = stratified_folds(y, 3, seed=1)
    for fold in range(3):
        assert np.bincount(y[fold_of == fold]).tolist() == [10, 2]
    assert np.array_equal(fold_of, stratified_folds(y, 3, seed=1))
    assert not np.array_equal(fold_of, stratified_folds(y, 3, seed=2))


def test_what_is_refused():
    x, _ = separable(10)
    with pytest.raises(ValueError, match="`folds`: got 1"):
        kma.labels.OutOfFoldClassifier(folds=1)
    with pytest.raises(ValueError, match="`y`: got 1 images of class 1"):
        kma.labels.OutOfFoldClassifier(folds=2).fit(x, np.array([0] * 9 + [1]))
    with pytest.raises(RuntimeError, match="fit"):
        kma.labels.OutOfFoldClassifier().predict(x)
