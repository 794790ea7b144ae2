"""The page on flow matching shows every run on how long `Flow` may train."""

import json
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "docs" / "_extensions")]

from flow_training_page import title, training_table, write_flow_training  # noqa: E402

pytestmark = pytest.mark.backend_free

RESULTS = REPOSITORY / "docs" / "results"


def run(images, augmentation="geometric"):
    measured = {
        "kernel": {"value": 0.25, "reference": 0.125},
        "coverage": {"value": 0.5, "reference": 0.75},
    }
    return {
        "images": images, "augmentation": augmentation, "made": 400, "seed": 0,
        "training_images": measured, "reference": {"suspects": 1, "near_copies": 2},
        "looks": [{"steps": 2000, "near_copies": 8, "suspects": 4, **measured}],
    }  # fmt: skip


def test_a_line_for_each_look_beside_the_training_images_and_unseen_ones():
    text = training_table([run(100), run(4700), run(100, None)])
    assert "| 4,700 | 2,000 | 0.250 | 0.50 | 1.0 % | 2.0 % |" in text
    assert "| 100, not augmented | 2,000 | 0.250 | 0.50 | 1.0 % | 2.0 % |" in text
    assert "| the 4,700 themselves |  | 0.250 | 0.50 |  |  |" in text
    assert "| the 100 themselves |  | 0.250 |  |  |  |" in text  # too few for a coverage
    assert "| unseen images |  | 0.125 | 0.75 |  |  |" in text
    assert "| unseen images, beside these 100 |  |  |  | 0.2 % | 0.5 % |" in text
    assert text.count("themselves") == 2


def test_the_page_shows_every_run(tmp_path):
    figure = write_flow_training(RESULTS, tmp_path)
    runs = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (RESULTS / "flow_training").glob("*.json")
    ]
    lines = [[len(line.get_xdata()) for line in panel.get_lines()] for panel in figure.axes]
    looks = sorted(len(run["looks"]) for run in runs)
    augmented = [run for run in runs if run["augmentation"] is not None]
    dashed = [1, len(augmented)]  # unseen images
    for points, of_unseen in zip(lines, dashed, strict=True):
        assert sorted(points) == sorted(looks + [2] * of_unseen)
    text = (tmp_path / "flow_training.md").read_text(encoding="utf-8")
    for run in runs:
        assert f"| {title(run)} | {run['looks'][-1]['steps']:,} |" in text
    page = (REPOSITORY / "docs/explanation/flow_matching.md").read_text(encoding="utf-8")
    assert "_drawn/flow_training.md" in page
    assert "_drawn/flow_training.png" in page


def test_the_page_says_what_the_monitor_kept():
    found = json.loads((RESULTS / "flow_best.json").read_text(encoding="utf-8"))
    page = (REPOSITORY / "docs/explanation/flow_matching.md").read_text(encoding="utf-8")
    text = " ".join(page.split())
    kept, unseen = (
        f"{100 * found[of]['suspects'] / found['made']:.1f} %" for of in ("of_best", "reference")
    )
    assert f"distance was smallest at {found['best_steps']:,} steps" in text
    assert f"{kept} of the generated images were suspected; of the unseen images, {unseen}" in text
