"""`results.json`: what the tasks of one set say, over all seeds, and what to be wary of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_medaug.study.results import over_seeds
from keras_medaug.study.task import Task
from reproduction.paper import GENERATORS, LABELS, METHODS, PROSE
from reproduction.tasks import SPLITS, Data

MADE_BY = "examples/reproduce.py"
FORMAT = 2  # of results.json: to be raised where a name in it changes
READABLE = (1, FORMAT)  # The first has `config.cells` for `config.tasks`, which nothing reads.
TRAINED = ("classifier", *GENERATORS)
SETS = (*METHODS, "train", "test")
COLLAPSED = 0.5  # of the training images' mean distance


def summarise(
    data: Data, whole: Mapping[str, int], preset: str, plans: Sequence[Mapping[str, Task]]
) -> dict[str, Any]:
    """Return the content of `results.json`; `whole` counts the set before it was cut down."""
    stored = {kind: [plan[kind].result() for plan in plans] for kind in plans[0]}
    configs = {kind: task.config for kind, task in plans[0].items()}
    counts, sets = np.bincount(data.stored("test")[1]), [s["sets"] for s in stored["confidence"]]
    scores = [f"{split}_{name}" for split in SPLITS for name in ("accuracy", "auc")]
    dark = [{"scaled_twice": result["scaled_twice"]} for result in stored["confidence"]]
    samples = ("mean_distance", "smallest_distance", "diversity", "confidence_sd")
    results = {
        "made_by": MADE_BY,
        "format": FORMAT,
        "dataset": {
            "name": data.name, "md5": data.md5, "counts": dict(whole), "used": data.counts,
            "image_shape": list(data.image_shape), "class_names": list(data.class_names),
            "test_majority": float(counts.max() / counts.sum()),
        },
        "config": {
            "preset": preset,
            "seeds": [plan["classifier"].config["seed"] for plan in plans],
            "images": configs["classifier"]["images"],
            "training": {kind: configs[kind]["training"] for kind in TRAINED},
            "models": {k: {p: configs[k][p] for p in ("model", "compile")} for k in TRAINED},
            "geometric": configs["geometric"]["policy"],
            "threads": configs["classifier"]["environment"]["threads"],
            "tasks": [{kind: task.key for kind, task in plan.items()} for plan in plans],
        },
        "versions": configs["classifier"]["environment"],
        "classifier": spread([{name: s[name] for name in scores} for s in stored["classifier"]])
        | {"test_answers": [result["test_answers"] for result in stored["classifier"]]},
        "confidence": spread([{kind: s[kind]["confidence"] for kind in SETS} for s in sets]),
        "confidence_scaled_twice": spread(dark)["scaled_twice"],
        "samples": {
            kind: spread([{name: s[kind][name] for name in samples} for s in sets])
            | {"count": sets[0][kind]["count"], "answers": [s[kind]["answers"] for s in sets]}
            for kind in SETS
        },
        "losses": {
            kind: spread([{n: v[-1] for n, v in r["history"].items()} for r in stored[kind]])
            for kind in TRAINED
        },
        "timing": {kind: spread([r["timing"] for r in stored[kind]]) for kind in TRAINED},
    }  # fmt: skip
    return {**results, "warnings": warnings(results)}


def spread(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean, deviation, values and the number of those that are known, by name."""
    counts = {name: sum(row[name] is not None for row in rows) for name in rows[0]}
    return {name: {**value, "n": counts[name]} for name, value in over_seeds(rows).items()}


def warnings(results: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the numbers has to know, each as a sentence."""
    data, config, scores = results["dataset"], results["config"], results["classifier"]
    said = [_sentence("procedural")] if data["name"] == "phantom" else []
    if data["used"] != data["counts"]:
        used = ", ".join(f"{n:,} of {data['counts'][k]:,} {k}" for k, n in data["used"].items())
        said.append(_sentence("subset", used=used, preset=config["preset"]))
    if len(config["seeds"]) == 1:
        said.append(_sentence("one_seed"))
    values, majority = scores["test_accuracy"]["values"], data["test_majority"]
    for seed, accuracy, counts in zip(config["seeds"], values, scores["test_answers"], strict=True):
        if max(counts) == sum(counts):
            said.append(_sentence("collapsed", seed=seed))
        elif accuracy <= majority + 1 / data["used"]["test"]:
            said.append(_sentence("guessing", seed=seed, accuracy=accuracy, majority=majority))
    for kind in GENERATORS:
        samples, label = results["samples"][kind], LABELS[kind]
        varieties = zip(config["seeds"], samples["diversity"]["values"], strict=True)
        for seed, variety in ((seed, v) for seed, v in varieties if v < COLLAPSED):
            numbers = {"seed": seed, "variety": variety, "limit": COLLAPSED}
            said.append(_sentence("variety", label=label, **numbers))
        if min(samples["smallest_distance"]["values"]) == 0:
            said.append(_sentence("identical", label=label))
    return said


def _sentence(name: str, **values: Any) -> str:
    return " ".join(PROSE[f"warn_{name}"].split()).format(**values)
