r"""How long may `Flow` train? Distance to unseen images and copies, by training step.

Trains on images of PneumoniaMNIST's training part (drawn by a seed, as many of each class as the
part has), and measures after a number of steps that doubles. The 1,148 images of validation and
test are unseen. They are divided in two: 748 to compare with, and 400 as a reference.

- The kernel distance and the coverage of 400 generated images to the 748 unseen ones, in principal
  components of pixels; the same of the reference, and of the training images themselves.
- Of 400 generated images, those that `copy_audit` suspects to be copies, and its near copies: those
  whose distance to the nearest training image, in place, is less than half of that to the next
  ones; the same of the reference.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/flow_training.py --root DIR --out DIR \
        --images 500 --steps 4000

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

BATCH, FIRST, MADE = 64, 250, 400  # images a step; steps before the first look; images made


def main() -> None:
    """Train, and measure at each number of steps."""
    arguments = parse()
    data = kma.datasets.load("pneumoniamnist", root=arguments.root, download=False)
    x, y = chosen(*data.train, arguments.images, arguments.seed)
    reference, labels, others = divided(data)
    features = {"pixels": kma.features.PixelFeatures(data.train[0])}  # one space for all sizes
    augmentation = None if arguments.plain else "geometric"
    kind = "_plain" if arguments.plain else ""
    stem = arguments.out / f"flow_training_{arguments.images}{kind}_{arguments.seed}"
    stem.parent.mkdir(parents=True, exist_ok=True)
    path = stem.with_suffix(".json")
    record = {
        "data": "pneumoniamnist", "images": len(x), "seed": arguments.seed,
        "augmentation": augmentation, "made": MADE, "backend": keras.backend.backend(),
        "machine": environment(), "looks": [],
    }  # fmt: skip
    if path.exists():
        record = json.loads(path.read_text(encoding="utf-8"))
        done = record["looks"][-1]["steps"]
        model = keras.saving.load_model(state_of(stem, done))
    else:
        model = kma.models.Flow(
            data.image_shape, data.num_classes, augmentation=augmentation, seed=arguments.seed
        )
        model.compile()
        done = 0
        record["training_images"] = distances(x, others, reference, features)
        record["reference"] = copies(reference, x, others)
    while done < arguments.steps:
        goal = max(FIRST, 2 * done)
        begun = time.perf_counter()
        order_seed = derive_seed(arguments.seed, "steps", done)
        loss = fit_steps(model, x, y, goal - done, BATCH, order_seed)[-1]
        seconds = time.perf_counter() - begun
        images = model.generate(MADE, labels, seed=1)
        look = {"steps": goal, "seconds": round(seconds, 1), "loss": loss}
        look |= distances(images, others, reference, features) | copies(images, x, others)
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
    parser.add_argument("--plain", action="store_true", help="train without augmentation")
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


def divided(data: kma.datasets.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unseen images as a reference, their labels, and the unseen images to compare with."""
    unseen, labels = (np.concatenate(parts) for parts in zip(data.val, data.test, strict=True))
    order = np.random.default_rng(0).permutation(len(unseen))
    return unseen[order[:MADE]], labels[order[:MADE]], unseen[order[MADE:]]


def distances(images, others, reference, features) -> dict[str, dict[str, float]]:
    """Return how far images are from unseen ones, beside as many that are unseen as well."""
    quality = kma.metrics.sample_quality(images, others, reference, features, seed=0)
    pixels = quality["spaces"]["pixels"]
    return {
        name: {"value": pixels[name]["value"], "reference": pixels[name]["floor"]["value"]}
        for name in ("kernel", "coverage")
    }


def copies(images, training, others) -> dict[str, int]:
    """Return how many images are suspected to be copies of training images, or are near to one."""
    audit = kma.metrics.copy_audit(images, training, others)
    near = audit["spaces"]["pixels"]["relative"]["near_copies"]
    return {"suspects": audit["suspect_count"], "near_copies": near}


if __name__ == "__main__":
    main()
