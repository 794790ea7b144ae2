"""The layer that a model is given to augment its training images with."""

from typing import Any

import keras

from keras_medaug.seeds import derive_seed


def config_of(layer: keras.layers.Layer | None) -> dict | None:
    """Return a layer as a configuration.

    Example:

    >>> from keras_medaug.models.given_augmentation import config_of
    >>> config_of(None) is None
    True
    """
    return None if layer is None else keras.saving.serialize_keras_object(layer)


def seeded_copy(layer: keras.layers.Layer | None, seed: int) -> keras.layers.Layer | None:
    """Return a copy of a layer, with its weights, and with seeds where it has none.

    Args:
        layer: A layer, which may hold others; or `None`.
        seed: Integer seed: that of the layer where its own is `None`. Seeds that layers within
            lack are derived from it.

    Returns:
        The copy, or `None`.

    Example:

    >>> import keras
    >>> from keras_medaug.models.given_augmentation import seeded_copy
    >>> seeded_copy(keras.layers.GaussianNoise(0.1), 3).get_config()["seed"]
    3
    """
    if layer is None:
        return None
    copy = type(layer).from_config(_seeded(layer.get_config(), seed))
    if layer.weights:
        if not copy.built:
            copy.build_from_config(layer.get_build_config())
        copy.set_weights(layer.get_weights())
    return copy


def _seeded(config: Any, seed: int, *place: object) -> Any:
    """Return a configuration with integers for seeds that are `None`."""
    if isinstance(config, dict):
        return {
            name: (derive_seed(seed, *place) if place else seed)
            if name == "seed" and value is None
            else _seeded(value, seed, *place, name)
            for name, value in config.items()
        }
    if isinstance(config, list | tuple):
        return [_seeded(value, seed, *place, index) for index, value in enumerate(config)]
    return config
