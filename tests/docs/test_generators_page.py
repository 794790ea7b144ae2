"""The page on four models in the same time shows all runs, averaged over seeds."""

import json
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "docs" / "_extensions")]

from generators_page import (  # noqa: E402
    MODELS,
    images_table,
    sampling_table,
    sets_of,
    use_table,
    write_generators,
    write_sampling,
)

pytestmark = pytest.mark.backend_free

RESULTS = REPOSITORY / "docs" / "results"


def row(seed, kernel, model="flow"):
    quality = {
        space: {
            measure: {"value": kernel, "reference": 0.5}
            for measure in ("kernel", "frechet", "recall", "coverage")
        }
        for space in ("pixels", "classifier")
    }
    return {
        "data": "breastmnist", "model": model, "seed": seed, "steps": 1000 + seed, "made": 500,
        "suspects": 5, "exact_copies": 0, "seconds_to_generate": 10.0, "quality": quality,
        "auc": {"paper": 0.75, "residual": 0.8},
    }  # fmt: skip


def test_seeds_are_averaged_beside_unseen_real_images():
    table = images_table([row(0, 0.1), row(1, 0.3)], "breastmnist")
    assert "| unseen real images |  |  | 0.500 | 0.500 | 0.50 | 0.50 | 0.500 | 0.50 |" in table
    assert "| `Flow` | 2 | 1,000 ± 1 | 0.200 ± 0.141 | 0.200 ± 0.141 | 0.20 ± 0.14 |" in table


def test_copies_are_percentages_and_times_are_of_a_thousand_images():
    table = use_table([row(0, 0.1), row(1, 0.3)], "breastmnist")
    assert "| `Flow` | 2 | 0.750 | 0.800 | 1.0 % | 0.0 % | 20.0 |" in table


def test_the_page_shows_every_set_and_run(tmp_path):
    rows = json.loads((RESULTS / "generators.json").read_text(encoding="utf-8"))["rows"]
    assert {row["data"] for row in rows} == set(sets_of(rows))
    write_generators(RESULTS, tmp_path)
    page = (REPOSITORY / "docs" / "generator_results.md").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"generators{kind}_{name}.md" for name in sets_of(rows) for kind in ("", "_use")
    }
    written = {path.name for path in tmp_path.iterdir()}
    assert set(re.findall(r"_drawn/(\w+\.md)", page)) == written
    for name in sets_of(rows):
        assert f"_static/generators_{name}.png" in page
        assert (REPOSITORY / "docs" / "_static" / f"generators_{name}.png").is_file()
        of_set = [row["model"] for row in rows if row["data"] == name]
        seeds = {model: of_set.count(model) for model in ("real", *MODELS)}
        assert len(set(seeds.values())) == 1, f"{name}: {seeds}"


def test_a_line_for_each_value_of_an_argument_beside_unseen_images():
    found = {
        "kernel": 0.25, "recall": 0.5, "coverage": 0.75, "right": 0.8, "made": 500,
        "seconds": 10.0, "correlation": 0.9, "near_copies": 20, "near_copies_of_unseen": 50,
        "unseen": {"kernel": 0.125, "recall": 0.25, "coverage": 0.375},
    }  # fmt: skip
    record = {"steps": {"4": found}, "vary": {"0.1": found}, "unseen_right": 0.85}
    steps, vary = (sampling_table(record, name) for name in ("steps", "vary"))
    assert "| 4 | 0.250 | 0.50 | 0.75 | 80 % | 20 |" in steps
    assert "| 0.1 | 0.250 | 0.50 | 0.75 | 80 % | 0.90 | 4.0 % |" in vary
    assert "| unseen real images | 0.125 | 0.25 | 0.38 | 85 % |  | 10.0 % |" in vary
    assert "| unseen real images | 0.125 | 0.25 | 0.38 | 85 % |  |" in steps


def test_the_page_on_flow_matching_shows_what_the_arguments_do(tmp_path):
    write_sampling(RESULTS, tmp_path)
    page = (REPOSITORY / "docs/explanation/flow_matching.md").read_text(encoding="utf-8")
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"flow_{name}.md" for name in ("steps", "guidance", "vary")}
    for name in written:
        assert f"_drawn/{name}" in page
