"""The tables on four models in the same time, and on the arguments of `Flow`'s images."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

Row = dict[str, Any]

SETS = ("breastmnist", "retinamnist", "pneumoniamnist", "mednist_64")
MODELS = {"flow": "`Flow`", "vaegan": "VAE/GAN", "dcgan": "DCGAN", "cvae": "CVAE"}
SPACES = ("pixels", "classifier")
DISTANCES = (("kernel", 3), ("frechet", 3), ("recall", 2), ("coverage", 2))
CLASSIFIERS = ("paper", "residual")

IMAGES_HEAD = (
    "| images | seeds | steps | kernel distance | Fréchet distance | recall | coverage | "
    "kernel distance, features | coverage, features |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)
USE_HEAD = (
    "| trained on | seeds | AUC, paper's classifier | AUC, residual network | suspected copies | "
    "exact copies | seconds for 1,000 images |\n"
    "|---|---:|---:|---:|---:|---:|---:|"
)


def write_generators(results: Path, out: Path) -> None:
    """Write two tables of each set that has results to Markdown files."""
    rows = json.loads((results / "generators.json").read_text(encoding="utf-8"))["rows"]
    for name in sets_of(rows):
        (out / f"generators_{name}.md").write_text(images_table(rows, name), encoding="utf-8")
        (out / f"generators_use_{name}.md").write_text(use_table(rows, name), encoding="utf-8")


def write_sampling(results: Path, out: Path) -> None:
    """Write what steps, guidance and the strength of `vary` do, to three Markdown files."""
    record = json.loads((results / "flow_sampling_breastmnist.json").read_text(encoding="utf-8"))
    for name in ("steps", "guidance", "vary"):
        (out / f"flow_{name}.md").write_text(sampling_table(record, name), encoding="utf-8")


def sampling_table(record: Row, name: str) -> str:
    """Return a line for each value of an argument, and one for unseen real images."""
    of_images = name == "vary"
    own = ["correlation", "near copies"] if of_images else ["seconds for 1,000 images"]
    title = "`strength`" if of_images else f"`{name}`"
    heads = [title, "kernel distance", "recall", "coverage", "of their class", *own]
    lines = [_line(heads), _line(["---:"] * len(heads))]
    for value, found in record[name].items():
        if of_images:
            last = [f"{found['correlation']:.2f}", _percent([found], "near_copies")]
        else:
            last = [f"{1000 * found['seconds'] / found['made']:.0f}"]
        lines.append(_line([value, *_of_pixels(found), f"{100 * found['right']:.0f} %", *last]))
    found = next(iter(record[name].values()))
    right = f"{100 * record['unseen_right']:.0f} %"
    last = ["", _percent([found], "near_copies_of_unseen")] if of_images else [""]
    lines.append(_line(["unseen real images", *_of_pixels(found["unseen"]), right, *last]))
    return "\n".join([*lines, ""])


def _of_pixels(found: Row) -> list[str]:
    return [f"{found['kernel']:.3f}", f"{found['recall']:.2f}", f"{found['coverage']:.2f}"]


def sets_of(rows: Sequence[Row]) -> list[str]:
    """Return the sets of which there are results."""
    return [name for name in SETS if any(row["data"] == name for row in rows)]


def images_table(rows: Sequence[Row], name: str) -> str:
    """Return how near the images of each model are to real ones, beside unseen real ones."""
    lines = [IMAGES_HEAD]
    any_model = [row for row in rows if row["data"] == name and row["model"] != "real"]
    reference = [_of_quality(any_model, *place, "reference") for place in _places()]
    lines.append(_line(["unseen real images", "", "", *reference]))
    for model, title in MODELS.items():
        runs = _runs(rows, name, model)
        steps = _spread([run["steps"] for run in runs], 0)
        cells = [_of_quality(runs, *place, "value") for place in _places()]
        lines.append(_line([title, str(len(runs)), steps, *cells]))
    return "\n".join([*lines, ""])


def use_table(rows: Sequence[Row], name: str) -> str:
    """Return what classifiers learn from the images of each model, and copies among them."""
    lines = [USE_HEAD]
    for model, title in {"real": "real training images", **MODELS}.items():
        runs = _runs(rows, name, model)
        cells = [_spread([run["auc"][of] for run in runs], 3) for of in CLASSIFIERS]
        if model == "real":
            cells += [""] * 3
        else:
            cells += [_percent(runs, "suspects"), _percent(runs, "exact_copies")]
            cells.append(_spread([_per_thousand(run) for run in runs], 1))
        lines.append(_line([title, str(len(runs)), *cells]))
    return "\n".join([*lines, ""])


def _runs(rows: Sequence[Row], name: str, model: str) -> list[Row]:
    return [row for row in rows if (row["data"], row["model"]) == (name, model)]


def _places() -> list[tuple[str, str, int]]:
    of_pixels = [("pixels", measure, digits) for measure, digits in DISTANCES]
    return [*of_pixels, ("classifier", "kernel", 3), ("classifier", "coverage", 2)]


def _of_quality(runs: Sequence[Row], space: str, measure: str, digits: int, which: str) -> str:
    return _spread([run["quality"][space][measure][which] for run in runs], digits)


def _per_thousand(run: Row) -> float:
    return 1000 * run["seconds_to_generate"] / run["made"]


def _percent(runs: Sequence[Row], count: str) -> str:
    return _spread([100 * run[count] / run["made"] for run in runs], 1, "%")


def _spread(values: Sequence[float], digits: int, unit: str = "") -> str:
    """Return the mean, with the standard deviation over seeds where there are several."""
    if not values:
        return ""
    number: Callable[[float], str] = lambda value: f"{value:,.{digits}f}"  # noqa: E731
    around = f" ± {number(stdev(values))}" if len(set(values)) > 1 else ""
    return f"{number(mean(values))}{around}{unit and f' {unit}'}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
