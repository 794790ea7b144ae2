"""The figures of one set, from its stored tasks: the first seed's images, all seeds' numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_medaug as kma
from keras_medaug import plotting
from reproduction.budgets import Budget
from reproduction.measures import half_width_of_mean, interval_of_share
from reproduction.paper import GENERATORS, LABELS, METHODS, PAPER
from reproduction.tasks import Task, reference

GRIDS = {"cvae": "figure2_cvae", "dcgan": "figure3_dcgan", "vaegan": "figure5_vaegan"}
COLUMNS = 10
PANELS: dict[str, list[tuple[str, ...]]] = {
    "classifier": [("loss", "val_loss"), ("accuracy", "val_accuracy")],
    "cvae": [("loss", "reconstruction"), ("kl",)],
    "dcgan": [("generator_loss", "discriminator_loss")],
    "vaegan": [("discriminator_loss", "adversarial"), ("kl",), ("similarity",)],
}
NATS = "nats per image"
UNITS: dict[str, str | tuple[str, ...]] = {
    "classifier": ("cross-entropy in nats", "share of images"),
    "dcgan": "cross-entropy in nats",
}


def write_figures(
    folder: Path,
    data: kma.datasets.Dataset,
    budget: Budget,
    results: Mapping[str, Any],
    plans: Sequence[Mapping[str, Task]],
) -> None:
    """Write all figures of a set to its folder."""
    tasks, title = plans[0], title_of(data.name)
    if is_too_short(results["config"]):
        title = f"Preset {results['config']['preset']!r}: far too short to judge\n{title}"
    plotting.save(_data(data, budget, tasks, title), folder / "data.png")
    plotting.save(_geometric(tasks, title), folder / "figure1_geometric.png")
    for kind, name in GRIDS.items():
        arrays = tasks[kind].arrays()
        epochs = tasks[kind].config["training"]["epochs"]
        grid = plotting.image_grid(
            arrays["images"],
            COLUMNS,
            f"{title}: {len(arrays['images'])} images from the {LABELS[kind]} ({epochs} epochs)",
        )
        plotting.save(grid, folder / f"{name}.png")
        if "reconstructions" in arrays:
            plotting.save(_pairs(kind, arrays, title), folder / f"reconstructions_{kind}.png")
    for kind in ("classifier", *GENERATORS):
        plotting.save(_losses(kind, tasks[kind], title), folder / f"losses_{kind}.png")
    plotting.save(_confidence(results, title), folder / "confidence.png")
    plotting.save(_accuracy(results, title), folder / "accuracy.png")


def title_of(name: str) -> str:
    """Return what a set is called in titles."""
    return PAPER[name].title if name in PAPER else f"{name} (not in the paper)"


def is_too_short(config: Mapping[str, Any]) -> bool:
    """Tell whether the preset of some results is for trying things out."""
    return bool(config["preset"] != "paper")


def _data(data: kma.datasets.Dataset, budget: Budget, tasks: Mapping[str, Task], title: str) -> Any:
    images = reference(data.stored("train")[0], budget, tasks["classifier"].seed)
    return plotting.image_grid(images, COLUMNS, f"{title}: {len(images)} training images")


def _geometric(tasks: Mapping[str, Task], title: str) -> Any:
    arrays = tasks["geometric"].arrays()
    return plotting.before_after(
        arrays["originals"],
        arrays["altered"],
        ("original", "altered"),
        f"{title}: geometric augmentation",
    )


def _pairs(kind: str, arrays: Mapping[str, Any], title: str) -> Any:
    return plotting.before_after(
        arrays["originals"],
        arrays["reconstructions"],
        ("test image", "reconstruction"),
        f"{title}: reconstructions by the {LABELS[kind]}",
    )


def _losses(kind: str, task: Task, title: str) -> Any:
    label = LABELS.get(kind, "classifier")
    return plotting.loss_curves(
        task.result()["history"],
        f"{title}: training of the {label}",
        PANELS[kind],
        UNITS.get(kind, NATS),
    )


def _confidence(results: Mapping[str, Any], title: str) -> Any:
    """Draw table 2's row, the paper's beside ours, and ours on real images."""
    kinds = (*METHODS, "train", "test")
    paper = PAPER.get(results["dataset"]["name"])
    theirs: list[float | None] = [None] * len(kinds)
    if paper:
        theirs[: len(METHODS)] = paper.confidence
    ours = [100 * results["confidence"][kind]["mean"] for kind in kinds]
    labels = [*(LABELS[method] for method in METHODS), "real,\ntraining", "real,\ntest"]
    floor = 100 / len(results["dataset"]["class_names"])
    return plotting.bars_with_intervals(
        labels,
        {"paper": theirs, "here": ours} if paper else {"here": ours},
        {"here": [confidence_interval(results, kind) for kind in kinds]},
        f"{title}: mean confidence on {results['config']['images']} images",
        "mean confidence in %",
        {"lowest possible": floor},
        (0, 112),
    )


def confidence_interval(results: Mapping[str, Any], kind: str) -> tuple[float, float]:
    """Return the 95% interval of a mean confidence in percent: over seeds, or over images."""
    value, samples = results["confidence"][kind], results["samples"][kind]
    if value["n"] > 1:
        width = half_width_of_mean(value["sd"], value["n"])
    else:
        width = half_width_of_mean(samples["confidence_sd"]["mean"], samples["count"])
    return 100 * (value["mean"] - width), min(100 * (value["mean"] + width), 100.0)


def _accuracy(results: Mapping[str, Any], title: str) -> Any:
    paper, data = PAPER.get(results["dataset"]["name"]), results["dataset"]
    splits = ("train", "val", "test")
    ours = [results["classifier"][f"{split}_accuracy"]["mean"] for split in splits]
    intervals = [
        _interval(value, data["used"][split]) for split, value in zip(splits, ours, strict=True)
    ]
    here = {"here": [100 * value for value in ours]}
    return plotting.bars_with_intervals(
        ["training", "validation", "test"],
        {"paper": [None, None, paper.accuracy], **here} if paper else here,
        {
            "here": intervals,
            "paper": [None, None, _interval(paper.accuracy / 100, paper.test)] if paper else None,
        },
        f"{title}: the classifier after its last epoch",
        "accuracy in %",
        {"always the most frequent class (test)": 100 * data["test_majority"]},
        (0, 112),
    )


def _interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95% interval of a share of images, in percent."""
    low, high = interval_of_share(share, count)
    return 100 * low, 100 * high
