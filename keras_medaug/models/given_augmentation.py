"""The layer that a model is given to augment its training images with."""

import keras


def config_of(layer: keras.layers.Layer | None) -> dict | None:
    """Return a layer as a configuration.

    Example:

    >>> from keras_medaug.models.given_augmentation import config_of
    >>> config_of(None) is None
    True
    """
    return None if layer is None else keras.saving.serialize_keras_object(layer)


def seeded_copy(layer: keras.layers.Layer | None, seed: int) -> keras.layers.Layer | None:
    """Return a copy of a layer, with this seed where it has a `seed` that is `None`.

    Example:

    >>> import keras
    >>> from keras_medaug.models.given_augmentation import seeded_copy
    >>> seeded_copy(keras.layers.GaussianNoise(0.1), 3).get_config()["seed"]
    3
    """
    if layer is None:
        return None
    config = layer.get_config()
    if "seed" in config and config["seed"] is None:
        config = {**config, "seed": seed}
    return type(layer).from_config(config)
