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
from keras_medaug.study.scores import PRIMARY, scores
from keras_medaug.study.task import Task, unpacked

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
    results = {key: task.result() for key, task in tasks.items()}
    predictions = {
        split: {
            arm.name: np.stack(
                [unpacked(results[arm.name, seed]["logits"][split]) for seed in range(seeds)]
            )
            for arm in arms
        }
        for split in SPLITS
    }
    labels = {split: data.stored(split)[1] for split in SPLITS}
    by_arm = {
        arm.name: _arm_scores(arm, labels, predictions, results, seeds, audited) for arm in arms
    }
    environment = config["environment"]
    linear = learning.linear_against(
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
        "warnings": _warnings(data, arms, seeds, config, audited, tasks, results, by_arm,
                              labels["test"], predictions["test"], linear),
    }  # fmt: skip


# ---- scores ---------------------------------------------------------------------------------


def _arm_scores(
    arm: Arm,
    labels: Mapping[str, NDArray],
    predictions: Mapping[str, Mapping[str, NDArray]],
    results: Results,
    seeds: int,
    audited: Mapping[str, Any],
) -> dict[str, Any]:
    by_split: dict[str, Any] = {
        split: over_seeds([scores(labels[split], rows) for rows in predictions[split][arm.name]])
        for split in SPLITS
    }
    if audited["near_duplicates"]:
        kept = np.setdiff1d(np.arange(len(labels["test"])), audited["near_duplicates"])
        without = labels["test"][kept]
        if len(np.unique(without)) == predictions["test"][arm.name].shape[-1]:
            by_split["test_without_duplicates"] = over_seeds(
                [scores(without, rows[kept]) for rows in predictions["test"][arm.name]]
            )
    of_arm = [results[arm.name, seed] for seed in range(seeds)]
    return by_split | {
        "images": [result["images"]["real_and_synthetic"] for result in of_arm],
        "best_step": [result["best_step"] for result in of_arm],
    }


def over_seeds(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean, standard deviation and values over seeds, of each number.

    Args:
        rows: The numbers of each seed by name; arrays of one shape may take their place. `None`
            stands for a number that is not defined.

    Returns:
        `{mean, sd, values}` by name, of the numbers that are defined; `mean` is `None` where there
        is none, `sd` where there are fewer than two.

    Example:

    >>> from keras_medaug.study.results import over_seeds
    >>> over_seeds([{"auc": 0.5}, {"auc": 0.75}])["auc"]["mean"]
    0.625
    """
    summary = {}
    for name in rows[0]:
        values = [None if (v := row[name]) is None else np.asarray(v, float) for row in rows]
        known = np.array([value for value in values if value is not None])
        summary[name] = {
            "mean": known.mean(axis=0).tolist() if len(known) else None,
            "sd": known.std(axis=0, ddof=1).tolist() if len(known) > 1 else None,
            "values": [None if value is None else value.tolist() for value in values],
        }
    return summary


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
    comparisons = holm_correct([
        compare(labels, predictions[arm], predictions[against], len(pairs), margin)
        for arm, against in pairs
    ])  # fmt: skip
    return [
        {"arm": arm, "against": against, "metric": PRIMARY, **_plain(comparison)}
        for (arm, against), comparison in zip(pairs, comparisons, strict=True)
    ]


def _plain(comparison: Comparison) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(comparison).items()
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
    comparisons = [
        (name, compare(labels, predictions[name], predictions["none"], margin=config["margin"]))
        for name in names
    ]
    return [
        {
            "arm": name,
            "metric": PRIMARY,
            "mean_difference": comparison.mean_difference,
            "ci95": list(comparison.ci95),
            "ci95_images": list(comparison.ci95_images),
        }
        for name, comparison in comparisons
    ]


# ---- warnings -------------------------------------------------------------------------------


def _warnings(
    data: Dataset,
    arms: Sequence[Arm],
    seeds: int,
    config: Mapping[str, Any],
    audited: Mapping[str, Any],
    tasks: Mapping[tuple[str, int], Task],
    results: Results,
    by_arm: Mapping[str, Any],
    labels: NDArray,
    predictions: Mapping[str, NDArray],
    linear: Mapping[str, Any],
) -> list[dict[str, Any]]:
    warnings = checks.warn_of_data(audited, data.class_names)
    baseline = [results["none", seed] for seed in range(seeds)]
    auc = by_arm["none"]["test"]["auc"]["mean"]
    warnings += learning.warn_of_baseline(
        data.name, config["train_fraction"], auc,
        [result["loss"] for result in baseline],
        [result["best_step"] / config["steps"] for result in baseline],
    )  # fmt: skip
    warnings += learning.warn_of_linear(linear, auc)
    warnings += learning.warn_of_learning({
        arm.name: [results[arm.name, seed]["val_auc"] for seed in range(seeds)] for arm in arms
    })  # fmt: skip
    for name in {arm.policy: None for arm in arms if arm.policy}:
        plain, transformed = (
            [result["policies"][key] for result in baseline] for key in ("as they are", name)
        )
        warnings += checks.warn_of_policy(name, plain, transformed, data.num_classes)
    for method in {arm.generator: None for arm in arms if arm.generator}:
        using = [
            (arm.name, seed) for arm in arms if arm.generator == method for seed in range(seeds)
        ]
        unique = {tasks[key].needs["images"].key: tasks[key].needs["images"] for key in using}
        made = [task.result() for task in unique.values()]
        warnings += checks.warn_of_generator(method, made)
        warnings += checks.warn_of_rare_classes(
            method, baseline[0]["images"]["real_and_synthetic"], made[0]["requested"],
            data.class_names,
        )  # fmt: skip
        warnings += checks.warn_of_filter(
            method, [(result["requested"], result["counts"]) for result in made]
        )
        used = {(seed, results[arm, seed]["images"].get("synthetic_md5")) for arm, seed in using}
        warnings += checks.warn_of_images(method, len(used) - seeds)
    for arm in arms:
        warnings += _of_arm(
            arm.name, seeds, results, labels, predictions[arm.name], data.class_names
        )
    return warnings


def _of_arm(
    name: str,
    seeds: int,
    results: Results,
    labels: NDArray,
    predictions: NDArray,
    class_names: Sequence[str],
) -> list[dict[str, Any]]:
    warnings: list[dict[str, Any]] = []
    # Those that the training split itself holds are told of once, for all arms.
    key = "test_images_in_training"
    leaked = max(results[name, seed][key] - results["none", seed][key] for seed in range(seeds))
    if leaked > 0:
        warnings.append({
            "check": "leak",
            "arm": name,
            "images": leaked,
            "message": f"{leaked} images that {name!r} trains on are test images: its scores say "
            "nothing.",
        })  # fmt: skip
    return warnings + checks.warn_of_classifier(name, labels, list(predictions), class_names)
