"""What does the memorization check find, and what do `near_duplicates`?

    python benchmarks/copies.py --root DIR --out FILE [--sets NAME ...]
    python benchmarks/copies.py --root DIR --out FILE --old CHECKOUT   # and the times

DIR holds MedMNIST files. Of each set, 100 training images are copied in each of the ways of
`KINDS`; every second held-out image calibrates the check, and the others are new images. `--more
FILE.npz` names further files in MedMNIST layout, which are only searched for duplicates; in those
of `--fresh FILE.npz` copies are planted as well. No setting of the check was chosen by these.

`--old` compares the speed with that of another checkout of the package. Each of the two checks the
unseen half of the held-out images three times. The runs alternate, and each is a new process. The
smallest CPU time of each checkout is reported.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import keras_medaug as kma
from keras_medaug.files import write_json_atomic
from keras_medaug.study.arm import safe_policy

SETS = ("breastmnist", "pneumoniamnist", "retinamnist")
COPIES = 100
REPEATS = 3
FACTOR = 4


def shifted(images: NDArray, down: int, across: int) -> NDArray:
    """Return images shifted; what comes in repeats the edge."""
    height, width = images.shape[1:3]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - across, 0, width - 1)
    return images[:, rows][:, :, columns]


def rotated(images: NDArray, degrees: float) -> NDArray:
    """Return images rotated by linear interpolation; what comes in repeats the edge."""
    return ndimage.rotate(images, degrees, (1, 2), reshape=False, order=1, mode="nearest")


def noisy(images: NDArray) -> NDArray:
    """Return images with 3% noise."""
    return np.clip(images + np.random.default_rng(0).normal(0, 0.03, images.shape), 0, 1)


KINDS: dict[str, Callable[[NDArray], NDArray]] = {
    "exact": lambda x: x,
    **{f"{d} px down": functools.partial(shifted, down=d, across=0) for d in (1, 2, 3)},
    **{f"{d} px diagonally": functools.partial(shifted, down=d, across=d) for d in (1, 2, 3)},
    **{f"turned {a} degrees": functools.partial(rotated, degrees=a) for a in (3, 7, 10)},
    "flipped": lambda x: x[:, :, ::-1],
    "quarter turn": lambda x: np.rot90(x, axes=(1, 2)),
    "inverted": lambda x: 1 - x,
    "brighter by 0.1": lambda x: np.clip(x + 0.1, 0, 1),
    "0.7 of the contrast": lambda x: 0.5 + 0.7 * (x - 0.5),
    "3% noise": noisy,
}


def halves(data: kma.datasets.Dataset) -> tuple[NDArray, NDArray]:
    """Return held-out images that calibrate, and those that are new."""
    unseen = np.concatenate([data.val[0], data.test[0]])
    unseen = unseen[np.random.default_rng(0).permutation(len(unseen))]
    return unseen[::2], unseen[1::2]


def check_figures(data: kma.datasets.Dataset) -> list[dict[str, Any]]:
    """Return how many copies of each kind, and how many unseen images, are suspected."""
    training = data.train[0]
    calibrating, unseen = halves(data)
    chosen = training[np.random.default_rng(0).permutation(len(training))[:COPIES]]
    keras.utils.set_random_seed(0)
    policy = safe_policy(data.name)
    made = {name: kind(chosen) for name, kind in KINDS.items()}
    made["geometric-safe"] = keras.ops.convert_to_numpy(policy(chosen, training=True))
    figures = []
    for name, images in made.items():
        images = np.clip(np.asarray(images, "float32"), 0, 1)
        audit = kma.metrics.copy_audit(images, training, calibrating)
        title = f"{data.name}: copies found of 100, {name}"
        figures.append({"name": title, "value": audit["suspect_count"], "target": ">= 95"})
        print(figures[-1], flush=True)
    audit = kma.metrics.copy_audit(unseen, training, calibrating)
    percent = round(100 * audit["suspect_count"] / len(unseen), 1)
    figures.append({
        "name": f"{data.name}: percent of {len(unseen)} unseen real images suspected",
        "value": percent, "target": "<= 5",
    })  # fmt: skip
    for space, values in audit["spaces"].items():
        near = values["relative"]["held_out"]["near_copies"]
        figures.append({
            "name": f"{data.name}: near copies of {len(calibrating)} calibrating images, {space}",
            "value": near, "target": None,
        })  # fmt: skip
    return figures


def tiles(count: int, seed: int) -> NDArray[np.uint8]:
    """Return textured tiles in the colours of stained tissue."""
    noise = np.random.default_rng(seed).random((count, 32, 32, 1))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 0), mode="wrap")
    level = np.clip(0.5 + 3 * (smooth - 0.5), 0, 1)
    # Rounded here: with `--old` the script also runs with packages that have no `to_uint8`.
    return np.rint(255 * (level * [0.4, 0.6, 0.3] + [0.5, 0.2, 0.5])).astype("uint8")


def background(count: int, seed: int) -> NDArray[np.uint8]:
    """Return tiles that are nearly of one colour."""
    noise = np.random.default_rng(seed).normal([238, 225, 235], 2, (count, 32, 32, 3))
    return np.clip(noise, 0, 255).astype("uint8")


def histology_figures() -> list[dict[str, Any]]:
    """Return what is found in a set with 40 flipped and turned duplicates, and background."""
    training, test = tiles(600, 1), tiles(200, 2)
    for number in range(40):
        form = np.rot90(training[10 * number], number % 4)
        test[number] = form[:, ::-1] if number % 8 > 3 else form
    training = np.concatenate([training, background(60, 3)])
    test = np.concatenate([test, background(30, 3), background(30, 4)])
    duplicates = kma.metrics.near_duplicates(test, training)
    right = sum(index < 40 for index in duplicates["indices"])
    audit = kma.metrics.copy_audit(background(60, 4), training)
    rows = [
        ("of 40 duplicates between splits, 35 flipped or turned, found", right, 40),
        ("of 60 background tiles, called duplicates", duplicates["near"] - right, 0),
        ("of 60 background tiles, suspected copies", audit["suspect_count"], 0),
    ]
    return [
        {"name": f"tiles: {name}", "value": value, "target": target} for name, value, target in rows
    ]


def duplicate_figures(data: kma.datasets.Dataset) -> list[dict[str, Any]]:
    """Return how many images of each split are in training."""
    training = data.stored("train")[0]
    figures = []
    for split in ("train", "val", "test"):
        images = data.stored(split)[0]
        others = None if split == "train" else training
        start = time.process_time()
        duplicates = kma.metrics.near_duplicates(images, others)
        seconds = round(time.process_time() - start, 2)
        values = {key: duplicates.get(key) for key in ("exact", "near", "in_place", "uniform")}
        figures += [
            {"name": f"{data.name}: {key}, {split} among training images", "value": value}
            | {"target": None}
            for key, value in (values | {"CPU seconds": seconds}).items()
        ]
    return figures


def seconds_of(checkout: Path, root: str, name: str) -> float:
    """Return the CPU seconds of one check by a checkout, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, __file__, "--root", root, "--time", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def time_figures(old: Path, root: str, names: list[str]) -> list[dict[str, Any]]:
    """Return the times of both packages, best of three, taken in turn."""
    new, figures = Path(__file__).resolve().parents[1], []
    for name in names:
        pairs = [
            [seconds_of(package, root, name) for package in (old, new)] for _ in range(REPEATS)
        ]
        before, after = np.min(pairs, axis=0).tolist()
        for what, value, target in (
            ("CPU seconds of the check before", before, None),
            ("CPU seconds of the check after", after, None),
            ("times as long as before", round(after / before, 2), f"<= {FACTOR}"),
        ):
            figures.append({"name": f"{name}: {what}", "value": value, "target": target})
        print(name, before, after, flush=True)
    return figures


