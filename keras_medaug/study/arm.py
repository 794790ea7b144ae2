"""The arms of a study: what each trains the classifier on."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from keras_medaug.checks import fail
from keras_medaug.models import generators

GENERATORS = ("cvae", "dcgan", "vaegan")
SAFE = "geometric-safe"
ARMS = (
    "none",
    "oversample",
    "geometric",
    SAFE,
    *GENERATORS,
    *(f"{SAFE}+{method}" for method in GENERATORS),
)
DIAGNOSTICS = tuple(f"only-{method}" for method in GENERATORS)

Function = Callable[..., Any]


@dataclass(frozen=True)
class Arm:
    """One way to make training data.

    Args:
        name: As in results.
        generator: Method whose images are added, or `None`.
        policy: `"geometric"`, `"geometric-safe"` or `None`.
        oversample: Whether classes are drawn equally often.
        only: Whether synthetic images replace the real ones.
        function: The user's own, or `None`.

    Example:

    >>> from keras_medaug.study.arm import resolve_arms
    >>> resolve_arms(["none", "geometric-safe+cvae"])[1].generator
    'cvae'
    """

    name: str
    generator: str | None = None
    policy: str | None = None
    oversample: bool = False
    only: bool = False
    function: Function | None = None

    @property
    def diagnostic(self) -> bool:
        """Whether it answers another question than which training data is best."""
        return self.only

    def source(self) -> dict[str, str] | None:
        """Return what tells the user's function from another one, or `None`."""
        if self.function is None:
            return None
        text = inspect.getsource(self.function)
        return {
            "function": f"{self.function.__module__}.{self.function.__qualname__}",
            "source": hashlib.sha256(text.encode()).hexdigest()[:12],
        }


def resolve_arms(arms: Iterable[str | Function]) -> list[Arm]:
    """Return the arms that names and functions stand for.

    Args:
        arms: Names of the contract, and functions `(x, y, seed) -> (x, y)`, which are named as
            they were defined.

    Returns:
        The arms, in the order given.

    Raises:
        ValueError: If a name is not known or comes twice, a function has no name of its own or
            cannot be found by it, or `"none"`, which all are compared with, is not there.

    Example:

    >>> from keras_medaug.study.arm import resolve_arms
    >>> [arm.name for arm in resolve_arms(["none", "vaegan"])]
    ['none', 'vaegan']
    """
    given = [arms] if isinstance(arms, str) or callable(arms) else list(arms)
    found = [_resolve(each) for each in given]
    names = [arm.name for arm in found]
    for name in names:
        if names.count(name) > 1:
            raise fail("arms", f"{name!r} twice", "each arm once")
    if "none" not in names:
        raise fail("arms", repr(names), "'none' among them, with which the others are compared")
    if len(names) < 2:
        raise fail("arms", repr(names), "an arm to compare with 'none'")
    return found


def _resolve(given: str | Function) -> Arm:
    if callable(given):
        return _own(given)
    own = [name for name in generators() if name not in GENERATORS]
    names = [*ARMS, *DIAGNOSTICS]
    names += [pattern + name for name in own for pattern in ("", f"{SAFE}+", "only-")]
    expected = f"functions, or names among {', '.join(names)}"
    if not isinstance(given, str) or given not in names:
        raise fail("arms", repr(given), expected)
    if given in ("none", "oversample"):
        return Arm(given, oversample=given == "oversample")
    if given.startswith("only-"):
        return Arm(given, generator=given.removeprefix("only-"), only=True)
    policy, _, method = given.partition("+")
    if policy in generators():
        return Arm(given, generator=policy)
    return Arm(given, generator=method or None, policy=policy)


def _own(function: Function) -> Arm:
    name = getattr(function, "__qualname__", "")
    expected = "a function defined at the top of a module, so that a process can find it"
    if not inspect.isfunction(function):
        raise fail("arms", repr(function), f"{expected}, with nothing bound to it")
    if "<" in name:
        got = f"{function!r}, which cannot be found by its name"
        raise fail("arms", got, expected)
    try:
        inspect.getsource(function)
    except (OSError, TypeError) as error:
        got = f"{name}, whose source cannot be read"
        raise fail("arms", got, f"{expected}, in a file: tasks are named after it") from error
    if name in (*ARMS, *DIAGNOSTICS):
        raise fail("arms", f"a function named {name!r}", "another name: that one is taken")
    return Arm(name, function=function)
