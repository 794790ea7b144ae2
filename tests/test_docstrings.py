"""Every public name says what it is: arguments, what it returns, an example that runs."""

import contextlib
import inspect
import re
from types import ModuleType

import pytest

import keras_medaug as kma
from helpers.public import is_public

pytestmark = pytest.mark.backend_free

HEADINGS = ("Args", "Attributes", "Example", "Raises", "References", "Returns", "Yields")
# Methods of Keras that are called all the time, and whose arguments differ here.
CALLED_BY_USERS = {"compile", "evaluate", "fit", "predict"}


def public_values():
    """Yield name and value of all public functions and classes."""
    for name in kma.__all__:
        module = getattr(kma, name)
        if isinstance(module, ModuleType):
            for inner in module.__all__:
                value = getattr(module, inner)
                if callable(value):
                    yield f"{name}.{inner}", value


def public_methods():
    """Yield name and value of the methods that the package defines for users of its classes."""
    for name, value in public_values():
        if inspect.isclass(value):
            for inner, method in inspect.getmembers(value, inspect.isfunction):
                ours = method.__module__.startswith("keras_medaug")
                if ours and not inner.startswith("_"):
                    yield f"{name}.{inner}", method


def shown_signatures():
    """Return the signatures that `help` shows, by name."""
    ours = [("augment", kma.augment), ("model_card", kma.model_card)]
    shown = {}
    for name, value in [*ours, *public_values(), *public_methods()]:
        with contextlib.suppress(ValueError):  # an exception has none
            shown[name] = str(inspect.signature(value))
    return shown


LONGEST = 900  # characters: that of `VAEGAN`, which has three networks
# What an annotation becomes that is not kept as it is written.
EXPANDED = re.compile(r"numpy\._typing|collections\.abc|typing\.|keras\.src|keras_medaug\.")


def test_help_shows_signatures_that_can_be_read():
    """`ArrayLike` alone becomes a screen of unions where a module evaluates its annotations."""
    shown = shown_signatures()
    assert len(shown) > 100
    assert not [name for name, text in shown.items() if len(text) > LONGEST]
    assert not [name for name, text in shown.items() if EXPANDED.search(text)]


def sections(docstring):
    """Return the text of each section of a docstring, that before the first one under ""."""
    pattern = rf"^({'|'.join(HEADINGS)}):\n"
    parts = re.split(pattern, inspect.cleandoc(docstring), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def undocumented_arguments(function, args_section):
    """Return the arguments of a call that the section on arguments does not name."""
    names = [
        f"{'*' * (p.kind is p.VAR_POSITIONAL)}{'**' * (p.kind is p.VAR_KEYWORD)}{p.name}"
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]
    entries = re.findall(r"^ {4}(\*{0,2}\w+):", args_section, flags=re.MULTILINE)
    return [name for name in names if name not in entries]


def is_documented_elsewhere(name):
    """Return whether a method overrides one of Keras that users hardly ever call."""
    owner, _, method = name.rpartition(".")
    theirs = [base for base in PUBLIC[owner].__mro__ if base.__module__.startswith("keras.")]
    return method not in CALLED_BY_USERS and any(hasattr(base, method) for base in theirs)


PUBLIC = dict(public_values())
METHODS = dict(public_methods())


def test_there_are_names_to_check():
    assert {"models.VAEGAN", "datasets.load", "losses.similarity"} <= PUBLIC.keys()
    assert {"models.DCGAN.fit", "datasets.Dataset.stored"} <= METHODS.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_documented(name):
    parts = sections(PUBLIC[name].__doc__ or "")
    assert parts[""].strip(), "no docstring"
    assert ">>> " in parts.get("Example", ""), "no runnable example"
    assert not undocumented_arguments(PUBLIC[name], parts.get("Args", ""))
    if inspect.isclass(PUBLIC[name]):
        return
    if inspect.signature(PUBLIC[name]).return_annotation not in (None, "None"):
        assert parts.get("Returns"), "does not say what it returns"


@pytest.mark.parametrize("name", METHODS)
def test_a_public_method_is_documented(name):
    parts = sections(METHODS[name].__doc__ or "")
    assert parts[""].strip(), "no docstring"
    if not is_documented_elsewhere(name):
        assert not undocumented_arguments(METHODS[name], parts.get("Args", ""))


def planted(first, *rest, last=None, **options):
    """Do nothing.

    Args:
        first: One.
        *rest: More.

    Returns:
        Nothing.
    """


def test_a_missing_argument_is_noticed():
    parts = sections(planted.__doc__)
    assert undocumented_arguments(planted, parts["Args"]) == ["last", "**options"]
    assert set(parts) == {"", "Args", "Returns"}


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("keras_medaug", True),
        ("keras_medaug.augmenting.augment", True),
        ("keras_medaug.models.cvae.CVAE", True),
        ("keras_medaug.losses.kl_divergence", True),
        ("keras_medaug.study.runner.run", True),
        ("keras_medaug.layers.geometric_augmentation.GeometricAugmentation.transform", True),
        ("keras_medaug.networks.builders.depth", False),
        ("keras_medaug.seeds.derive_seed", False),
    ],
)
def test_examples_of_public_names_run_on_every_backend(name, public):
    assert is_public(name) is public


def test_every_public_name_is_known():
    for value in PUBLIC.values():
        assert is_public(f"{value.__module__}.{value.__qualname__}")
