"""Does `SampleMonitor(best=)` keep `Flow` from copying 100 images?

Trains on the 100 images of PneumoniaMNIST on which `benchmarks/flow_training.py` does, with a
monitor that looks every 250 steps at 400 images, beside 400 images of the validation split. Then
measures the weights that the monitor kept as that script does.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/flow_best.py --root DIR --out DIR
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from flow_training import BATCH, FIRST, MADE, chosen, copies, distances, divided

import keras_medaug as kma
from keras_medaug.files import write_text_atomic
from keras_medaug.provenance import environment

IMAGES, STEPS, SEED = 100, 3000, 0


def main() -> None:
    """Train, measure, and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder with pneumoniamnist.npz")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    data = kma.datasets.load("pneumoniamnist", root=arguments.root, download=False)
    x, y = chosen(*data.train, IMAGES, SEED)
    reference, labels, others = divided(data)
    x_val, y_val = data.val
    held_out = np.random.default_rng(1).permutation(len(x_val))[:MADE]
    features = {"pixels": kma.features.PixelFeatures(data.train[0])}
    steps_an_epoch = -(-len(x) // BATCH)
    monitor = kma.callbacks.SampleMonitor(
        arguments.out / "monitor", x_val[held_out], features, every=FIRST // steps_an_epoch,
        labels=y_val[held_out], best="pixels_kernel", seed=SEED,
    )  # fmt: skip
    model = kma.models.Flow(data.image_shape, data.num_classes, seed=SEED)
    model.compile()
    epochs = STEPS // steps_an_epoch
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=2, callbacks=[monitor])
    best_epoch = monitor.best_epoch
    assert best_epoch is not None  # it looked
    images = model.generate(MADE, labels, seed=1)
    record = {
        "data": "pneumoniamnist", "images": len(x), "seed": SEED, "made": MADE,
        "machine": environment(),
        "looks": [
            {"steps": look["epoch"] * steps_an_epoch, "kernel": look["pixels_kernel"]}
            for look in monitor.history
        ],
        "best_steps": best_epoch * steps_an_epoch,
        "of_best": distances(images, others, reference, features) | copies(images, x, others),
        "reference": copies(reference, x, others),
    }  # fmt: skip
    text = json.dumps(record, indent=1)
    print(text)
    write_text_atomic(arguments.out / "flow_best.json", text + "\n")


if __name__ == "__main__":
    main()
