"""The work: tasks, each a function of its configuration alone, stored once and never repeated.

A task's folder is named after a hash of its configuration. Its `result.json` is written last: a
task that has one is done. Training inside a task goes on from a checkpoint where it was killed.
"""

import functools
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_medaug as kma
from keras_medaug.files import replacing, write_json_atomic, write_npz_atomic
from keras_medaug.images import pair_distances
from keras_medaug.models.report_steps import ReportSteps
from keras_medaug.progress import Report, ignore
from keras_medaug.provenance import check_place, digest, environment
from keras_medaug.seeds import derive_seed
from keras_medaug.study.alone import alone_in_process
from reproduction import measures
from reproduction.budgets import Budget
from reproduction.data import some
from reproduction.epoch_clock import EpochClock
from reproduction.paper import GENERATORS, METHODS

VERSION = 2  # of what the functions below do with a configuration; 2: statistics by kind of batch
SHOWN = 10  # images whose reconstructions are kept
_POLICY = ("rotation", "shift", "horizontal_flip", "vertical_flip", "zoom", "fill_mode")
MODELS = {
    "classifier": kma.models.Classifier,
    "cvae": kma.models.CVAE,
    "dcgan": kma.models.DCGAN,
    "vaegan": kma.models.VAEGAN,
}


@dataclass(frozen=True)
class Task:
    """One piece of work: its kind, all that its result depends on, and where that is kept."""

    kind: str
    seed: int
    config: dict[str, Any]
    folder: Path
    steps: int = 1

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return (self.folder / "result.json").is_file()

    def result(self) -> dict[str, Any]:
        """Return the stored result."""
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))

    def arrays(self) -> dict[str, NDArray]:
        """Return the stored images."""
        with np.load(self.folder / "images.npz", allow_pickle=False) as file:
            return dict(file)


# ---- planning -------------------------------------------------------------------------------


def plan(
    data: kma.datasets.Dataset,
    seed: int,
    budget: Budget,
    folder: Path,
    place: Mapping[str, Any] | None = None,
) -> dict[str, Task]:
    """Return the tasks of one set and seed, in the order in which they are to run.

    `place` is the environment that they run in, by default this process's.
    """
    place = environment() if place is None else place
    tasks: dict[str, Task] = {}
    for kind in ("classifier", *METHODS):
        tasks[kind] = _task(kind, data, seed, budget, folder, place, {})
    inputs = {kind: task.folder.name for kind, task in tasks.items()}
    further = {"inputs": inputs, "scaled_twice": "geometric"}
    tasks["confidence"] = _task("confidence", data, seed, budget, folder, place, further)
    return tasks


def _task(
    kind: str,
    data: kma.datasets.Dataset,
    seed: int,
    budget: Budget,
    folder: Path,
    place: Mapping[str, Any],
    further: Mapping[str, Any],
) -> Task:
    config = {
        "version": VERSION,
        "kind": kind,
        "seed": seed,
        "data": {"name": data.name, "md5": data.md5, "counts": data.counts},
        "environment": dict(place),
        "images": budget.images,
        **further,
    }
    steps = 1
    if kind in MODELS:
        training = _training(kind, data, budget)
        steps = training["epochs"] * training["steps_per_epoch"]
        config |= {"training": training, **_model_config(kind, data, budget)}
    elif kind == "geometric":
        settings = kma.layers.GeometricAugmentation(seed=0).get_config()
        config["policy"] = {name: settings[name] for name in _POLICY}
    name = f"{kind}-seed{seed}-{digest(config)}"
    return Task(kind, seed, config, folder / name, steps)


