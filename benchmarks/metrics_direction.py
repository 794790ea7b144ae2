"""Do the metrics move the right way? Real images, made worse step by step.

    export KERAS_BACKEND=jax
    python benchmarks/metrics_direction.py --out FILE --mednist DIR

Of `mednist.npz`, six kinds of image, the training split is the reference; the images in question
are other real ones, and what is done to them grows from nothing to much:

- `noise`: normal noise is added, in units of the pixels' range;
- `blur`: a normal blur, by its standard deviation in pixels;
- `classes dropped`: so many of the six are missing, the others taking their place;
- `modes dropped`: of the eight clusters of each class (k-means on pixels) so many are missing;
- `repeated`: that fraction of the images are repetitions of ten;
- `copies`: that fraction of them are training images. What counts them is the memorization check,
  which stands beside the metrics there: the fraction of images that it finds authentic, and of
  suspects.

Two measures look at images and not at features: the spectral distance, and the classifier
two-sample test of the images against training images, which has 0.5 for images of the same kind.

`EXPECTED` has what each measure should do then. The table says how it moved, whether from the first
level to the last it went beyond the first's interval (`moved`), and whether every step went that
way, or at least not against it by more than the intervals allow (`monotonic`).
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.cluster import KMeans

import keras_medaug as kma
from keras_medaug.files import write_json_atomic
from keras_medaug.metrics.registry import metrics

LEVELS: dict[str, tuple[float, ...]] = {
    "noise": (0, 0.02, 0.05, 0.1, 0.2),
    "blur": (0, 0.3, 0.6, 1, 2),
    "classes dropped": (0, 1, 2, 3, 4),
    "modes dropped": (0, 2, 4, 6, 7),
    "repeated": (0, 0.25, 0.5, 0.75, 1),
    "copies": (0, 0.25, 0.5, 0.75, 1),
}
MODES = 8
REPEATED = 10
MEASURES = tuple(name for name, metric in metrics().items() if metric.space == "features")
OF_IMAGES = ("spectral", "two_sample")

# The sign in which each measure has to move as the level grows; 0 where nothing is asked.
EXPECTED: dict[str, dict[str, int]] = {
    "noise": {
        "kernel": 1, "frechet": 1, "precision": -1, "density": -1, "coverage": -1,
        "spectral": 1, "two_sample": 1,
    },
    "blur": {"kernel": 1, "frechet": 1, "coverage": -1, "spectral": 1, "two_sample": 1},
    "classes dropped": {"kernel": 1, "frechet": 1, "recall": -1, "coverage": -1},
    "modes dropped": {"kernel": 1, "frechet": 1, "recall": -1, "coverage": -1},
    "repeated": {"kernel": 1, "frechet": 1, "recall": -1, "coverage": -1},
    "copies": {"precision": 1, "coverage": 1},
}  # fmt: skip


class Images:
    """Real images, and what can be done to them.

    Args:
        data: The set.
        count: Images of each kind.
    """

    def __init__(self, data: kma.datasets.Dataset, count: int) -> None:
        self.train_x, self.train_y = data.train
        unseen_x = np.concatenate([data.val[0], data.test[0]])
        unseen_y = np.concatenate([data.val[1], data.test[1]])
        order = np.random.default_rng(0).permutation(len(unseen_y))
        half = len(order) // 2
        self.count = min(count, half)
        self.held_out = unseen_x[order[half:]]
        self.x, self.y = unseen_x[order[:half]], unseen_y[order[:half]]
        self.modes = np.zeros(half, int)
        for label in np.unique(self.y):
            rows = np.flatnonzero(self.y == label)
            means = KMeans(MODES, n_init=3, random_state=0)
            self.modes[rows] = means.fit_predict(self.x[rows].reshape(len(rows), -1))

    def made(self, what: str, level: float) -> NDArray[np.float32]:
        """Return images, so many of the same number, made worse."""
        rng = np.random.default_rng(1)
        chosen = self.x[: self.count]
        if what == "noise":
            changed = chosen + rng.normal(0, level, chosen.shape)
        elif what == "blur":
            changed = ndimage.gaussian_filter(chosen, (0, level, level, 0))
        elif what == "classes dropped":
            changed = self._drawn(self.y >= level, rng)
        elif what == "modes dropped":
            changed = self._drawn(self.modes >= level, rng)
        else:
            others = self.x[rng.integers(REPEATED, size=self.count)]
            if what == "copies":
                others = self.train_x[rng.permutation(len(self.train_x))[: self.count]]
            replaced = round(level * self.count)
            changed = np.concatenate([chosen[replaced:], others[:replaced]])
        return np.clip(changed, 0, 1).astype("float32")

    def _drawn(self, kept: NDArray[np.bool_], rng: np.random.Generator) -> NDArray:
        """Return as many of the images kept, none twice before all are in."""
        rows = np.flatnonzero(kept)
        passes = -(-self.count // len(rows))
        drawn = np.concatenate([rng.permutation(rows) for _ in range(passes)])
        return self.x[drawn[: self.count]]


def measured(images: Images, spaces: Mapping[str, Callable]) -> list[dict[str, Any]]:
    """Return a row for each kind, level and space."""
    rows = []
    for what, levels in LEVELS.items():
        for level in levels:
            made = images.made(what, level)
            quality = kma.metrics.sample_quality(made, images.train_x, images.held_out, spaces)
            for space, values in quality["spaces"].items():
                rows.append({
                    "what": what, "level": level, "space": space, "count": quality["count"],
                    **{
                        name: {
                            "value": round(values[name]["value"], 5),
                            "ci95": [round(end, 5) for end in values[name]["ci95"]],
                            "floor": round(values[name]["floor"]["value"], 5),
                        }
                        for name in MEASURES
                    },
                })  # fmt: skip
                if what == "copies":
                    rows[-1]["audit"] = audited(images, made)
                print(what, level, space, {n: rows[-1][n]["value"] for n in MEASURES}, flush=True)
            rows.append({
                "what": what, "level": level, "space": "images", "count": quality["count"],
                **of_images(images, made, quality["spectral"]),
            })  # fmt: skip
            print(what, level, {n: rows[-1][n]["value"] for n in OF_IMAGES}, flush=True)
    return rows


def of_images(images: Images, made: NDArray, spectral: dict[str, Any]) -> dict[str, Any]:
    """Return the measures that need no features."""
    test = kma.metrics.two_sample_auc(made, images.train_x, held_out=images.held_out)
    return {
        "spectral": {
            "value": round(spectral["value"], 5),
            "ci95": [round(end, 5) for end in spectral["ci95"]],
            "floor": round(spectral["floor"]["value"], 5),
            "high_frequency_ratio": round(spectral["high_frequency_ratio"], 5),
        },
        "two_sample": {
            "value": round(test["auc"], 5),
            "ci95": [round(end, 5) for end in test["ci95"]],
            "floor": round(test["reference"]["auc"], 5),
        },
    }


def audited(images: Images, made: NDArray) -> dict[str, float]:
    """Return the fractions of images that the memorization check finds authentic, and suspects."""
    audit = kma.metrics.copy_audit(made, images.train_x, images.held_out)
    authentic = audit["spaces"]["pixels"]["authentic"]
    return {"authentic": authentic, "suspects": audit["suspect_count"] / audit["count"]}


def directions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say of each measure whether it moved as it should.

    Args:
        rows: What `measured` returned.

    Returns:
        For each kind, space and measure the first and last value, and whether the last lies beyond
        the first's interval on the expected side (`moved`) and no step went the other way by more
        than its intervals overlap (`monotonic`).
    """
    moves = []
    for what, signs in EXPECTED.items():
        for space in dict.fromkeys(row["space"] for row in rows):
            steps = [row for row in rows if row["what"] == what and row["space"] == space]
            for name, sign in signs.items():
                if name not in steps[0]:
                    continue
                values = [sign * step[name]["value"] for step in steps]
                ends = [sorted(sign * end for end in step[name]["ci95"]) for step in steps]
                moves.append({
                    "what": what,
                    "space": space,
                    "measure": name,
                    "values": [step[name]["value"] for step in steps],
                    "moved": values[-1] > ends[0][1],
                    "monotonic": all(
                        after >= before or high >= low
                        for before, after, (low, _), (_, high) in zip(
                            values, values[1:], ends, ends[1:], strict=False
                        )
                    ),
                    "strictly": values == sorted(values),
                })  # fmt: skip
    return moves


