"""The error that all checks raise."""

import pytest


def raises(argument, got, expected):
    """Expect the `ValueError` of every check: argument, what came, what was expected."""
    return pytest.raises(
        ValueError, match=rf"(?s)`{argument}`: got .*{got}.*; expected .*{expected}"
    )
