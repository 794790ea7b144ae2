"""Weights become arrays without a warning, with which NumPy flooded TensorFlow's output."""

import keras
import numpy as np
import pytest

import harness
from harness.models import MODELS
from keras_medaug.callbacks import ResumeTraining


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", MODELS)
def test_training_saving_and_loading_warn_of_nothing(build, name, tmp_path):
    model = build(name, **MODELS[name].rich)
    harness.fit(model, epochs=2, callbacks=[ResumeTraining(tmp_path)])
    model.save(tmp_path / "model.keras")
    model.restart(1)
    model.load_weights(tmp_path / "epoch-2.weights.h5")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_are_copies(build):
    model = build("CVAE")
    before = model.get_weights()
    kept = [weight.copy() for weight in before]
    harness.fit(model)
    assert all(np.array_equal(one, other) for one, other in zip(before, kept, strict=True))
    assert not all(map(np.array_equal, before, model.get_weights()))
