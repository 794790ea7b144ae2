"""The page on speed says what was measured, misses included."""

import copy
import json
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "docs" / "_extensions"), str(REPOSITORY / "benchmarks")]

from speed_page import (  # noqa: E402
    BACKENDS,
    FLOW,
    augmentation_table,
    flow_table,
    generation_table,
    growth_table,
    kept_table,
    profile_table,
    rivals_table,
    sizes_table,
    summary,
    targets_table,
    write_speed,
)
from targets import Row, rows  # noqa: E402

pytestmark = pytest.mark.backend_free

RESULTS = REPOSITORY / "docs" / "results"


def read(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def speed():
    return copy.deepcopy(read("speed"))


@pytest.fixture
def costs():
    return {backend: read(f"costs_{backend}")["measurements"] for backend in BACKENDS}


def line_of(table, *words):
    (line,) = (line for line in table.splitlines() if all(f"| {word} |" in line for word in words))
    return line


def test_the_committed_rows_are_those_of_the_committed_measurements(speed, costs):
    expected = [{**row._asdict(), "met": row.met} for row in rows(speed, costs)]
    assert read("targets")["rows"] == expected
    assert {row["where"] for row in expected} == set(BACKENDS)


def test_nothing_committed_was_measured_quickly(costs):
    for measurements in costs.values():
        assert not any(measurement["quick"] for measurement in measurements.values())


def test_a_ratio_is_shown_with_its_interval(speed):
    row = next(
        ratio
        for ratio in speed["to_rivals"]
        if (ratio["model"], ratio["backend"], ratio["rival"]) == ("CVAE", "torch", "native")
    )
    row |= {"ratio": 1.234, "interval": [1.1, 1.35]}
    assert "1.23 [1.10, 1.35]" in line_of(rivals_table(speed), "CVAE", "by hand, same backend")


def test_a_miss_is_called_one():
    met = Row("this", "jax", "at most", 1.5, 1.2)
    missed = Row("this", "torch", "at most", 1.5, 1.7)
    nothing = Row("this", "tensorflow", "at most", 1.5, None)
    targets = [{**row._asdict(), "met": row.met} for row in (met, missed, nothing)]
    line = line_of(targets_table(targets), "this")
    assert "| 1.20 | **1.70, missed** | **not to be had, missed** |" in line
    assert summary(targets).startswith("**1 of 3 targets are met**")


def test_a_backend_is_not_compared_with_itself(speed, costs):
    apart = [row for row in rows(speed, costs) if "fastest" in row.what]
    assert len(apart) == 2 * 4
    assert all(row.measured != 1.0 for row in apart)


@pytest.mark.parametrize("bound", ["at most", "at least"])
def test_a_bound_itself_is_met(bound):
    assert Row("this", "jax", bound, 1.5, 1.5).met
    assert Row("this", "jax", bound, 1.5, 1.6).met == (bound == "at least")


def test_a_rejected_size_is_a_miss(speed, costs):
    costs["jax"]["growth"]["models"]["CVAE"]["rejected"] = {"224": "too large"}
    (row,) = (row for row in rows(speed, costs) if row.what == "CVAE: images of 224")
    assert not row.met


def test_memory_that_falls_is_a_miss(speed, costs):
    costs["jax"]["memory_in_batch"]["largest_to_smallest"] = None
    memory = [row for row in rows(speed, costs) if row.what.startswith("Memory an image")]
    assert [row.met for row in memory if row.where == "jax"] == [False]


def test_all_parts_are_written(tmp_path):
    figure = write_speed(RESULTS, tmp_path)
    assert len(figure.axes) == 2
    page = (REPOSITORY / "docs" / "explanation" / "speed.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        re.findall(r"_drawn/(speed_\w+\.md)", page)
    )


def test_flow_is_compared_on_each_backend_with_what_runs_there():
    ratios = {backend: {} for backend in BACKENDS}
    ratios["torch"] = {"step, to monai": {"ratio": 0.25, "interval": [0.2, 0.3]}}
    ratios["tensorflow"] = {"step, to cvae": {"ratio": 1.5, "interval": [1.25, 1.75]}}
    table = flow_table(ratios)
    assert "MONAI's U-Net with about as many weights |  | 0.25 [0.20, 0.30] |  |" in table
    assert "a training step, to that of a `CVAE` |  |  | 1.50 [1.25, 1.75] |" in table


def test_every_ratio_of_flow_is_in_the_table():
    measured = {name for backend in BACKENDS for name in read(f"flow_speed_{backend}")["ratios"]}
    assert measured == set(FLOW)


def test_growth_and_kept_memory_have_every_model(speed, costs):
    for table in (growth_table(costs), kept_table(speed, read("speed_keep_memory"))):
        for model in ("CVAE", "DCGAN", "VAEGAN", "Classifier"):
            assert f"| {model} |" in table


def test_generation_stands_beside_the_arithmetic_of_each_backend(costs):
    for backend, step in (("jax", 30.0), ("torch", 33.0)):
        work = costs[backend]["growth"]["models"]["DCGAN"]["sizes"]["28"]["multiply_adds_per_pixel"]
        work |= {"step": step, "forward": {"generator": 8.0, "discriminator": 2.0}}
        costs[backend]["generation"]["models"]["DCGAN"]["ratio"] = 3.21
    line = line_of(generation_table(costs), "DCGAN")
    assert line.startswith("| DCGAN | 3.2 of 3.8 | 3.2 of 4.1 |")


def test_a_profile_is_in_percent_of_the_loop_by_hand():
    times = {
        "ours": {"kinds": {"copy": 1.0, "product": 3.0}},
        "native": {"kinds": {"product": 2.0}},
    }
    table = profile_table({"torch": {"models": {"VAEGAN": times}}}, "VAEGAN")
    assert "| 150 | 100 |" in line_of(table, "product")
    assert "| 50 | 0 |" in line_of(table, "copy")
    assert "**200** | **100**" in table


def test_a_larger_image_is_in_percent_of_the_smallest():
    sizes = {
        "28": {"kinds": {"copy": 2.0, "product": 2.0}},
        "224": {"kinds": {"product": 10.0, "random numbers": 0.01}},
    }
    table = sizes_table({"jax": {"sizes": {"CVAE": sizes}}}, "CVAE")
    assert table.startswith("|  | JAX, 28 | JAX, 224 |")
    assert "| 50 | 250 |" in line_of(table, "product")
    assert "random numbers" not in table


def test_augmentation_is_in_percent_of_jax():
    kinds_by_backend = {"jax": {"copy": 2.0, "product": 2.0}, "torch": {"copy": 6.0}}
    table = augmentation_table(
        {backend: {"augmentation": {"kinds": kinds}} for backend, kinds in kinds_by_backend.items()}
    )
    assert "| 50 | 150 |" in line_of(table, "copy")
    assert "| **100** | **150** |" in table