def _training(kind: str, data: kma.datasets.Dataset, budget: Budget) -> dict[str, int]:
    steps_per_epoch = -(-data.counts["train"] // budget.batch_size)
    if kind == "classifier":
        epochs = budget.classifier_epochs
    else:
        epochs = -(-budget.generator_steps[kind] // steps_per_epoch)
        epochs = max(epochs, budget.generator_epochs)
    return {
        "epochs": epochs,
        "batch_size": budget.batch_size,
        "steps_per_epoch": steps_per_epoch,
    }


def _model_config(kind: str, data: kma.datasets.Dataset, budget: Budget) -> dict[str, Any]:
    """Return every setting of model and optimizers, the defaults of the package included."""
    return json.loads(_model_config_text(*_model_settings(kind, data, budget)))


def _model_settings(
    kind: str, data: kma.datasets.Dataset, budget: Budget
) -> tuple[str, tuple[int, int, int], str, float | None]:
    """Return what a model is made from, but for the seed, in a form that can be cached."""
    arguments = dict(budget.arguments.get(kind, {}))
    if kind == "classifier":
        arguments["num_classes"] = data.num_classes
    text = json.dumps(arguments, sort_keys=True)
    return kind, data.image_shape, text, budget.learning_rates.get(kind)


@functools.cache
def _model_config_text(*settings: Any) -> str:
    model = _new_model(0, *settings)
    config = {key: value for key, value in model.get_config().items() if key != "name"}
    del config["seed"]  # a function of the task's
    compiled = {"optimizer": _nameless(model.get_compile_config()["optimizer"])}
    return json.dumps({"model": config, "compile": compiled}, sort_keys=True)


def _nameless(config: Any) -> Any:
    """Return an optimizer's configuration without its name, which counts earlier optimizers."""
    if not isinstance(config, Mapping):
        return config
    return {key: _nameless(value) for key, value in config.items() if key != "name"}


def _new_model(
    seed: int, kind: str, shape: tuple[int, int, int], arguments: str, learning_rate: float | None
) -> keras.Model:
    """Return a model, compiled with its own optimizer, at another learning rate if one is given."""
    model = MODELS[kind](shape, **json.loads(arguments), seed=seed)
    if learning_rate is None:
        model.compile()
    else:
        optimizer = model.default_optimizer()
        optimizer.learning_rate = learning_rate
        model.compile(optimizer=optimizer)
    return model


# ---- running --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Context:
    """What a task works with: the tasks of its set and seed, their data, who is told of steps."""

    tasks: Mapping[str, Task]
    data: kma.datasets.Dataset
    budget: Budget
    report: Report = ignore


def run(kind: str, context: Context) -> float:
    """Do one task of a plan, if it is not done, and store what it gives; return its seconds."""
    began = time.perf_counter()
    task = context.tasks[kind]
    if task.done:
        _remove_checkpoint(task)  # a kill may have come before this, last time
        return 0.0
    with alone_in_process():
        check_place(task.config["environment"])
        keras.utils.clear_session()
        keras.utils.set_random_seed(derive_seed(task.seed, kind))
        write_json_atomic(task.folder / "config.json", task.config)
        write_json_atomic(task.folder / "result.json", _WORK[kind](task, context))
        _remove_checkpoint(task)
    return time.perf_counter() - began


def _remove_checkpoint(task: Task) -> None:
    shutil.rmtree(task.folder / "training", ignore_errors=True)


def _build(task: Task, context: Context) -> keras.Model:
    settings = _model_settings(task.kind, context.data, context.budget)
    return _new_model(derive_seed(task.seed, task.kind), *settings)


def _fit(
    model: keras.Model, task: Task, context: Context, *arrays: NDArray, **options: Any
) -> dict[str, Any]:
    """Train as the task's configuration says; return losses per epoch and times."""
    training = task.config["training"]
    resume = kma.callbacks.ResumeTraining(
        task.folder / "training", seconds=context.budget.checkpoint_seconds
    )
    per_epoch = training["steps_per_epoch"]
    steps = ReportSteps(context.report, training["epochs"] * per_epoch, per_epoch)
    model.fit(
        *arrays,
        batch_size=training["batch_size"],
        epochs=training["epochs"],
        verbose=0,
        callbacks=[EpochClock(), resume, steps],
        **options,
    )
    names = resume.history[0]
    history = {name: [epoch[name] for epoch in resume.history] for name in names}
    seconds = history.pop("seconds")
    for name, values in history.items():
        if not np.isfinite(values).all():
            first = int(np.argmin(np.isfinite(values))) + 1
            raise ArithmeticError(
                f"the training of {task.kind} (seed {task.seed}) came to nothing: {name} is not a "
                f"finite number from epoch {first} on"
            )
    timing = {
        # The first epoch holds the compilation.
        "seconds_per_epoch": float(np.median(seconds[1:] or seconds)),
        "seconds": float(np.sum(seconds)),
    }
    rounded = {name: [float(f"{v:.6g}") for v in values] for name, values in history.items()}
    return {"history": rounded, "timing": timing}


def _run_classifier(task: Task, context: Context) -> dict[str, Any]:
    model = _build(task, context)
    x, y = context.data.stored("train")
    trained = _fit(model, task, context, x, y, validation_data=context.data.stored("val"))
    with replacing(task.folder / "network.weights.h5") as partial:
        model.network.save_weights(partial)
    scores: dict[str, Any] = {}
    for split in ("train", "val", "test"):
        images, labels = context.data.stored(split)
        logits = model.logits(images, batch_size=256)
        scores[f"{split}_accuracy"] = measures.accuracy(labels, logits)
        scores[f"{split}_auc"] = measures.auc(labels, logits)
        if split == "test":
            scores["test_answers"] = _counts(logits)
    return scores | trained


def _counts(logits: NDArray) -> list[int]:
    """Return how often each class is the likeliest."""
    return np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]).tolist()


