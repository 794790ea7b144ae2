"""How often checks warn of nothing, and whether they see what is planted.

    KERAS_BACKEND=torch python benchmarks/corrections/checks.py --out FILE.json --root DIR

`DIR` holds `breastmnist.npz` and `pneumoniamnist.npz`. Runs on the package before and after the
corrections: what a package does not have counts as never warning. Uses the committed studies
(`docs/results/studies`) and simulated predictions, curves and images; nothing is trained. About two
minutes on one core.
"""

import argparse
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import keras_medaug as kma
from keras_medaug.metrics import (
    collapsed_classifier,
    diversity,
    label_agreement,
    label_fidelity,
    prior_shift,
)
from keras_medaug.study import guards
from keras_medaug.study.cell import Cell
from keras_medaug.study.packing import unpacked
from keras_medaug.study.scores import area

STUDIES = Path(__file__).parents[2] / "docs/results/studies"
DRAWS = 400
Figure = dict[str, Any]


def figure(name: str, value: float, target: str) -> Figure:
    """Return one line of the table."""
    print(f"{name}: {value:.4g} (target {target})", flush=True)
    return {"name": name, "value": round(float(value), 4), "target": target}


def seldom(draws: int = DRAWS) -> str:
    """Return the target of false alarms, with the standard error of so many draws at 5%."""
    error = (0.05 * 0.95 / draws) ** 0.5
    return f"<= .05 (SE {error:.3f})".replace("0.", ".")


def share(warned: Iterator[bool]) -> float:
    """Return how often there was a warning."""
    return float(np.mean(list(warned)))


def optional(module: str, name: str) -> Callable[..., Any] | None:
    """Return a function of the package that older ones lack."""
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def cells(study: str) -> dict[str, list[dict[str, Any]]]:
    """Return the results of a study's classifiers, by arm."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((STUDIES / study / "cells").glob("classifier-*/result.json")):
        config = json.loads(path.with_name("config.json").read_text(encoding="utf-8"))
        result = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(config["arm"], []).append(result)
    return found


def softmax(logits: NDArray) -> NDArray[np.float32]:
    """Return probabilities as a network in float32 gives them."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    return odds / odds.sum(axis=-1, keepdims=True)


# ---- saturation -----------------------------------------------------------------------------


def saturation() -> list[Figure]:
    """Rank what a classifier that is sure of every image says: in logits where that can be read."""
    labels, rng = np.arange(624) % 3, np.random.default_rng(0)
    logits = 30 + 12 * np.eye(3)[labels] + 3 * rng.normal(size=(624, 3))
    logits[:, 0] += 40
    logits = logits.astype("float32")
    exact = logits.astype(float)
    odds = [exact[:, c] - np.logaddexp.reduce(np.delete(exact, c, 1), axis=1) for c in range(3)]
    pairs = [score[labels == c][:, None] > score[labels != c] for c, score in enumerate(odds)]
    truth = float(np.mean([pair.mean() for pair in pairs]))
    takes_logits = optional("keras_medaug.metrics.log_odds", "class_scores") is not None
    found = area(labels, logits if takes_logits else softmax(logits))
    ones = (softmax(logits) == 1).any(axis=1).mean()
    return [
        figure("saturated classifier: images with a probability of exactly 1.0", ones, "-"),
        figure("saturated classifier: error of the AUC", abs(found - truth), "0"),
    ]


# ---- classifiers ----------------------------------------------------------------------------


def collapse(breast: kma.datasets.Dataset) -> list[Figure]:
    """Count arms that are said to have collapsed, and classifiers without skill that are found."""
    labels, found = breast.test[1], []
    arms = [
        any(
            collapsed_classifier(labels, unpacked(cell["probabilities"]["test"]))["warning"]
            for cell in seeds
        )
        for seeds in cells("breastmnist").values()
    ]
    found.append(
        figure("collapsed_classifier: of 13 good arms on 156 images, warned", sum(arms), "0")
    )
    rng = np.random.default_rng(0)
    good = 2 * np.eye(2)[labels]

    def warned(kind: str) -> bool:
        scores = rng.normal(size=(len(labels), 2))
        if kind == "shuffled":
            scores += good[rng.permutation(len(labels))]
        elif kind == "constant":
            scores = np.tile(scores[:1], (len(labels), 1))
        elif kind == "good":
            scores += good
        return collapsed_classifier(labels, softmax(scores))["warning"] is not None

    for kind, target in (
        ("random", ">= .93"),
        ("shuffled", ">= .93"),
        ("constant", "1"),
        ("good", "0"),
    ):
        value = share(warned(kind) for _ in range(DRAWS))
        found.append(figure(f"collapsed_classifier: {kind} predictions warned", value, target))
    return found


