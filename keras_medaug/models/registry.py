"""The registry of generative models: what `augment`, arms, tests and documentation read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras

from keras_medaug.checks import fail
from keras_medaug.models.generative_model import GenerativeModel

Kind = TypeVar("Kind", bound=type[GenerativeModel])

# What is set for a model, not by the user.
FIXED = {"self", "kwargs", "image_shape", "num_classes", "seed", "augmentation", "class_names"}
_GENERATORS: dict[str, type[GenerativeModel]] = {}


def register_generator(name: str) -> Callable[[Kind], Kind]:
    """Register a generative model under a name, by which `augment` and studies find it.

    Args:
        name: A new name in lower case: letters, digits and underscores.

    Returns:
        A decorator of the class.

    Raises:
        ValueError: If the name is taken by another class or is no such name, or the class is not a
            subclass of `GenerativeModel`.

    Example:

    >>> import keras_medaug as kma
    >>> kma.models.register_generator("cvae")(kma.models.CVAE) is kma.models.CVAE
    True
    """

    def register(kind: Kind) -> Kind:
        _GENERATORS[name] = kind
        return kind

    return register


def generators() -> dict[str, type[GenerativeModel]]:
    """Return the registered generative models, by name.

    Returns:
        A new dictionary.

    Example:

    >>> import keras_medaug as kma
    >>> kma.models.generators()["dcgan"] is kma.models.DCGAN
    True
    """
    return dict(_GENERATORS)


def new_generator(
    method: str,
    image_shape: Sequence[int],
    num_classes: int | None,
    seed: int,
    settings: Mapping[str, Any],
    argument: str = "settings",
    class_names: Sequence[str] | None = None,
) -> GenerativeModel:
    """Return a compiled model that has yet to be trained.

    Args:
        method: A name in `generators()`.
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes of a conditional model, or `None`.
        seed: Integer seed.
        settings: Further arguments of the model.
        argument: Name under which these are reported.
        class_names: Names of the classes of a conditional model, or `None`.

    Returns:
        The model.

    Raises:
        ValueError: If there is no such method, or the model refuses a setting.

    Example:

    >>> from keras_medaug.models.registry import new_generator
    >>> new_generator("cvae", (8, 8, 1), 2, 0, {"latent_dim": 4}).latent_dim
    4
    """
    known = generators()
    if method not in known:
        raise fail("method", repr(method), f"one of {', '.join(known)}")
    check_settings(known[method], settings, argument)
    model = known[method](
        image_shape, num_classes=num_classes, seed=seed, class_names=class_names, **settings
    )
    model.compile()
    return model


def check_settings(kind: type[keras.Model], settings: Mapping[str, Any], argument: str) -> None:
    """Check that a model takes these settings, beside what is set for it.

    Args:
        kind: The model's class.
        settings: Arguments by name.
        argument: Name under which they are reported.

    Raises:
        ValueError: If one is not an argument of the model, or not for the caller to set.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.registry import check_settings
    >>> check_settings(kma.models.CVAE, {"latent_dim": 4}, "settings")
    """
    known = set(inspect.signature(kind.__init__).parameters) - FIXED
    unknown = sorted(set(settings) - known)
    if unknown:
        raise fail(argument, repr(unknown), f"among {', '.join(sorted(known))}")
