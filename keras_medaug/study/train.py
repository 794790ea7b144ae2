"""The work of a study: trains classifiers, and generative models that make images for them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.callbacks import ResumeTraining
from keras_medaug.checks import check_labels, fail
from keras_medaug.datasets import Dataset
from keras_medaug.files import write_npz_atomic
from keras_medaug.images import check_images, images_md5, to_float, to_uint8
from keras_medaug.labels import plan_labels
from keras_medaug.labels.label_filter import CLASSIFIER_STEPS, fit_label_filter
from keras_medaug.labels.labelled_images import conditional_images
from keras_medaug.layers import GeometricAugmentation
from keras_medaug.metrics import diversity, label_agreement
from keras_medaug.models import Classifier, generators
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.models.generative_model import GenerativeModel
from keras_medaug.models.image_model import ImageModel
from keras_medaug.models.registry import FIXED, check_settings, new_generator
from keras_medaug.models.step_times import classifier_seconds, expected_seconds, image_seconds
from keras_medaug.models.training import train_generator
from keras_medaug.progress import Report, ignore, portions
from keras_medaug.provenance import dtype_policy
from keras_medaug.seeds import derive_seed
from keras_medaug.study.data import Images, leaked_images, training_images
from keras_medaug.study.execute import CHECKPOINTS
from keras_medaug.study.scores import area
from keras_medaug.study.task import Task, packed

PREDICTED = 256  # images at a time
CHECKPOINT_SECONDS = 60.0

# Compiled models by all but their seed: `reinitialize` makes them new without compiling.
_MODELS: dict[str, ImageModel] = {}
MOST_MODELS = 8


# ---- classifiers ----------------------------------------------------------------------------


def run_classifier(
    task: Task,
    data: Dataset,
    report: Report = ignore,
    function: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Train a classifier on what its arm says, and look once at the test split.

    Args:
        task: Its task.
        data: The set.
        report: Called with the steps so far and their number.
        function: The user's own, which makes the training data of the arm, or `None`.

    Returns:
        Its course and its predictions.

    Example:

    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.task import Task
    >>> from keras_medaug.study.train import run_classifier
    >>> config = {
    ...     "seed": 0, "arm": "none", "train_fraction": 0.1, "oversample": False, "policy": None,
    ...     "training": {"steps": 1, "batch_size": 16, "rounds": 1}, "model": {"filters": 4},
    ... }
    >>> task = Task("classifier", config, Path("tasks"), run_classifier)
    >>> result = run_classifier(task, kma.datasets.load("phantom", size=8))
    >>> result["test_images_in_training"], result["best_step"]
    (0, 1)
    """
    config, model_seed = task.config, derive_seed(task.config["seed"], "classifier")
    x, y = _arm_images(task, data, function)
    key = {
        "model": config["model"], "shape": data.image_shape, "classes": data.num_classes,
        "policy": config["policy"],
    }  # fmt: skip
    make = partial(new_classifier, data, config["model"], config["policy"], model_seed)
    with compiled_model(key, model_seed, make) as model:
        result = _trained_classifier(model, task, data, x, y, report)
    steps = config["training"]["steps"]
    report(steps, steps)
    return result


