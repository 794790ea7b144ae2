"""Whether a study's statistics hold what they promise, on simulated predictions of known truth.

    python benchmarks/study_statistics.py --out FILE [--studies 2000] [--workers 2]

A simulated test image is more or less hard, and more so for one arm than for another; a classifier
is better or worse by its seed; and each classifier meets each image with a noise of its own. Scores
are sums of these. Counted are: how often the two 95% intervals hold what each is about, how often a
study without any effect says HELPS somewhere, and how often one with an effect as large as the
minimum detectable one finds it.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.files import write_json_atomic
from keras_medaug.study.comparison import Comparison, compare, holm_correct

SEEDS = 10
SHARE = 0.73  # of class 1, as in BreastMNIST
IMAGES = (156, 624)  # BreastMNIST's test set, and PneumoniaMNIST's
SEPARATION = 1.3  # of the classes, in standard deviations of how hard images are
KNOWN_SEEDS = 400  # that tell what a test set's images would give with all seeds
KNOWN_STUDIES = 4000  # that tell what an effect is in area under the curve
ARMS = 10
AGAINST_NONE, AGAINST_SAFE = range(1, ARMS), range(4, ARMS)
SAFE = 3


@dataclass(frozen=True)
class World:
    """What simulated predictions are made of; standard deviations of scores.

    Attributes:
        images: Test images.
        arm_image: How an arm's scores differ from image to image, whatever the seed.
        noise: How one classifier's scores do.
        seed: How an arm's separation of the classes differs from seed to seed.
        gain: How much further apart the arm's classes are than the other's.
    """

    images: int
    arm_image: float
    noise: float
    seed: float
    gain: float = 0.0


WORLDS = {
    "images do not differ between arms": (0.0, 0.5, 0.1),
    "mild": (0.3, 0.5, 0.1),
    "seeds hardly matter": (0.3, 0.3, 0.02),
    "images matter most": (0.6, 0.5, 0.1),
    "seeds matter most": (0.3, 0.5, 0.3),
}


class TestSet:
    """Labels and images of one simulated study, whose classifiers can be drawn again and again."""

    __test__ = False

    def __init__(self, world: World, arms: int, rng: np.random.Generator) -> None:
        self.world, self.rng, self.arms = world, rng, arms
        ones = round(SHARE * world.images)
        self.labels = np.repeat([0, 1], [world.images - ones, ones])
        hard = SEPARATION * self.labels + rng.normal(size=world.images)
        own = world.arm_image * rng.normal(size=(arms, 1, world.images))
        self.scores = hard + own

    def predictions(self, seeds: int) -> NDArray:
        """Return class probabilities, shape `(arms, seeds, n, 2)`; all arms but the first gain."""
        shape = self.arms, seeds, 1
        apart = self.world.seed * self.rng.normal(size=shape)
        apart[1:] += self.world.gain
        noise = self.rng.normal(size=(self.arms, seeds, self.world.images))
        scores = self.scores + apart * self.labels + self.world.noise * noise
        ones = 1 / (1 + np.exp(-scores))
        return np.stack([1 - ones, ones], axis=-1)


def pairs(world: World, studies: int, rng: np.random.Generator) -> Iterator[TestSet]:
    """Yield test sets for studies of one arm against another."""
    return (TestSet(world, 2, rng) for _ in range(studies))


def difference(sets: Iterator[TestSet]) -> float:
    """Return the difference in area of two arms over test sets and seeds, one seed for each."""
    differences = []
    for test in sets:
        areas = quick_areas(test.labels, test.predictions(1)[:, 0])
        differences.append(areas[1] - areas[0])
    return float(np.mean(differences))


def coverage(
    world: World, studies: int, rng: np.random.Generator, known_seeds: int = KNOWN_SEEDS
) -> dict[str, float]:
    """Return how often each interval holds what it is about."""
    over_images = 0.0 if not world.gain else difference(pairs(world, KNOWN_STUDIES, rng))
    hits = np.zeros(2)
    for test in pairs(world, studies, rng):
        predictions = test.predictions(SEEDS)
        comparison = compare(test.labels, predictions[1], predictions[0])
        areas = quick_areas(test.labels, test.predictions(known_seeds))
        over_seeds = float(np.mean(areas[1] - areas[0]))
        hits[0] += within(comparison.ci95, over_seeds)
        hits[1] += within(comparison.ci95_images, over_images)
    return dict(zip(("ci95", "ci95_images"), (hits / studies).tolist(), strict=True))


def quick_areas(labels: NDArray, predictions: NDArray) -> NDArray:
    """Return the areas of `auc_influence` for two classes without ties, without the influences."""
    ones = predictions[..., 1].reshape(-1, len(labels))
    positive, negative = ones[:, labels == 1], np.sort(ones[:, labels == 0], axis=-1)
    below = [
        np.searchsorted(others, mine).mean()
        for others, mine in zip(negative, positive, strict=True)
    ]
    return np.reshape(below, predictions.shape[:-2]) / negative.shape[1]


def within(interval: tuple[float, float], value: float) -> bool:
    """Tell whether an interval holds a value."""
    return interval[0] <= value <= interval[1]


def study(world: World, rng: np.random.Generator) -> list[Comparison]:
    """Return the comparisons of one study with as many arms as a whole one, none with an effect."""
    test = TestSet(world, ARMS, rng)
    predictions = test.predictions(SEEDS)
    plan = [(arm, 0) for arm in AGAINST_NONE] + [(arm, SAFE) for arm in AGAINST_SAFE]
    return holm_correct(
        [
            compare(test.labels, predictions[arm], predictions[other], len(plan))
            for arm, other in plan
        ]
    )


def false_alarms(world: World, studies: int, rng: np.random.Generator) -> dict[str, float]:
    """Return how many studies without an effect say HELPS, and HURTS, of any arm."""
    verdicts = [{row.verdict for row in study(world, rng)} for _ in range(studies)]
    return {
        word: float(np.mean([word in words for words in verdicts])) for word in ("HELPS", "HURTS")
    }


def power(world: World, studies: int, rng: np.random.Generator) -> dict[str, float]:
    """Return how often an effect is found that is as large as the minimum detectable one.

    That is worked out from a standard deviation that is known: the one which the mean differences
    of many studies have where the effect is there.
    """
    gain, mde = 0.0, 0.0
    for _ in range(2):  # the effect changes the deviation, which changes the effect
        mde = detectable(replace(world, gain=gain), studies, rng)
        gain = gain_for(mde, world, rng)
    helps = [
        compare(test.labels, *test.predictions(SEEDS)[::-1]).verdict == "HELPS"
        for test in pairs(replace(world, gain=gain), studies, rng)
    ]
    return {"mde": mde, "power": float(np.mean(helps))}


def detectable(world: World, studies: int, rng: np.random.Generator) -> float:
    """Return the minimum detectable effect, by the known deviation of mean differences."""
    comparisons = [
        compare(test.labels, *test.predictions(SEEDS)[::-1]) for test in pairs(world, studies, rng)
    ]
    deviation = np.std([row.mean_difference for row in comparisons], ddof=1)
    return float(deviation * np.median([row.mde / row.standard_error for row in comparisons]))


def gain_for(wanted: float, world: World, rng: np.random.Generator) -> float:
    """Return the gain that makes a difference in area, by bisection on the same draws."""
    seed = int(rng.integers(2**31))
    low, high = 0.0, 4.0
    for _ in range(12):
        middle = (low + high) / 2
        there = replace(world, gain=middle)
        sets = pairs(there, KNOWN_STUDIES // 4, np.random.default_rng(seed))
        low, high = (middle, high) if difference(sets) < wanted else (low, middle)
    return (low + high) / 2


def world_row(task: tuple[str, int, int]) -> dict[str, Any]:
    """Return all that is counted in one world."""
    name, images, studies = task
    world = World(images, *WORLDS[name])
    rng = np.random.default_rng([images, list(WORLDS).index(name)])
    return {
        "world": name,
        "images": images,
        "coverage": coverage(world, studies, rng),
        "coverage_with_effect": coverage(replace(world, gain=0.5), studies, rng),
        "false_alarms": false_alarms(world, studies, rng),
        **power(world, studies, rng),
    }


def main() -> None:
    """Simulate, print, and write the JSON file, world by world; what is in it is not repeated."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows = earlier(arguments.out, arguments.studies)
    done = {(row["world"], row["images"]) for row in rows}
    tasks = [
        (name, images, arguments.studies)
        for images in IMAGES
        for name in WORLDS
        if (name, images) not in done
    ]
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        for row in pool.map(world_row, tasks):
            print(row, flush=True)
            rows.append(row)
            whole = {"studies": arguments.studies, "seeds": SEEDS, "worlds": rows}
            write_json_atomic(arguments.out, whole)


def earlier(path: Path, studies: int) -> list[dict[str, Any]]:
    """Return the rows that a file has of as many studies."""
    if not path.is_file():
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["worlds"] if stored["studies"] == studies else []


if __name__ == "__main__":
    main()
