"""The page on choices shows validation beside test, and all rows that there are."""

import json
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "docs" / "_extensions")]

from choices_page import labels_table, scale_shift_table, write_choices  # noqa: E402

pytestmark = pytest.mark.backend_free

RESULTS = REPOSITORY / "docs" / "results"


def rows_of(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"]


def test_the_validation_auc_comes_before_that_of_the_test_images():
    rows = [
        {"set": "breastmnist", "method": "real", "variant": "-", "auc_val": 0.5, "auc_test": 0.9,
         "diversity": 1.0, "agreement": 0.25}
    ] * 2  # fmt: skip
    others = [
        row for row in rows_of("labels") if row["method"] != "real" or row["set"] != "breastmnist"
    ]
    table = labels_table([*rows, *others])
    assert "| validation AUC | test AUC |" in table
    assert "| real images | | 2 | 0.500 ± 0.000 | 0.900 ± 0.000 | 1.00 | 0.25 |" in table


def test_no_row_of_the_other_mechanism_is_left_out():
    gpu, cpu = rows_of("labels"), rows_of("labels_cpu")
    other = {
        (row["set"], row["method"], place)
        for place, rows in (("gpu", gpu), ("cpu", cpu))
        for row in rows
        if row["variant"] == "conditional-normalization"
    }
    assert scale_shift_table(gpu, cpu).count("| scale and shift |") == len(other)


def test_the_page_includes_all_that_is_written(tmp_path):
    write_choices(RESULTS, tmp_path)
    page = (REPOSITORY / "docs" / "choices.md").read_text(encoding="utf-8")
    included = set(re.findall(r"\{include\} _drawn/(\S+)", page))
    assert included == {path.name for path in tmp_path.iterdir()}