def _trained_classifier(
    model: Classifier, task: Task, data: Dataset, x: NDArray, y: NDArray, report: Report
) -> dict[str, Any]:
    config, seed, training = task.config, task.config["seed"], task.config["training"]
    leaked = leaked_images(data.stored("test")[0], x)
    best = _BestOnValidation(model, *data.stored("val"))
    losses = fit_steps(
        model, x, y, training["steps"], training["batch_size"], derive_seed(seed, "order"),
        training["rounds"], best, report,
    )  # fmt: skip
    model.set_weights(best.weights)
    synthetic = task.needs["images"].arrays()["images"] if task.needs else None
    result = {
        "images": {
            "real_and_synthetic": np.bincount(y, minlength=data.num_classes).tolist(),
            "synthetic_md5": None if synthetic is None else images_md5(synthetic),
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
    return result


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
        ValueError: If a setting is not an argument of `Classifier`, or `Classifier` refuses its
            value.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.train import new_classifier
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> new_classifier(ds, {"filters": 4}, None, seed=0).filters
    4
    """
    check_settings(Classifier, settings, "classifier", FIXED | {"augmentation"})
    augmentation = None if policy is None else GeometricAugmentation(**policy)
    model = Classifier(
        data.image_shape, data.num_classes, augmentation=augmentation, seed=seed, **settings
    )
    model.compile()
    return model


class _BestOnValidation:
    """Keeps the weights with the largest AUC on the validation split."""

    def __init__(self, model: Classifier, images: NDArray, labels: NDArray) -> None:
        self.model, self.images, self.labels = model, images, labels
        self.history: list[float] = []
        self.weights: list[NDArray] = []
        self.step = 0

    def __call__(self, step: int) -> None:
        auc = area(self.labels, self.model.logits(self.images, batch_size=PREDICTED))
        if not self.history or auc > max(self.history):
            self.weights, self.step = self.model.get_weights(), step
        self.history.append(auc)


def _arm_images(task: Task, data: Dataset, function: Callable[..., Any] | None) -> Images:
    """Return what an arm trains on, images all of one type."""
    config = task.config
    x, y = training_images(config, data)
    if function is not None:
        return _own_images(task, data, function, x, y)
    if config["oversample"]:
        return _oversampled(x, y, config["seed"])
    if not task.needs:
        return x, y
    stored = task.needs["images"].arrays()
    made, labels = stored["images"], stored["labels"]
    if config["images"]["only"]:
        return made, labels
    if x.dtype != np.uint8:
        made = to_float(made)
    return np.concatenate([x, made]), np.concatenate([y, labels])


def _own_images(
    task: Task, data: Dataset, function: Callable[..., Any], x: NDArray, y: NDArray
) -> Images:
    name = task.config["arm"]
    # Copies, since the function may change what it gets.
    floats = to_float(x) if x.dtype == np.uint8 else x.copy()
    returned = function(floats, y.copy(), derive_seed(task.config["seed"], name))
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise fail(name, f"a {type(returned).__name__}", "a function that returns (x, y)")
    images = check_images(returned[0], f"x of {name}", data.image_shape)
    labels = check_labels(returned[1], f"y of {name}", len(images), class_names=data.class_names)
    return images, labels


def _oversampled(x: NDArray, y: NDArray, seed: int) -> Images:
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
        agreement = label_agreement(model, x, y, partial(_transformed, layer))
        accuracies["as they are"] = round(agreement["plain"], 6)
        accuracies[name] = round(agreement["transformed"], 6)
    return accuracies


def _transformed(layer: GeometricAugmentation, images: NDArray) -> NDArray:
    return np.clip(keras.ops.convert_to_numpy(layer(images, training=True)), 0.0, 1.0)


# ---- generative models ----------------------------------------------------------------------


def run_generator(
    task: Task,
    data: Dataset,
    report: Report = ignore,
    generator: type[GenerativeModel] | None = None,
) -> dict[str, Any]:
    """Train a generative model, and store images of it in the task.

    Args:
        task: Its task.
        data: The set.
        report: Called with how far the work is.
        generator: The class of the model where it is not the package's own. It counts, whatever
            class a worker process has registered under that name.

    Returns:
        What is said of the training and of the images.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.task import Task
    >>> from keras_medaug.study.train import run_generator
    >>> config = {
    ...     "seed": 0, "method": "cvae", "train_fraction": 0.1, "ratio": 0.5, "fidelity": None,
    ...     "training": {"steps": 1, "batch_size": 16},
    ...     "model": {"latent_dim": 2, "encoder_filters": 4, "decoder_filters": 4},
    ... }
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     task = Task("generator", config, Path(folder), run_generator)
    ...     result = run_generator(task, kma.datasets.load("phantom", size=8))
    >>> result["generated"]
    24
    """
    config, method = task.config, task.config["method"]
    kind = generators()[method] if generator is None else generator
    seed = derive_seed(config["seed"], method)
    key = {
        "class": id(kind), "shape": data.image_shape,
        "classes": data.num_classes, "model": config["model"],
    }  # fmt: skip
    make = partial(
        new_generator, kind, data.image_shape, data.num_classes, seed, dict(config["model"])
    )
    with compiled_model(key, seed, make) as model:
        return _generated(model, task, data, report)


def _generated(model: GenerativeModel, task: Task, data: Dataset, report: Report) -> dict[str, Any]:
    """Train a model, store its images, and return what is said of both."""
    config, seed, training = task.config, task.config["seed"], task.config["training"]
    x, y = training_images(config, data)
    label_filter, record = None, None
    filtering, fitting, making = _reports(report, config, data, model.passes_per_image)
    if config["fidelity"] is not None:
        label_filter, record = fit_label_filter(
            x, y, config["fidelity"], training["batch_size"], seed, report=filtering
        )
    resume = ResumeTraining(task.folder / CHECKPOINTS, seconds=CHECKPOINT_SECONDS)
    train_generator(
        model, x, y, training["steps"], training["batch_size"], [resume], report=fitting
    )
    total = max(round(config["ratio"] * len(y)), 1)
    wanted = plan_labels(y, "proportional", total=total)
    images_seed = derive_seed(seed, "images")
    images, labels, made = conditional_images(model, wanted, images_seed, label_filter, making)
    if not len(images):
        raise RuntimeError(
            f"fidelity: got {config['method']}, seed {seed}, none of whose {made} images is taken "
            f"for its class with a probability of {config['fidelity']}; expected a lower value, or "
            "more `generator_steps`."
        )
    stored = to_uint8(images)
    write_npz_atomic(task.folder / "images.npz", {"images": stored, "labels": labels})
    apart = diversity(stored, x, labels, y, seed)
    return {
        "losses": {name: float(f"{value:.6g}") for name, value in resume.history[-1].items()},
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


def _reports(report: Report, config: dict[str, Any], data: Dataset, passes: int) -> list[Report]:
    """Return the reports of the label filter, of the training and of the images."""
    training = expected_seconds(config["training"]["steps"], data.image_shape)
    filtering = 0.0
    if config["fidelity"] is not None:
        filtering = 3 * classifier_seconds(CLASSIFIER_STEPS, data.image_shape)
    made = config["ratio"] * config["train_fraction"] * len(data.train[1])
    return portions(report, filtering, training, image_seconds(made, data.image_shape, passes))


# ---- compiled models ------------------------------------------------------------------------


@contextmanager
def compiled_model(
    config: Mapping[str, Any], seed: int, make: Callable[[], ImageModel]
) -> Iterator[Any]:
    """Yield a model that has yet to be trained, compiled before where there is one like it.

    A model in whose block something fails is dropped: it may be in the middle of something.

    Args:
        config: All that tells it from others but its seed.
        seed: Its seed.
        make: Makes it.

    Yields:
        The model.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.train import compiled_model
    >>> def make():
    ...     return kma.models.CVAE((8, 8, 1), latent_dim=2, encoder_filters=4, decoder_filters=4)
    >>> with compiled_model({"example": 1}, 0, make) as first:
    ...     pass
    >>> with compiled_model({"example": 1}, 1, make) as second:
    ...     first is second
    True
    """
    key = json.dumps({**config, **dtype_policy()}, sort_keys=True)
    if key in _MODELS:
        _MODELS[key].reinitialize(seed)
    else:
        if len(_MODELS) >= MOST_MODELS:
            del _MODELS[next(iter(_MODELS))]
        _MODELS[key] = make()
    try:
        yield _MODELS[key]
    except BaseException:
        del _MODELS[key]
        raise
