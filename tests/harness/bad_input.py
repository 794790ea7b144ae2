"""Bad images and labels, and the methods of a model that have to refuse them."""

import contextlib
import re

import numpy as np
import pytest

from harness.state import equal, state
from keras_medaug.models import GenerativeModel
from keras_medaug.models.registry import has_ability

X = np.random.default_rng(0).random((8, 8, 8, 1), dtype="float32")
Y = np.arange(8, dtype="int32") % 2


def spoilt(value):
    """Return the images with one pixel of another value."""
    x = X.copy()
    x[-1, -1, -1, -1] = value
    return x


# Bad input; a pattern of the message after "got"; a pattern after "expected".
IMAGES = {
    "rank 3": (X[0], r"shape \(8, 8, 1\)", "four axes"),
    "rank 5": (X[None], r"shape \(1, 8, 8, 8, 1\)", "four axes"),
    "empty": (X[:0], r"shape \(0, 8, 8, 1\)", "at least one image"),
    "NaN": (spoilt(np.nan), "NaN", "finite"),
    "infinite": (spoilt(np.inf), "infinite", "finite"),
    "below 0": (spoilt(-0.1), "-0.1", r"\[0, 1\]"),
    "8-bit floats": (X * 255, "values from", "divide by 255"),
    "two channels": (np.zeros((8, 8, 8, 2)), r"\(8, 8, 2\)", "1 or 3 channels"),
    "too small": (np.zeros((8, 7, 8, 1)), r"\(7, 8, 1\)", "sizes from 8 to 256"),
    "too large": (np.zeros((1, 8, 257, 1)), r"\(8, 257, 1\)", "sizes from 8 to 256"),
    "int64": (np.zeros((8, 8, 8, 1), int), "dtype int64", "uint8"),
    "another size": (np.zeros((8, 9, 8, 1)), r"\(9, 8, 1\)", r"\(8, 8, 1\)"),
    "colour": (np.zeros((8, 8, 8, 3)), r"\(8, 8, 3\)", r"\(8, 8, 1\)"),
}
LABELS = {
    "missing": (None, "None", r"labels in \[0, 2\)"),
    "too large": (Y + 2, "labels from 2 to 3", r"\[0, 2\)"),
    "from 1": (Y + 1, "labels from 1 to 2", r"\[0, 2\) .subtract 1"),
    "negative": (Y - 1, "labels from -1 to 0", r"\[0, 2\)"),
    "far below": (Y - 2, "labels from -2 to -1", r"\[0, 2\)"),
    "float": (Y.astype("float32"), "dtype float32", r"integers .*astype\(int\)"),
    "names": (np.array(["a", "b"])[Y], "names", "integers.*class_names="),
    "a row": (Y[None], r"shape \(1, 8\)", r"one axis.*`.ravel\(\)`"),
    "one-hot": (np.eye(2, dtype=int)[Y], r"shape \(8, 2\)", r"one axis.*`.argmax\(-1\)`"),
    "too few": (Y[:-1], "7 labels", "8, one per image"),
}


@contextlib.contextmanager
def refused(argument, got="", expected=""):
    """Expect a `ValueError` that names the argument (a pattern), what came, and what is wanted."""
    with pytest.raises(
        ValueError, match=rf"(?s)`{argument}`: got .*{got}.*; expected .*{expected}"
    ):
        yield


@contextlib.contextmanager
def untouched(model):
    """Expect all that a model holds to stay as it is."""
    before = state(model)
    yield
    # Optimizer slots may come into being; nothing that was there may move.
    assert equal(before, state(model)[: len(before)])


def training_calls(model):
    """Return the calls that take images and labels."""
    return (
        lambda x, y: model.fit(x, y, batch_size=4, verbose=0),
        lambda x, y: model.evaluate(x, y, verbose=0),
        model.train_on_batch,
        model.test_on_batch,
    )


def infers(model):
    """Say whether a model, or a class of models, makes something of images that it is given."""
    kind = model if isinstance(model, type) else type(model)
    return getattr(kind, "_infer", None) is not GenerativeModel._infer


def check_bad_images(model, bad, got, expected):
    """Every method that takes images refuses bad ones, and the model stays as it is."""
    labels = None if model.num_classes is None else Y
    name = r"x(\.shape\[1:\])?"
    for call in training_calls(model):
        with untouched(model), refused(name, got, expected):
            call(bad, labels)
    generative = hasattr(model, "generate")
    paired = generative and labels is not None
    images = r"x\[0\]" if paired else "x"
    for call in (model.predict, model.predict_on_batch) if infers(model) else ():
        with refused(rf"{images}(\.shape\[1:\])?", got, expected):
            call([bad, labels] if paired else bad)
    for ability in ("encode", "reconstruct", "vary"):
        if has_ability(model, ability):
            with refused(r"x(\..*)?", got, expected):
                getattr(model, ability)(bad, *([labels] if paired else []))


def check_bad_labels(model, bad, got, expected):
    """Every method that takes labels refuses bad ones, and the model stays as it is."""
    for call in training_calls(model):
        with untouched(model), refused("y", got, expected):
            call(X, bad)
    if not hasattr(model, "generate"):
        return
    # Where labels may be unknown, they may be left out.
    may_lack = bad is None and has_ability(model, "takes_unlabelled")
    calls = [] if may_lack else [lambda labels: model.generate(8, labels)]
    if has_ability(model, "vary") and not may_lack:
        calls.append(lambda labels: model.vary(X, labels))
    if has_ability(model, "encode"):
        calls += [lambda labels: model.encode(X, labels), lambda y: model.reconstruct(X, y)]
    if hasattr(model, "decode"):
        calls.append(lambda labels: model.decode(np.zeros((8, model.latent_dim)), labels))
    for call in calls:
        with refused("labels", got, expected):
            call(bad)
    if bad is not None and infers(model):
        with refused(re.escape("x[1]"), got, expected):
            model.predict([X, bad], verbose=0)