def audit_line(rows: list[dict[str, Any]]) -> str:
    """Return what the memorization check says, level by level."""
    steps = [row for row in rows if "audit" in row and row["space"] == "pixels"]
    authentic = ", ".join(f"{step['audit']['authentic']:.2f}" for step in steps)
    suspects = ", ".join(f"{step['audit']['suspects']:.2f}" for step in steps)
    return f"copies: authentic {authentic}; suspects {suspects}"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the directions as a table in Markdown."""
    lines = ["| what | space | measure | values as it grows | moved | monotonic |"]
    lines.append("|---|---|---|---|---|---|")
    for row in rows:
        values = ", ".join(f"{value:.3g}" for value in row["values"])
        monotonic = "yes" if row["strictly"] else "within noise" if row["monotonic"] else "NO"
        moved = "yes" if row["moved"] else "no"
        lines.append(
            f"| {row['what']} | {row['space']} | {row['measure']} | {values} | {moved} "
            f"| {monotonic} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--mednist", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=400, metavar="N", help="images of each kind")
    parser.add_argument("--steps", type=int, default=500, metavar="N", help="of the classifier")
    options = parser.parse_args()
    began = time.monotonic()
    data = kma.datasets.from_npz(options.mednist / "mednist.npz")
    spaces: dict[str, Any] = {
        "classifier": kma.features.ClassifierFeatures(*data.train, steps=options.steps),
        "pixels": kma.features.PixelFeatures(data.train[0]),
    }
    rows = measured(Images(data, options.count), spaces)
    moves = directions(rows)
    config = {
        "count": rows[0]["count"],
        "training_count": data.counts["train"],
        "spaces": {name: extractor.card for name, extractor in spaces.items()},
        "backend": keras.config.backend(),
    }
    write_json_atomic(options.out, {"config": config, "rows": rows, "directions": moves})
    print(table(moves))
    print(audit_line(rows))
    print(json.dumps(config), f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
