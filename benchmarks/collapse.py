"""How many of twenty seeds collapse: each generative model, as shipped, on BreastMNIST.

    export KERAS_BACKEND=tensorflow
    python benchmarks/collapse.py --steps 300 --out docs/results/collapse.json

A run has collapsed where its samples differ from each other by less than half of what training
images differ by: `spread` is the mean distance between two of 200 samples over that between two of
200 training images, root mean squares over pixels. `nearest` is the same of the distance to the
nearest of the others, which falls where samples gather around a few images; images that are only
softer than the data have a low one, too. Training images against others of their kind score about 1
in both.

The file is read from `$MEDMNIST_ROOT`, else from `~/.medmnist`. Runs that are in the output already
are kept as they are. With `--pictures` the samples of every run are drawn, a row for each.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_medaug as kma
from keras_medaug.files import write_json_atomic
from keras_medaug.images import pair_distances
from keras_medaug.metrics.diversity import FEW_APART

BATCH = 64
SAMPLES = 200
DRAWN = 12
MODELS: dict[str, Any] = {kind.__name__: kind for kind in kma.models.generators().values()}


def spreads(images: NDArray) -> dict[str, float]:
    """Return the mean distance between two images, and to the nearest other one."""
    between = pair_distances(images)
    table = np.full((len(images), len(images)), np.inf)
    table[np.triu_indices(len(images), 1)] = between
    nearest = np.minimum(table.min(axis=0), table.min(axis=1))
    return {"spread": float(between.mean()), "nearest": float(nearest.mean())}


def relative(images: NDArray, reference: dict[str, float]) -> dict[str, float]:
    """Return the spreads of images over those of the data."""
    return {name: round(value / reference[name], 3) for name, value in spreads(images).items()}


def has_collapsed(run: dict[str, float]) -> bool:
    """Whether a run's samples differ by less than half of what training images do."""
    return not run["spread"] >= FEW_APART  # NaN counts, too


def main() -> None:
    """Train and measure each run that is not in the output; print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=300, help="at least (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), metavar="NAME")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    data = kma.datasets.load("breastmnist")
    x, _ = data.train
    epochs = -(-options.steps // -(-len(x) // BATCH))
    config = {
        "epochs": epochs,
        "steps": epochs * -(-len(x) // BATCH),
        "batch_size": BATCH,
        "samples": SAMPLES,
        "backend": keras.config.backend(),
        "keras": keras.__version__,
    }
    chosen = np.random.default_rng(0).permutation(len(x))
    reference = spreads(x[chosen[:SAMPLES]])
    runs = stored_runs(options.out, config)
    runs["training images"] = {"0": relative(x[chosen[SAMPLES : 2 * SAMPLES]], reference)}
    for name in options.models:
        drawn = {}
        for seed in range(options.seeds):
            if str(seed) not in runs.setdefault(name, {}):
                began = time.monotonic()
                samples = train(name, seed, x, epochs)
                runs[name][str(seed)] = relative(samples, reference)
                drawn[seed] = samples[:DRAWN]
                write_json_atomic(options.out, {"config": config, "runs": runs})
                seconds = time.monotonic() - began
                print(f"{name:7} {seed:3} {runs[name][str(seed)]} {seconds:.0f} s", flush=True)
        if options.pictures and drawn:
            draw(options.pictures / f"{name.lower()}.png", drawn)
        results = list(runs[name].values())
        print(f"{name}: {sum(map(has_collapsed, results))} of {len(results)} collapsed", flush=True)


def stored_runs(out: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Return the runs of an earlier call, which must have been of the same configuration."""
    if not out.exists():
        return {}
    stored = json.loads(out.read_text(encoding="utf-8"))
    if stored["config"] != config:
        raise SystemExit(f"{out} holds runs of another configuration: move it away")
    runs: dict[str, Any] = stored["runs"]
    return runs


def train(name: str, seed: int, x: NDArray, epochs: int) -> NDArray:
    """Return samples of a model trained as shipped."""
    keras.utils.clear_session()
    model = MODELS[name](x.shape[1:], seed=seed)
    model.compile()
    model.fit(x, batch_size=BATCH, epochs=epochs, verbose=0)
    samples: NDArray = model.generate(SAMPLES, seed=1)
    return samples


def draw(path: Path, samples: dict[int, NDArray]) -> None:
    """Draw some samples of each run, a row for each."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    from matplotlib import pyplot as plt

    rows = [np.concatenate(list(images[..., 0]), axis=1) for images in samples.values()]
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.imsave(path, np.concatenate(rows), cmap="gray", vmin=0, vmax=1)


if __name__ == "__main__":
    main()
