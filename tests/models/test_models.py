"""What all models have to do: `run_model_test` of the harness."""

import pytest

from harness import MODELS, run_model_test
from keras_medaug import models

BASES = {"GenerativeModel", "LatentModel"}


def test_every_public_model_is_listed():
    public = {name for name in models.__all__ if isinstance(getattr(models, name), type)}
    assert set(MODELS) == public - BASES


@pytest.mark.parametrize("name", MODELS)
def test_a_model_does_what_all_models_do(name, tmp_path):
    run_model_test(MODELS[name], tmp_path)
