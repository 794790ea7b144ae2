"""Count masks whose values change, 16-bit values that are rounded wrongly, and repeated draws.

    python benchmarks/corrections/layers.py --out layers.json

Run it once for each backend (`KERAS_BACKEND`); draws in the workers of a PyTorch `DataLoader` are
counted on PyTorch alone. It needs no data; `--root` is accepted so that all scripts of this folder
take the same arguments. It takes a few seconds.
"""

import argparse
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

import keras_medaug as kma

TYPES = [
    "bool", "uint8", "int8", "int16", "int32", "float32", "uint16", "uint32", "uint64", "int64",
    "float64",
]  # fmt: skip


def extremes(dtype):
    """Return masks `(2, 8, 8)` of the ends of a type's range."""
    limits: Any = None
    if dtype != "bool":
        limits = np.finfo(dtype) if "float" in dtype else np.iinfo(dtype)
    values = [False, True] if limits is None else [limits.min, 0, 1, limits.max]
    return np.resize(np.array(values, dtype), (2, 8, 8))


def changed_masks():
    """Return the types whose values or width change without an error, and those refused."""
    layer = kma.layers.GeometricAugmentation(fill_mode="constant")
    images, changed, refused = np.zeros((2, 8, 8, 1), "float32"), [], []
    for dtype in TYPES:
        masks = extremes(dtype)
        try:
            result = layer({"images": images, "masks": masks})["masks"]
            moved = layer.transform({"images": images, "masks": masks}, {})["masks"]
        except ValueError:
            refused.append(dtype)
            continue
        for outputs in (result, moved):
            outputs = keras.ops.convert_to_numpy(outputs)
            if (outputs.dtype != masks.dtype or np.any(outputs != masks)) and dtype not in changed:
                changed.append(dtype)
    return changed, refused


def wrong_values_of_16_bits():
    """Return how many of the 65,536 gray values of a 16-bit PNG file are rounded wrongly."""
    values = np.arange(65536, dtype="uint16").reshape(256, 256)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a").mkdir()
        Image.fromarray(values).save(Path(folder) / "a" / "1.png")
        images = kma.datasets.from_directory(folder, 256, val=0, test=0).stored("train")[0]
    return int(np.sum(images[0, :, :, 0] != np.rint(values * (255 / 65535))))


def draw(layer):
    """Return what a layer draws next: three numbers, as one alone may repeat by chance."""
    drawn = layer.random_parameters(1)
    names = ("rotation", "height_shift", "width_shift")
    return tuple(float(keras.ops.convert_to_numpy(drawn[name])[0]) for name in names)


class Draws:
    """A data set of draws, for a PyTorch `DataLoader`."""

    def __init__(self, layer):
        self.layer = layer

    def __len__(self):
        return 32

    def __getitem__(self, index):
        return draw(self.layer)


def repeated_by_workers():
    """Return how many of 64 draws, in two epochs of two workers, repeat an earlier one."""
    from torch.utils.data import DataLoader

    data = Draws(kma.layers.GeometricAugmentation(seed=0))
    loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context="fork")
    drawn = [tuple(numbers) for _ in range(2) for numbers in loader]
    return len(drawn) - len(set(drawn))


def repeated_by_threads():
    """Return how many of 2,000 draws in four threads repeat an earlier one."""
    layer = kma.layers.GeometricAugmentation(seed=0)
    with ThreadPoolExecutor(4) as threads:
        drawn = list(threads.map(lambda _: draw(layer), range(2000)))
    return len(drawn) - len(set(drawn))


def main():
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to add the figures to")
    parser.add_argument("--root", help="not used")
    arguments = parser.parse_args()
    backend = keras.config.backend()
    changed, refused = changed_masks()
    figures = [
        (f"types of masks changed without an error, {backend}", len(changed), "0"),
        (f"which, {backend}", ", ".join(changed) or "none", "none"),
        (f"types of masks refused, {backend}", ", ".join(refused) or "none", "those not held"),
        (f"repeated draws of 2,000 in four threads, {backend}", repeated_by_threads(), "0"),
    ]
    if backend == "torch":
        figures += [
            ("repeated draws of 64, two workers, two epochs", repeated_by_workers(), "0"),
            ("16-bit gray values rounded wrongly, of 65,536", wrong_values_of_16_bits(), "0"),
        ]
    out = Path(arguments.out)
    record = json.loads(out.read_text()) if out.exists() else {"figures": []}
    record = {
        "command": "for backend in torch jax tensorflow: KERAS_BACKEND=$backend "
        "python benchmarks/corrections/layers.py --out FILE.json",
        "machine": "two AMD EPYC cores",
        "figures": record["figures"]
        + [{"name": name, "value": value, "target": target} for name, value, target in figures],
    }
    out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
