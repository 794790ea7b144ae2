"""Packages that some tests need, and that Nox installs for them."""

import importlib
import os
from types import ModuleType

import pytest


def needs(package: str) -> ModuleType:
    """Return a package. Where it is missing, skip the test; but in a session of Nox, fail."""
    try:
        return importlib.import_module(package)
    except ImportError:
        if "NOX_CURRENT_SESSION" in os.environ:
            raise
        pytest.skip(f"{package} is not installed; Nox installs it", allow_module_level=True)
