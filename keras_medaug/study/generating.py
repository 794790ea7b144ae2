"""A generative model of a study."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_medaug.callbacks import ResumeTraining
from keras_medaug.datasets import Dataset
from keras_medaug.files import write_npz_atomic
from keras_medaug.images import images_md5
from keras_medaug.labels import plan_labels
from keras_medaug.labels.label_filter import CLASSIFIER_STEPS, fit_label_filter
from keras_medaug.labels.labelled_images import conditional_images
from keras_medaug.metrics.diversity import diversity
from keras_medaug.models.registry import new_generator
from keras_medaug.models.step_times import expected_seconds
from keras_medaug.models.training import train_generator
from keras_medaug.progress import Report, ignore, portions
from keras_medaug.seeds import derive_seed
from keras_medaug.study.compiled import compiled_model
from keras_medaug.study.images import training_images
from keras_medaug.study.task import Task

CHECKPOINT_SECONDS = 60.0


def run_generator(task: Task, data: Dataset, report: Report = ignore) -> dict[str, Any]:
    """Train a generative model, and store images of it in the task.

    Args:
        task: Its task.
        data: The set.
        report: Called with how far the work is.

    Returns:
        What is said of the training and of the images.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.task import Task
    >>> from keras_medaug.study.generating import run_generator
    >>> config = {
    ...     "seed": 0, "method": "cvae", "train_fraction": 0.1, "ratio": 0.5, "fidelity": None,
    ...     "training": {"steps": 1, "batch_size": 16},
    ...     "model": {"latent_dim": 2, "encoder_filters": 4, "decoder_filters": 4},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     task = Task("generator", config, Path(folder))
    ...     found = run_generator(task, kma.datasets.load("phantom", size=8))
    >>> found["generated"]
    24
    """
    config, seed = task.config, task.config["seed"]
    x, y = training_images(config, data)
    method, training = config["method"], config["training"]
    own_seed = derive_seed(seed, method)
    model = compiled_model(
        {"method": method, "shape": data.image_shape, "classes": data.num_classes,
         "model": config["model"]},
        own_seed,
        lambda: new_generator(
            method, data.image_shape, data.num_classes, own_seed, dict(config["model"])
        ),
    )  # fmt: skip
    judge, record = None, None
    filtering, fitting, making = _reports(report, config, data)
    if config["fidelity"] is not None:
        judge, record = fit_label_filter(
            x, y, config["fidelity"], training["batch_size"], seed, report=filtering
        )
    resume = ResumeTraining(task.folder / "training", seconds=CHECKPOINT_SECONDS)
    train_generator(
        model, x, y, training["steps"], training["batch_size"], [resume], report=fitting
    )
    total = max(round(config["ratio"] * len(y)), 1)
    wanted = plan_labels(y, "proportional", total=total)
    images_seed = derive_seed(seed, "images")
    images, labels, made = conditional_images(model, wanted, images_seed, judge, making)
    if not len(images):
        raise RuntimeError(
            f"fidelity: got {method}, seed {seed}, none of whose {made} images is taken for its "
            f"class with a probability of {config['fidelity']}; expected a lower value, or more "
            "`generator_steps`."
        )
    stored = np.rint(images * 255).astype(np.uint8)
    write_npz_atomic(task.folder / "images.npz", {"images": stored, "labels": labels})
    apart = diversity(stored, x, labels, y, seed)
    names = [name for name in resume.history[0] if name != "seconds"]
    last = resume.history[-1]
    return {
        "losses": {name: float(f"{last[name]:.6g}") for name in names},
        "epochs": len(resume.history),
        "counts": np.bincount(labels, minlength=data.num_classes).tolist(),
        "requested": np.bincount(wanted, minlength=data.num_classes).tolist(),
        "generated": made,
        "images_md5": images_md5(stored),
        "fidelity": record,
        "diversity": _rounded(apart["by_class"]),
        "coarse_diversity": _rounded(apart["coarse_by_class"]),
        "correlation": _rounded(apart["correlation_by_class"]),
    }


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 6) for value in values]


def _reports(report: Report, config: dict[str, Any], data: Dataset) -> list[Report]:
    """Return the reports of the label filter, of the training and of the images."""
    steps, shape = config["training"]["steps"], data.image_shape
    training = expected_seconds(steps, shape)
    filtering = 0.0
    if config["fidelity"] is not None:
        filtering = 3 * expected_seconds(CLASSIFIER_STEPS, shape)
    return portions(report, filtering, training, 0.02 * training)
