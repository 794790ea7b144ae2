"""The figure and the table on how long `Flow` may train: distances and copies by step."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_medaug.plotting import new_figure, tidy
from keras_medaug.study.report import table

Run = dict[str, Any]


def write_flow_training(results: Path, out: Path) -> Figure:
    """Write the table to a Markdown file, and return the figure."""
    paths = (results / "flow_training").glob("*.json")
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    runs.sort(key=lambda run: (run["augmentation"] is None, run["images"], run["seed"]))
    (out / "flow_training.md").write_text(training_table(runs), encoding="utf-8")
    return draw_training(runs)


def training_table(runs: Sequence[Run]) -> str:
    """Return a line for each run and number of steps, and what real images get."""
    heads = [
        "training images", "steps", "kernel distance", "coverage", "suspected copies",
        "near copies",
    ]  # fmt: skip
    rows = []
    for run in runs:
        for look in run["looks"]:
            numbers = _distances(look, "value")
            rows.append([title(run), f"{look['steps']:,}", *numbers, *_copies(look, run)])
    augmented = [run for run in runs if run["augmentation"] is not None]
    for run in augmented:
        kernel, coverage = _distances(run["training_images"], "value")
        enough = run["images"] >= run["made"]  # coverage grows with the number of images
        rows.append(
            [f"the {run['images']:,} themselves", "", kernel, coverage if enough else "", "", ""]
        )
    unseen = _distances(runs[0]["looks"][0], "reference")
    rows.append(["unseen images", "", *unseen, "", ""])
    for run in augmented:
        beside = f"unseen images, beside these {run['images']:,}"
        rows.append([beside, "", "", "", *_copies(run["reference"], run)])
    return table(heads, rows)


def draw_training(runs: Sequence[Run]) -> Figure:
    """Draw distance and suspected copies over steps, a line for each run; dashed: unseen images."""
    figure = new_figure((9, 3.6))
    left, right = figure.subplots(1, 2)
    _draw_lines(left, runs, lambda look, _: look["kernel"]["value"])
    left.set_ylabel("kernel distance to unseen images")
    left.axhline(runs[0]["training_images"]["kernel"]["reference"], color="0.4", linestyle="--")
    _draw_lines(right, runs, lambda look, run: 100 * look["suspects"] / run["made"])
    right.set_ylabel("suspected copies, % of images")
    for number, run in enumerate(runs):
        if run["augmentation"] is None:  # the same training images, and so the same number
            continue
        unseen = 100 * run["reference"]["suspects"] / run["made"]
        right.axhline(unseen, color=f"C{number}", linestyle="--", linewidth=1)
    right.legend(frameon=False, title="training images", fontsize="small")
    return figure


def title(run: Run) -> str:
    """Return what tells a run from the others."""
    kind = "" if run["augmentation"] else ", not augmented"
    return f"{run['images']:,}{kind}" + (f", seed {run['seed']}" if run["seed"] else "")


def _draw_lines(axes: Axes, runs: Sequence[Run], value: Callable[[Run, Run], float]) -> None:
    for run in runs:
        steps = [look["steps"] for look in run["looks"]]
        values = [value(look, run) for look in run["looks"]]
        axes.plot(steps, values, marker="o", markersize=4, label=title(run))
    looked = sorted({look["steps"] for run in runs for look in run["looks"]})
    axes.set_xscale("log", base=2)
    axes.set_xticks(looked, [f"{steps:,}" for steps in looked])
    axes.set_xlabel("steps of 64 images")
    tidy(axes)


def _distances(measured: dict[str, Any], which: str) -> list[str]:
    return [f"{measured['kernel'][which]:.3f}", f"{measured['coverage'][which]:.2f}"]


def _copies(counts: dict[str, Any], run: Run) -> list[str]:
    return [f"{100 * counts[kind] / run['made']:.1f} %" for kind in ("suspects", "near_copies")]
