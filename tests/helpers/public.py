"""Which docstrings are those of public names."""

import keras_medaug


def public_names():
    """Return where all that users see is defined: `keras_medaug.models.cvae.CVAE`, and so on."""
    shown = [getattr(keras_medaug, name) for name in keras_medaug.__all__]
    inside = [getattr(module, name) for module in shown for name in getattr(module, "__all__", ())]
    named = [value for value in [*shown, *inside] if callable(value)]
    return {"keras_medaug"} | {f"{value.__module__}.{value.__qualname__}" for value in named}


PUBLIC = public_names()


def is_public(name):
    """Tell whether a docstring is that of a public name, or of a method of one."""
    return name in PUBLIC or name.rpartition(".")[0] in PUBLIC - {"keras_medaug"}