def learning() -> list[Figure]:
    """Count arms that are told to be cut off while learning, and flat curves that are."""
    warn, found = optional("keras_medaug.study.learning", "warn_of_learning"), []
    for study, target in (("breastmnist", "5 or more"), ("pneumoniamnist-0.1", "-")):
        histories = {
            arm: [cell["val_auc"] for cell in seeds] for arm, seeds in cells(study).items()
        }
        arms = [warning["arm"] for warning in warn(histories)] if warn else []
        print(arms)
        found.append(figure(f"still_learning: arms of {study} warned, of 13", len(arms), target))
    rng = np.random.default_rng(0)

    def flat() -> list[list[float]]:
        noise = rng.normal(size=(10, 23))
        level = 0.84 + 0.02 * rng.normal(size=(10, 1))
        return (level + 0.006 * (noise[:, 3:] + noise[:, 2:-1])).tolist()

    for what, count in (("flat noisy curves", 1), ("studies of 13 flat noisy arms", 13)):
        value = share(
            bool(warn and warn({str(arm): flat() for arm in range(count)})) for _ in range(DRAWS)
        )
        found.append(figure(f"still_learning: {what} warned", value, seldom()))
    return found


# ---- images ---------------------------------------------------------------------------------


def copies_of_one(breast: kma.datasets.Dataset, chest: kma.datasets.Dataset) -> list[Figure]:
    """Count classes whose images are noise on one image, and honest ones, that are warned of."""
    rng, planted, honest, blurred = np.random.default_rng(0), [], [], []
    for data in (breast, chest):
        for label in range(2):
            real = data.train[0][data.train[1] == label][:300]
            for noise in (0.05, 0.1, 0.15, 0.2):
                for number in range(5):
                    one = real[number] + noise * rng.normal(size=(60, *real.shape[1:]))
                    planted.append(diversity(np.clip(one, 0, 1), real)["warning"])
            mine = data.val[0][data.val[1] == label]
            for count in (5, 10, 20):
                honest += [
                    diversity(rng.permutation(mine)[:count], real)["warning"] for _ in range(10)
                ]
            soft = real
            for _ in range(4):
                soft = (np.roll(soft, 1, 1) + np.roll(soft, -1, 1) + 2 * soft) / 4
                soft = (np.roll(soft, 1, 2) + np.roll(soft, -1, 2) + 2 * soft) / 4
            blurred.append(diversity(0.5 + 0.85 * (soft - 0.5), real)["warning"])
    kinds = (
        ("noise on one image", planted, "1"),
        ("few real images", honest, seldom(len(honest))),
        ("blurred real images", blurred, "0"),
    )
    return [
        figure(f"diversity: {what} warned", share(each is not None for each in warnings), target)
        for what, warnings, target in kinds
    ]


def audits(breast: kma.datasets.Dataset, chest: kma.datasets.Dataset) -> list[Figure]:
    """Count validation images that are found in the training split; score the linear baseline."""
    from keras_medaug.study.auditing import run_audit

    found = []
    against = optional("keras_medaug.study.linear_baseline", "linear_against")
    for study, data, fraction in (("breastmnist", breast, 1.0), ("pneumoniamnist-0.1", chest, 0.1)):
        config = {"near": 0.02, "train_fraction": fraction, "seeds": 10}
        audit = run_audit(Cell("audit", config, Path("cells")), data)
        near = len(audit.get("validation", {"near_duplicates": []})["near_duplicates"])
        found.append(figure(f"duplicates: validation images of {study} found", near, "all"))
        if against is None:
            found.append(figure(f"linear_baseline: {study}, measured", 0, "1"))
            continue
        none = np.stack([unpacked(cell["probabilities"]["test"]) for cell in cells(study)["none"]])
        linear = against(data.test[1], unpacked(audit["linear_baseline"]), none)
        found.append(figure(f"linear_baseline: {study}, measured", 1, "1"))
        found.append(figure(f"linear_baseline: {study}, AUC", linear["auc"], "-"))
        found.append(figure(f"linear_baseline: {study}, above none", linear["difference"], "-"))
        found.append(figure(f"linear_baseline: {study}, lower end", linear["ci95_images"][0], "-"))
    rare = optional("keras_medaug.labels.plan", "warn_of_rare")
    told = rare is not None and rare([400, 1], [0, 144]) is not None
    return [*found, figure("rare_class: 144 planned of a class with one image, warned", told, "1")]


