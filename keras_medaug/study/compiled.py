"""Models that have been compiled, for the next task of the same kind."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from keras_medaug.models.image_model import ImageModel
from keras_medaug.provenance import dtype_policy

# By all but their seed: `reinitialize` makes them new without compiling.
_MODELS: dict[str, ImageModel] = {}
MOST_MODELS = 8


def compiled_model(config: Mapping[str, Any], seed: int, make: Callable[[], ImageModel]) -> Any:
    """Return a model that has yet to be trained, compiled before where there is one like it.

    Args:
        config: All that tells it from others but its seed.
        seed: Its seed.
        make: Makes it.

    Returns:
        The model.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.compiled import compiled_model
    >>> def make():
    ...     return kma.models.CVAE((8, 8, 1), latent_dim=2, encoder_filters=4, decoder_filters=4)
    >>> compiled_model({"example": 1}, 0, make) is compiled_model({"example": 1}, 1, make)
    True
    """
    key = json.dumps({**config, **dtype_policy()}, sort_keys=True)
    if key in _MODELS:
        _MODELS[key].reinitialize(seed)
    else:
        if len(_MODELS) >= MOST_MODELS:
            del _MODELS[next(iter(_MODELS))]
        _MODELS[key] = make()
    return _MODELS[key]


def forget_models() -> None:
    """Drop all models: one of them may be in the middle of something.

    Example:

    >>> from keras_medaug.study.compiled import forget_models
    >>> forget_models()
    """
    _MODELS.clear()
