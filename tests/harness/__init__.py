"""What every model and every layer of the package has to do, asked of each in one call.

`MODELS` and `LAYERS` are where the tests list them: a new model or layer is one entry there.
"""

from harness.layers import LAYERS, run_layer_test
from harness.models import GENERATIVE, MODELS, Case, build, compiled, fit, run_model_test

__all__ = [
    "GENERATIVE",
    "LAYERS",
    "MODELS",
    "Case",
    "build",
    "compiled",
    "fit",
    "run_layer_test",
    "run_model_test",
]