def _run_generator(task: Task, context: Context) -> dict[str, Any]:
    model = _build(task, context)
    trained = _fit(model, task, context, context.data.stored("train")[0])
    arrays = {
        "images": model.generate(context.budget.images, seed=derive_seed(task.seed, "images"))
    }
    if hasattr(model, "reconstruct"):
        originals = as_floats(some(context.data.stored("test")[0], SHOWN, task.seed))
        arrays |= {"originals": originals, "reconstructions": model.reconstruct(originals)}
    write_npz_atomic(task.folder / "images.npz", arrays)
    return trained


def _run_geometric(task: Task, context: Context) -> dict[str, Any]:
    """Alter the reference images, and the first five, which are the paper's figure 1."""
    layer = kma.layers.GeometricAugmentation(seed=derive_seed(task.seed, task.kind))
    x = context.data.stored("train")[0]
    first = as_floats(x[:5])
    altered = layer(reference(x, context.budget, task.seed), training=True)
    arrays = {
        "images": _on_host(altered),
        "originals": first,
        "altered": _on_host(layer(first, training=True)),
    }
    write_npz_atomic(task.folder / "images.npz", arrays)
    return {}


def _on_host(images: Any) -> NDArray:
    """Return images from the device."""
    return np.asarray(keras.ops.convert_to_numpy(images))


def reference(images: NDArray, budget: Budget, seed: int) -> NDArray:
    """Return the real images that samples are compared with, as floats."""
    return as_floats(some(images, budget.images, derive_seed(seed, "reference")))


def as_floats(images: NDArray) -> NDArray:
    """Return images as `float32` in [0, 1]."""
    floats = images.astype("float32")
    return floats / np.float32(255) if images.dtype == np.uint8 else floats


def _run_confidence(task: Task, context: Context) -> dict[str, Any]:
    """Table 2, with real images and measures of collapse that table 2 cannot see."""
    trained, budget = context.tasks["classifier"], context.budget
    classifier = _build(trained, context)
    classifier.network.load_weights(trained.folder / "network.weights.h5")
    sets = {method: context.tasks[method].arrays()["images"] for method in METHODS}
    sets["train"] = reference(context.data.stored("train")[0], budget, task.seed)
    sets["test"] = reference(context.data.stored("test")[0], budget, task.seed)
    between = {name: pair_distances(images) for name, images in sets.items()}
    found: dict[str, Any] = {}
    for name, images in sets.items():
        probabilities = classifier.predict(images, batch_size=256, verbose=0)
        found[name] = {
            "confidence": kma.metrics.mean_confidence(classifier, images),
            "confidence_sd": float(probabilities.max(axis=1).std(ddof=1)),
            "answers": _counts(probabilities),
            "count": len(images),
            "mean_distance": float(between[name].mean()),
            "smallest_distance": float(between[name].min()),
            "diversity": float(between[name].mean() / between["train"].mean()),
        }
    dark = sets[task.config["scaled_twice"]] / np.float32(255)
    return {"sets": found, "scaled_twice": kma.metrics.mean_confidence(classifier, dark)}


_WORK: dict[str, Callable[..., dict[str, Any]]] = {
    "classifier": _run_classifier,
    "geometric": _run_geometric,
    **dict.fromkeys(GENERATORS, _run_generator),
    "confidence": _run_confidence,
}
