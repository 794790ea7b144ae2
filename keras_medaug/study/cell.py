"""The work of a study: cells, each a function of its configuration, stored once.

A cell's folder is named after a hash of its configuration: of the data, by MD5, of the settings,
the seed, the versions and the machine's kind. Its `result.json` is written last, so a cell that has
one is done, for every study that asks for it.
"""

import base64
import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_medaug.augmenting import (
    check_settings,
    conditional_images,
    fidelity_judge,
    new_generator,
    train_generator,
)
from keras_medaug.callbacks import ResumeTraining
from keras_medaug.checks import check_images, check_labels, fail
from keras_medaug.datasets import Dataset
from keras_medaug.datasets.locking import locked
from keras_medaug.files import write_json_atomic, write_npz_atomic
from keras_medaug.labels import plan_labels
from keras_medaug.layers import GeometricAugmentation
from keras_medaug.metrics import nearest_images
from keras_medaug.models import Classifier
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.models.image_model import ImageModel
from keras_medaug.seeds import derive_seed
from keras_medaug.study.alone import alone_in_process
from keras_medaug.study.arm import Arm, Function
from keras_medaug.study.environment import check_place, digest, dtype_policy
from keras_medaug.study.scores import area
from keras_medaug.study.settings import Settings

VERSION = 1  # of what the functions below do with a configuration
ROUNDS = 20  # looks at the validation split in a training
CHECKPOINT_SECONDS = 60.0
PREDICTED = 256  # images at a time
SAMPLED = 200  # images whose distances are compared
NEAR = 0.02  # root mean square of the difference, below which two images are near-duplicates
POLICY = ("rotation", "shift", "horizontal_flip", "vertical_flip", "zoom", "fill_mode")


@dataclass(frozen=True)
class Cell:
    """One piece of work: its kind, all that its result depends on, and where that is kept.

    Args:
        kind: `"classifier"`, `"generator"` or `"audit"`.
        config: All that the result depends on.
        store: Folder of all cells.
        function: The user's function of an arm of their own, or `None`.
        needs: The cell whose images are used, or `None`.

    Example:

    >>> from pathlib import Path
    >>> from keras_medaug.study.cell import Cell
    >>> Cell("audit", {"seed": 0}, Path("cells")).done
    False
    """

    kind: str
    config: dict[str, Any]
    store: Path
    function: Function | None = None
    needs: "Cell | None" = None

    @property
    def key(self) -> str:
        """The name of its folder."""
        words = [self.config.get("arm") or self.config.get("method"), self.config.get("seed")]
        named = [self.kind, *(str(word).replace("+", "-") for word in words if word is not None)]
        return "-".join([*named, digest(self.config)])

    @property
    def folder(self) -> Path:
        """Where its result is kept."""
        return self.store / self.key

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return (self.folder / "result.json").is_file()

    @property
    def steps(self) -> int:
        """How many training steps it takes."""
        return int(self.config.get("training", {}).get("steps", 1))

    def result(self) -> dict[str, Any]:
        """Return the stored result."""
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))

    def images(self) -> tuple[NDArray, NDArray]:
        """Return the stored images, `uint8`, and their labels."""
        with np.load(self.folder / "images.npz", allow_pickle=False) as file:
            return file["images"], file["labels"]

    def has_images(self) -> bool:
        """Tell whether the images are there, which a store that is passed on may leave out."""
        return (self.folder / "images.npz").is_file()


# ---- planning -------------------------------------------------------------------------------


