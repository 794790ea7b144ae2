"""The linear baseline, on sets whose classes differ in a known way."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

import keras_medaug as kma
from keras_medaug.study.data import linear_scores, run_audit, training_index
from keras_medaug.study.learning import linear_against
from keras_medaug.study.scores import area
from keras_medaug.study.task import Task, unpacked

pytestmark = pytest.mark.backend_free


def test_it_is_the_ridge_regression_of_scikit_learn():
    rng = np.random.default_rng(0)
    known, tested = rng.normal(size=(60, 5)), rng.normal(size=(20, 5))
    labels = np.arange(60) % 3
    known[:, 4] = tested[:, 4] = 0.1  # which tells nothing
    spread = known[:, :4].std(axis=0)
    model = Ridge(alpha=1.0).fit(known[:, :4] / spread, np.eye(3)[labels])
    expected = model.predict(tested[:, :4] / spread)
    scores = linear_scores(known, labels, tested, 3)
    differences = scores - expected
    np.testing.assert_allclose(differences, np.tile(differences[:1], (20, 1)), atol=1e-9)
    np.testing.assert_allclose(scores.sum(axis=1), 0, atol=1e-12)


def test_of_three_classes_the_score_of_the_class_itself_is_ranked():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    scores = 3 * rng.normal(size=(2, 90, 3)) + np.eye(3)[labels]
    scores -= scores.mean(axis=-1, keepdims=True)
    expected = np.mean([
        roc_auc_score(labels == label, rows[:, label]) for rows in scores for label in range(3)
    ])  # fmt: skip
    linear = linear_against(labels, scores, scores)
    assert linear["auc"] == pytest.approx(expected, abs=1e-12)
    assert abs(area(labels, scores[0]) - expected) > 1e-3  # log-odds have another order


def bright(count, rng):
    """Return images of two classes that differ in brightness alone."""
    labels = np.arange(count) % 2
    noise = 0.1 * rng.normal(size=(count, 8, 8, 1)) + 0.05 * rng.normal(size=(count, 1, 1, 1))
    images = np.clip(0.4 + 0.1 * labels[:, None, None, None] + noise, 0, 1)
    return images.astype("float32"), labels


def test_an_audit_scores_it_for_each_part_of_the_training_split():
    rng = np.random.default_rng(0)
    (train_x, train_y), (val_x, val_y) = bright(200, rng), bright(40, rng)
    val_x[:3] = train_x[:3]
    data = kma.datasets.from_arrays(train_x, train_y, val_x, val_y, *bright(100, rng))
    config = {"near": 0.02, "train_fraction": 0.25, "seeds": 3}
    audit = run_audit(Task("audit", config, Path("tasks"), run_audit), data)
    scores = unpacked(audit["linear_baseline"])
    assert scores.shape == (3, 100, 2)
    assert min(area(data.test[1], of_seed) for of_seed in scores) > 0.75
    assert not np.allclose(scores[0], scores[1])
    assert audit["validation"]["near_duplicates"][:3] == [0, 1, 2]
    assert audit["validation"]["exact_duplicates"] >= 3
    assert len(training_index({"seed": 0, "train_fraction": 0.25}, data)) == len(train_y) // 4
    config |= {"train_fraction": 1.0}
    whole = run_audit(Task("audit", config, Path("tasks"), run_audit), data)
    assert unpacked(whole["linear_baseline"]).shape == (1, 100, 2)
