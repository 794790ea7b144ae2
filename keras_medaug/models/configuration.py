"""A model as a configuration, read from its constructor's arguments."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import keras

from keras_medaug.seeds import derive_seed


def constructor_arguments(kind: type[keras.Model]) -> dict[str, inspect.Parameter]:
    """Return the arguments of a model's constructor, those that it passes to its bases included.

    Args:
        kind: A subclass of `ImageModel`.

    Returns:
        The parameters by name, without `self` and `**kwargs`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.configuration import constructor_arguments
    >>> constructor_arguments(kma.models.DCGAN)["latent_dim"].default
    64
    """
    arguments: dict[str, inspect.Parameter] = {}
    for base in kind.__mro__:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        parameters = list(inspect.signature(constructor).parameters.values())[1:]
        named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        arguments = {p.name: p for p in named} | arguments
        if base.__name__ == "ImageModel" or len(named) == len(parameters):
            break
    return arguments


def as_config(value: Any) -> Any:
    """Return an argument as JSON can hold it; Keras's objects as Keras serializes them.

    Example:

    >>> from keras_medaug.models.configuration import as_config
    >>> as_config(("benign", "malignant"))
    ['benign', 'malignant']
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [as_config(item) for item in value]
    if isinstance(value, dict):
        return {name: as_config(item) for name, item in value.items()}
    return keras.saving.serialize_keras_object(value)


def from_config_value(value: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Return the argument that `as_config` made a value of.

    Example:

    >>> from keras_medaug.models.configuration import from_config_value
    >>> from_config_value(["benign", "malignant"])
    ['benign', 'malignant']
    """
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return value


def reseeded(config: Any, seed: int, *place: object) -> Any:
    """Return a configuration whose seeds are derived from `seed` and their place in it.

    Args:
        config: A configuration of layers, initializers and seed generators.
        seed: Integer seed of the whole.
        *place: Where in the whole the configuration stands.

    Returns:
        The configuration, with an integer wherever it has a key `seed`.

    Example:

    >>> from keras_medaug.models.configuration import reseeded
    >>> one, other = (reseeded({"seed": None, "rate": 0.5}, seed) for seed in (1, 2))
    >>> one["rate"], one["seed"] == other["seed"]
    (0.5, False)
    """
    if isinstance(config, dict):
        return {
            name: derive_seed(seed, *place, name)
            if name == "seed" and (value is None or isinstance(value, int))
            else reseeded(value, seed, *place, name)
            for name, value in config.items()
        }
    if isinstance(config, list | tuple):
        return [reseeded(value, seed, *place, index) for index, value in enumerate(config)]
    return config


def as_record(configuration: Callable[[], object]) -> str | None:
    """Return a configuration as JSON, or `None` where there is none to be had.

    Args:
        configuration: Returns it, or raises.

    Returns:
        JSON, or `None`.

    Example:

    >>> from keras_medaug.models.configuration import as_record
    >>> as_record(lambda: {"rate": 0.1})
    '{"rate": 0.1}'
    """
    try:
        return json.dumps(configuration())
    except (NotImplementedError, TypeError, ValueError):
        return None