def plan(
    data: Dataset, arms: list[Arm], seeds: int, settings: Settings, place: Mapping, store: Path
) -> tuple[Cell, dict[tuple[str, int], Cell]]:
    """Return the cell that audits the data, and a classifier's cell for each arm and seed.

    Args:
        data: The set.
        arms: The arms.
        seeds: Number of seeds.
        settings: Budgets and options.
        place: The environment that the cells will run in.
        store: Folder of all cells.

    Returns:
        The audit, and the cells by arm and seed.

    Example:

    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.arm import resolve_arms
    >>> from keras_medaug.study.cell import plan
    >>> from keras_medaug.study.settings import Settings
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> audit, cells = plan(ds, resolve_arms(["none", "cvae"]), 2, Settings(), {}, Path("cells"))
    >>> sorted(cells)
    [('cvae', 0), ('cvae', 1), ('none', 0), ('none', 1)]
    """
    common = {
        "version": VERSION,
        "environment": dict(place),
        "data": {
            "md5": data.md5,
            "counts": data.counts,
            "image_shape": list(data.image_shape),
            "num_classes": data.num_classes,
        },
    }
    audit = Cell("audit", {**common, "kind": "audit", "near": NEAR}, store)
    return audit, {
        (arm.name, seed): _classifier_cell(arm, seed, common, settings, store)
        for seed in range(seeds)
        for arm in arms
    }


def _classifier_cell(
    arm: Arm, seed: int, common: Mapping[str, Any], settings: Settings, store: Path
) -> Cell:
    needs = None
    if arm.generator is not None:
        needs = _generator_cell(arm.generator, seed, common, settings, store)
    config = {
        **common,
        "kind": "classifier",
        "arm": arm.name,
        "seed": seed,
        "train_fraction": settings.train_fraction,
        "training": {
            "steps": settings.steps,
            "batch_size": settings.batch_size,
            "rounds": min(ROUNDS, settings.steps),
        },
        "model": dict(settings.classifier),
        "policy": dict(settings.policies[arm.policy]) if arm.policy else None,
        "images": None if needs is None else {"cell": needs.key, "only": arm.only},
        "oversample": arm.oversample,
        "function": arm.source(),
    }
    if arm.name == "none":  # which also tries the policies on the images of the validation split
        config["tried_policies"] = {name: dict(p) for name, p in settings.policies.items()}
    return Cell("classifier", config, store, arm.function, needs)


def _generator_cell(
    method: str, seed: int, common: Mapping[str, Any], settings: Settings, store: Path
) -> Cell:
    config = {
        **common,
        "kind": "generator",
        "method": method,
        "seed": seed,
        "train_fraction": settings.train_fraction,
        "training": {"steps": settings.generator_steps, "batch_size": settings.batch_size},
        "model": dict(settings.generators.get(method, {})),
        "ratio": settings.ratio,
        "fidelity": settings.fidelity,
    }
    return Cell("generator", config, store)


def policy_config(layer: GeometricAugmentation) -> dict[str, Any]:
    """Return what a geometric policy does, without its seed.

    Args:
        layer: The policy.

    Returns:
        Arguments of `GeometricAugmentation`.

    Example:

    >>> from keras_medaug.layers import GeometricAugmentation
    >>> from keras_medaug.study.cell import policy_config
    >>> policy_config(GeometricAugmentation(rotation=5))["rotation"]
    5.0
    """
    config = layer.get_config()
    return {name: config[name] for name in POLICY}


# ---- running --------------------------------------------------------------------------------


def run_cell(cell: Cell, data: Dataset, call: str = "") -> float:  # noqa: ARG001
    """Do one cell, if it is not done, and store what it gives.

    Args:
        cell: What to do.
        data: The set that its configuration names.
        call: Tells this call from others of the cell, for executors that remember what a call
            gave, as Dask does, errors included.

    Returns:
        The seconds it took, 0 where it was done before.

    Raises:
        RuntimeError: If another cell is running in this process, whose seeds it would share, or
            if the process is not what the configuration says.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import keras_medaug as kma
    >>> from keras_medaug.study.arm import resolve_arms
    >>> from keras_medaug.study.cell import plan, run_cell
    >>> from keras_medaug.study.environment import environment
    >>> from keras_medaug.study.settings import Settings
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     arms = resolve_arms(["none", "cvae"])
    ...     audit, _ = plan(ds, arms, 1, Settings(), environment(), Path(folder))
    ...     seconds = run_cell(audit, ds)
    ...     audit.result()["exact_duplicates"]
    0
    """
    with alone_in_process():
        if _is_done(cell):
            return 0.0
        check_place(cell.config["environment"])
        cell.store.mkdir(parents=True, exist_ok=True)
        with locked(cell.folder, "works on"):
            return 0.0 if _is_done(cell) else _run(cell, data)


