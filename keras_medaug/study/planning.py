"""Which tasks a study consists of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_medaug.datasets import Dataset
from keras_medaug.layers import GeometricAugmentation
from keras_medaug.metrics.duplicates import NEAR
from keras_medaug.study.arm import Arm
from keras_medaug.study.settings import Settings
from keras_medaug.study.task import Task

# Of what is done with a configuration. 2: logits, the linear baseline, coarse diversity, duplicates
# that are flipped or turned.
VERSION = 2
ROUNDS = 20  # looks at the validation split in a training
POLICY = ("rotation", "shift", "horizontal_flip", "vertical_flip", "zoom", "fill_mode")


def plan(
    data: Dataset,
    arms: list[Arm],
    seeds: int,
    settings: Settings,
    place: Mapping,
    store: Path,
    version: int = VERSION,
) -> tuple[Task, dict[tuple[str, int], Task]]:
    """Return the task that audits the data, and a classifier's task for each arm and seed.

    Args:
        data: The set.
        arms: The arms.
        seeds: Number of seeds.
        settings: Budgets and options.
        place: The environment that the tasks will run in.
        store: Folder of all tasks.
        version: Of what is done with a configuration; an older one finds the tasks of an old store.

    Returns:
        The audit, and the tasks by arm and seed.

    Example:

    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.arm import resolve_arms
    >>> from keras_medaug.study.planning import plan
    >>> from keras_medaug.study.settings import Settings
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> audit, tasks = plan(ds, resolve_arms(["none", "cvae"]), 2, Settings(), {}, Path("tasks"))
    >>> sorted(tasks)
    [('cvae', 0), ('cvae', 1), ('none', 0), ('none', 1)]
    """
    common = {
        "version": version,
        "environment": dict(place),
        "data": {
            "md5": data.md5,
            "counts": data.counts,
            "image_shape": list(data.image_shape),
            "num_classes": data.num_classes,
        },
    }
    config = {**common, "kind": "audit", "near": NEAR}
    if version > 1:
        fraction = settings.train_fraction
        config |= {"train_fraction": fraction, "seeds": 1 if fraction == 1.0 else seeds}
    return Task("audit", config, store), {
        (arm.name, seed): _classifier_task(arm, seed, common, settings, store)
        for seed in range(seeds)
        for arm in arms
    }


def _classifier_task(
    arm: Arm, seed: int, common: Mapping[str, Any], settings: Settings, store: Path
) -> Task:
    needs = None
    if arm.generator is not None:
        needs = _generator_task(arm.generator, seed, common, settings, store)
    config = {
        **common,
        "kind": "classifier",
        "arm": arm.name,
        "seed": seed,
        "train_fraction": settings.train_fraction,
        "training": {
            "steps": settings.steps,
            "batch_size": settings.batch_size,
            "rounds": min(ROUNDS, settings.steps),
        },
        "model": dict(settings.classifier),
        "policy": dict(settings.policies[arm.policy]) if arm.policy else None,
        "images": None if needs is None else {"task": needs.key, "only": arm.only},
        "oversample": arm.oversample,
        "function": arm.source(),
    }
    if arm.name == "none":  # which also tries the policies on the images of the validation split
        config["tried_policies"] = {name: dict(p) for name, p in settings.policies.items()}
    return Task("classifier", config, store, arm.function, needs)


def _generator_task(
    method: str, seed: int, common: Mapping[str, Any], settings: Settings, store: Path
) -> Task:
    config = {
        **common,
        "kind": "generator",
        "method": method,
        "seed": seed,
        "train_fraction": settings.train_fraction,
        "training": {"steps": settings.generator_steps, "batch_size": settings.batch_size},
        "model": dict(settings.generators.get(method, {})),
        "ratio": settings.ratio,
        "fidelity": settings.fidelity,
    }
    return Task("generator", config, store)


def policy_config(layer: GeometricAugmentation) -> dict[str, Any]:
    """Return what a geometric policy does, without its seed.

    Args:
        layer: The policy.

    Returns:
        Arguments of `GeometricAugmentation`.

    Example:

    >>> from keras_medaug.layers import GeometricAugmentation
    >>> from keras_medaug.study.planning import policy_config
    >>> policy_config(GeometricAugmentation(rotation=5))["rotation"]
    5.0
    """
    config = layer.get_config()
    return {name: config[name] for name in POLICY}
