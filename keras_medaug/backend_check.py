"""Say what to install and to set where Keras's backend is missing, before Keras is imported."""

import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

BACKENDS = ("jax", "torch", "tensorflow")
OTHERS = ("numpy", "openvino")  # Keras takes them too; it trains nothing on them
DEFAULT = "tensorflow"  # Keras's own
UNCHOSEN = "KERAS_BACKEND is not set, and this backend is the default of Keras"


def check_backend() -> None:
    """Check that the backend that Keras is about to import is installed.

    Nothing is imported. A backend that is installed but broken raises its own error later.

    Raises:
        ImportError: If the backend is not installed or unknown. The message says what to install
            and what to set.

    Example:

    >>> from keras_medaug.backend_check import check_backend
    >>> check_backend()
    """
    if "keras" in sys.modules:
        return
    if not _is_installed("keras"):
        raise ImportError(f"keras-medaug: Keras is not installed. {_install('jax')}")
    name, chosen_by = _chosen()
    known = name in BACKENDS or name in OTHERS
    if name == "numpy" or (known and _is_installed(name)):
        return
    installed = [backend for backend in BACKENDS if _is_installed(backend)]
    what = "is not installed" if known else "is unknown"
    if installed:
        remedy = _choose(name, installed)
    else:
        chosen = name in BACKENDS and chosen_by != UNCHOSEN
        remedy = f"No backend is installed. {_install(name if chosen else 'jax')}"
    raise ImportError(
        f"keras-medaug: the Keras backend {name!r} {what} ({chosen_by}). {remedy}"
    ) from None


def _is_installed(module: str) -> bool:
    spec = None if module in sys.modules else find_spec(module)
    # A folder that happens to have the name has no origin.
    return module in sys.modules or (spec is not None and spec.origin is not None)


def _chosen() -> tuple[str, str]:
    """Return the backend that Keras will choose, and what makes it do so."""
    if name := os.environ.get("KERAS_BACKEND"):
        return name, f"KERAS_BACKEND={name}"
    path = _keras_folder() / "keras.json"
    try:
        named = json.loads(path.read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        named = None
    if isinstance(named, str):
        return named, f"KERAS_BACKEND is not set, and {path} names this backend"
    return DEFAULT, UNCHOSEN


def _keras_folder() -> Path:
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]).expanduser()
    home = Path.home()
    return (home if os.access(home, os.W_OK) else Path("/tmp")) / ".keras"


def _choose(name: str, installed: list[str]) -> str:
    use = " or ".join(f"KERAS_BACKEND={backend}" for backend in installed)
    remedy = f"Installed: {', '.join(installed)}. Set {use} before Python starts"
    if name not in BACKENDS:
        return f"{remedy}."
    return f'{remedy}, or install {name}: pip install "keras-medaug[{name}]".'


def _install(name: str) -> str:
    others = [f"[{backend}]" for backend in BACKENDS if backend != name]
    return (
        f'Install: pip install "keras-medaug[{name}]" (or {", ".join(others)}), and set '
        f"KERAS_BACKEND={name} before Python starts."
    )
