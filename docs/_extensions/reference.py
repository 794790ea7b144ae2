"""The reference: what is public, and which members of a class have a place on its page.

Public is what `__all__` names, of the package and of each module that it names. Models and layers
inherit some two hundred names from Keras, which Keras documents, and override others that only
Keras calls. Shown are the members that the package itself defines for its users.
"""

import contextlib
import functools
import importlib
import inspect
import operator
import types
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy.typing as npt
from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

PACKAGE = "keras_medaug"
# What Keras calls, and users hardly ever do.
KERAS_PROTOCOL = {
    "build",
    "call",
    "compile_from_config",
    "compute_loss",
    "compute_output_shape",
    "compute_output_spec",
    "from_config",
    "get_compile_config",
    "get_config",
    "load_own_variables",
    "metrics",
    "on_epoch_end",
    "on_train_begin",
    "on_train_end",
    "predict_on_batch",
    "save_own_variables",
    "test_on_batch",
    "train_on_batch",
}


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield the full name and the value of all that is public, members of classes included."""
    package = importlib.import_module(PACKAGE)
    for name in package.__all__:
        value = getattr(package, name)
        full = f"{PACKAGE}.{name}"
        if isinstance(value, ModuleType):
            yield from _names_of_module(full, value)
        elif not name.startswith("__"):
            yield from _names_of_value(full, value)


def _names_of_module(full: str, module: ModuleType) -> Iterator[tuple[str, Any]]:
    yield full, module
    for name in module.__all__:
        yield from _names_of_value(f"{full}.{name}", getattr(module, name))


def _names_of_value(full: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield full, value
    if inspect.isclass(value):
        for name in dir(value):
            member = inspect.getattr_static(value, name)
            if not is_left_out(name, member):
                yield f"{full}.{name}", member


def is_left_out(name: str, member: Any) -> bool:
    """Tell whether a member of a class is left out of its page."""
    return name.startswith("_") or name in KERAS_PROTOCOL or not _is_ours(member)


def _is_ours(member: Any) -> bool:
    """Tell whether the package defined a member that is a function or a property."""
    if isinstance(member, property):
        member = member.fget
    member = getattr(member, "__func__", member)
    defined_in = str(getattr(member, "__module__", ""))
    return callable(member) and defined_in.partition(".")[0] == PACKAGE


def _skip(_app: Sphinx, _what: str, name: str, member: Any, skipped: bool, _options: Any) -> bool:
    """Tell autodoc, and autosummary, whether a member is left out."""
    return skipped or is_left_out(name, member)


def _show_public_base(_app: Sphinx, _name: str, _class: Any, _options: Any, bases: list) -> None:
    """Name the base that users know, where a class has bases that are not public."""
    first = bases[0]
    if inspect.isclass(first) and first.__module__.partition(".")[0] == PACKAGE:
        bases[:] = [
            next(base for base in first.mro() if base.__module__.partition(".")[0] != PACKAGE)
        ]


def _show_arguments(
    _app: Sphinx, what: str, _name: str, value: Any, _options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Give a class the signature of its `__init__`, which Keras's `__new__` hides."""
    if what != "class" or "*args" not in (signature or ""):
        return None
    parameters = list(inspect.signature(value.__init__).parameters.values())[1:]
    return stringify_signature(inspect.Signature(parameters), show_annotation=False), returned


class ArrayLike:
    """Stands for NumPy's type of that name, a union that fills three lines."""


ArrayLike.__module__ = "numpy.typing"


def _shorten_types(_app: Sphinx, value: Any, _bound: bool) -> None:
    """Call NumPy's union `ArrayLike` by its name, wherever a callable is annotated with it."""
    function = value.__init__ if inspect.isclass(value) else value
    annotations = getattr(function, "__annotations__", {})
    with contextlib.suppress(NameError):  # of a type that is imported for type checkers alone
        annotations.update(typing.get_type_hints(function) if annotations else {})
    for name, annotation in annotations.items():
        if "_SupportsArray" in repr(annotation):  # a part of that union, and of no other type
            annotations[name] = _shortened(annotation)


def _shortened(annotation: Any) -> Any:
    """Return an annotation with that union, at whatever depth, under its name."""
    if isinstance(annotation, list):  # the arguments of a Callable
        return [_shortened(part) for part in annotation]
    whole, members = typing.get_args(npt.ArrayLike), typing.get_args(annotation)
    if all(member in members for member in whole):
        others = [member for member in members if member not in whole]
        return functools.reduce(operator.or_, others, ArrayLike)
    if not members:
        return annotation
    members = tuple(map(_shortened, members))
    if isinstance(annotation, types.UnionType):
        return functools.reduce(operator.or_, members)
    return typing.get_origin(annotation)[members]


def _head_examples(
    _app: Sphinx, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]
) -> None:
    """Give examples a heading like those of the other sections."""
    lines[:] = [".. rubric:: Example" if line == "Example:" else line for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the extension."""
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-bases", _show_public_base)
    app.connect("autodoc-process-signature", _show_arguments)
    app.connect("autodoc-before-process-signature", _shorten_types)
    app.connect("autodoc-process-docstring", _head_examples, priority=900)  # after napoleon
    return {"parallel_read_safe": True}
