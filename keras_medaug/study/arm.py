"""The arms of a study: what each trains the classifier on, and the geometric policies."""

import contextlib
import functools
import hashlib
import inspect
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keras_medaug.checks import fail
from keras_medaug.layers import GeometricAugmentation
from keras_medaug.models import generators
from keras_medaug.models.generative_model import GenerativeModel

SAFE = "geometric-safe"
# What a study runs by default. It is a fixed list: a new generator must not add comparisons.
_PAPER = ("cvae", "dcgan", "vaegan")
WITHOUT_GENERATOR = ("none", "oversample", "geometric", SAFE)
ARMS = (*WITHOUT_GENERATOR, *_PAPER, *(f"{SAFE}+{method}" for method in _PAPER))
DIAGNOSTICS = tuple(f"only-{method}" for method in _PAPER)

Function = Callable[..., Any]
Source = dict[str, str]


@dataclass(frozen=True)
class Arm:
    """One way to make training data.

    Args:
        name: As in results.
        generator: Name of the generative model whose images are added, or `None`.
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

    def source(self) -> Source | None:
        """Return what tells the user's function from another one, or `None`."""
        if self.function is None:
            return None
        return {"function": _full_name(self.function), "source": _digest(self.function)}


def known_arms() -> dict[str, Arm]:
    """Return the arms that have a name: of every registered generator `G`, three.

    Returns:
        The arms by name: `"none"`, `"oversample"` and the geometric ones; `"G"` and
        `"geometric-safe+G"`; and the diagnostics `"only-G"`.

    Raises:
        ValueError: If a generator has the name of an arm that needs no generator.

    Example:

    >>> from keras_medaug.study.arm import known_arms
    >>> known_arms()["only-vaegan"].only
    True
    """
    arms = [Arm("none"), Arm("oversample", oversample=True)]
    arms += [Arm(policy, policy=policy) for policy in ("geometric", SAFE)]
    methods = generators()
    for arm in arms:
        if arm.name in methods:
            kind = _full_name(methods[arm.name])
            got = f"the generator {arm.name!r} ({kind}) beside the fixed arm {arm.name!r}"
            raise fail("arms", got, "a generator of another name")
    arms += [Arm(method, method) for method in methods]
    arms += [Arm(f"{SAFE}+{method}", method, SAFE) for method in methods]
    arms += [Arm(f"only-{method}", method, only=True) for method in methods]
    return {arm.name: arm for arm in arms}


def resolve_arms(arms: Iterable[str | Function]) -> list[Arm]:
    """Return the arms that names and functions stand for.

    Args:
        arms: Names of `known_arms`, and functions `(x, y, seed) -> (x, y)`, which are named as
            they were defined.

    Returns:
        The arms, in the order given.

    Raises:
        ValueError: If a name is unknown or is given twice; if a function has no name of its own, or
            cannot be found by its name; or if `"none"` is missing, with which all other arms are
            compared.

    Example:

    >>> from keras_medaug.study.arm import resolve_arms
    >>> [arm.name for arm in resolve_arms(["none", "vaegan"])]
    ['none', 'vaegan']
    """
    known = known_arms()
    given = [arms] if isinstance(arms, str) or callable(arms) else list(arms)
    resolved = [_resolve(arm, known) for arm in given]
    names = [arm.name for arm in resolved]
    for name in names:
        if names.count(name) > 1:
            raise fail("arms", f"{name!r} twice", "each arm once")
    if "none" not in names:
        raise fail("arms", repr(names), "'none' among them, with which the others are compared")
    if len(names) < 2:
        raise fail("arms", repr(names), "an arm to compare with 'none'")
    return resolved


def _resolve(given: str | Function, known: dict[str, Arm]) -> Arm:
    if callable(given):
        return _own(given, known)
    if not isinstance(given, str) or given not in known:
        raise fail("arms", repr(given), f"functions, or names among {', '.join(known)}")
    return known[given]


def _own(function: Function, known: dict[str, Arm]) -> Arm:
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
    if name in known:
        raise fail("arms", f"a function named {name!r}", "another name: that one is taken")
    return Arm(name, function=function)


# ---- generators of users --------------------------------------------------------------------


def own_generator(method: str) -> type[GenerativeModel] | None:
    """Return the class of a registered generator, if it is not the package's own.

    Args:
        method: Name of the generator.

    Returns:
        The class, or `None`.

    Example:

    >>> from keras_medaug.study.arm import own_generator
    >>> own_generator("cvae") is None
    True
    """
    kind = generators()[method]
    return None if kind.__module__.partition(".")[0] == "keras_medaug" else kind


def generator_source(method: str) -> Source | None:
    """Return what tells the class of a user's generator from another one, or `None`.

    Args:
        method: Name of the generator.

    Returns:
        The full name, and a hash of the text of the class, of its base classes, and of the modules
        of all these, but for Keras and this package; `None` for the package's own. What those
        modules import is not in the hash, nor are values that are set as the program runs. Where
        the text of a class cannot be read, the hash is another one in each process.

    Example:

    >>> from keras_medaug.study.arm import generator_source
    >>> generator_source("cvae") is None
    True
    """
    kind: Any = own_generator(method)
    return None if kind is None else {"class": _full_name(kind), "source": _class_digest(kind)}


