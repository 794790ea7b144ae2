"""The work of the paper's job, as tasks of the package's engine."""

import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

import keras_medaug as kma
from keras_medaug.files import replacing, write_npz_atomic
from keras_medaug.images import pair_distances, to_float
from keras_medaug.models.registry import has_ability
from keras_medaug.models.report_steps import ReportSteps
from keras_medaug.models.step_times import classifier_seconds, expected_seconds
from keras_medaug.progress import Report
from keras_medaug.provenance import environment
from keras_medaug.seeds import derive_seed
from keras_medaug.study.arm import policy_config
from keras_medaug.study.execute import CHECKPOINTS
from keras_medaug.study.scores import area
from keras_medaug.study.task import Task
from reproduction.paper import GENERATORS, METHODS
from reproduction.presets import Budget

VERSION = 2  # of what the functions below do with a configuration
SHOWN = 10  # images whose reconstructions are kept
OTHER_SECONDS = 2.0  # of a task without training
SPLITS = ("train", "val", "test")
WEIGHTS = "network.weights.h5"
MODELS: dict[str, Any] = {"classifier": kma.models.Classifier, **kma.models.generators()}
Data = kma.datasets.Dataset


def some(images: NDArray, count: int, seed: int) -> NDArray[np.float32]:
    """Return `count` images (or all, if there are fewer) drawn without replacement, as floats."""
    order = np.random.default_rng(seed).permutation(len(images))
    return to_float(images[np.sort(order[:count])])


def reference(data: Data, budget: Budget, seed: int, split: str = "train") -> NDArray[np.float32]:
    """Return the real images that samples are compared with."""
    return some(data.stored(split)[0], budget.images, derive_seed(seed, "reference"))


def plan(
    data: Data, seed: int, budget: Budget, store: Path, place: Mapping[str, Any] | None = None
) -> dict[str, Task]:
    """Return the tasks of one set and seed; `place` is where they run, by default this process."""
    common = {
        "version": VERSION,
        "seed": seed,
        "data": {"name": data.name, "md5": data.md5, "counts": data.counts},
        "environment": environment() if place is None else dict(place),
        "images": budget.images,
    }

    def task(kind: str, work: Any, *files: str, needs: Any = (), **further: Any) -> Task:
        seconds = OTHER_SECONDS
        if kind in MODELS:
            training = _training(kind, data, budget)
            further = {"training": training, **_model_config(*_model_settings(kind, data, budget))}
            steps = training["epochs"] * training["steps_per_epoch"]
            of_model = classifier_seconds if kind == "classifier" else expected_seconds
            seconds = of_model(steps, data.image_shape)
        work = functools.partial(work, budget=budget)
        return Task(
            kind, {**common, "kind": kind, **further}, store, work, dict(needs), files,
            f"{kind}-seed{seed}", f"{data.name}, seed {seed}, {kind}", seconds,
        )  # fmt: skip

    policy = policy_config(kma.layers.GeometricAugmentation())
    tasks = {"classifier": task("classifier", run_classifier, WEIGHTS)}
    tasks["geometric"] = task("geometric", run_geometric, "images.npz", policy=policy)
    tasks |= {kind: task(kind, run_generator, "images.npz") for kind in GENERATORS}
    inputs = {kind: needed.key for kind, needed in tasks.items()}
    more: Any = {"needs": tasks, "scaled_twice": "geometric", "inputs": inputs}
    return tasks | {"confidence": task("confidence", run_confidence, **more)}


