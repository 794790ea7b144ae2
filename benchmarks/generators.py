r"""Which generative model makes the best images in the same time?

Trains one model on the training part of a set for a stated number of seconds, makes as many images
as it was trained on, with the same labels, and measures:

- `sample_quality` in principal components of pixels and in the features of a classifier that was
  trained on the real images, each number beside that of held-out real images (validation and test);
- suspected copies of training images;
- train on synthetic, test on real: the AUC on the test part of classifiers that saw the generated
  images alone: the paper's, and a small residual network.

A grid of the first images of each class is drawn as well, nothing picked, and the model is kept.
Seconds are processor time of one thread, so that other work on the machine takes nothing from a
model. They count from the end of the first step, so that no model pays for compilation. Training
ends with the step in which they are up. Once for each set and seed:

    KERAS_BACKEND=torch OMP_NUM_THREADS=1 python benchmarks/generators.py --root DIR --out DIR \
        --data breastmnist --models real flow vaegan dcgan cvae --seed 0 --seconds 240

`real` takes the training images themselves: the reference of the classifiers. What has a result in
the folder is not done again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

import keras_medaug as kma
from keras_medaug.models.fit_steps import endless_order
from keras_medaug.models.registry import generator_class, new_generator
from keras_medaug.provenance import environment
from keras_medaug.seeds import derive_seed

BATCH = 64
CLASSIFIER_STEPS = 400
SHOWN = 8  # images of each class in a grid


class Clock(keras.callbacks.Callback):
    """Stops a training after the step in which its time is up, counted from its first step on."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.steps = 0
        self.begun = 0.0

    def on_train_batch_end(self, batch, logs=None) -> None:
        """Count the step, and stop if the time is up."""
        self.steps += 1
        if self.steps == 1:
            self.begun = time.process_time()
        self.model.stop_training = time.process_time() - self.begun > self.seconds


def main() -> None:
    """Train, measure, and write a JSON file and a grid of each model."""
    arguments = parse()
    data = load(arguments.data, arguments.root)
    arguments.out.mkdir(parents=True, exist_ok=True)
    features: dict[str, Callable] = {
        "pixels": kma.features.PixelFeatures(data.train[0]),
        "classifier": kma.features.ClassifierFeatures(*data.train, seed=0),
    }
    for name in arguments.models:
        words = [arguments.data, name, *arguments.tag, str(arguments.seed)]
        stem = arguments.out / "_".join(words)
        if not stem.with_suffix(".json").exists():
            write(stem, name, arguments, data, features)


