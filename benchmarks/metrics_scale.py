"""What the metrics cost on 50,000 images against 50,000, in 128 dimensions.

    python benchmarks/metrics_scale.py --out FILE

Each runs in a process of its own, whose largest memory is noted, beside the same by brute force
with NumPy on a tenth of the images, all pairs in memory at once. With a hundredth of the
pairs, what takes time by pairs would have a ratio of 100.
"""

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from keras_medaug.files import write_json_atomic
from keras_medaug.metrics import frechet_distance, kernel_distance, manifold_scores

SHARE = 10
NEIGHBOURS = 5
SCORES = ("precision", "recall", "density", "coverage")


def features(count: int, size: int) -> tuple[NDArray, NDArray]:
    """Return two sets of features that differ a little."""
    rng = np.random.default_rng(0)
    real, synthetic = (rng.normal(size=(count, size)) for _ in range(2))
    return real, 1.05 * synthetic + 0.05


def brute_kernel(real: NDArray, synthetic: NDArray) -> float:
    """Return the unbiased squared discrepancy from all pairs at once."""
    within, other, between = (
        (a @ b.T / a.shape[1] + 1) ** 3
        for a, b in ((real, real), (synthetic, synthetic), (real, synthetic))
    )
    count = len(real)
    own = within.sum() - np.trace(within) + other.sum() - np.trace(other)
    return float(own / (count * (count - 1)) - 2 * between.mean())


def brute_frechet(real: NDArray, synthetic: NDArray) -> float:
    """Return the Frechet distance by the root of the covariances' product."""
    covariances = [np.cov(x, rowvar=False) for x in (real, synthetic)]
    root = np.real(linalg.sqrtm(covariances[0] @ covariances[1]))
    shift = np.sum((real.mean(0) - synthetic.mean(0)) ** 2)
    return float(shift + np.trace(covariances[0] + covariances[1] - 2 * root))


def brute_manifold(real: NDArray, synthetic: NDArray) -> float:
    """Return the sum of all four shares, from all distances at once."""

    def distances(a: NDArray, b: NDArray) -> NDArray:
        squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
        return np.sqrt(np.maximum(squares, 0))

    radii = [
        np.partition(distances(x, x), NEIGHBOURS, axis=1)[:, NEIGHBOURS] for x in (real, synthetic)
    ]
    between = distances(real, synthetic)
    inside, covering = between < radii[0][:, None], between < radii[1]
    precision, recall = inside.any(0).mean(), covering.any(1).mean()
    density, coverage = inside.sum(0).mean() / NEIGHBOURS, inside.any(1).mean()
    return float(precision + recall + density + coverage)


def ours(name: str, count: int, size: int) -> dict[str, float]:
    """Run one of ours, and note time, largest memory and value."""
    calls: dict[str, Callable[..., dict[str, Any]]] = {
        "kernel": kernel_distance,
        "frechet": frechet_distance,
        "manifold": manifold_scores,
    }
    pair = features(count, size)
    began = time.perf_counter()
    result = calls[name](*pair)
    seconds = time.perf_counter() - began
    value = sum(result[n]["value"] for n in SCORES) if name == "manifold" else result["value"]
    return {"seconds": seconds, "value": value, "gib": _largest_memory()}


def brute(name: str, count: int, size: int) -> dict[str, float]:
    """Run the brute force of the same."""
    calls = {"kernel": brute_kernel, "frechet": brute_frechet, "manifold": brute_manifold}
    pair = features(count, size)
    began = time.perf_counter()
    value = calls[name](*pair)
    return {"seconds": time.perf_counter() - began, "value": value, "gib": _largest_memory()}


def _largest_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # in KiB, on Linux


def alone(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Call a function in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> None:
    """Run all, write and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--count", type=int, default=50_000, metavar="N")
    parser.add_argument("--size", type=int, default=128, metavar="D")
    options = parser.parse_args()
    rows = []
    for name in ("kernel", "frechet", "manifold"):
        large = alone(ours, name, options.count, options.size)
        small = alone(brute, name, options.count // SHARE, options.size)
        same = alone(ours, name, options.count // SHARE, options.size)
        rows.append({
            "metric": name,
            "gib": round(large["gib"], 2),
            "brute_gib_of_a_tenth": round(small["gib"], 2),
            "time_to_brute_of_a_tenth": round(large["seconds"] / small["seconds"], 2),
            "time_to_brute_of_the_same": round(same["seconds"] / small["seconds"], 2),
            "values_on_a_tenth": [round(same["value"], 6), round(small["value"], 6)],
        })  # fmt: skip
        print(rows[-1], flush=True)
    config = {"count": options.count, "size": options.size, "share": SHARE}
    write_json_atomic(options.out, {"config": config, "rows": rows})


if __name__ == "__main__":
    main()
