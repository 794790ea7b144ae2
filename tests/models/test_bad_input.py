"""Each bad input of the contract: a `ValueError` with argument, got and expected, and no step.

This file gives every kind of bad input to a few models. The harness gives two bad image arrays and
two bad label arrays to every model.
"""

import numpy as np
import pytest

from harness import GENERATIVE, INFERRING, LATENT, MODELS
from harness.bad_input import (
    IMAGES,
    LABELS,
    X,
    Y,
    check_bad_images,
    check_bad_labels,
    refused,
    training_calls,
    untouched,
)


@pytest.fixture(scope="module")
def models(build):
    """Return a model of each kind, with and without labels."""
    made = {(name, False): build(name) for name in GENERATIVE}
    made.update({(name, True): build(name, num_classes=2) for name in MODELS})
    return made


@pytest.mark.parametrize(
    "model", [("CVAE", True), ("CVAE", False), ("Flow", True), ("Classifier", True)]
)
@pytest.mark.parametrize("case", IMAGES)
def test_images(models, case, model):
    check_bad_images(models[model], *IMAGES[case])


@pytest.mark.parametrize("name", ["CVAE", "Flow", "Classifier"])
@pytest.mark.parametrize("case", [case for case in LABELS if case != "negative"])
def test_labels(models, case, name):
    check_bad_labels(models[name, True], *LABELS[case])


@pytest.mark.parametrize("name", GENERATIVE)
def test_labels_for_a_model_without(models, name):
    model = models[name, False]
    for run in training_calls(model):
        with refused("y", "labels", "None, since"):
            run(X, Y)
    with refused("labels", "labels", "None, since"):
        model.generate(8, labels=Y)
    if name not in INFERRING:
        return
    for pair in ([X, Y], (X, Y), (X, Y[:, None]), (X, Y.tolist())):
        for predict in (model.predict, model.predict_on_batch):
            with refused("x", "images and labels", "images"):
                predict(pair)


@pytest.mark.parametrize("name", INFERRING)
def test_images_alone_for_a_conditional_model(models, name):
    with refused("x", "images alone", "images, labels"):
        models[name, True].predict(X, verbose=0)


@pytest.mark.parametrize("name", GENERATIVE)
def test_weights_for_a_generative_model(models, name):
    model = models[name, False]
    with refused("sample_weight", "weights", "None"):
        model.fit(X, sample_weight=np.ones(8), verbose=0)
    with refused("class_weight", expected="None"):
        model.fit(X, class_weight={0: 1.0}, verbose=0)


@pytest.mark.parametrize("weight", [np.nan, np.inf, 1e300, "heavy", None])
def test_weights_that_are_no_numbers(models, weight):
    model = models["Classifier", True]
    weights = np.array([1.0] * 7 + [weight])
    with untouched(model), refused("sample_weight", expected="finite numbers"):
        model.fit(X, Y, sample_weight=weights, verbose=0)


def test_weights_of_another_length(models):
    with refused("sample_weight", r"\(3,\)", r"\(8,\)"):
        models["Classifier", True].fit(X, Y, sample_weight=np.ones(3), verbose=0)


@pytest.mark.parametrize("name", ["CVAE", "Classifier"])
def test_validation_data(models, name):
    model = models[name, True]
    for pair, argument in (
        ((X * 255, Y), r"validation_data\[0\]"),
        ((X, Y + 1), r"validation_data\[1\]"),
        ((X, None), r"validation_data\[1\]"),
    ):
        with untouched(model), pytest.raises(ValueError, match=f"`{argument}`: got "):
            model.fit(X, Y, validation_data=pair, verbose=0)


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, 0.99])
def test_validation_split(models, share):
    with refused("validation_split", expected="a fraction"):
        models["CVAE", False].fit(X, validation_split=share, verbose=0)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "4"])
def test_batch_size(models, batch_size):
    model = models["CVAE", False]
    for run in (model.fit, model.evaluate, model.predict):
        with refused("batch_size", expected="an integer above 0"):
            run(X, batch_size=batch_size, verbose=0)
    with refused("batch_size", expected="an integer above 0"):
        model.generate(2, batch_size=batch_size)


@pytest.mark.parametrize("steps", [0, -1, 2.5, "2"])
def test_steps(models, steps):
    model = models["CVAE", False]
    batches = [X[:4], X[4:]]
    calls = {
        "steps_per_epoch": lambda: model.fit(X, steps_per_epoch=steps, verbose=0),
        "validation_steps": lambda: model.fit(X, validation_data=X, validation_steps=steps),
        "steps": lambda: model.evaluate((x for x in batches), steps=steps, verbose=0),
    }
    for argument, call in calls.items():
        with refused(argument, expected="an integer above 0"):
            call()
    with refused("steps", expected="an integer above 0"):
        model.predict((x for x in batches), steps=steps, verbose=0)


@pytest.mark.parametrize("n", [0, -1, 2.5, None, "2"])
def test_number_of_images(models, n):
    with refused("n", expected="an integer above 0"):
        models["CVAE", False].generate(n)


@pytest.mark.parametrize(
    "z",
    [np.zeros(3), np.zeros((2, 4)), np.zeros((0, 3)), np.full((2, 3), np.nan), [["a", "b", "c"]]],
)
def test_latent_vectors(models, z):
    for name in LATENT:
        with pytest.raises(ValueError, match=r"`z`: got .*; expected"):
            models[name, False].decode(z)


@pytest.mark.parametrize("data", [None, 3, [], "images"])
def test_what_is_no_data_at_all(models, data):
    model = models["CVAE", False]
    for run in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match=r"`x`: got .*; expected"):
            run(data, verbose=0)
