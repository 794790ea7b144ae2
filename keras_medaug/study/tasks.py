"""Which tasks a study consists of."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from keras_medaug.datasets import Dataset
from keras_medaug.metrics.duplicates import NEAR, duplicates_seconds
from keras_medaug.models.step_times import classifier_seconds, expected_seconds
from keras_medaug.study.arm import Arm, generator_source, own_generator
from keras_medaug.study.data import run_audit
from keras_medaug.study.settings import Settings
from keras_medaug.study.task import Task
from keras_medaug.study.train import run_classifier, run_generator

VERSION = 2  # of what is done with a configuration
ROUNDS = 20  # looks at the validation split in a training


def plan(
    data: Dataset, arms: list[Arm], seeds: int, settings: Settings, place: Mapping, store: Path
) -> tuple[Task, dict[tuple[str, int], Task]]:
    """Return the task that audits the data, and a classifier's task for each arm and seed.

    Args:
        data: The set.
        arms: The arms.
        seeds: Number of seeds.
        settings: Budgets and options.
        place: The environment that the tasks will run in.
        store: Folder of all tasks.

    Returns:
        The audit, and the tasks by arm and seed.

    Example:

    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.arm import resolve_arms
    >>> from keras_medaug.study.settings import Settings
    >>> from keras_medaug.study.tasks import plan
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> audit, tasks = plan(ds, resolve_arms(["none", "cvae"]), 2, Settings(), {}, Path("tasks"))
    >>> sorted(tasks)
    [('cvae', 0), ('cvae', 1), ('none', 0), ('none', 1)]
    """
    common = {
        "version": VERSION,
        "environment": dict(place),
        "data": {
            "md5": data.md5,
            "counts": data.counts,
            "image_shape": list(data.image_shape),
            "num_classes": data.num_classes,
        },
    }
    return _audit_task(data, seeds, common, settings, store), {
        (arm.name, seed): _classifier_task(arm, seed, common, settings, store)
        for seed in range(seeds)
        for arm in arms
    }


def _audit_task(
    data: Dataset, seeds: int, common: Mapping[str, Any], settings: Settings, store: Path
) -> Task:
    fraction = settings.train_fraction
    config = {
        **common,
        "kind": "audit",
        "near": NEAR,
        "train_fraction": fraction,
        "seeds": 1 if fraction == 1.0 else seeds,
    }
    return Task(
        "audit",
        config,
        store,
        run_audit,
        label="check of the data",
        seconds=duplicates_seconds(data.counts["test"] * data.counts["train"], data.image_shape),
    )


def _classifier_task(
    arm: Arm, seed: int, common: Mapping[str, Any], settings: Settings, store: Path
) -> Task:
    needs = {}
    if arm.generator is not None:
        needs = {"images": _generator_task(arm.generator, seed, common, settings, store)}
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
        "images": {"task": needs["images"].key, "only": arm.only} if needs else None,
        "oversample": arm.oversample,
        "function": arm.source(),
    }
    if arm.name == "none":  # which also tries the policies on the images of the validation split
        config["tried_policies"] = {name: dict(p) for name, p in settings.policies.items()}
    return Task(
        "classifier",
        config,
        store,
        partial(run_classifier, function=arm.function) if arm.function else run_classifier,
        needs,
        name=f"classifier-{arm.name}-{seed}".replace("+", "-"),
        label=f"classifier {arm.name}, seed {seed}",
        seconds=classifier_seconds(settings.steps, common["data"]["image_shape"]),
        speed=("classifier", arm.policy is not None),
    )


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
    # A worker process knows the package's own generators; a user's travels with the task.
    generator, source = own_generator(method), generator_source(method)
    return Task(
        "generator",
        config if source is None else config | {"class": source},
        store,
        run_generator if generator is None else partial(run_generator, generator=generator),
        files=("images.npz",),
        name=f"generator-{method}-{seed}",
        label=f"generator {method}, seed {seed}",
        seconds=expected_seconds(settings.generator_steps, common["data"]["image_shape"]),
        speed=method,
    )
