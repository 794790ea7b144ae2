"""Logits keep the order that probabilities in float32 lose."""

import numpy as np
import pytest

from keras_medaug.metrics.predictions import are_probabilities, class_scores, log_probabilities

pytestmark = pytest.mark.backend_free


def softmax(logits, dtype="float64"):
    odds = np.exp((logits - logits.max(axis=-1, keepdims=True)).astype(dtype))
    return odds / odds.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores_of_logits_are_the_log_odds_of_their_softmax(classes):
    logits = np.random.default_rng(classes).normal(size=(5, 20, classes)) * 3
    p = softmax(logits)
    scores = class_scores(logits.astype("float32"))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, np.log(p / (1 - p)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_probabilities(logits), np.log(p), rtol=1e-9)


def test_of_two_classes_they_are_the_difference():
    logits = np.float32([[3, 45], [0, 60], [-500, 500]])
    assert class_scores(logits)[:, 1].tolist() == [42.0, 60.0, 1000.0]


def test_what_is_saturated_as_probabilities_keeps_its_order():
    logits = np.float32([[0, 40, 1], [0, 60, 1]])
    assert softmax(logits, "float32")[:, 1].tolist() == [1.0, 1.0]
    first, second = class_scores(logits)[:, 1]
    assert first < second
    assert np.isfinite(class_scores(logits * np.float32(1e30))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_are_ranked_as_they_are(dtype):
    p = softmax(np.random.default_rng(0).normal(size=(30, 4))).astype(dtype)
    np.testing.assert_array_equal(class_scores(p), p.astype("float64"))
    np.testing.assert_allclose(log_probabilities(p), np.log(p), rtol=1e-5)
    assert np.isneginf(log_probabilities([[0.0, 1.0]])[0, 0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.5, 0.5]], True), ([[0.0, 1.0]], True), ([[0.4995, 0.4999]], True),
        ([[0.4, 0.5]], False), ([[1.5, -0.5]], False), ([[0.5, 0.5], [0.5, 0.6]], False),
        ([[np.nan, 1.0]], False), ([[[0, 1], [1, 0]]], True), ([[True, False]], True),
    ],
)  # fmt: skip
def test_probabilities_are_told_from_logits(values, expected):
    assert are_probabilities(values) is expected
