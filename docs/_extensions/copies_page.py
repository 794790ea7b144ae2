"""The table of the page on image quality: how many planted copies the memorization check finds."""

import json
from pathlib import Path
from typing import Any

SETS = ("breastmnist", "pneumoniamnist", "retinamnist", "mednist")
COPIES, SUSPECTED = "copies found of 100, ", "unseen real images suspected"


def write_copies(results: Path, out: Path) -> None:
    """Write the table to a Markdown file."""
    before, after = (
        json.loads((results / "corrections" / f"copies_{when}.json").read_text(encoding="utf-8"))
        for when in ("before", "after")
    )
    text = copies_table(before["figures"], after["figures"])
    (out / "copies.md").write_text(text, encoding="utf-8")


def copies_table(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str:
    """Return a row for each kind of copy, and one of the unseen images, before and after."""
    values = [_by_set(figures) for figures in (before, after)]
    lines = [f"| copies found of 100, before → after | {' | '.join(SETS)} |"]
    lines.append("|---|" + "---:|" * len(SETS))
    for name in values[1][SETS[0]]:
        cells = [f"{values[0][dataset][name]} → {values[1][dataset][name]}" for dataset in SETS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _by_set(figures: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the values by set and by what they are of."""
    values: dict[str, dict[str, Any]] = {name: {} for name in SETS}
    for figure in figures:
        name, _, what = figure["name"].partition(": ")
        if what.startswith(COPIES):
            values[name][what.removeprefix(COPIES)] = figure["value"]
        elif what.endswith(SUSPECTED):
            values[name][SUSPECTED] = f"{figure['value']}%"
    return values