def _training(kind: str, data: Data, budget: Budget) -> dict[str, int]:
    steps_per_epoch = -(-data.counts["train"] // budget.batch_size)
    epochs = budget.classifier_epochs
    if kind in GENERATORS:
        epochs = max(-(-budget.generator_steps[kind] // steps_per_epoch), budget.generator_epochs)
    return {"epochs": epochs, "batch_size": budget.batch_size, "steps_per_epoch": steps_per_epoch}


def _model_settings(kind: str, data: Data, budget: Budget) -> tuple[Any, ...]:
    """Return what a model is made from, but for the seed, in a form that can be cached."""
    classes = {"num_classes": data.num_classes} if kind == "classifier" else {}
    text = json.dumps({**budget.arguments.get(kind, {}), **classes}, sort_keys=True)
    return kind, data.image_shape, text, budget.learning_rates.get(kind)


@functools.cache
def _model_config(*settings: Any) -> dict[str, Any]:
    """Return every setting of model and optimizers, the defaults of the package included."""
    model = _new_model(0, *settings)
    config = {k: value for k, value in model.get_config().items() if k not in ("name", "seed")}
    compiled = {"optimizer": _nameless(model.get_compile_config()["optimizer"])}
    return json.loads(json.dumps({"model": config, "compile": compiled}))


def _nameless(config: Any) -> Any:
    """Return an optimizer's configuration without its name, which counts earlier optimizers."""
    if not isinstance(config, Mapping):
        return config
    return {key: _nameless(value) for key, value in config.items() if key != "name"}


def _new_model(seed: int, kind: str, shape: Any, arguments: str, rate: float | None) -> Any:
    """Return a model, compiled with its own optimizer, at another learning rate if one is given."""
    model = MODELS[kind](shape, **json.loads(arguments), seed=seed)
    model.compile()
    if rate is not None:
        optimizer = model.default_optimizer()
        optimizer.learning_rate = rate
        model.compile(optimizer=optimizer)
    return model


# ---- work -----------------------------------------------------------------------------------


def _build(task: Task, data: Data, budget: Budget) -> Any:
    keras.utils.clear_session()  # names of layers, which files hold, begin anew
    seed = derive_seed(task.config["seed"], task.kind)
    keras.utils.set_random_seed(seed)  # which the line before the last one forgets
    return _new_model(seed, *_model_settings(task.kind, data, budget))


def _fit(
    model: Any, task: Task, budget: Budget, report: Report, *arrays: NDArray, **options: Any
) -> dict[str, Any]:
    """Train as the task's configuration says; return losses per epoch and times."""
    training, folder = task.config["training"], task.folder / CHECKPOINTS
    resume = kma.callbacks.ResumeTraining(folder, seconds=budget.checkpoint_seconds)
    epochs, per_epoch = training["epochs"], training["steps_per_epoch"]
    began: list[float] = []  # the seconds of each epoch are kept with a checkpoint
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: began.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: logs.update(seconds=time.perf_counter() - began.pop()),
    )
    callbacks = [clock, resume, ReportSteps(report, epochs * per_epoch, per_epoch)]
    model.fit(
        *arrays, batch_size=training["batch_size"], epochs=epochs, verbose=0, callbacks=callbacks,
        **options,
    )  # fmt: skip
    history = {name: [epoch[name] for epoch in resume.history] for name in resume.history[0]}
    seconds = history.pop("seconds")
    for name, values in history.items():
        if not np.isfinite(values).all():
            first = int(np.argmin(np.isfinite(values))) + 1
            what = f"the training of {task.kind} (seed {task.config['seed']}) came to nothing"
            raise ArithmeticError(f"{what}: {name} is not a finite number from epoch {first} on")
    # The first epoch holds the compilation.
    typical = float(np.median(seconds[1:] or seconds))
    rounded = {name: [float(f"{v:.6g}") for v in values] for name, values in history.items()}
    timing = {"seconds_per_epoch": typical, "seconds": float(np.sum(seconds))}
    return {"history": rounded, "timing": timing}


def run_classifier(task: Task, data: Data, report: Report, budget: Budget) -> dict[str, Any]:
    """Train the classifier of figure 9, keep its weights, and score it on each split."""
    model = _build(task, data, budget)
    x, y = data.stored("train")
    result = _fit(model, task, budget, report, x, y, validation_data=data.stored("val"))
    with replacing(task.folder / WEIGHTS) as partial_file:
        model.network.save_weights(partial_file)
    logits = {split: model.logits(data.stored(split)[0], batch_size=256) for split in SPLITS}
    for split in SPLITS:
        labels, given = data.stored(split)[1], logits[split]
        every_class = len(np.unique(labels)) == data.num_classes  # else there is no AUC
        result[f"{split}_accuracy"] = float(np.mean(given.argmax(axis=1) == labels))
        result[f"{split}_auc"] = area(labels, given) if every_class else None
    return result | {"test_answers": _counts(logits["test"])}


def _counts(predictions: NDArray) -> list[int]:
    """Return how often each class is the likeliest."""
    return np.bincount(predictions.argmax(axis=1), minlength=predictions.shape[1]).tolist()


def run_generator(task: Task, data: Data, report: Report, budget: Budget) -> dict[str, Any]:
    """Train a generative model, and keep images and reconstructions."""
    model, seed = _build(task, data, budget), task.config["seed"]
    result = _fit(model, task, budget, report, data.stored("train")[0])
    arrays = {"images": model.generate(budget.images, seed=derive_seed(seed, "images"))}
    if has_ability(model, "reconstruct"):
        originals = some(data.stored("test")[0], SHOWN, seed)
        arrays |= {"originals": originals, "reconstructions": model.reconstruct(originals)}
    write_npz_atomic(task.folder / "images.npz", arrays)
    return result


def run_geometric(task: Task, data: Data, report: Report, budget: Budget) -> dict[str, Any]:  # noqa: ARG001
    """Alter the reference images, and the first five, which are the paper's figure 1."""
    seed = task.config["seed"]
    layer = kma.layers.GeometricAugmentation(seed=derive_seed(seed, task.kind))
    first = to_float(data.stored("train")[0][:5])
    altered = [layer(images, training=True) for images in (reference(data, budget, seed), first)]
    images, pairs = (np.asarray(keras.ops.convert_to_numpy(batch)) for batch in altered)
    arrays = {"images": images, "originals": first, "altered": pairs}
    write_npz_atomic(task.folder / "images.npz", arrays)
    return {}


def run_confidence(task: Task, data: Data, report: Report, budget: Budget) -> dict[str, Any]:  # noqa: ARG001
    """Table 2, with real images and measures of collapse that table 2 cannot see."""
    trained = task.needs["classifier"]
    classifier = _build(trained, data, budget)
    classifier.network.load_weights(trained.folder / WEIGHTS)
    sets = {method: task.needs[method].arrays()["images"] for method in METHODS}
    seed = task.config["seed"]
    sets |= {split: reference(data, budget, seed, split) for split in ("train", "test")}
    distances = {name: pair_distances(images) for name, images in sets.items()}
    measured: dict[str, Any] = {}
    for name, images in sets.items():
        probabilities = classifier.predict(images, batch_size=256, verbose=0)
        confidences = probabilities.max(axis=1)
        measured[name] = {
            "confidence": float(confidences.astype("float64").mean()),
            "confidence_sd": float(confidences.std(ddof=1)),
            "answers": _counts(probabilities),
            "count": len(images),
            "mean_distance": float(distances[name].mean()),
            "smallest_distance": float(distances[name].min()),
            "diversity": float(distances[name].mean() / distances["train"].mean()),
        }
    dark = sets[task.config["scaled_twice"]] / np.float32(255)
    return {"sets": measured, "scaled_twice": kma.metrics.mean_confidence(classifier, dark)}
