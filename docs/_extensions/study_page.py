"""The tables and figures of the page on whether augmentation helps, from the committed studies."""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from keras_medaug.study.figures import paired_differences
from keras_medaug.study.report import gap_table, score_table, table, verdict_table, warning_list

STUDIES = ("breastmnist", "pneumoniamnist-0.1")


def write_studies(results: Path, out: Path) -> dict[str, Figure]:
    """Write each table of the page to a Markdown file, and return the figures by file name."""
    figures = {}
    for name in STUDIES:
        path = results / "studies" / name / "results.json"
        study = json.loads(path.read_text(encoding="utf-8"))
        parts = {
            "verdicts": verdict_table(study),
            "scores": score_table(study),
            "gaps": gap_table(study),
            "warnings": warning_list(study),
        }
        for part, text in parts.items():
            (out / f"study_{name}_{part}.md").write_text(text, encoding="utf-8")
        figures[f"study_{name}.png"] = paired_differences(study)
    simulated = json.loads((results / "study_statistics.json").read_text(encoding="utf-8"))
    (out / "study_statistics.md").write_text(statistics_table(simulated), encoding="utf-8")
    return figures


def statistics_table(simulated: dict[str, Any]) -> str:
    """Return what the simulation counted, world by world."""
    rows = [
        [
            row["world"],
            str(row["images"]),
            *(
                f"{row[when][interval]:.1%}"
                for when in ("coverage", "coverage_with_effect")
                for interval in ("ci95", "ci95_images")
            ),
            f"{row['false_alarms']['HELPS']:.1%}",
            f"{row['power']:.1%}",
        ]
        for row in simulated["worlds"]
    ]
    heads = [
        "world", "test images", "`ci95`", "`ci95_images`", "`ci95`, with an effect",
        "`ci95_images`, with an effect", "false HELPS", "power at the detectable effect",
    ]  # fmt: skip
    return table(heads, rows)