def _is_done(cell: Cell) -> bool:
    return cell.done and (cell.kind != "generator" or cell.has_images())


def _run(cell: Cell, data: Dataset) -> float:
    began = time.perf_counter()
    keras.utils.set_random_seed(derive_seed(cell.config.get("seed", 0), cell.kind))
    try:
        result = _WORK[cell.kind](cell, data)
    except BaseException:
        _MODELS.clear()  # one of them may be in the middle of something
        raise
    seconds = time.perf_counter() - began
    write_json_atomic(cell.folder / "config.json", cell.config)
    write_json_atomic(
        cell.folder / "result.json", {**result, "timing": {"seconds": round(seconds, 3)}}
    )
    shutil.rmtree(cell.folder / "training", ignore_errors=True)
    return seconds


# Models that have been compiled, by all but their seed: `restart` makes them new without compiling.
_MODELS: dict[str, ImageModel] = {}
MOST_MODELS = 8


def _model(config: dict[str, Any], seed: int, make: Any) -> Any:
    key = json.dumps({**config, **dtype_policy()}, sort_keys=True)
    if key in _MODELS:
        _MODELS[key].restart(seed)
    else:
        if len(_MODELS) >= MOST_MODELS:
            del _MODELS[next(iter(_MODELS))]
        _MODELS[key] = make()
    return _MODELS[key]


def training_images(config: Mapping[str, Any], data: Dataset) -> tuple[NDArray, NDArray]:
    """Return the part of the training split that a cell may see: a function of seed and fraction.

    Args:
        config: A cell's.
        data: The set.

    Returns:
        Images as they are stored, and labels.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.cell import training_images
    >>> ds = kma.datasets.load("phantom", size=8)
    >>> len(training_images({"seed": 0, "train_fraction": 0.25}, ds)[1])
    120
    """
    x, y = data.stored("train")
    if config["train_fraction"] == 1.0:
        return x, y
    rng = np.random.default_rng(derive_seed(config["seed"], "fraction"))
    chosen = []
    for label in range(data.num_classes):
        members = rng.permutation(np.flatnonzero(y == label))
        count = max(round(config["train_fraction"] * len(members)), 1)
        chosen.append(members[:count])
    index = np.sort(np.concatenate(chosen))
    return x[index], y[index]


# ---- a generative model ---------------------------------------------------------------------


def _run_generator(cell: Cell, data: Dataset) -> dict[str, Any]:
    config, seed = cell.config, cell.config["seed"]
    x, y = training_images(config, data)
    method, training = config["method"], config["training"]
    own_seed = derive_seed(seed, method)
    model = _model(
        {"method": method, "shape": data.image_shape, "classes": data.num_classes,
         "model": config["model"]},
        own_seed,
        lambda: new_generator(
            method, data.image_shape, data.num_classes, own_seed, dict(config["model"])
        ),
    )  # fmt: skip
    judge, record = None, None
    if config["fidelity"] is not None:
        judge, record = fidelity_judge(x, y, config["fidelity"], training["batch_size"], seed)
    resume = ResumeTraining(cell.folder / "training", seconds=CHECKPOINT_SECONDS)
    train_generator(model, x, y, training["steps"], training["batch_size"], [resume])
    total = max(round(config["ratio"] * len(y)), 1)
    wanted = plan_labels(y, "proportional", total=total)
    images, labels, made = conditional_images(model, wanted, derive_seed(seed, "images"), judge)
    if not len(images):
        raise RuntimeError(
            f"fidelity: got {method}, seed {seed}, none of whose {made} images is taken for its "
            f"class with a probability of {config['fidelity']}; expected a lower value, or more "
            "`generator_steps`."
        )
    stored = np.rint(images * 255).astype(np.uint8)
    write_npz_atomic(cell.folder / "images.npz", {"images": stored, "labels": labels})
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
        "diversity": diversity(stored, labels, x, y, seed),
    }