# ---- the other checks -----------------------------------------------------------------------


def shifts() -> list[Figure]:
    """Draw splits with equal and with other shares."""
    rng, found = np.random.default_rng(0), []
    for images in (40, 156, 624):
        for second, what, target in ((0.27, "equal", seldom()), (0.45, "of .27 and .45", "high")):

            def warned(second: float = second, images: int = images) -> bool:
                draws = ((rng.random(546) < 0.27), (rng.random(images) < second))
                labels, others = (drawn.astype(int) for drawn in draws)
                return prior_shift(labels, others)["warning"] is not None

            name = f"prior_shift: shares {what}, {images} test images, warned"
            found.append(figure(name, share(warned() for _ in range(DRAWS)), target))
    return found


def given(labels: NDArray, right: float, rng: np.random.Generator) -> NDArray:
    """Return predictions of which so many are right."""
    classes = np.where(rng.random(len(labels)) < right, labels, 1 - labels)
    return 0.1 + 0.8 * np.eye(2)[classes]


def transforms() -> list[Figure]:
    """Let a transform do nothing to a classifier's skill, or take most of it."""
    rng, labels, found = np.random.default_rng(0), np.arange(78) % 2, []
    images = np.zeros((78, 8, 8, 1))

    def agreed(before: float, after: float) -> bool:
        calls = iter([given(labels, before, rng), given(labels, after, rng)])
        found = label_agreement(lambda _: next(calls), images, labels, lambda x: x + 1)
        # Without `lost` it says that nothing can be told, which is no alarm.
        return found["warning"] is not None and found["lost"] is not None

    def policy(before: float, after: float) -> bool:
        plain, turned = (right + 0.03 * rng.normal(size=10) for right in (before, after))
        return bool(guards.warn_of_policy("a", plain.tolist(), turned.tolist(), 2))

    for name, warn in (("label_agreement", agreed), ("label_unsafe_geometry", policy)):
        for before, after, what, target in (
            (0.54, 0.54, "weak classifier, no loss", seldom()),
            (0.8, 0.8, "good classifier, no loss", seldom()),
            (0.8, 0.6, "good classifier, most lost", "high"),
        ):
            value = share(warn(before, after) for _ in range(DRAWS))
            found.append(figure(f"{name}: {what}, warned", value, target))
    return found


def fidelity() -> list[Figure]:
    """Give images honest labels, and labels of which a third are wrong."""
    rng, found = np.random.default_rng(0), []
    labels, held_out = np.arange(200) % 2, np.arange(78) % 2
    images = [np.zeros((count, 8, 8, 1)) for count in (200, 78)]

    def warned(right: float) -> bool:
        calls = iter([given(labels, right, rng), given(held_out, 0.8, rng)])
        return label_fidelity(
            lambda _: next(calls), images[0], labels, images[1], held_out
        )["warning"] is not None  # fmt: skip

    for right, what, target in ((0.8, "honest", seldom()), (0.6, "a third wrong", "high")):
        value = share(warned(right) for _ in range(DRAWS))
        found.append(figure(f"label_fidelity: labels {what}, warned", value, target))
    return found


def main() -> None:
    """Measure, and write the JSON file."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--root", type=Path, help="folder of the MedMNIST files")
    options = parser.parse_args()
    breast, chest = (
        kma.datasets.load(name, root=options.root, download=False)
        for name in ("breastmnist", "pneumoniamnist")
    )
    found = [
        *saturation(), *collapse(breast), *learning(), *copies_of_one(breast, chest),
        *audits(breast, chest), *shifts(), *transforms(), *fidelity(),
    ]  # fmt: skip
    content = {
        "command": "python benchmarks/corrections/checks.py --out FILE --root DIR",
        "machine": "two AMD EPYC cores",
        "figures": found,
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
