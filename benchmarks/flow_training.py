r"""How long may `Flow` train? Distance to unseen images and suspected copies, by training step.

Trains on the first images of PneumoniaMNIST's training part (in an order that a seed decides, as
many of each class as the part has), and measures after a number of steps that doubles:

- the kernel distance and the coverage of 400 generated images to 1,148 unseen ones (validation and
  test) in principal components of pixels;
- the generated images that `copy_audit` suspects to be copies, of 400, and the same of as many
  unseen images.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/flow_training.py --root DIR --out DIR \
        --images 500 --steps 8000

A run that was stopped goes on from its last measurement, whose state is kept beside the result.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np

import keras_medaug as kma
from keras_medaug.files import write_text_atomic
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.provenance import environment
from keras_medaug.seeds import derive_seed

BATCH, FIRST, MADE = 64, 250, 400


def main() -> None:
    """Train, and measure at each number of steps."""
    arguments = parse()
    data = kma.datasets.load("pneumoniamnist", root=arguments.root, download=False)
    x, y = chosen(*data.train, arguments.images, arguments.seed)
    unseen, unseen_labels = (
        np.concatenate(parts) for parts in zip(data.val, data.test, strict=True)
    )
    stem = arguments.out / f"flow_training_{arguments.images}_{arguments.seed}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    path = stem.with_suffix(".json")
    record = {
        "data": "pneumoniamnist", "images": len(x), "seed": arguments.seed,
        "backend": keras.backend.backend(), "machine": environment(), "looks": [],
    }  # fmt: skip
    if path.exists():
        record = json.loads(path.read_text(encoding="utf-8"))
        done = record["looks"][-1]["steps"]
        model = keras.saving.load_model(state_of(stem, done))
    else:
        model = kma.models.Flow(data.image_shape, data.num_classes, seed=arguments.seed)
        model.compile()
        done = 0
    labels = unseen_labels[np.random.default_rng(0).permutation(len(unseen))[:MADE]]
    features = {"pixels": kma.features.PixelFeatures(data.train[0])}  # one space for all sizes
    while done < arguments.steps:
        goal = max(FIRST, 2 * done)
        begun = time.perf_counter()
        order_seed = derive_seed(arguments.seed, "steps", done)
        loss = fit_steps(model, x, y, goal - done, BATCH, order_seed)[-1]
        seconds = time.perf_counter() - begun
        images = model.generate(MADE, labels, seed=1)
        look = {"steps": goal, "seconds": round(seconds, 1), "loss": loss}
        look |= measured(images, x, unseen, features)
        record["looks"].append(look)
        model.save(state_of(stem, goal))  # before the record that names its step
        write_text_atomic(path, json.dumps(record, indent=1) + "\n")
        state_of(stem, done).unlink(missing_ok=True)
        figure = kma.plotting.image_grid(images[:40])
        kma.plotting.save(figure, stem.with_name(f"{stem.name}_{goal}.png"))
        print(json.dumps(look), flush=True)
        done = goal


def state_of(stem: Path, steps: int) -> Path:
    """Return the file that holds the model after so many steps."""
    return stem.with_name(f"{stem.name}_{steps}.keras")


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder with pneumoniamnist.npz")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def chosen(x, y, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return so many images, of each class in proportion."""
    rows = []
    for label in np.unique(y):
        of_class = np.flatnonzero(y == label)
        share = round(count * len(of_class) / len(y))
        generator = np.random.default_rng(derive_seed(seed, "subset", int(label)))
        rows.append(generator.permutation(of_class)[:share])
    kept = np.sort(np.concatenate(rows))
    return x[kept], y[kept]


def measured(images, training, unseen, features) -> dict:
    """Return distances to unseen images, and suspected copies."""
    quality = kma.metrics.sample_quality(images, training, unseen, features, seed=0)
    pixels = quality["spaces"]["pixels"]
    # Half of the unseen images set the limits, others show how many are suspected by chance.
    order = np.random.default_rng(0).permutation(len(unseen))
    others, limits = unseen[order[:MADE]], unseen[order[MADE:]]
    return {
        **{
            name: {"value": pixels[name]["value"], "held_out": pixels[name]["floor"]["value"]}
            for name in ("kernel", "frechet", "precision", "recall", "coverage")
        },
        "suspects": kma.metrics.copy_audit(images, training, limits)["suspect_count"],
        "suspects_of_unseen": kma.metrics.copy_audit(others, training, limits)["suspect_count"],
    }


if __name__ == "__main__":
    main()
