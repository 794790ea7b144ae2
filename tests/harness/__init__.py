"""Tests that every model and every layer of the package has to pass.

`MODELS` and `LAYERS` list them for all tests: a new model or layer is one entry there. The scripts
in `tests/parity` have lists of their own, since they also run with earlier releases.
"""

from harness.layers import LAYERS, run_layer_test
from harness.models import GENERATIVE, MODELS, build, compiled, fit, new, run_model_test

__all__ = [
    "GENERATIVE",
    "LAYERS",
    "MODELS",
    "build",
    "compiled",
    "fit",
    "new",
    "run_layer_test",
    "run_model_test",
]
