"""From tasks to `results.json`: scores by arm, comparisons, verdicts and warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.datasets import Dataset
from keras_medaug.study import checks, learning
from keras_medaug.study.arm import SAFE, Arm
from keras_medaug.study.comparison import Comparison, compare, holm_correct
from keras_medaug.study.linear_baseline import linear_against, warn_of_linear
from keras_medaug.study.packing import stored_predictions, unpacked
from keras_medaug.study.scores import PRIMARY, scores
from keras_medaug.study.task import Task

SPLITS = ("val", "test")
Results = dict[tuple[str, int], dict[str, Any]]


def summarise(
    data: Dataset,
    arms: Sequence[Arm],
    seeds: int,
    config: Mapping[str, Any],
    audited: Mapping[str, Any],
    tasks: Mapping[tuple[str, int], Task],
) -> dict[str, Any]:
    """Return the content of `results.json`, all but `timing`.

    Args:
        data: The set.
        arms: The arms.
        seeds: Number of seeds.
        config: The study's, as it is to be told.
        audited: The result of the data's audit.
        tasks: The classifiers' tasks by arm and seed, done.

    Returns:
        A dictionary that JSON can hold; see `keras_medaug.study.run`.
    """
    found = {key: task.result() for key, task in tasks.items()}
    predictions = {
        split: {
            arm.name: np.stack(
                [stored_predictions(found[arm.name, seed], split) for seed in range(seeds)]
            )
            for arm in arms
        }
        for split in SPLITS
    }
    labels = {split: data.stored(split)[1] for split in SPLITS}
    by_arm = {
        arm.name: _arm_scores(arm, labels, predictions, found, seeds, audited) for arm in arms
    }
    environment = config["environment"]
    linear = linear_against(
        labels["test"], unpacked(audited["linear_baseline"]), predictions["test"]["none"]
    )
    return {
        "dataset": {
            "name": data.name,
            "md5": data.md5,
            "counts": audited["counts"],
            "class_names": list(data.class_names),
        },
        "config": dict(config),
        "versions": {
            name: value
            for name, value in environment.items()
            if name not in ("threads", "settings", "device")
        },
        "arms": by_arm,
        "comparisons": _comparisons(arms, labels["test"], predictions["test"], config["margin"]),
        "real_against_synthetic": _gaps(arms, labels["test"], predictions["test"], config),
        "linear_baseline": linear,
        "headline": _headline(arms, by_arm),
        "warnings": _warnings(data, arms, seeds, config, audited, tasks, found, by_arm,
                              labels["test"], predictions["test"], linear),
    }  # fmt: skip


# ---- scores ---------------------------------------------------------------------------------


def _arm_scores(
    arm: Arm,
    labels: Mapping[str, NDArray],
    predictions: Mapping[str, Mapping[str, NDArray]],
    found: Results,
    seeds: int,
    audited: Mapping[str, Any],
) -> dict[str, Any]:
    by_split: dict[str, Any] = {
        split: _spread([scores(labels[split], each) for each in predictions[split][arm.name]])
        for split in SPLITS
    }
    if audited["near_duplicates"]:
        kept = np.setdiff1d(np.arange(len(labels["test"])), audited["near_duplicates"])
        without = labels["test"][kept]
        if len(np.unique(without)) == predictions["test"][arm.name].shape[-1]:
            by_split["test_without_duplicates"] = _spread(
                [scores(without, each[kept]) for each in predictions["test"][arm.name]]
            )
    trained_on = [found[arm.name, seed] for seed in range(seeds)]
    return by_split | {
        "images": [each["images"]["real_and_synthetic"] for each in trained_on],
        "best_step": [each["best_step"] for each in trained_on],
    }


def _spread(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean, standard deviation and values over seeds, of each score."""
    found = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows], float)
        deviation = values.std(axis=0, ddof=1).tolist() if len(rows) > 1 else None
        found[name] = {
            "mean": values.mean(axis=0).tolist(), "sd": deviation, "values": values.tolist(),
        }  # fmt: skip
    return found


