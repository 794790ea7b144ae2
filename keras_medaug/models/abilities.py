"""Abilities that not every generative model has, such as `encode`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from keras_medaug.checks import fail

if TYPE_CHECKING:
    from keras_medaug.models.generative_model import GenerativeModel

Method = TypeVar("Method", bound=Callable[..., Any])

# The registered models by name, which `models.registry` fills.
GENERATORS: dict[str, type[GenerativeModel]] = {}
# Methods that only say that a model lacks the ability.
_LACKED: list[Callable[..., Any]] = []


def lacked(method: Method) -> Method:
    """Mark a method of the base as one that a model lacks unless it overrides it.

    Args:
        method: The method, which raises an error.

    Returns:
        The same.

    Example:

    >>> from keras_medaug.models.abilities import has_ability, lacked
    >>> class Base:
    ...     @lacked
    ...     def fly(self):
    ...         raise ValueError
    >>> has_ability(Base, "fly")
    False
    """
    _LACKED.append(method)
    return method


def has_ability(model: Any, ability: str) -> bool:
    """Tell whether a model has an ability that not every generative model has.

    `hasattr` does not tell: `GenerativeModel` has a method of that name, which raises an error.

    Args:
        model: A model or a class of models.
        ability: Name of a method, as `"encode"`, or of another attribute that is true of a class
            that has the ability.

    Returns:
        Whether its class has it.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.registry import has_ability
    >>> has_ability(kma.models.CVAE, "encode"), has_ability(kma.models.DCGAN, "encode")
    (True, False)
    """
    kind = model if isinstance(model, type) else type(model)
    value = getattr(kind, ability, None)
    return bool(value) and all(value is not method for method in _LACKED)


def check_ability(model: Any, ability: str, argument: str) -> None:
    """Check that a model has an ability that not every generative model has.

    Args:
        model: The model.
        ability: As in `has_ability`.
        argument: Name under which a model without it is reported.

    Raises:
        ValueError: If the model lacks the ability. The message names the registered models that
            have it.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.registry import check_ability
    >>> check_ability(kma.models.DCGAN((8, 8, 1)), "encode", "model")
    Traceback (most recent call last):
    ValueError: `model`: got a DCGAN, which has no `encode`; expected one of cvae, vaegan.
    """
    if not has_ability(model, ability):
        raise lack_of(model, ability, argument)


def lack_of(model: Any, ability: str, argument: str) -> ValueError:
    """Return the error of a model that lacks an ability.

    Args:
        model: The model.
        ability: As in `has_ability`.
        argument: Name under which the model is reported.

    Returns:
        The error. Its message names the registered models that have the ability.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.models.abilities import lack_of
    >>> lack_of(kma.models.DCGAN((8, 8, 1)), "encode", "model")
    ValueError('`model`: got a DCGAN, which has no `encode`; expected one of cvae, vaegan.')
    """
    able = [name for name, kind in GENERATORS.items() if has_ability(kind, ability)]
    expected = f"one of {', '.join(able)}" if able else "a model of your own: none here has it"
    lacks = "whose base has no" if has_ability(model, ability) else "which has no"
    return fail(argument, f"a {type(model).__name__}, {lacks} `{ability}`", expected)