def diversity(
    images: NDArray, labels: NDArray, real: NDArray, real_labels: NDArray, seed: int
) -> list[float | None]:
    """Return how far apart images of a class are, over how far apart real ones are, by class.

    Args:
        images: Synthetic images.
        labels: Their labels.
        real: Real images.
        real_labels: Their labels.
        seed: Of the choice of images where there are many.

    Returns:
        A ratio of mean root mean square distances for each class: 0 where all images are one;
        `None` where either side has fewer than two.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.cell import diversity
    >>> real = np.random.default_rng(0).random((8, 8, 8, 1))
    >>> diversity(real[:1].repeat(4, axis=0), np.zeros(4), real, np.zeros(8), seed=0)
    [0.0]
    """
    found: list[float | None] = []
    for label in range(int(real_labels.max()) + 1):
        pair = [
            _mean_distance(x[y == label], seed) for x, y in ((images, labels), (real, real_labels))
        ]
        ours, theirs = pair
        found.append(None if ours is None or not theirs else round(ours / theirs, 6))
    return found


def _mean_distance(images: NDArray, seed: int) -> float | None:
    if len(images) < 2:
        return None
    chosen = np.random.default_rng(seed).permutation(len(images))[:SAMPLED]
    rows = images[chosen].reshape(len(chosen), -1).astype(float)
    if images.dtype == np.uint8:
        rows /= 255
    distances = [
        np.sqrt(np.mean((rows[i + 1 :] - rows[i]) ** 2, axis=1)) for i in range(len(rows) - 1)
    ]
    return float(np.concatenate(distances).mean())


# ---- a classifier ---------------------------------------------------------------------------