def _headline(arms: Sequence[Arm], by_arm: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arm that is best on the validation split, with its test scores."""
    names = [arm.name for arm in arms if not arm.diagnostic]
    best = max(names, key=lambda name: by_arm[name]["val"][PRIMARY]["mean"])
    test = by_arm[best]["test"]
    return {
        "arm": best,
        "chosen_by": f"mean {PRIMARY} on the validation split",
        "accuracy": test["accuracy"]["mean"],
        "auc": test["auc"]["mean"],
    }


# ---- comparisons ----------------------------------------------------------------------------


def planned_comparisons(arms: Sequence[Arm]) -> list[tuple[str, str]]:
    """Return which arms are compared: all with `none`, generative ones with `geometric-safe` too.

    Args:
        arms: The study's.

    Returns:
        Pairs `(arm, against)`; arms that train on synthetic images alone are in none.

    Example:

    >>> from keras_medaug.study.arm import resolve_arms
    >>> from keras_medaug.study.results import planned_comparisons
    >>> planned_comparisons(resolve_arms(["none", "geometric-safe", "cvae"]))
    [('geometric-safe', 'none'), ('cvae', 'none'), ('cvae', 'geometric-safe')]
    """
    compared = [arm for arm in arms if not arm.diagnostic and arm.name != "none"]
    pairs = [(arm.name, "none") for arm in compared]
    if any(arm.name == SAFE for arm in arms):
        pairs += [(arm.name, SAFE) for arm in compared if arm.generator is not None]
    return pairs


def _comparisons(
    arms: Sequence[Arm], labels: NDArray, predictions: Mapping[str, NDArray], margin: float
) -> list[dict[str, Any]]:
    pairs = planned_comparisons(arms)
    if len(next(iter(predictions.values()))) < 2 or not pairs:
        return []
    found = holm_correct([
        compare(labels, predictions[arm], predictions[against], len(pairs), margin)
        for arm, against in pairs
    ])  # fmt: skip
    return [
        {"arm": arm, "against": against, "metric": PRIMARY, **_plain(each)}
        for (arm, against), each in zip(pairs, found, strict=True)
    ]


def _plain(each: Comparison) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(each).items()
    }


def _gaps(
    arms: Sequence[Arm],
    labels: NDArray,
    predictions: Mapping[str, NDArray],
    config: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Return how far training on synthetic images alone is behind training on real ones."""
    names = [arm.name for arm in arms if arm.diagnostic]
    if len(predictions["none"]) < 2:
        return []
    found = [
        (name, compare(labels, predictions[name], predictions["none"], margin=config["margin"]))
        for name in names
    ]
    return [
        {
            "arm": name,
            "metric": PRIMARY,
            "mean_difference": each.mean_difference,
            "ci95": list(each.ci95),
            "ci95_images": list(each.ci95_images),
        }
        for name, each in found
    ]


# ---- warnings -------------------------------------------------------------------------------


def _warnings(
    data: Dataset,
    arms: Sequence[Arm],
    seeds: int,
    config: Mapping[str, Any],
    audited: Mapping[str, Any],
    tasks: Mapping[tuple[str, int], Task],
    found: Results,
    by_arm: Mapping[str, Any],
    labels: NDArray,
    predictions: Mapping[str, NDArray],
    linear: Mapping[str, Any],
) -> list[dict[str, Any]]:
    warnings = checks.warn_of_data(audited, data.class_names)
    baseline = [found["none", seed] for seed in range(seeds)]
    auc = by_arm["none"]["test"]["auc"]["mean"]
    warnings += learning.warn_of_baseline(
        data.name, config["train_fraction"], auc,
        [each["loss"] for each in baseline],
        [each["best_step"] / config["steps"] for each in baseline],
    )  # fmt: skip
    warnings += warn_of_linear(linear, auc)
    warnings += learning.warn_of_learning({
        arm.name: [found[arm.name, seed]["val_auc"] for seed in range(seeds)] for arm in arms
    })  # fmt: skip
    for name in {arm.policy: None for arm in arms if arm.policy}:
        plain, turned = (
            [each["policies"][key] for each in baseline] for key in ("as they are", name)
        )
        warnings += checks.warn_of_policy(name, plain, turned, data.num_classes)
    for method in {arm.generator: None for arm in arms if arm.generator}:
        made = [
            tasks[arm.name, seed].needs for arm in arms if arm.generator == method
            for seed in range(seeds)
        ]  # fmt: skip
        unique = {task.key: task.result() for task in made if task is not None}
        results = list(unique.values())
        warnings += checks.warn_of_generator(method, results)
        warnings += checks.warn_of_rare_classes(
            method, baseline[0]["images"]["real_and_synthetic"], results[0]["requested"],
            data.class_names,
        )  # fmt: skip
        warnings += checks.warn_of_filter(
            method, [(each["requested"], each["counts"]) for each in results]
        )
        used = {
            (seed, found[arm.name, seed]["images"].get("synthetic_md5"))
            for arm in arms if arm.generator == method for seed in range(seeds)
        }  # fmt: skip
        warnings += checks.warn_of_images(method, len(used) - seeds)
    for arm in arms:
        warnings += _of_arm(arm.name, seeds, found, labels, predictions[arm.name], data.class_names)
    return warnings


def _of_arm(
    name: str,
    seeds: int,
    found: Results,
    labels: NDArray,
    predictions: NDArray,
    class_names: Sequence[str],
) -> list[dict[str, Any]]:
    warnings: list[dict[str, Any]] = []
    # Those that the training split itself holds are told of once, for all arms.
    key = "test_images_in_training"
    leaked = max(found[name, seed][key] - found["none", seed][key] for seed in range(seeds))
    if leaked > 0:
        warnings.append({
            "check": "leak",
            "arm": name,
            "images": leaked,
            "message": f"{leaked} images that {name!r} trains on are test images: its scores say "
            "nothing.",
        })  # fmt: skip
    return warnings + checks.warn_of_classifier(name, labels, list(predictions), class_names)
