"""A classifier of a study."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.checks import check_labels, fail
from keras_medaug.datasets import Dataset
from keras_medaug.images import check_images, images_md5, to_float
from keras_medaug.labels import plan_labels
from keras_medaug.layers import GeometricAugmentation
from keras_medaug.metrics.equality import equal_in_any_form, uniform_images, uniformity_limit
from keras_medaug.metrics.label_agreement import label_agreement
from keras_medaug.models import Classifier
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.models.registry import check_settings
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed
from keras_medaug.study.compiled import compiled_model
from keras_medaug.study.images import training_images
from keras_medaug.study.packing import packed
from keras_medaug.study.scores import area
from keras_medaug.study.task import Task

PREDICTED = 256  # images at a time


def run_classifier(task: Task, data: Dataset, report: Report = ignore) -> dict[str, Any]:
    """Train a classifier on what its arm says, and look once at the test split.

    Args:
        task: Its task.
        data: The set.
        report: Called with the steps so far and their number.

    Returns:
        Its course and its answers.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.task import Task
    >>> from keras_medaug.study.classifying import run_classifier
    >>> config = {
    ...     "seed": 0, "arm": "none", "train_fraction": 0.1, "oversample": False, "policy": None,
    ...     "training": {"steps": 1, "batch_size": 16, "rounds": 1}, "model": {"filters": 4},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     task = Task("classifier", config, Path(folder))
    ...     found = run_classifier(task, kma.datasets.load("phantom", size=8))
    >>> found["test_images_in_training"], found["best_step"]
    (0, 1)
    """
    config, seed = task.config, task.config["seed"]
    x, y = _arm_images(task, data)
    leaked = leaked_images(data.stored("test")[0], x)
    policy = config["policy"]
    model_seed = derive_seed(seed, "classifier")
    model = compiled_model(
        {"model": config["model"], "shape": data.image_shape, "classes": data.num_classes,
         "policy": policy},
        model_seed,
        lambda: new_classifier(data, config["model"], policy, model_seed),
    )  # fmt: skip
    best = _BestOnValidation(model, *data.stored("val"))
    training = config["training"]
    losses = fit_steps(
        model, x, y, training["steps"], training["batch_size"], derive_seed(seed, "order"),
        training["rounds"], best, report,
    )  # fmt: skip
    model.set_weights(best.weights)
    result = {
        "images": {
            "real_and_synthetic": np.bincount(y, minlength=data.num_classes).tolist(),
            "synthetic_md5": None if task.needs is None else images_md5(task.needs.images()[0]),
        },
        "test_images_in_training": leaked,
        "loss": [float(f"{loss:.6g}") for loss in losses],
        "val_auc": [float(f"{value:.6g}") for value in best.history],
        "best_step": best.step,
        "logits": {
            split: packed(model.logits(data.stored(split)[0], batch_size=PREDICTED))
            for split in ("val", "test")
        },
    }
    if "tried_policies" in config:
        result["policies"] = _try_policies(model, data, config["tried_policies"], seed)
    report(training["steps"], training["steps"])
    return result


def leaked_images(test: NDArray, training: NDArray) -> int:
    """Return how many test images are trained on: as they are, flipped or turned by quarters.

    Args:
        test: Test images.
        training: What the classifier is trained on.

    Returns:
        Their number; uniform images do not count.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.classifying import leaked_images
    >>> x = np.random.default_rng(0).random((9, 8, 8, 1))
    >>> leaked_images(x[5:], x[:6, ::-1])
    1
    """
    uniform = uniform_images(test, uniformity_limit(test))
    return int((equal_in_any_form(test, training) & ~uniform).sum())


def new_classifier(
    data: Dataset, settings: Mapping[str, Any], policy: Mapping[str, Any] | None, seed: int
) -> Classifier:
    """Return a compiled classifier that has yet to be trained.

    Args:
        data: The set.
        settings: Further arguments of `Classifier`.
        policy: Arguments of `GeometricAugmentation`, or `None`.
        seed: Integer seed.

    Returns:
        The classifier.

    Raises:
        ValueError: If a setting is not an argument of it, or refused by it.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.classifying import new_classifier
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> new_classifier(ds, {"filters": 4}, None, seed=0).filters
    4
    """
    check_settings(Classifier, settings, "classifier")
    augmentation = None if policy is None else GeometricAugmentation(**policy)
    model = Classifier(
        data.image_shape, data.num_classes, augmentation=augmentation, seed=seed, **settings
    )
    model.compile()
    return model


class _BestOnValidation:
    """Keeps the weights with the largest area under the ROC curve on the validation split."""

    def __init__(self, model: Classifier, images: NDArray, labels: NDArray) -> None:
        self.model, self.images, self.labels = model, images, labels
        self.history: list[float] = []
        self.weights: list[NDArray] = []
        self.step = 0

    def __call__(self, step: int) -> None:
        found = area(self.labels, self.model.logits(self.images, batch_size=PREDICTED))
        if not self.history or found > max(self.history):
            self.weights, self.step = self.model.get_weights(), step
        self.history.append(found)


def _arm_images(task: Task, data: Dataset) -> tuple[NDArray, NDArray]:
    """Return what an arm trains on, images all of one type."""
    config = task.config
    x, y = training_images(config, data)
    if task.function is not None:
        return _own_images(task, data, x, y)
    if config["oversample"]:
        return _oversampled(x, y, config["seed"])
    if task.needs is None:
        return x, y
    made, labels = task.needs.images()
    if config["images"]["only"]:
        return made, labels
    if x.dtype != np.uint8:
        made = to_float(made)
    return np.concatenate([x, made]), np.concatenate([y, labels])


def _own_images(task: Task, data: Dataset, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    floats = x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x.copy()
    name = task.config["arm"]
    function: Any = task.function
    given = function(floats, y.copy(), derive_seed(task.config["seed"], name))
    if not isinstance(given, tuple) or len(given) != 2:
        raise fail(name, f"a {type(given).__name__}", "a function that returns (x, y)")
    images = check_images(given[0], f"x of {name}", data.image_shape)
    return images, check_labels(given[1], f"y of {name}", len(images), class_names=data.class_names)


def _oversampled(x: NDArray, y: NDArray, seed: int) -> tuple[NDArray, NDArray]:
    """Return every image, and of the smaller classes as many again as they lack."""
    rng = np.random.default_rng(derive_seed(seed, "oversample"))
    extra = [rng.choice(np.flatnonzero(y == label)) for label in plan_labels(y, "balance")]
    index = np.concatenate([np.arange(len(y)), np.array(extra, dtype=int)])
    return x[index], y[index]


def _try_policies(
    model: Classifier, data: Dataset, policies: Mapping[str, Mapping[str, Any]], seed: int
) -> dict[str, Any]:
    """Return how a classifier fares on validation images that are transformed, by policy."""
    x, y = data.stored("val")
    accuracies: dict[str, Any] = {}
    for name, policy in policies.items():
        layer = GeometricAugmentation(**policy, seed=derive_seed(seed, "tried", name))
        found = label_agreement(model, x, y, partial(_turned, layer))
        accuracies["as they are"] = round(found["plain"], 6)
        accuracies[name] = round(found["transformed"], 6)
    return accuracies


def _turned(layer: GeometricAugmentation, images: NDArray) -> NDArray:
    return np.clip(keras.ops.convert_to_numpy(layer(images, training=True)), 0.0, 1.0)
