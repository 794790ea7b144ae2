"""Do generated images and reconstructions have the contrast of the data?

Trains `VAEGAN`, `CVAE` and `DCGAN` on BreastMNIST for 67 epochs of nine steps (603 steps of 64
images), and measures, in units of the training images' value:

- the standard deviation over all pixels of 2,000 generated images, and the mean standard deviation
  within an image;
- both deviations of reconstructed validation images, and the root mean square error of these;
- the kernel distance of 234 generated images to the validation and test images, in principal
  components of pixels, not scaled;
- the losses of `evaluate` on 512 training images, divided by those of training mode. In training
  mode each batch is normalised by its own statistics. Before this, 48 steps with a learning rate of
  0 bring the running statistics to those of the final weights.

Run once for each backend and each version of the package:

    KERAS_BACKEND=tensorflow python benchmarks/contrast.py --root DIR --out FILE
"""

import argparse
import inspect
import json
from pathlib import Path

import keras
import numpy as np

import keras_medaug as kma
from keras_medaug.models.registry import has_ability

EPOCHS, BATCH, GENERATED, COMPARED, SETTLING = 67, 64, 2000, 234, 6
TARGETS = {
    "VAEGAN, contrast of generated images": ".95 to 1.05",
    "VAEGAN, contrast within a generated image": ".93 to 1.07",
}


def main() -> None:
    """Measure, and write a JSON file."""
    arguments = parse()
    data = kma.datasets.load("breastmnist", root=arguments.root, download=False)
    figures = []
    for name in arguments.models:
        for seed in range(arguments.seeds):
            figures += measure(name, seed, data)
    record = {
        "command": "python benchmarks/contrast.py --root DIR --out FILE"
        + (f" --seeds {arguments.seeds}" if arguments.seeds > 1 else ""),
        "backend": keras.backend.backend(),
        "machine": "two AMD EPYC cores",
        "figures": figures,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder with breastmnist.npz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=["VAEGAN", "CVAE", "DCGAN"])
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args()


def measure(name: str, seed: int, data: kma.datasets.Dataset) -> list[dict]:
    """Train a model, and return its figures."""
    model = getattr(kma.models, name)(data.image_shape, seed=seed)
    model.compile()
    training = data.train[0]
    model.fit(data.stored("train")[0], batch_size=BATCH, epochs=EPOCHS, verbose=0)
    images = model.generate(GENERATED, seed=1)
    figures = {
        "contrast of generated images": spread(images) / spread(training),
        "contrast within a generated image": within(images) / within(training),
        "kernel distance of generated images, pixels": kernel(images[:COMPARED], data),
    }
    if has_ability(model, "reconstruct"):
        unseen = data.val[0]
        reconstructed = model.reconstruct(unseen)
        error = float(np.sqrt(np.mean((reconstructed - unseen) ** 2)))
        figures |= {
            "contrast of reconstructions": spread(reconstructed) / spread(unseen),
            "contrast within a reconstruction": within(reconstructed) / within(unseen),
            "root mean square error of reconstructions": error,
        }
    figures |= scores(model, training)
    return [row(name, seed, what, value) for what, value in figures.items()]


def row(name: str, seed: int, what: str, value: float) -> dict:
    """Return one figure."""
    label = f"{name}, {what}"
    return {"name": label, "seed": seed, "value": round(value, 4), "target": TARGETS.get(label)}


def spread(images: np.ndarray) -> float:
    """Return the standard deviation over all pixels."""
    return float(images.std())


def within(images: np.ndarray) -> float:
    """Return the mean, over images, of the standard deviation within an image."""
    return float(images.std(axis=(1, 2, 3)).mean())


def kernel(images: np.ndarray, data: kma.datasets.Dataset) -> float:
    """Return the kernel distance to unseen real images in principal components of pixels."""
    features = kma.features.PixelFeatures(data.train[0])
    unseen = np.concatenate([data.val[0], data.test[0]])
    distance = kma.metrics.kernel_distance
    # Versions that scale features are asked for the value without, to compare it with older ones.
    options = {"scaled": False} if "scaled" in inspect.signature(distance).parameters else {}
    return float(distance(features(unseen), features(images), **options)["value"])


def scores(model: keras.Model, images: np.ndarray) -> dict[str, float]:
    """Return the losses of `evaluate` over those of training mode, the weights standing still."""
    batch = images[: 8 * BATCH]
    for variable in model.optimizer.variables:
        if "learning_rate" in variable.path:
            variable.assign(0.0)
    inside: dict[str, float] = {}
    for _ in range(SETTLING):
        model.reset_metrics()
        for start in range(0, len(batch), BATCH):
            inside = model.train_on_batch(batch[start : start + BATCH], return_dict=True)
    outside = model.evaluate(batch, batch_size=BATCH, verbose=0, return_dict=True)
    names = [key for key in inside if key.endswith("_loss")] or ["loss"]
    return {f"{key}, evaluate over training mode": outside[key] / inside[key] for key in names}


if __name__ == "__main__":
    main()