def load(root: str, name: str) -> kma.datasets.Dataset:
    """Return a set of MedMNIST."""
    return kma.datasets.load(name, root=root, download=False)


def timed(root: str, name: str) -> float:
    """Return the CPU seconds of the check of the unseen half."""
    data = load(root, name)
    calibrating, unseen = halves(data)
    start = time.process_time()
    kma.metrics.copy_audit(unseen, data.train[0], calibrating)
    return round(time.process_time() - start, 2)


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", required=True, help="folder of MedMNIST files")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--more", nargs="*", default=[], help="npz files to search for duplicates")
    parser.add_argument("--fresh", nargs="*", default=[], help="npz files to plant copies in, too")
    parser.add_argument("--old", type=Path, help="checkout of the package to compare times with")
    parser.add_argument("--time", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.time:
        print(timed(arguments.root, arguments.time))
        return
    figures = histology_figures()
    for name in arguments.sets:
        data = load(arguments.root, name)
        figures += check_figures(data) + duplicate_figures(data)
    for path in arguments.fresh:
        figures += check_figures(kma.datasets.from_npz(path))
    for path in arguments.more:
        figures += duplicate_figures(kma.datasets.from_npz(path))
    if arguments.old is not None:
        figures += time_figures(arguments.old.resolve(), arguments.root, arguments.sets)
    command = "python benchmarks/copies.py --root DIR --out FILE"
    content = {"command": command, "machine": "two AMD EPYC cores", "figures": figures}
    print(json.dumps(figures, indent=1))
    if arguments.out is not None:
        write_json_atomic(arguments.out, content)


if __name__ == "__main__":
    main()