def _run_classifier(cell: Cell, data: Dataset) -> dict[str, Any]:
    config, seed = cell.config, cell.config["seed"]
    x, y = _arm_images(cell, data)
    leaked = leaks(x, data.stored("test")[0])
    policy = config["policy"]
    model_seed = derive_seed(seed, "classifier")
    model = _model(
        {"model": config["model"], "shape": data.image_shape, "classes": data.num_classes,
         "policy": policy},
        model_seed,
        lambda: new_classifier(data, config["model"], policy, model_seed),
    )  # fmt: skip
    best = _BestOnValidation(model, *data.stored("val"))
    training = config["training"]
    losses = fit_steps(
        model, x, y, training["steps"], training["batch_size"], derive_seed(seed, "order"),
        training["rounds"], best,
    )  # fmt: skip
    model.set_weights(best.weights)
    result = {
        "images": {
            "real_and_synthetic": np.bincount(y, minlength=data.num_classes).tolist(),
            "synthetic_md5": None if cell.needs is None else images_md5(cell.needs.images()[0]),
        },
        "test_images_in_training": leaked,
        "loss": [float(f"{loss:.6g}") for loss in losses],
        "val_auc": [float(f"{value:.6g}") for value in best.history],
        "best_step": best.step,
        "probabilities": {
            split: packed(model.predict(data.stored(split)[0], batch_size=PREDICTED, verbose=0))
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
        ValueError: If a setting is not an argument of it, or refused by it.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.study.cell import new_classifier
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
        probabilities = self.model.predict(self.images, batch_size=PREDICTED, verbose=0)
        found = area(self.labels, probabilities)
        if not self.history or found > max(self.history):
            self.weights, self.step = self.model.get_weights(), step
        self.history.append(found)


def _arm_images(cell: Cell, data: Dataset) -> tuple[NDArray, NDArray]:
    """Return what an arm trains on, images all of one type."""
    config = cell.config
    x, y = training_images(config, data)
    if cell.function is not None:
        return _own_images(cell, data, x, y)
    if config["oversample"]:
        return _oversampled(x, y, config["seed"])
    if cell.needs is None:
        return x, y
    made, labels = cell.needs.images()
    if config["images"]["only"]:
        return made, labels
    if x.dtype != np.uint8:
        made = made.astype(np.float32) / np.float32(255)
    return np.concatenate([x, made]), np.concatenate([y, labels])


def _own_images(cell: Cell, data: Dataset, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    floats = x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x.copy()
    name = cell.config["arm"]
    function: Any = cell.function
    given = function(floats, y.copy(), derive_seed(cell.config["seed"], name))
    if not isinstance(given, tuple) or len(given) != 2:
        raise fail(name, f"a {type(given).__name__}", "a function that returns (x, y)")
    images = check_images(given[0], f"x of {name}", data.image_shape)
    return images, check_labels(given[1], f"y of {name}", len(images), data.num_classes)


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
    from sklearn.metrics import balanced_accuracy_score

    x, y = data.stored("val")
    floats = x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x

    def found(images: NDArray) -> float:
        answers = model.predict(images, batch_size=PREDICTED, verbose=0).argmax(axis=1)
        return round(float(balanced_accuracy_score(y, answers)), 6)

    accuracies = {"as they are": found(floats)}
    for name, policy in policies.items():
        layer = GeometricAugmentation(**policy, seed=derive_seed(seed, "tried", name))
        turned = keras.ops.convert_to_numpy(layer(floats, training=True))
        accuracies[name] = found(np.clip(turned, 0.0, 1.0))
    return accuracies


# ---- the data -------------------------------------------------------------------------------


def _run_audit(cell: Cell, data: Dataset) -> dict[str, Any]:
    """Look for test images in the training split, and for classes that are more common there."""
    train_x, train_y = data.stored("train")
    test_x, test_y = data.stored("test")
    distances, nearest = nearest_images(test_x, train_x)
    near = np.flatnonzero(distances < cell.config["near"])
    classes = data.num_classes
    return {
        "exact_duplicates": int((distances == 0).sum()),
        "near_duplicates": [int(index) for index in near],
        "with_another_label": int((train_y[nearest[near]] != test_y[near]).sum()),
        "counts": {
            split: np.bincount(data.stored(split)[1], minlength=classes).tolist()
            for split in ("train", "val", "test")
        },
    }


def images_md5(images: NDArray) -> str:
    """Return the MD5 of images as they are stored.

    Args:
        images: `uint8` images.

    Returns:
        Hexadecimal digits.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.cell import images_md5
    >>> images_md5(np.zeros((1, 2, 2, 1), np.uint8))
    'f1d3ff8443297732862df21dc4e57262'
    """
    return hashlib.md5(np.ascontiguousarray(images).data, usedforsecurity=False).hexdigest()


def leaks(training: NDArray, test: NDArray) -> int:
    """Return how many test images are, to 8 bits, among training images.

    Args:
        training: Training images.
        test: Test images.

    Returns:
        Their number.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.cell import leaks
    >>> x = np.random.default_rng(0).random((4, 8, 8, 1))
    >>> leaks(x[:3], x[2:])
    1
    """
    known = {image.tobytes() for image in _bytes(training)}
    return sum(image.tobytes() in known for image in _bytes(test))


def _bytes(images: NDArray) -> NDArray:
    return images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)


# ---- numbers in JSON ------------------------------------------------------------------------


def packed(array: NDArray) -> dict[str, Any]:
    """Return an array as JSON can hold it, without loss: `float32`, little-endian, base64.

    Args:
        array: Numbers.

    Returns:
        `{"shape", "float32"}`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.cell import packed, unpacked
    >>> unpacked(packed(np.float32([[0.1, 0.9]]))).tolist()
    [[0.10000000149011612, 0.8999999761581421]]
    """
    content = np.ascontiguousarray(array, "<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(content).decode("ascii")}


def unpacked(content: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return the array that `packed` made JSON of.

    Args:
        content: What `packed` returned.

    Returns:
        The array.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.cell import packed, unpacked
    >>> unpacked(packed(np.zeros((2, 3)))).shape
    (2, 3)
    """
    numbers = np.frombuffer(base64.b64decode(content["float32"]), "<f4")
    return numbers.reshape(content["shape"])


_WORK = {"audit": _run_audit, "generator": _run_generator, "classifier": _run_classifier}
