"""What the choices for the DCGAN are worth on BreastMNIST: train it without each, and compare.

    export KERAS_BACKEND=tensorflow
    python benchmarks/choices.py --steps 600 --out docs/results/choices.json

`discriminator_loss` is its mean over the second half of training, in nats: 1.386 for one that is
always undecided. One run a variant, one seed: enough to tell a grid from none, not to rank what
lies close together. The file is read from `$MEDMNIST_ROOT`, else from `~/.medmnist`. Variants that
are in the output already are kept as they are.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
from numpy.typing import NDArray

import keras_medaug as kma
from keras_medaug.files import write_json_atomic
from keras_medaug.networks import builders

BATCH = 64
SAMPLES = 1000
COMPONENTS = 32

LONGER = "as shipped, three times the steps"
# What is undone in each variant: whether the discriminator is normalised, and arguments.
VARIANTS: dict[str, tuple[bool, dict[str, Any]]] = {
    "as shipped": (True, {}),
    "no average of the generator": (True, {"ema_momentum": None}),
    "discriminator not normalised": (False, {}),
    "discriminator with 5x5 kernels": (True, {"discriminator_kernel_size": 5}),
    "discriminator with dropout 0.1": (True, {"dropout": 0.1}),
    "none of these": (
        False,
        {"ema_momentum": None, "discriminator_kernel_size": 5, "dropout": 0.1},
    ),
    LONGER: (True, {}),
}


def new_model(variant: str, shape: tuple[int, int, int]) -> kma.models.DCGAN:
    """Return the DCGAN with one choice undone."""
    normalised, arguments = VARIANTS[variant]
    build = builders.build_discriminator

    def build_changed(*shapes: Any, **settings: Any) -> keras.Model:
        return build(*shapes, **{**settings, "batch_normalization": normalised})

    # The model's argument is one for both networks.
    with mock.patch.object(builders, "build_discriminator", build_changed):
        model = kma.models.DCGAN(shape, seed=0, **arguments)
    model.compile()
    return model


def measures(train: NDArray) -> Callable[[NDArray], dict[str, float]]:
    """Return a function that compares images with the training images.

    `frechet`: the Frechet distance of Gaussians in the training images' first principal components,
    in which it is the squared distance of pixels. `grid`: how much the mean image's deviation from
    its neighbours' mean differs between the 16 positions of a 4x4 cell, relative to the mean size
    of such deviations; 0 without a grid. `spectrum`: the mean difference between the logarithms of
    the two mean power spectra, regardless of sign: large for images that are too soft or too rough.
    """
    components = kma.features.PixelFeatures(train, COMPONENTS)
    real, spectrum = components(train), log_spectrum(train)

    def measure(images: NDArray) -> dict[str, float]:
        distance = kma.metrics.frechet_distance(real, components(images), resamples=1)["value"]
        apart = np.abs(log_spectrum(images) - spectrum).mean()
        measures_of_images = {"frechet": distance, "grid": grid(images), "spectrum": apart}
        return {name: round(float(value), 3) for name, value in measures_of_images.items()}

    return measure


def grid(images: NDArray) -> float:
    """Return how strongly a 4x4 pattern is imprinted on all images."""
    gray = images[..., 0]
    above, below = gray[:, :-2, 1:-1], gray[:, 2:, 1:-1]
    left, right = gray[:, 1:-1, :-2], gray[:, 1:-1, 2:]
    deviations = gray[:, 1:-1, 1:-1] - (above + below + left + right) / 4
    mean = deviations.mean(axis=0)
    cell = [mean[i::4, j::4].mean() for i in range(4) for j in range(4)]
    return float(np.std(cell) / np.abs(deviations).mean())


def log_spectrum(images: NDArray) -> NDArray:
    """Return the mean logarithm of the images' power spectra, by frequency."""
    gray = images[..., 0] - images[..., 0].mean(axis=(1, 2), keepdims=True)
    return np.log(np.abs(np.fft.fft2(gray)) ** 2 + 1e-6).mean(axis=0)


def main() -> None:
    """Train and measure each variant that is not in the output."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1000, help="at least (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    data = kma.datasets.load("breastmnist")
    images = {split: getattr(data, split)[0] for split in ("train", "val", "test")}
    measure = measures(images["train"])
    epochs = -(-options.steps // -(-len(images["train"]) // BATCH))
    config = {
        "epochs": epochs,
        "batch_size": BATCH,
        "samples": SAMPLES,
        "backend": keras.config.backend(),
        "threads": len(os.sched_getaffinity(0)),
        "keras": keras.__version__,
    }
    results: dict[str, Any] = {}
    if options.out.exists():
        stored = json.loads(options.out.read_text(encoding="utf-8"))
        if stored["config"] != config:
            raise SystemExit(f"{options.out} holds results of another configuration: move it away")
        results = stored["results"]
    results["held-out images"] = measure(np.concatenate([images["val"], images["test"]]))
    for variant in VARIANTS:
        if variant not in results:
            keras.utils.clear_session()
            model = new_model(variant, data.image_shape)
            times = epochs * (3 if variant == LONGER else 1)
            logs = model.fit(images["train"], batch_size=BATCH, epochs=times, verbose=0).history
            late_loss = round(float(np.mean(logs["discriminator_loss"][times // 2 :])), 3)
            results[variant] = measure(model.generate(SAMPLES, seed=1))
            results[variant]["discriminator_loss"] = late_loss
            write_json_atomic(options.out, {"config": config, "results": results})
        print(f"{variant:32} {results[variant]}", flush=True)


if __name__ == "__main__":
    main()
