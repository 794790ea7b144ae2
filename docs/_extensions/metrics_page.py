"""Tables of the page on image quality: how each metric moved as real images were made worse."""

import json
from pathlib import Path
from typing import Any

DONE = {
    "noise": "noise, up to 0.2",
    "blur": "blur, up to 2 pixels",
    "classes dropped": "four of six classes dropped",
    "modes dropped": "seven of eight clusters dropped",
    "repeated": "ten images repeated",
    "copies": "all replaced by training images",
}


def write_directions(results: Path, out: Path) -> None:
    """Write the tables to Markdown files."""
    stored = json.loads((results / "metrics_direction.json").read_text(encoding="utf-8"))
    (out / "metrics_direction.md").write_text(directions_table(stored["rows"]), encoding="utf-8")
    (out / "metrics_of_images.md").write_text(images_table(stored["rows"]), encoding="utf-8")


def directions_table(rows: list[dict[str, Any]]) -> str:
    """Return first and last value of each metric, those beyond the first's interval in bold."""
    of_features = [row for row in rows if row["space"] != "images"]
    measures = [name for name, value in of_features[0].items() if isinstance(value, dict)]
    lines = [f"| what is done | space | {' | '.join(f'`{name}`' for name in measures)} |"]
    lines.append("|---|---|" + "---:|" * len(measures))
    for what, words in DONE.items():
        for space in dict.fromkeys(row["space"] for row in of_features):
            steps = [row for row in of_features if row["what"] == what and row["space"] == space]
            cells = [_moved(steps[0][name], steps[-1][name]) for name in measures]
            lines.append(f"| {words} | {space} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def images_table(rows: list[dict[str, Any]]) -> str:
    """Return first and last value of the metrics that need no features."""
    lines = ["| what is done | `spectral` (dB²) | high-frequency ratio | two-sample AUC |"]
    lines.append("|---|---:|---:|---:|")
    for what, words in DONE.items():
        steps = [row for row in rows if row["what"] == what and row["space"] == "images"]
        ratios = [row["spectral"]["high_frequency_ratio"] for row in (steps[0], steps[-1])]
        cells = [_moved(steps[0][name], steps[-1][name]) for name in ("spectral", "two_sample")]
        lines.append(f"| {words} | {cells[0]} | {ratios[0]:.2f} → {ratios[1]:.2f} | {cells[1]} |")
    return "\n".join([*lines, ""])


def _moved(first: dict[str, Any], last: dict[str, Any]) -> str:
    low, high = first["ci95"]
    value = f"{last['value']:.2f}"
    if not low <= last["value"] <= high:
        value = f"**{value}**"
    return f"{first['value']:.2f} → {value}"
