"""From a small labelled set to synthetic images with labels, in one call."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug._version import __version__
from keras_medaug.checks import check_images, check_labels, check_positive, check_share, fail
from keras_medaug.datasets import Dataset
from keras_medaug.datasets.export import NOT_ANONYMOUS, audit_notes, describe_model
from keras_medaug.labels import OutOfFoldClassifier, plan_labels
from keras_medaug.labels.plan import PerClass
from keras_medaug.metrics import copy_audit
from keras_medaug.metrics.expected_times import audit_seconds
from keras_medaug.models import CVAE, DCGAN, VAEGAN, Classifier
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.models.generative_model import GenerativeModel
from keras_medaug.models.report_steps import ReportSteps
from keras_medaug.models.step_times import expected_seconds
from keras_medaug.progress import Progress, Report, ignore
from keras_medaug.seeds import derive_seed, resolve_seed

METHODS: dict[str, type[GenerativeModel]] = {"cvae": CVAE, "dcgan": DCGAN, "vaegan": VAEGAN}
LABELS = ("conditional", "classifier")
MOST_TRIES = 20  # images made for each one that is wanted, before the rest is given up
CLASSIFIER_STEPS = 500
# What is set for a model, not by the user.
FIXED = {"self", "kwargs", "image_shape", "num_classes", "seed", "augmentation"}

Judge = Callable[[NDArray, NDArray], NDArray]


def augment(
    x: ArrayLike,
    y: ArrayLike,
    method: str = "vaegan",
    per_class: PerClass = "proportional",
    steps: int = 2000,
    batch_size: int = 64,
    labels: str = "conditional",
    fidelity: float | None = None,
    confidence: float = 0.8,
    held_out: ArrayLike | None = None,
    seed: int | None = None,
    verbose: int | str = "auto",
    **settings: Any,
) -> tuple[NDArray[np.float32], NDArray[np.int32], dict[str, Any]]:
    """Train a generative model on a labelled set, and make images with labels.

    The card tells what was done: `method`, `model` (class, configuration, steps), `seed`,
    `labels` (where they come from), `counts` and `requested` by class, `generated` (how many were
    made to get them), `fidelity` (or null), `copy_audit`, `source` (MD5 and counts of the set),
    `versions`, and `notes`, sentences to read before the images are used.

    Whether the images help a classifier is another question: `keras_medaug.study.run` answers it.

    Args:
        x: Training images, `(n, h, w, c)`, floats in [0, 1] or `uint8`. Leave test images out.
        y: Their labels, integers `(n,)`; every class occurs.
        method: `"cvae"`, `"dcgan"` or `"vaegan"`.
        per_class: How many images each class gets; see `keras_medaug.labels.plan_labels`.
        steps: Training steps of the model, rounded up to whole epochs.
        batch_size: Images in a batch.
        labels: `"conditional"`: the model is told the class and makes images of it.
            `"classifier"`: it knows of none, and a classifier fitted on `x` says which class an
            image is of.
        fidelity: Least probability of its label that an image must have for classifiers fitted out
            of fold, whose likeliest class it must be as well; others are left out. `None` keeps
            all. See `keras_medaug.labels.OutOfFoldClassifier`.
        confidence: Least probability of the likeliest class, for labels by a classifier.
        held_out: Real images that the model does not see, as the copy audit's yardstick, or
            `None`.
        seed: Integer seed of everything, or `None`.
        verbose: 0: nothing is shown; 1 or `"auto"`: progress, on standard error, with the time
            left; 2: also one line per epoch with the losses, as in `keras.Model.fit`.
        **settings: Further arguments of the model, such as `latent_dim`.

    Returns:
        `(x_new, y_new, card)`: images, `float32` in [0, 1]; their labels, in ascending order; and
        the card, a dictionary that JSON can hold. Fewer images than were asked for come where
        too few pass the filter; the card says so.

    Raises:
        ValueError: If an argument is not as described; before any training.
        RuntimeError: If no image at all passes the filter.

    Example:

    >>> import keras_medaug as kma
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> x_new, y_new, card = kma.augment(
    ...     x, y, method="cvae", per_class=3, steps=8, seed=0, verbose=0, latent_dim=4
    ... )
    >>> x_new.shape, y_new.tolist()[:6], card["counts"]
    ((12, 8, 8, 1), [0, 0, 0, 1, 1, 1], [3, 3, 3, 3])
    """
    images = check_images(x, "x")
    classes = check_labels(y, "y", len(images), every_class=True)
    if held_out is not None:
        held_out = check_images(held_out, "held_out", images.shape[1:])
    wanted = plan_labels(classes, per_class)
    if not len(wanted):
        raise fail("per_class", repr(per_class), "a plan in which some class gets an image")
    steps = check_positive(steps, "steps", integer=True)
    batch_size = check_positive(batch_size, "batch_size", integer=True)
    confidence = check_share(confidence, "confidence")
    fidelity = None if fidelity is None else check_share(fidelity, "fidelity")
    if labels not in LABELS:
        raise fail("labels", repr(labels), "'conditional' or 'classifier'")
    seed = resolve_seed(seed)
    count = int(classes.max()) + 1
    conditional = labels == "conditional"
    model = new_generator(
        method,
        images.shape[1:],
        count if conditional else None,
        derive_seed(seed, method),
        settings,
    )
    judge = None
    record = None
    unseen = () if held_out is None else held_out
    with Progress(f"augment with {method}", verbose=verbose not in (0, False)) as progress:
        _plan(progress, images, wanted, unseen, method, steps, batch_size, fidelity, conditional)
        if fidelity is not None:
            with progress.part("label filter") as report:
                judge, record = fidelity_judge(
                    images, classes, fidelity, batch_size, seed, report=report
                )
        with progress.part("training") as report:
            of_fit = 2 if verbose == 2 else 0
            train_generator(
                model, images, classes, steps, batch_size, verbose=of_fit, report=report
            )
        images_seed = derive_seed(seed, "images")
        if conditional:
            with progress.part("images") as report:
                x_new, y_new, made = conditional_images(model, wanted, images_seed, judge, report)
        else:
            with progress.part("classifier") as report:
                classifier_seed = derive_seed(seed, "classifier")
                classifier = _classifier(images, classes, batch_size, classifier_seed, report)
            with progress.part("images") as report:
                x_new, y_new, made = classified_images(
                    model, classifier, wanted, images_seed, confidence, judge, report
                )
        if not len(x_new):
            raise RuntimeError(
                f"none of {made} generated images passed the filter: the model has not learned the "
                "classes. Train it for more steps, or lower `fidelity` or `confidence`."
            )
        with progress.part("copies") as report:
            audit = copy_audit(x_new, images, held_out, verbose=report)
    card: dict[str, Any] = {
        "made_by": "keras_medaug",
        "method": method,
        "model": describe_model(model),
        "seed": seed,
        "labels": {"by": labels, "confidence": None if conditional else confidence},
        "requested": np.bincount(wanted, minlength=count).tolist(),
        "counts": np.bincount(y_new, minlength=count).tolist(),
        "generated": made,
        "fidelity": record,
        "copy_audit": audit,
        "source": _describe_set(images, classes),
        "versions": {
            "keras_medaug": __version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }
    card["notes"] = _notes(card)
    return x_new, y_new, card


def _plan(
    progress: Progress,
    images: NDArray,
    wanted: NDArray,
    unseen: Sequence | NDArray,
    method: str,
    steps: int,
    batch_size: int,
    fidelity: float | None,
    conditional: bool,
) -> None:
    """Tell the progress what `augment` is about to do, and say how long it may take."""
    shape = images.shape[1:]
    classifier = expected_seconds("classifier", CLASSIFIER_STEPS, shape, batch_size)
    if fidelity is not None:
        folds = OutOfFoldClassifier().folds
        progress.plan("label filter", folds * classifier, label="fitting the label filter")
    training = expected_seconds(method, steps, shape, batch_size)
    progress.plan("training", training, label=f"training {method}")
    if not conditional:
        progress.plan("classifier", classifier, label="fitting the classifier")
    few = 1e-3 * len(wanted) * math.prod(shape) / 28**2
    progress.plan("images", few, label="making images")
    audit = audit_seconds(len(wanted), len(images), len(unseen), shape)
    progress.plan("copies", audit, label="looking for copies of training images")
    progress.announce()


# ---- the model ------------------------------------------------------------------------------


def new_generator(
    method: str,
    image_shape: Sequence[int],
    num_classes: int | None,
    seed: int,
    settings: Mapping[str, Any],
    argument: str = "settings",
) -> GenerativeModel:
    """Return a compiled model that has yet to be trained.

    Args:
        method: One of `METHODS`.
        image_shape: `(height, width, channels)`.
        num_classes: Number of classes of a conditional model, or `None`.
        seed: Integer seed.
        settings: Further arguments of the model.
        argument: Name under which these are reported.

    Returns:
        The model.

    Raises:
        ValueError: If there is no such method, or the model refuses a setting.

    Example:

    >>> from keras_medaug.augmenting import new_generator
    >>> new_generator("cvae", (8, 8, 1), 2, 0, {"latent_dim": 4}).latent_dim
    4
    """
    if method not in METHODS:
        raise fail("method", repr(method), f"one of {', '.join(METHODS)}")
    check_settings(METHODS[method], settings, argument)
    model = METHODS[method](image_shape, num_classes=num_classes, seed=seed, **settings)
    model.compile()
    return model


def check_settings(kind: type[keras.Model], settings: Mapping[str, Any], argument: str) -> None:
    """Check that a model takes these settings, beside what is set for it.

    Args:
        kind: The model's class.
        settings: Arguments by name.
        argument: Name under which they are reported.

    Raises:
        ValueError: If one is not an argument of the model, or not for the caller to set.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.augmenting import check_settings
    >>> check_settings(kma.models.CVAE, {"latent_dim": 4}, "settings")
    """
    known = set(inspect.signature(kind.__init__).parameters) - FIXED
    unknown = sorted(set(settings) - known)
    if unknown:
        raise fail(argument, repr(unknown), f"among {', '.join(sorted(known))}")


def train_generator(
    model: GenerativeModel,
    x: NDArray,
    y: NDArray,
    steps: int,
    batch_size: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = 0,
    report: Report = ignore,
) -> keras.callbacks.History:
    """Train a model, with labels where it takes them, for whole epochs of so many steps or more.

    Args:
        model: A compiled generative model.
        x: Training images.
        y: Their labels.
        steps: Number of steps, at least.
        batch_size: Images in a batch.
        callbacks: As in Keras.
        verbose: As in Keras.
        report: Called with the steps so far and their number.

    Returns:
        What `fit` returns.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.augmenting import new_generator, train_generator
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> model = new_generator("cvae", (8, 8, 1), 4, 0, {"latent_dim": 4})
    >>> train_generator(model, x, y, steps=9, batch_size=64).epoch
    [0, 1]
    """
    labels = None if model.num_classes is None else y
    per_epoch = -(-len(x) // batch_size)
    epochs = -(-steps // per_epoch)
    callbacks = list(callbacks)
    if report is not ignore:
        callbacks.append(ReportSteps(report, epochs * per_epoch, per_epoch))
    return model.fit(x, labels, batch_size, epochs, callbacks=callbacks, verbose=verbose)


# ---- images with labels ---------------------------------------------------------------------


def conditional_images(
    model: GenerativeModel,
    wanted: NDArray,
    seed: int,
    judge: Judge | None = None,
    report: Report = ignore,
) -> tuple[NDArray, NDArray, int]:
    """Make images of the classes that are wanted.

    Args:
        model: A trained conditional model.
        wanted: Labels in ascending order.
        seed: Of the images.
        judge: Tells for images and labels which pass, or `None` where all do.
        report: Called with how many images there are and how many are wanted.

    Returns:
        `(images, labels, made)`: those that pass, at most as many as wanted, and how many images
        were made for that.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.augmenting import conditional_images, new_generator
    >>> model = new_generator("cvae", (8, 8, 1), 2, 0, {"latent_dim": 4})
    >>> conditional_images(model, np.int32([0, 0, 1]), seed=0)[0].shape
    (3, 8, 8, 1)
    """
    if judge is None:
        told = {} if report is ignore else {"verbose": report}
        return model.generate(len(wanted), wanted, seed, **told), wanted, len(wanted)

    def draw(missing: NDArray, turn: int) -> tuple[NDArray, NDArray, NDArray]:
        labels = np.repeat(np.arange(len(missing), dtype=np.int32), missing)
        images = model.generate(len(labels), labels, derive_seed(seed, turn))
        return images, labels, judge(images, labels)

    return _collect(draw, wanted, report)


def classified_images(
    model: GenerativeModel,
    classifier: keras.Model,
    wanted: NDArray,
    seed: int,
    confidence: float,
    judge: Judge | None = None,
    report: Report = ignore,
) -> tuple[NDArray, NDArray, int]:
    """Make images with a model that knows no classes, and let a classifier label them.

    Args:
        model: A trained model without classes.
        classifier: Returns class probabilities.
        wanted: Labels in ascending order.
        seed: Of the images.
        confidence: Least probability of the likeliest class.
        judge: As in `conditional_images`.
        report: As in `conditional_images`.

    Returns:
        As `conditional_images`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> from keras_medaug.augmenting import classified_images, new_generator
    >>> model = new_generator("cvae", (8, 8, 1), None, 0, {"latent_dim": 4})
    >>> classifier = kma.models.Classifier((8, 8, 1), 2, filters=4, seed=0)
    >>> images, labels, made = classified_images(model, classifier, np.int32([0, 1]), 0, 0.0)
    >>> len(images) <= 2 <= made
    True
    """

    def draw(missing: NDArray, turn: int) -> tuple[NDArray, NDArray, NDArray]:
        images = model.generate(max(2 * int(missing.sum()), 32), seed=derive_seed(seed, turn))
        probabilities = classifier.predict(images, batch_size=256, verbose=0)
        labels = probabilities.argmax(axis=1).astype(np.int32)
        passed = probabilities.max(axis=1) >= confidence
        return images, labels, passed if judge is None else passed & judge(images, labels)

    return _collect(draw, wanted, report)


def _collect(
    draw: Callable[[NDArray, int], tuple[NDArray, NDArray, NDArray]],
    wanted: NDArray,
    report: Report,
) -> tuple[NDArray, NDArray, int]:
    """Draw until every class has what it is to get, or too many images have been made."""
    missing = np.bincount(wanted)
    kept_images, kept_labels, made, turn = [], [], 0, 0
    while missing.any() and made < MOST_TRIES * len(wanted):
        report(len(wanted) - int(missing.sum()), len(wanted))
        images, labels, passed = draw(missing, turn)
        made, turn = made + len(images), turn + 1
        for label in np.flatnonzero(missing):
            chosen = np.flatnonzero(passed & (labels == label))[: missing[label]]
            kept_images.append(images[chosen])
            kept_labels.append(labels[chosen])
            missing[label] -= len(chosen)
    labels = np.concatenate(kept_labels)
    order = np.argsort(labels, kind="stable")
    return np.concatenate(kept_images)[order], labels[order], made


def fidelity_judge(
    x: NDArray,
    y: NDArray,
    least: float,
    batch_size: int,
    seed: int,
    steps: int = CLASSIFIER_STEPS,
    report: Report = ignore,
) -> tuple[Judge, dict[str, Any]]:
    """Fit classifiers out of fold, and return the judge that they make, with its record.

    Args:
        x: Training images.
        y: Their labels.
        least: Least probability of its label that an image must have.
        batch_size: Images in a batch.
        seed: Of folds and classifiers.
        steps: Training steps of each classifier.
        report: Called with how far the training is.

    Returns:
        `(judge, record)`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.augmenting import fidelity_judge
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> judge, record = fidelity_judge(x, y, least=0.5, batch_size=64, seed=0, steps=4)
    >>> judge(x[:2], y[:2]).shape, sorted(record)
    ((2,), ['folds', 'least', 'real_agreement'])
    """
    fitted = OutOfFoldClassifier(
        steps=steps, batch_size=batch_size, seed=derive_seed(seed, "fidelity")
    ).fit(x, y, verbose=report)
    record = {
        "least": least,
        "folds": fitted.folds,
        "real_agreement": fitted.real_agreement,
    }
    return (lambda images, labels: fitted.agrees(images, labels, least)), record


def _classifier(x: NDArray, y: NDArray, batch_size: int, seed: int, report: Report) -> Classifier:
    model = Classifier(x.shape[1:], int(y.max()) + 1, seed=seed)
    model.compile()
    fit_steps(model, x, y, CLASSIFIER_STEPS, batch_size, seed, report=report)
    return model


# ---- the card -------------------------------------------------------------------------------


def _describe_set(x: NDArray, y: NDArray) -> dict[str, Any]:
    return {"md5": Dataset("training", (x, y)).md5, "counts": np.bincount(y).tolist()}


def _notes(card: dict[str, Any]) -> list[str]:
    notes = [NOT_ANONYMOUS, *audit_notes(card["copy_audit"])]
    if card["labels"]["by"] == "classifier":
        notes.append(
            "The labels are a classifier's, fitted on the same images: where it errs, they do."
        )
    lacking = np.subtract(card["requested"], card["counts"])
    notes += [
        f"Class {label} has {card['counts'][label]} images where {card['requested'][label]} were "
        "asked for: too few passed the filter."
        for label in np.flatnonzero(lacking)
    ]
    if card["fidelity"] is not None:
        notes.append(
            f"Classifiers out of fold agree with {card['fidelity']['real_agreement']:.1%} of the "
            "real labels: the filter also leaves out images that are right."
        )
    return notes
