"""What happens to a test whose package is missing."""

import pytest

from helpers.needs import needs

pytestmark = pytest.mark.backend_free


def test_a_missing_package_skips_a_test_by_hand_and_fails_it_under_nox(monkeypatch):
    monkeypatch.delenv("NOX_CURRENT_SESSION", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no_such_package is not installed"):
        needs("no_such_package")
    monkeypatch.setenv("NOX_CURRENT_SESSION", "tests(jax)")
    with pytest.raises(ImportError, match="no_such_package"):
        needs("no_such_package")
    assert needs("pytest") is pytest
