"""The page of the reproduction says what the results say, and what they do not."""

import copy
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "docs" / "_extensions"), str(REPOSITORY / "examples")]

from reproduction.paper import PAPER  # noqa: E402
from reproduction.report import read_results  # noqa: E402
from reproduction_page import (  # noqa: E402
    NOT_MEASURED,
    accuracy_table,
    claims,
    confidence_table,
    counts_table,
    missing,
    summary,
    variety_table,
    write_tables,
)

pytestmark = pytest.mark.backend_free

TABLES = [counts_table, accuracy_table, confidence_table, variety_table]


@pytest.fixture
def measured():
    return copy.deepcopy(read_results(REPOSITORY / "docs" / "results" / "paper"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_a_set_is_measured_or_said_not_to_be(measured, table):
    text = table(measured)
    shown = {line.split("|")[1].strip() for line in text.splitlines()}
    assert {row.title for row in PAPER.values()} <= shown
    whole = table is confidence_table  # whose last row, the mean, has all sets or none
    assert text.count(NOT_MEASURED) == len(PAPER) - len(measured) + whole
    before = set(table(measured).splitlines())
    measured.pop("breastmnist")
    assert table(measured).count(NOT_MEASURED) == len(PAPER) - len(measured) + whole
    assert set(table(measured).splitlines()) != before


def test_numbers_are_those_of_the_results(measured):
    measured["breastmnist"]["classifier"]["test_accuracy"]["mean"] = 0.8141
    line = next(line for line in accuracy_table(measured).splitlines() if "BreastMNIST" in line)
    assert "| 81.41 | 81.41 | +0.00 |" in line


def test_the_rest_has_a_command(measured):
    assert "2 of the paper's 8 sets" in summary(measured)
    assert "--datasets pathmnist dermamnist octmnist organamnist" in missing(measured)
    assert "breastmnist" not in missing(measured)


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (("classifier", "train_accuracy", "mean"), "The classifier does", "Not everywhere"),
        (("classifier", "train_accuracy", "mean"), "is little left", "is something left"),
        (("samples", "cvae", "diversity", "mean"), "None of 6", "2 of 6"),
        (("timing", "vaegan", "seconds_per_epoch", "mean"), "holds", "does not hold"),
    ],
    ids=lambda value: value if isinstance(value, str) else ".".join(value),
)
def test_a_verdict_follows_the_numbers(measured, change, before, after):
    assert before in claims(measured)
    assert after not in claims(measured)
    for results in measured.values():
        *path, last = change
        for name in path:
            results = results[name]
        results[last] = 0.1
    assert after in claims(measured)


def test_the_page_includes_all_that_is_written(tmp_path):
    write_tables(REPOSITORY / "docs" / "results" / "paper", tmp_path)
    page = (REPOSITORY / "docs" / "reproduction.md").read_text(encoding="utf-8")
    assert all(f"_drawn/{path.name}" in page for path in tmp_path.iterdir())


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results"):
        write_tables(tmp_path, tmp_path)
