"""`results.json`: what the tasks of one set say, over all seeds, and what to be wary of."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import keras_medaug as kma
from reproduction.budgets import Budget
from reproduction.measures import spread
from reproduction.paper import GENERATORS, LABELS, METHODS
from reproduction.tasks import Task

MADE_BY = "examples/reproduce.py"
FORMAT = 1  # of results.json: to be raised where a name in it changes
REFERENCES = ("train", "test")
COLLAPSED = 0.5  # of the training images' mean distance


def summarise(
    data: kma.datasets.Dataset,
    whole: Mapping[str, int],
    preset: str,
    budget: Budget,
    plans: Sequence[Mapping[str, Task]],
) -> dict[str, Any]:
    """Return the content of `results.json`.

    Args:
        data: The set, cut down where the budget says so.
        whole: Counts of the set before that.
        preset: Name of the budget.
        budget: The budget.
        plans: The tasks of each seed, all of them done.
    """
    stored = {kind: [plan[kind].result() for plan in plans] for kind in plans[0]}
    results = {
        "made_by": MADE_BY,
        "format": FORMAT,
        "dataset": {
            "name": data.name,
            "md5": data.md5,
            "counts": dict(whole),
            "used": data.counts,
            "image_shape": list(data.image_shape),
            "class_names": list(data.class_names),
            "test_majority": _majority(data),
        },
        "config": {
            "preset": preset,
            "seeds": [plan["classifier"].seed for plan in plans],
            "images": budget.images,
            "training": {k: plans[0][k].config["training"] for k in ("classifier", *GENERATORS)},
            "models": {
                k: {part: plans[0][k].config[part] for part in ("model", "compile")}
                for k in ("classifier", *GENERATORS)
            },
            "geometric": plans[0]["geometric"].config["policy"],
            "threads": plans[0]["classifier"].config["environment"]["threads"],
            "tasks": [{k: c.folder.name for k, c in plan.items()} for plan in plans],
        },
        "versions": plans[0]["classifier"].config["environment"],
        "classifier": _classifier(stored["classifier"]),
        "confidence": _over_sets(stored["confidence"], lambda found: found["confidence"]),
        "confidence_scaled_twice": spread([one["scaled_twice"] for one in stored["confidence"]]),
        "samples": _samples(stored["confidence"]),
        "losses": {
            kind: {name: spread([r["history"][name][-1] for r in stored[kind]]) for name in names}
            for kind, names in _loss_names(stored).items()
        },
        "timing": {
            kind: {
                name: spread([result["timing"][name] for result in stored[kind]])
                for name in ("seconds_per_epoch", "seconds")
            }
            for kind in ("classifier", *GENERATORS)
        },
    }
    return {**results, "warnings": warnings(results)}


def _majority(data: kma.datasets.Dataset) -> float:
    """Return the accuracy of always giving the most frequent class of the test split."""
    counts = np.bincount(data.stored("test")[1])
    return float(counts.max() / counts.sum())


def _loss_names(stored: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {kind: list(stored[kind][0]["history"]) for kind in ("classifier", *GENERATORS)}


def _classifier(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = [f"{split}_{metric}" for split in ("train", "val", "test") for metric in _METRICS]
    summary: dict[str, Any] = {name: spread([result[name] for result in found]) for name in scores}
    return summary | {"test_answers": [result["test_answers"] for result in found]}


_METRICS = ("accuracy", "auc")


def _over_sets(
    found: Sequence[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float]
) -> dict[str, Any]:
    """Return the spread over seeds of a value of each method, and of the real images."""
    return {
        name: spread([value(result["sets"][name]) for result in found])
        for name in (*METHODS, *REFERENCES)
    }


def _samples(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("mean_distance", "smallest_distance", "diversity", "confidence_sd")
    summary: dict[str, Any] = {}
    for kind in (*METHODS, *REFERENCES):
        of_kind = [result["sets"][kind] for result in found]
        summary[kind] = {name: spread([one[name] for one in of_kind]) for name in names}
        summary[kind]["count"] = of_kind[0]["count"]
        summary[kind]["answers"] = [one["answers"] for one in of_kind]
    return summary


# ---- what to be wary of ---------------------------------------------------------------------


def warnings(results: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the numbers has to know, each as a sentence."""
    return [*_about_data(results), *_about_classifier(results), *_about_samples(results)]


def _about_data(results: Mapping[str, Any]) -> list[str]:
    data = results["dataset"]
    found = []
    if data["name"] == "phantom":
        found.append(
            "PROCEDURAL DATA: these images were drawn by a program and are no one's; nothing here "
            "says anything about medical images or about the paper."
        )
    if data["used"] != data["counts"]:
        used = ", ".join(f"{n:,} of {data['counts'][k]:,} {k}" for k, n in data["used"].items())
        found.append(
            f"SUBSET: used were {used} images, a stratified choice; the preset "
            f"{results['config']['preset']!r} is for trying things out."
        )
    if len(results["config"]["seeds"]) == 1:
        found.append("ONE SEED: another seed gives other numbers; `--seeds N` says how different.")
    return found


def _about_classifier(results: Mapping[str, Any]) -> list[str]:
    majority, used = results["dataset"]["test_majority"], results["dataset"]["used"]["test"]
    found = []
    answers = results["classifier"]["test_answers"]
    values = results["classifier"]["test_accuracy"]["values"]
    seeds = results["config"]["seeds"]
    for seed, counts, accuracy in zip(seeds, answers, values, strict=True):
        if max(counts) == sum(counts):
            found.append(
                f"COLLAPSED CLASSIFIER (seed {seed}): it gives every test image the same class; "
                "confidences beside it mean nothing."
            )
        elif accuracy <= majority + 1 / used:
            found.append(
                f"CLASSIFIER NO BETTER THAN GUESSING (seed {seed}): accuracy {accuracy:.2%}, while "
                f"always giving the most frequent class scores {majority:.2%}."
            )
    return found


def _about_samples(results: Mapping[str, Any]) -> list[str]:
    found = []
    for kind in GENERATORS:
        samples, label = results["samples"][kind], LABELS[kind]
        diversity = samples["diversity"]["values"]
        for seed, value in zip(results["config"]["seeds"], diversity, strict=True):
            if value < COLLAPSED:
                found.append(
                    f"LITTLE VARIETY in {label} (seed {seed}): samples are {value:.2f} times as "
                    f"far apart as training images are; below {COLLAPSED} counts as collapse."
                )
        if min(samples["smallest_distance"]["values"]) == 0:
            found.append(f"IDENTICAL SAMPLES in {label}: at least two images are the same.")
    return found
