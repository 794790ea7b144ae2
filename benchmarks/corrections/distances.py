"""What the distances between sets of images see, before and after their corrections.

Kernel distance under other units of the features, and of features of half the spread. Scores of
nearest neighbours where images are repeated, blank or whole numbers. Width of the interval where
synthetic images are many and held-out ones few. Spectral distance of blurred images, and the AUC of
the classifier two-sample test: `null` where the package has neither. About a minute on one core.

    python benchmarks/corrections/distances.py --root DIR \
        --out docs/results/corrections/distances_after.json

DIR has MedMNIST's `breastmnist.npz` and `pneumoniamnist.npz`.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import keras_medaug as kma
from keras_medaug.files import write_json_atomic

SCALES = (1e-2, 1e-1, 1.0, 1e1, 1e3)
BLURS = (0.5, 0.75, 1.0, 1.5)
SETS = ("breastmnist", "pneumoniamnist")
metrics = kma.metrics


def figure(name: str, value: float | None, target: str) -> dict[str, Any]:
    """Return one figure, rounded."""
    rounded = None if value is None else float(f"{value:.4g}")
    print(f"{name}: {rounded} (target {target})", flush=True)
    return {"name": name, "value": rounded, "target": target}


def kernel_figures() -> list[dict[str, Any]]:
    """Return what the kernel distance makes of units and of half the spread."""
    x, y = (np.random.default_rng(seed).normal(size=(400, 16)) for seed in (0, 1))
    values = [metrics.kernel_distance(s * x, s * (y + 0.3))["value"] for s in SCALES]
    figures = [
        figure(
            "kernel distance: largest over smallest value under feature units from 0.01 to 1000",
            max(values) / min(values),
            "1",
        )
    ]
    for scale in (1.0, 0.01):
        narrow = metrics.kernel_distance(scale * x, scale * y / 2)
        same = metrics.kernel_distance(scale * x, scale * y)
        figures.append(
            figure(
                f"kernel distance of half the spread, over the half interval of the same kind, "
                f"features of size {scale:g}",
                narrow["value"] / (np.ptp(same["ci95"]) / 2),
                "above 5",
            )
        )
    return figures


def brute_force(real: NDArray, synthetic: NDArray, neighbours: int = 5) -> list[float]:
    """Return the scores of whole numbers, from exact differences; balls hold their edge."""

    def squares(x: NDArray, y: NDArray) -> NDArray:
        return ((x[:, None, :] - y[None]) ** 2).sum(axis=2)

    radii = [np.sort(squares(x, x), axis=1)[:, neighbours] for x in (real, synthetic)]
    distances = squares(real, synthetic)
    in_real = distances <= radii[0][:, None]
    shares = in_real.any(axis=0), (distances <= radii[1]).any(axis=1), in_real.any(axis=1)
    return [float(share.mean()) for share in shares]


def neighbour_figures() -> list[dict[str, Any]]:
    """Return scores where distances tie."""
    rng = np.random.default_rng(0)
    figures = []
    for times in (2, 6, 12):
        x = np.repeat(rng.normal(7, 1, (20, 50)), times, axis=0)
        value = metrics.manifold_scores(x, x)["precision"]["value"]
        name = f"precision of a set against itself, images {times} times each"
        figures.append(figure(name, value, "1"))
    blank = np.full((40, 8), 0.1)
    value = metrics.manifold_scores(blank, blank)["precision"]["value"]
    figures.append(figure("precision of blank images against themselves", value, "1"))
    names = ("precision", "recall", "coverage")
    worst = 0.0
    for _ in range(10):
        real, synthetic = rng.integers(0, 4, (90, 5)), rng.integers(0, 4, (70, 5))
        scores = metrics.manifold_scores(real, synthetic)
        expected = brute_force(real, synthetic)
        pairs = zip(names, expected, strict=True)
        worst = max(worst, *(abs(scores[name]["value"] - value) for name, value in pairs))
    name = "nearest-neighbour scores of whole numbers: largest error against exact arithmetic"
    return [*figures, figure(name, worst, "0")]


def width_figure(data: kma.datasets.Dataset) -> dict[str, Any]:
    """Return how much narrower the kernel distance's interval is with many synthetic images."""
    spaces = {"pixels": kma.features.PixelFeatures(data.train[0])}
    held_out = data.val[0]
    made = data.train[0][:500, :, ::-1]  # mirrored images stand for synthetic ones

    def width(images: NDArray, seed: int) -> float:
        quality = metrics.sample_quality(images, data.train[0], held_out, spaces, seed=seed)
        return float(np.ptp(quality["spaces"]["pixels"]["kernel"]["ci95"]))

    orders = [np.random.default_rng(seed).permutation(len(made)) for seed in range(10)]
    few = [width(made[order[: len(held_out)]], seed) for seed, order in enumerate(orders)]
    many = [width(made[order], seed) for seed, order in enumerate(orders)]
    name = (
        f"kernel distance: mean interval with {len(made)} synthetic images over that with "
        f"{len(held_out)}, {len(held_out)} held-out"
    )
    return figure(name, float(np.mean(many) / np.mean(few)), "below 0.7")


def image_figures(name: str, data: kma.datasets.Dataset) -> list[dict[str, Any]]:
    """Return what blurred and real images get."""
    real, held_out = data.train[0], data.val[0]
    spectral = getattr(metrics, "spectral_distance", None)
    test = getattr(metrics, "two_sample_auc", None)
    figures = []
    for blur in (0.0, *BLURS):
        x = ndimage.gaussian_filter(held_out, (0, blur, blur, 0)) if blur else held_out
        what = f"blurred by {blur:g}" if blur else "real"
        result = spectral(real, x) if spectral else {}
        target = "rising with blur, about 0 if real"
        value = result.get("value")
        figures.append(figure(f"spectral distance (dB^2), {name}, {what}", value, target))
        value = result.get("high_frequency_ratio")
        target = "falling with blur, about 1 if real"
        figures.append(figure(f"high-frequency ratio, {name}, {what}", value, target))
        if blur in (0.0, 0.5, 0.75):
            auc = test(x, real)["auc"] if test else None
            target = "above 0.8" if blur else "about 0.5"
            figures.append(figure(f"two-sample AUC, {name}, {what}", auc, target))
    return figures


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    figures = kernel_figures() + neighbour_figures()
    for name in SETS:
        data = kma.datasets.load(name, root=options.root, download=False)
        figures += [width_figure(data)] if name == SETS[0] else []
        figures += image_figures(name, data)
    command = f"python benchmarks/corrections/distances.py --root DIR --out {options.out.name}"
    content = {"command": command, "machine": "two AMD EPYC cores", "figures": figures}
    write_json_atomic(options.out, content)


if __name__ == "__main__":
    main()
