"""Draw the picture of the README: real images above those of four models after the same time.

From the folder that `benchmarks/generators.py` left, with seed 0 of both sets:

    KERAS_BACKEND=torch python docs/draw_overview.py RUNS --root DATA
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import keras_medaug as kma

SETS = {"pneumoniamnist": "PneumoniaMNIST, chest X-rays", "breastmnist": "BreastMNIST, ultrasound"}
ROWS = {"real": "real", "flow": "Flow", "dcgan": "DCGAN", "vaegan": "VAE/GAN", "cvae": "CVAE"}
COLUMNS = 9
OUT = Path(__file__).parent / "_static" / "overview.png"


def images_of(data: kma.datasets.Dataset, kind: str, runs: Path) -> NDArray:
    """Return the first images of a kind: nothing is chosen by its looks."""
    x, y = data.train[0][:COLUMNS], data.train[1][:COLUMNS]
    if kind == "real":
        return x
    model = keras.saving.load_model(runs / f"{data.name}_{kind}_0.keras")
    return model.generate(COLUMNS, y, seed=0)


def draw(runs: Path, root: str | None) -> Figure:
    """Return the picture."""
    figure = Figure(figsize=(10, 2.8), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(SETS)), SETS.items(), strict=True):
        data = kma.datasets.load(name, root=root, download=False)
        rows = [np.concatenate([*images_of(data, kind, runs)], axis=1) for kind in ROWS]
        mosaic = np.concatenate(rows, axis=0)[..., 0]
        height = len(mosaic) / len(ROWS)
        axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1)
        axes.axhline(height - 0.5, color="white", linewidth=3)
        axes.set_title(title, fontsize=11)
        axes.set_xticks([])
        axes.set_yticks([(row + 0.5) * height for row in range(len(ROWS))], list(ROWS.values()))
        axes.tick_params(length=0, labelsize=10)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


def main() -> None:
    """Draw it, and write it to the folder of the site's pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder that the benchmark wrote to")
    parser.add_argument("--root", help="folder with the files of MedMNIST")
    arguments = parser.parse_args()
    kma.plotting.save(draw(arguments.runs, arguments.root), OUT)


if __name__ == "__main__":
    main()
