"""The figures of one set, from its stored tasks: the first seed's images, all seeds' numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_medaug import plotting
from keras_medaug.study.figures import half_width, interval_of_fraction
from keras_medaug.study.task import Task
from reproduction.paper import LABELS, METHODS, PAPER, PROSE
from reproduction.presets import Budget
from reproduction.tasks import Data, reference

GRIDS = {"cvae": "figure2_cvae", "dcgan": "figure3_dcgan", "vaegan": "figure5_vaegan"}
COLUMNS = 10
PANELS: dict[str, list[tuple[str, ...]]] = {
    "classifier": [("loss", "val_loss"), ("accuracy", "val_accuracy")],
    "cvae": [("loss", "reconstruction"), ("kl",)],
    "dcgan": [("generator_loss", "discriminator_loss")],
    "vaegan": [("discriminator_loss", "adversarial"), ("kl",), ("similarity",)],
}
CAPTIONS = dict(line.split(": ", 1) for line in PROSE["captions"].splitlines())
NATS = "nats per image"
UNITS: dict[str, Any] = {
    "classifier": ("cross-entropy in nats", "share of images"),
    "dcgan": "cross-entropy in nats",
}


def title_of(name: str) -> str:
    """Return what a set is called in titles."""
    return PAPER[name].title if name in PAPER else f"{name} (not in the paper)"


def is_too_short(config: Mapping[str, Any]) -> bool:
    """Tell whether the preset of some results is for trying things out."""
    return bool(config["preset"] != "paper")


def write_figures(
    folder: Path, data: Data, budget: Budget, results: Mapping[str, Any], tasks: Mapping[str, Task]
) -> None:
    """Write all figures of a set to its folder, from the tasks of its first seed."""
    title = title_of(data.name)
    if is_too_short(results["config"]):
        title = f"Preset {results['config']['preset']!r}: far too short to judge\n{title}"

    def save(name: str, draw: Any, caption: str, *arguments: Any) -> None:
        plotting.save(draw(*arguments, f"{title}: {caption}"), folder / f"{name}.png")

    images = reference(data, budget, tasks["classifier"].config["seed"])
    save("data", plotting.image_grid, f"{len(images)} training images", images, COLUMNS)
    arrays = tasks["geometric"].arrays()
    pairs: tuple[Any, ...] = arrays["originals"], arrays["altered"], ("original", "altered")
    save("figure1_geometric", plotting.before_after, "geometric augmentation", *pairs)
    for kind, name in GRIDS.items():
        arrays, epochs = tasks[kind].arrays(), tasks[kind].config["training"]["epochs"]
        caption = f"{len(arrays['images'])} images from the {LABELS[kind]} ({epochs} epochs)"
        save(name, plotting.image_grid, caption, arrays["images"], COLUMNS)
        if "reconstructions" in arrays:
            pairs = arrays["originals"], arrays["reconstructions"], ("test image", "reconstruction")
            caption = f"reconstructions by the {LABELS[kind]}"
            save(f"reconstructions_{kind}", plotting.before_after, caption, *pairs)
    for kind, panels in PANELS.items():
        curves = plotting.loss_curves(
            tasks[kind].result()["history"], f"{title}: training of the {LABELS.get(kind, kind)}",
            panels, UNITS.get(kind, NATS),
        )  # fmt: skip
        plotting.save(curves, folder / f"losses_{kind}.png")
    plotting.save(_confidence(results, title), folder / "confidence.png")
    plotting.save(_accuracy(results, title), folder / "accuracy.png")


def _confidence(results: Mapping[str, Any], title: str) -> Any:
    """Draw table 2's row, the paper's beside ours, and ours on real images."""
    kinds, paper = (*METHODS, "train", "test"), PAPER.get(results["dataset"]["name"])
    ours = [100 * results["confidence"][kind]["mean"] for kind in kinds]
    here = {"here": [confidence_interval(results, kind) for kind in kinds]}
    theirs = None if paper is None else [*paper.confidence, None, None]
    return _bars(
        [*(LABELS[method] for method in METHODS), "real,\ntraining", "real,\ntest"], theirs, ours,
        here, f"{title}: mean confidence on {results['config']['images']} images",
        "mean confidence in %", {"lowest possible": 100 / len(results["dataset"]["class_names"])},
    )  # fmt: skip


def _bars(groups: Any, theirs: Any, ours: Any, spans: Any, title: str, axis: str, at: Any) -> Any:
    """Draw bars of the paper's numbers, if there are any, beside ours."""
    series = {"here": ours} if theirs is None else {"paper": theirs, "here": ours}
    return plotting.bars_with_intervals(groups, series, spans, title, axis, at, (0, 112))


def confidence_interval(results: Mapping[str, Any], kind: str) -> tuple[float, float]:
    """Return the 95% interval of a mean confidence in percent: over seeds, or over images."""
    value, samples = results["confidence"][kind], results["samples"][kind]
    sd, count = value["sd"], len(value["values"])
    if count == 1:
        sd, count = samples["confidence_sd"]["mean"], samples["count"]
    width = half_width(sd, count)
    return 100 * (value["mean"] - width), min(100 * (value["mean"] + width), 100.0)


def _accuracy(results: Mapping[str, Any], title: str) -> Any:
    paper, data, theirs = PAPER.get(results["dataset"]["name"]), results["dataset"], None
    means = {s: results["classifier"][f"{s}_accuracy"]["mean"] for s in ("train", "val", "test")}
    intervals: dict[str, Any] = {"here": [_percents(m, data["used"][s]) for s, m in means.items()]}
    if paper:
        theirs = [None, None, paper.accuracy]
        intervals["paper"] = [None, None, _percents(paper.accuracy / 100, paper.test)]
    return _bars(
        ["training", "validation", "test"], theirs, [100 * mean for mean in means.values()],
        intervals, f"{title}: the classifier after its last epoch", "accuracy in %",
        {"always the most frequent class (test)": 100 * data["test_majority"]},
    )  # fmt: skip


def _percents(fraction: float, count: int) -> tuple[float, float]:
    """Return the 95% interval of a fraction of images, in percent."""
    low, high = interval_of_fraction(fraction, count)
    return 100 * low, 100 * high
