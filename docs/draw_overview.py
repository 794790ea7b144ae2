"""Draw the picture of the README: real images above images from three models.

From the folder that a run of `examples/reproduce.py --preset paper` left, its `tasks` included:

    python docs/draw_overview.py docs/results/paper
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import keras_medaug as kma

SETS = {"pneumoniamnist": "PneumoniaMNIST, chest X-rays", "breastmnist": "BreastMNIST, ultrasound"}
ROWS = {"real": "real", "cvae": "CVAE", "dcgan": "DCGAN", "vaegan": "VAE/GAN"}
COLUMNS = 9
OUT = Path(__file__).parent / "_static" / "overview.png"


def images_of(folder: Path, name: str, kind: str) -> NDArray:
    """Return the first images of a kind: nothing is chosen by its looks."""
    if kind == "real":
        return kma.datasets.load(name, download=False).train[0][:COLUMNS]
    (path,) = (folder / name / "tasks").glob(f"{kind}-seed0-*/images.npz")
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["images"][:COLUMNS]


def draw(folder: Path) -> Figure:
    """Return the picture."""
    figure = Figure(figsize=(10, 2.35), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(SETS)), SETS.items(), strict=True):
        rows = [np.concatenate([*images_of(folder, name, kind)], axis=1) for kind in ROWS]
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


if __name__ == "__main__":
    kma.plotting.save(draw(Path(sys.argv[1])), OUT)
