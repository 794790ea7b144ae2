"""Gather what `benchmarks/generators.py` left: one file of numbers, and a picture of each set.

Numbers of other runs that the file has stay in it.

    KERAS_BACKEND=torch python docs/draw_generators.py DIR --root DATA

Rows of a picture are the first images of each class, in the order of the labels: real ones, and
those of each model of seed 0. Nothing is picked.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import keras_medaug as kma
from keras_medaug.images import to_float

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent / "benchmarks"), str(DOCS / "_extensions")]

from generators import load  # noqa: E402
from generators_page import DISTANCES, MODELS, SPACES, sets_of  # noqa: E402

COLUMNS, FIRST = 18, 256  # images shown; images made to take them from, a batch
TITLES = {"real": "real", **{name: title.strip("`") for name, title in MODELS.items()}}


def main() -> None:
    """Write the numbers and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder that the benchmark wrote to")
    parser.add_argument("--root", help="folder with the files of MedMNIST")
    arguments = parser.parse_args()
    path = DOCS / "results" / "generators.json"
    rows = {}
    if path.exists():
        rows = {key_of(row): row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}
    for of_run in sorted(arguments.runs.glob("*.json")):
        record = json.loads(of_run.read_text(encoding="utf-8"))
        if not record["settings"]:  # the page compares the models as they are by default
            rows[key_of(record)] = row_of(record)
    seconds = [row["seconds"] for row in rows.values() if "seconds" in row]
    if max(seconds) > 1.05 * min(seconds):
        raise SystemExit(f"runs of {min(seconds)} to {max(seconds)} seconds: not the same time")
    lines = ",\n".join(json.dumps(rows[key]) for key in sorted(rows))
    path.write_text(f'{{"rows": [\n{lines}\n]}}\n', encoding="utf-8")
    for name in sets_of(list(rows.values())):
        if not (arguments.runs / f"{name}_flow_0.keras").exists():
            continue  # its pictures were drawn from another folder
        figure = draw(name, arguments.runs, arguments.root)
        kma.plotting.save(figure, DOCS / "_static" / f"generators_{name}.png")


def key_of(row: dict[str, Any]) -> tuple[str, str, int]:
    """Return what tells a row from all others."""
    return row["data"], row["model"], row["seed"]


def row_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of a run that the page shows, and what they were made with."""
    row = {key: record[key] for key in ("data", "model", "seed", "backend")}
    row["versions"] = record["machine"]
    row["auc"] = {name: round(auc, 4) for name, auc in record["synthetic_auc"].items()}
    if record["model"] == "real":
        return row
    spaces, copies = record["quality"]["spaces"], record["copies"]
    row |= {key: record[key] for key in ("steps", "seconds", "seconds_to_generate")}
    row |= {"made": copies["count"], "suspects": copies["suspect_count"]}
    row["exact_copies"] = copies["exact_copies"]
    row["quality"] = {
        space: {measure: _numbers(spaces[space][measure]) for measure, _ in DISTANCES}
        for space in SPACES
    }
    return row


def _numbers(measured: dict[str, Any]) -> dict[str, float]:
    value, reference = measured["value"], measured["floor"]["value"]
    return {"value": round(value, 4), "reference": round(reference, 4)}


def draw(name: str, runs: Path, root: str | None) -> Figure:
    """Return a picture: a row of real images, and one of each model's."""
    data = load(name, root)
    x, y = data.train
    kinds = ["real", *(m for m in MODELS if (runs / f"{name}_{m}_0.keras").exists())]
    mosaic = np.concatenate(
        [np.concatenate([*first_of_each(kind, name, runs, x, y)], axis=1) for kind in kinds]
    )
    side, (height, width) = x.shape[1], mosaic.shape[:2]
    figure = Figure(figsize=(10, 9.2 * height / width), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.squeeze(mosaic), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.axhline(side - 0.5, color="white", linewidth=3)
    axes.set_xticks([])
    axes.set_yticks([(row + 0.5) * side for row in range(len(kinds))], [TITLES[k] for k in kinds])
    axes.tick_params(length=0, labelsize=10)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def first_of_each(kind: str, name: str, runs: Path, x: NDArray, y: NDArray) -> NDArray:
    """Return the first images of each class, of real ones or of a model."""
    rows = chosen(y[:FIRST])
    if kind == "real":
        return to_float(x[rows])
    model = keras.saving.load_model(runs / f"{name}_{kind}_0.keras")
    return model.generate(len(y[:FIRST]), y[:FIRST], seed=0)[rows]


def chosen(labels: Sequence[int] | NDArray) -> NDArray:
    """Return the places of the first labels of each class, as many of each as fit."""
    classes = np.unique(labels)
    share = COLUMNS // len(classes)
    return np.concatenate([np.flatnonzero(labels == label)[:share] for label in classes])


if __name__ == "__main__":
    main()
