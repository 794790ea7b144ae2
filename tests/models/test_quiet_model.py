"""Weights become arrays without a warning, with which NumPy flooded TensorFlow's output."""

import keras
import numpy as np
import pytest

import harness
from harness.bad_input import X, Y
from harness.models import MODELS, outputs
from keras_medaug.callbacks import ResumeTraining
from keras_medaug.features import ModelFeatures


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("name", ["CVAE", "Classifier"])
def test_nothing_that_a_model_does_warns_of_arrays(build, name, tmp_path, recwarn):
    model = build(name, **MODELS[name].rich)
    harness.fit(model, callbacks=[ResumeTraining(tmp_path)], validation_data=(X, Y))
    model.train_on_batch(X, Y)
    outputs(model)
    model.save(tmp_path / "model.keras")
    model.reinitialize(1)
    model.load_weights(tmp_path / "epoch-1.weights.h5")
    if name == "CVAE":
        model.reconstruct(X, Y)
    else:
        model.logits(X)
        ModelFeatures(model.network)(X)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.get_weights()) == len(model.get_weights())
    assert not [str(warning.message) for warning in recwarn if "__array__" in str(warning.message)]


def test_weights_are_copies(build):
    model = build("CVAE")
    before = model.get_weights()
    kept = [weight.copy() for weight in before]
    harness.fit(model)
    assert all(np.array_equal(one, other) for one, other in zip(before, kept, strict=True))
    assert not all(map(np.array_equal, before, model.get_weights()))
