"""Tests that every model and every layer of the package has to pass.

`MODELS` holds the registered generative models and the classifier, and `LAYERS` lists the layers. A
new layer is one entry there; a new generative model needs none. The scripts in `tests/parity` have
lists of their own, since they also run with earlier releases.
"""

from harness.layers import LAYERS, run_layer_test
from harness.models import (
    CONVOLUTIONAL,
    GENERATIVE,
    INFERRING,
    LATENT,
    MODELS,
    build,
    case_of,
    compiled,
    fit,
    new,
    run_model_test,
)

__all__ = [
    "CONVOLUTIONAL",
    "GENERATIVE",
    "INFERRING",
    "LATENT",
    "LAYERS",
    "MODELS",
    "build",
    "case_of",
    "compiled",
    "fit",
    "new",
    "run_layer_test",
    "run_model_test",
]
