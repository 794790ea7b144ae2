"""Results are dictionaries in all but how they are shown."""

import copy
import inspect
import json
import pickle

import numpy as np
import pytest

import keras_medaug as kma
from keras_medaug.result import WHOLE, Result

RNG = np.random.default_rng(0)
IMAGES = RNG.random((60, 8, 8, 1))
# What a reader sees of each at most: of as many lines, a notebook shows all.
LINES, COLUMNS = 30, 100


@pytest.mark.backend_free
def test_what_is_long_is_shown_short():
    result = Result(
        {"values": list(range(999)), "text": "x" * 999, "one": 1, "in": {"a": "y" * 999}}
    )
    lines = repr(result).splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) < COLUMNS
    assert lines[0] == "{'values': [999 values],"
    assert repr(Result({"one": ["x" * 999]})) == "{'one': [1 value]}"
    assert repr(result["in"]) == "{'a': '" + "y" * 55 + "...'}"


@pytest.mark.backend_free
def test_it_is_a_dictionary():
    content = {"numbers": [1.5, None], "inside": {"a": 1}, "long": "x" * WHOLE}
    result = Result(content)
    assert result == content
    assert json.loads(json.dumps(result)) == content
    for same in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):  # noqa: S301 -- ours
        assert same == result
        assert repr(same) == repr(result)
    assert repr(dict(result)) != repr(result)


@pytest.mark.backend_free
def test_functions_that_return_a_dictionary_return_one_that_is_shown_short():
    """All of those that compute: what `describe` functions say of a type, the type says."""
    for module in (kma.metrics, kma.study, kma.datasets):
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function) and "dict" in str(
                inspect.signature(function).return_annotation
            ):
                assert hasattr(function, "__wrapped__"), f"{name} returns a dictionary as it is"


@pytest.mark.backend_free
def test_a_memorization_check_and_duplicates_do_not_flood_a_notebook():
    audit = kma.metrics.copy_audit(IMAGES, IMAGES)
    duplicates = kma.metrics.near_duplicates(IMAGES, IMAGES)
    for result in (audit, duplicates, audit["spaces"]):
        lines = repr(result).splitlines()
        assert len(lines) <= LINES
        assert max(map(len, lines)) <= COLUMNS


@pytest.mark.backend_free
def test_a_comparison_is_one_line():
    labels = np.arange(40) % 2
    score = RNG.random((10, 40))
    against, arm = (np.stack([1 - values, values], axis=-1) for values in (score, score + labels))
    comparison = kma.study.compare(labels, arm, against)
    text = repr(comparison)
    assert text.startswith("<Comparison: HELPS, AUC +0.")
    assert len(text) <= COLUMNS