def check_importable(method: str) -> None:
    """Check that worker processes can import the class of a generator.

    Args:
        method: Name of the generator.

    Raises:
        ValueError: If the class of the generator is defined in a function, a notebook or a session.

    Example:

    >>> from keras_medaug.study.arm import check_importable
    >>> check_importable("cvae")
    """
    kind = generators()[method]
    module = sys.modules.get(kind.__module__)
    there: Any = module
    for name in kind.__qualname__.split("."):
        there = getattr(there, name, None)
    # A script is imported by the processes as well; a notebook has no file.
    if there is not kind or not getattr(module, "__file__", None):
        raise fail(
            "executor",
            f"processes, which cannot import {_full_name(kind)}, the class of {method!r}",
            "a class at the top of a module or script; or None, to train in this process",
        )


@functools.cache
def _class_digest(kind: Any) -> str:
    own = [
        base for base in kind.__mro__
        if base not in GenerativeModel.__mro__
        and base.__module__.partition(".")[0] not in ("keras", "keras_medaug")
    ]  # fmt: skip
    try:
        return _hashed("\0".join(text for base in own for text in _texts(base)))
    except (OSError, TypeError):
        return f"unknown-{uuid.uuid4().hex[:12]}"


def _texts(kind: type) -> Iterable[str]:
    """Yield the text of a class, and that of its module where it is in a file."""
    yield inspect.getsource(kind)
    with contextlib.suppress(OSError, TypeError):
        yield inspect.getsource(sys.modules[kind.__module__])


def _digest(defined: Any) -> str:
    return _hashed(inspect.getsource(defined))


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _full_name(defined: Any) -> str:
    return f"{defined.__module__}.{defined.__qualname__}"


# ---- geometric policies ---------------------------------------------------------------------

# The settings of a policy that a task's configuration holds.
POLICY = ("rotation", "shift", "horizontal_flip", "vertical_flip", "zoom", "fill_mode")

_SMALL: dict[str, Any] = {
    "rotation": 10.0,
    "shift": 0.1,
    "horizontal_flip": False,
    "vertical_flip": False,
}
_FLIPPED = {**_SMALL, "horizontal_flip": True}
_ANY_WAY_UP = {"rotation": 180.0, "shift": 0.1, "horizontal_flip": True, "vertical_flip": True}

# Tissue and cells under a microscope, and skin, have no way up. A flipped chest has its heart on
# the wrong side, and a flipped left kidney is a right one. A breast seen by ultrasound may be
# either one, with the skin on top; so may an eye, with its light from above in a section.
_POLICIES = {
    "pathmnist": _ANY_WAY_UP,
    "dermamnist": _ANY_WAY_UP,
    "bloodmnist": _ANY_WAY_UP,
    "tissuemnist": _ANY_WAY_UP,
    "octmnist": _FLIPPED,
    "retinamnist": _FLIPPED,
    "breastmnist": _FLIPPED,
    "pneumoniamnist": _SMALL,
    "organamnist": _SMALL,
    "organcmnist": _SMALL,
    "organsmnist": _SMALL,
    "phantom": _SMALL,
}


def safe_policy(name: str) -> GeometricAugmentation:
    """Return the label-safe policy of a data set; of one that is not known, the most careful.

    Args:
        name: The set's name, as MedMNIST has it.

    Returns:
        The layer, without a seed: small rotations and shifts; flips, or any rotation, where the
        kind of image allows them.

    Example:

    >>> from keras_medaug.study.arm import safe_policy
    >>> safe_policy("bloodmnist").rotation, safe_policy("my own").horizontal_flip
    (180.0, False)
    """
    return GeometricAugmentation(**_POLICIES.get(name, _SMALL))


def policy_note(name: str, policy: Mapping[str, Any] | None, arms: Iterable[str]) -> str:
    """Return what users should know of a policy that was chosen without knowing their images.

    Args:
        name: The set's name.
        policy: Arguments of the policy of `"geometric-safe"`.
        arms: Names of the arms.

    Returns:
        Sentences; none for a set that is known, another policy, and arms that do without.

    Example:

    >>> from keras_medaug.study.arm import policy_note
    >>> small = {"rotation": 10.0, "shift": 0.1, "horizontal_flip": False, "vertical_flip": False}
    >>> print(policy_note("my own", small, ["none", "geometric-safe"]))
    The policy of geometric-safe is rotations up to 10 degrees and shifts up to 0.1, without flips:
    the kind of images in 'my own' is not known. Images without an up or down, as in histology, keep
    their label under flips and all rotations. For them pass
    `safe_policy=kma.layers.GeometricAugmentation(rotation=180, shift=0.1)`.
    >>> policy_note("breastmnist", small, ["geometric-safe"])
    ''
    """
    used = any(arm.partition("+")[0] == SAFE for arm in arms)
    careful = policy is not None and all(policy.get(key) == _SMALL[key] for key in _SMALL)
    if name in _POLICIES or not used or not careful:
        return ""
    return (
        f"The policy of {SAFE} is rotations up to {_SMALL['rotation']:g} degrees and shifts up to "
        f"{_SMALL['shift']:g}, without flips: the kind of images in {name!r} is not known. Images "
        "without an up or down, as in histology, keep their label under flips and all rotations. "
        "For them pass "
        "`safe_policy=kma.layers.GeometricAugmentation(rotation=180, shift=0.1)`."
    )


def policy_config(layer: GeometricAugmentation) -> dict[str, Any]:
    """Return what a geometric policy does, without its seed.

    Args:
        layer: The policy.

    Returns:
        Arguments of `GeometricAugmentation`.

    Example:

    >>> from keras_medaug.layers import GeometricAugmentation
    >>> from keras_medaug.study.arm import policy_config
    >>> policy_config(GeometricAugmentation(rotation=5))["rotation"]
    5.0
    """
    config = layer.get_config()
    return {name: config[name] for name in POLICY}
