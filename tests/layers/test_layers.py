"""What all layers have to do: `run_layer_test` of the harness."""

import pytest

from harness import LAYERS, run_layer_test
from keras_medaug import layers


def test_every_public_layer_is_listed():
    assert sorted(LAYERS) == sorted(layers.__all__)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_does_what_all_layers_do(name, tmp_path):
    run_layer_test(LAYERS[name], tmp_path)
