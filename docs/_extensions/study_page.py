"""The tables and figures of the page on whether augmentation helps, from the committed studies."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import correlation, mean, variance
from typing import Any

from matplotlib.figure import Figure

from keras_medaug.study.figures import paired_differences
from keras_medaug.study.report import gap_table, score_table, table, verdict_table, warning_list

STUDIES = ("breastmnist", "pneumoniamnist-0.1")
TITLES = ("BreastMNIST, the whole training split", "PneumoniaMNIST, a tenth of it")


def write_studies(results: Path, out: Path) -> dict[str, Figure]:
    """Write each table of the page to a Markdown file, and return the figures by file name."""
    figures = {}
    studies = [
        json.loads((results / "studies" / name / "results.json").read_text(encoding="utf-8"))
        for name in STUDIES
    ]
    (out / "study_pairing.md").write_text(pairing_table(studies), encoding="utf-8")
    for name, study in zip(STUDIES, studies, strict=True):
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


def pairing_table(studies: Sequence[dict[str, Any]]) -> str:
    """Return how test AUCs of compared arms correlate over seeds, and what pairing leaves."""
    rows = []
    for title, study in zip(TITLES, studies, strict=True):
        values = {name: arm["test"]["auc"]["values"] for name, arm in study["arms"].items()}
        pairs = [(values[row["arm"]], values[row["against"]]) for row in study["comparisons"]]
        correlations = [correlation(*pair) for pair in pairs]
        left = [
            variance([one - other for one, other in zip(*pair, strict=True)])
            / sum(map(variance, pair))
            for pair in pairs
        ]
        among = f"{min(correlations):.2f} to {max(correlations):.2f}"
        rows.append([title, f"{mean(correlations):.2f}", among, f"{mean(left):.0%}"])
    heads = [
        "study", "mean correlation", "of single comparisons",
        "variance of the difference, of that without pairing",
    ]  # fmt: skip
    return table(heads, rows)


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
