r"""What the steps, the guidance and `vary` of a trained `Flow` do to its images.

Takes a model that `generators.py` trained and kept, and measures as many images as it saw, with the
same labels:

- by the number of steps: distances in principal components of pixels to the training images, beside
  those of unseen images (validation and test), and seconds of processor time;
- by guidance: the same, and how many images a classifier that was trained on real images takes for
  their class, beside unseen real images;
- by the strength of `vary`, of the training images: the correlation with the original, how many
  keep their class for that classifier, and suspected copies.

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/flow_sampling.py --root DIR \
        --data breastmnist --model RUNS/breastmnist_flow_0.keras --out docs/results
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from generators import load

import keras_medaug as kma
from keras_medaug.files import write_text_atomic
from keras_medaug.provenance import environment

STEPS = (1, 2, 4, 8, 20, 50)
GUIDANCE = (0.0, 1.0, 1.5, 2.0, 3.0)
STRENGTHS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
MEASURES = ("kernel", "frechet", "precision", "recall", "coverage")


def main() -> None:
    """Measure, and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="breastmnist")
    parser.add_argument("--root", help="folder with the files of MedMNIST")
    parser.add_argument("--model", type=Path, required=True, help="file of a trained model")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    data = load(arguments.data, arguments.root)
    x, y = data.train
    model = keras.saving.load_model(arguments.model)
    measured = Measure(data)
    record: dict[str, Any] = {
        "data": arguments.data,
        "training_steps": int(model.optimizer.iterations),
        "backend": keras.backend.backend(),
        "machine": environment(),
        "unseen_right": measured.right_of_unseen,
    }
    for name, values in (("steps", STEPS), ("guidance", GUIDANCE)):
        record[name] = {}
        for value in values:
            begun = time.process_time()
            images = model.generate(len(y), y, seed=0, **{name: value})
            seconds = time.process_time() - begun
            record[name][str(value)] = {"seconds": round(seconds, 1), **measured(images)}
            print(name, value, record[name][str(value)], flush=True)
    record["vary"] = {}
    for strength in STRENGTHS:
        images = model.vary(x, y, strength=strength, seed=0)
        pairs = zip(images, x, strict=True)
        near = np.mean([np.corrcoef(made.ravel(), own.ravel())[0, 1] for made, own in pairs])
        record["vary"][str(strength)] = {"correlation": round(float(near), 3), **measured(images)}
        print("vary", strength, record["vary"][str(strength)], flush=True)
    text = json.dumps(record, indent=1) + "\n"
    write_text_atomic(arguments.out / f"flow_sampling_{arguments.data}.json", text)


class Measure:
    """Measures images of a set."""

    def __init__(self, data: kma.datasets.Dataset) -> None:
        self.x, self.y = data.train
        self.unseen, unseen_labels = (
            np.concatenate(parts) for parts in zip(data.val, data.test, strict=True)
        )
        self.features: dict[str, Callable] = {"pixels": kma.features.PixelFeatures(self.x)}
        self.classifier = kma.features.ClassifierFeatures(self.x, self.y, seed=0).classifier
        self.right_of_unseen = self.right(self.unseen, unseen_labels)

    def right(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Return the fraction of images that the classifier takes for their class."""
        return float(np.mean(self.classifier.predict(images, verbose=0).argmax(axis=1) == labels))

    def __call__(self, images: np.ndarray) -> dict[str, Any]:
        """Return what is measured."""
        quality = kma.metrics.sample_quality(images, self.x, self.unseen, self.features, seed=0)
        pixels = quality["spaces"]["pixels"]
        copies = kma.metrics.copy_audit(images, self.x, self.unseen)
        relative = copies["spaces"]["pixels"]["relative"]
        return {
            **{name: round(pixels[name]["value"], 4) for name in MEASURES},
            "unseen": {name: round(pixels[name]["floor"]["value"], 4) for name in MEASURES},
            "right": round(self.right(images, self.y), 4),
            "suspects": copies["suspect_count"],
            "near_copies": relative["near_copies"],
            "near_copies_of_unseen": relative["held_out"]["near_copies"],
            "made": len(images),
        }


if __name__ == "__main__":
    main()
