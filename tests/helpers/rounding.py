"""Comparison of records up to rounding."""

from collections.abc import Mapping

import pytest


def assert_close(actual, expected, rel=1e-9, looser=()):
    """Check that two records have the same structure, and numbers that agree up to rounding.

    The rounding of a matrix product depends on the processor and on the number of rows. Values
    under the keys `looser` may differ by a thousandth.
    """
    if isinstance(expected, Mapping):
        assert isinstance(actual, Mapping)
        assert actual.keys() == expected.keys()
        for key, value in actual.items():
            assert_close(value, expected[key], 1e-3 if key in looser else rel, looser)
    elif isinstance(expected, list):
        assert isinstance(actual, list)
        assert len(actual) == len(expected)
        for value, other in zip(actual, expected, strict=True):
            assert_close(value, other, rel, looser)
    elif isinstance(expected, float):
        assert isinstance(actual, float)
        assert actual == pytest.approx(expected, rel=rel, abs=1e-12)
    else:
        assert actual == expected
