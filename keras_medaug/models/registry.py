"""The registry of generative models: what `augment`, arms, tests and documentation read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras

from keras_medaug.checks import fail
from keras_medaug.models.abilities import GENERATORS as _GENERATORS
from keras_medaug.models.abilities import check_ability, has_ability
from keras_medaug.models.configuration import constructor_arguments
from keras_medaug.models.generative_model import GenerativeModel

Kind = TypeVar("Kind", bound=type[GenerativeModel])

# What is set for a model, not by the user.
FIXED = frozenset({"image_shape", "num_classes", "seed", "class_names"})
# Each generator is an arm of a study. These names are, or may become, arms without a generator.
RESERVED = ("none", "oversample", "geometric", "trivial", "mixup", "cutmix", "real")

__all__ = [
    "check_ability", "check_settings", "generator_class", "generators", "has_ability",
    "new_generator", "register_generator",
]  # fmt: skip


def register_generator(name: str) -> Callable[[Kind], Kind]:
    """Register a generative model under a name, by which `augment` and studies find it.

    Keras can then load the model, too: a class that is not registered with Keras is registered as
    `generators>` and the name.

    Args:
        name: A new name: lower-case letters, digits and underscores, a letter first. A class may
            take the place of one of the same module and name, as where a cell of a notebook is run
            again.

    Returns:
        A decorator of the class.

    Raises:
        ValueError: If another class has the name; if the name is that of an arm without a
            generator, such as `"none"`; if the name has other characters than lower-case letters,
            digits and underscores; or if the class is not a subclass of `GenerativeModel`.

    Example:

    >>> import keras_medaug as kma
    >>> kma.models.register_generator("cvae")(kma.models.CVAE) is kma.models.CVAE
    True
    """
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        expected = "lower-case letters, digits and underscores, a letter first"
        raise fail("name", repr(name), expected)
    if name in RESERVED:
        got = f"{name!r}, which is kept for an arm without a generator"
        raise fail("name", got, f"another name than {', '.join(RESERVED)}")

    def register(kind: Kind) -> Kind:
        if not (inspect.isclass(kind) and issubclass(kind, GenerativeModel)):
            raise fail("cls", repr(kind), "a subclass of keras_medaug.models.GenerativeModel")
        registered = _GENERATORS.get(name, kind)
        if _identity(registered) != _identity(kind):
            got = f"{name!r}, the name of {'.'.join(_identity(registered))}"
            raise fail("name", got, "a name that no other model has")
        # Once more for a class that another one had taken the place of since.
        if keras.saving.get_registered_name(kind) in (kind.__name__, f"generators>{name}"):
            keras.saving.register_keras_serializable("generators", name)(kind)
        _GENERATORS[name] = kind
        return kind

    return register


def _identity(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


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


def generator_class(method: str) -> type[GenerativeModel]:
    """Return a registered generative model.

    Args:
        method: A name in `generators()`.

    Returns:
        The class.

    Raises:
        ValueError: If no generative model is registered under this name.

    Example:

    >>> from keras_medaug.models.registry import generator_class
    >>> generator_class("cvae").__name__
    'CVAE'
    """
    known = generators()
    if not isinstance(method, str) or method not in known:
        raise fail("method", repr(method), f"one of {', '.join(known)}")
    return known[method]


def new_generator(
    kind: type[GenerativeModel],
    image_shape: Sequence[int],
    num_classes: int | None,
    seed: int,
    settings: Mapping[str, Any],
    argument: str = "settings",
    class_names: Sequence[str] | None = None,
) -> GenerativeModel:
    """Return a compiled model that has yet to be trained.

    Args:
        kind: The model's class, registered or not.
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes of a conditional model, or `None`.
        seed: Integer seed.
        settings: Further arguments of the model.
        argument: Name under which these are reported.
        class_names: Names of the classes of a conditional model, or `None`.

    Returns:
        The model.

    Raises:
        ValueError: If the model refuses a setting.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.registry import new_generator
    >>> new_generator(kma.models.CVAE, (8, 8, 1), 2, 0, {"latent_dim": 4}).latent_dim
    4
    """
    check_settings(kind, settings, argument)
    model = kind(
        image_shape, num_classes=num_classes, seed=seed, class_names=class_names, **settings
    )
    model.compile()
    return model


def check_settings(
    kind: type[keras.Model],
    settings: Mapping[str, Any],
    argument: str,
    fixed: frozenset[str] = FIXED,
) -> None:
    """Check that a model takes these settings, beside what is set for it.

    Args:
        kind: The model's class.
        settings: Arguments by name.
        argument: Name under which they are reported.
        fixed: Arguments of the model that are set for it.

    Raises:
        ValueError: If a setting is not an argument of the model, or is set for it.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.registry import check_settings
    >>> check_settings(kma.models.CVAE, {"latent_dim": 4}, "settings")
    """
    known = set(constructor_arguments(kind)) - fixed
    unknown = sorted(set(settings) - known)
    if unknown:
        raise fail(argument, repr(unknown), f"among {', '.join(sorted(known))}")