def write(stem: Path, name: str, arguments: argparse.Namespace, data, features) -> None:
    """Train a model, measure its images, and write what came of it."""
    x, y = data.train
    record = {
        "data": arguments.data,
        "model": name,
        "settings": arguments.settings,
        "seed": arguments.seed,
        "backend": keras.backend.backend(),
        "machine": environment(),
    }
    images = x
    if name != "real":
        model, trained = trained_model(name, arguments, data)
        model.save(stem.with_suffix(".keras"))
        begun = time.process_time()
        images = model.generate(len(y), y, seed=arguments.seed)
        record |= trained | {"seconds_to_generate": round(time.process_time() - begun, 1)}
        record |= compared(images, data, features)
    record["synthetic_auc"] = {
        name: tested(make(data, arguments.seed), images, y, data.test, arguments.seed)
        for name, make in CLASSIFIERS.items()
    }
    stem.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    first = np.concatenate([images[y == c][:SHOWN] for c in range(data.num_classes)])
    kma.plotting.save(kma.plotting.image_grid(first, SHOWN), stem.with_suffix(".png"))
    print(stem.name, json.dumps(summary(record)), flush=True)


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="breastmnist", help="a MedMNIST set, or an npz file")
    parser.add_argument("--root", help="folder with the files of MedMNIST")
    parser.add_argument("--models", nargs="+", help="names in `generators()`, or 'real'")
    parser.add_argument("--settings", type=json.loads, default={}, help="of the model, as JSON")
    parser.add_argument("--tag", nargs="*", default=[], help="words for the names of the files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def load(name: str, root: str | None) -> kma.datasets.Dataset:
    """Return a set by its name, or by its file."""
    if name in ("mednist_64", "dermamnist_rebuilt"):
        return kma.datasets.from_npz(Path(root or ".") / f"{name}.npz")
    return kma.datasets.load(name, root=root, download=False)


def trained_model(name: str, arguments: argparse.Namespace, data) -> tuple:
    """Return a trained model, and the steps and seconds that it took."""
    model = new_generator(
        generator_class(name),
        data.image_shape,
        data.num_classes,
        arguments.seed,
        arguments.settings,
    )
    clock = Clock(arguments.seconds)
    x, y = data.train
    model.fit(x, y, batch_size=BATCH, epochs=100_000, callbacks=[clock], verbose=0)
    seconds = time.process_time() - clock.begun
    return model, {"steps": clock.steps, "seconds": round(seconds, 1)}


def compared(images: np.ndarray, data, features: dict[str, Callable]) -> dict:
    """Compare images with those of the set: quality, and suspected copies."""
    x, y = data.train
    unseen, unseen_labels = (
        np.concatenate(parts) for parts in zip(data.val, data.test, strict=True)
    )
    copies = kma.metrics.copy_audit(images, x, unseen)
    relative = copies["spaces"]["pixels"]["relative"]
    quality = kma.metrics.sample_quality(images, x, unseen, features, y, y, unseen_labels, seed=0)
    return {
        "copies": {
            **{key: copies[key] for key in ("count", "suspect_count", "exact_copies")},
            "near_copies": relative["near_copies"],
            "near_copies_of_unseen": relative["held_out"]["near_copies"],
            "unseen": len(unseen),
        },
        "quality": quality,
    }


def paper(data, seed: int) -> keras.Model:
    """Return the paper's classifier, compiled."""
    model = kma.models.Classifier(data.image_shape, data.num_classes, seed=seed)
    model.compile()
    return model


def residual(data, seed: int) -> keras.Model:
    """Return a small residual network, compiled: 24, 48 and 96 channels, a decaying rate."""
    seeds = iter(derive_seed(seed, "residual", number) for number in range(100))

    def convolution(x, width: int, size: int = 3, strides: int = 1):
        start = keras.initializers.HeNormal(next(seeds))
        x = kma.layers.Conv2D(
            width, size, strides=strides, padding="same", use_bias=False, kernel_initializer=start
        )(x)
        return kma.layers.BatchNormalization(momentum=0.9)(x)

    inputs = keras.Input(data.image_shape)
    x = keras.layers.Rescaling(4.0, -2.0)(inputs)
    if data.image_shape[0] > 32:
        x = keras.layers.AveragePooling2D(2)(x)
    x = keras.ops.relu(convolution(x, 24, strides=2))
    for width, strides in ((24, 1), (48, 2), (96, 2)):
        branch = keras.ops.relu(convolution(x, width, strides=strides))
        branch = convolution(branch, width)
        if strides > 1:
            x = convolution(x, width, 1, strides)
        x = keras.ops.relu(x + branch)
    x = keras.layers.GlobalAveragePooling2D()(x)
    start = keras.initializers.GlorotUniform(next(seeds))
    outputs = keras.layers.Dense(data.num_classes, "softmax", kernel_initializer=start)(x)
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, CLASSIFIER_STEPS)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.05), "sparse_categorical_crossentropy"
    )
    return model


CLASSIFIERS = {"paper": paper, "residual": residual}


def tested(model, images, labels, test, seed: int) -> float:
    """Return the AUC on real test images of a classifier that is trained on these."""
    order = endless_order(len(images), CLASSIFIER_STEPS * BATCH, seed)
    batches = ((images[rows], labels[rows]) for rows in order.reshape(-1, BATCH))
    model.fit(batches, steps_per_epoch=CLASSIFIER_STEPS, verbose=0)
    scores = model.predict(test[0], batch_size=256, verbose=0).astype("float64")
    scores /= scores.sum(axis=1, keepdims=True)
    binary = scores.shape[1] == 2
    return float(roc_auc_score(test[1], scores[:, 1] if binary else scores, multi_class="ovr"))


def summary(record: dict) -> dict:
    """Return a few numbers of a record, to print."""
    short = {key: record[key] for key in ("steps", "seconds_to_generate") if key in record}
    for space, numbers in record.get("quality", {}).get("spaces", {}).items():
        for name in ("kernel", "frechet", "precision", "recall", "coverage"):
            short[f"{space} {name}"] = [
                float(f"{number:.3g}")
                for number in (numbers[name]["value"], numbers[name]["floor"]["value"])
            ]
    short["copies"] = record.get("copies")
    short["auc"] = {name: round(auc, 4) for name, auc in record["synthetic_auc"].items()}
    return short


if __name__ == "__main__":
    main()
