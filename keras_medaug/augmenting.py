"""From a small labelled set to synthetic images with labels, in one call.

The file is not called `augment`: importing a module of that name would put it in the place of the
function `keras_medaug.augment`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.cards.evaluation import Evaluation
from keras_medaug.cards.sentences import augment_notes, image_warnings, labels_warning
from keras_medaug.cards.shown_labels import FOLDS as LABEL_FOLDS
from keras_medaug.cards.shown_labels import STEPS as LABEL_STEPS
from keras_medaug.cards.shown_labels import see_labels
from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import (
    are_names,
    check_class_names,
    check_fraction,
    check_labels,
    check_positive,
    check_several_classes,
    fail,
)
from keras_medaug.datasets.dataset import content_md5
from keras_medaug.images import check_images, to_uint8
from keras_medaug.interrupts import between_steps
from keras_medaug.labels import OutOfFoldClassifier, plan_labels
from keras_medaug.labels.label_filter import CLASSIFIER_STEPS, LabelFilter, fit_label_filter
from keras_medaug.labels.labelled_images import classified_images, conditional_images
from keras_medaug.labels.plan import PerClass, warn_of_rare
from keras_medaug.metrics.audit_sentences import DRAWN
from keras_medaug.metrics.memorization import audit_seconds
from keras_medaug.metrics.quality import quality_seconds
from keras_medaug.models import Classifier
from keras_medaug.models.fit_steps import fit_steps
from keras_medaug.models.generative_model import GenerativeModel
from keras_medaug.models.registry import generator_class, new_generator
from keras_medaug.models.saving import check_model_path, save_model
from keras_medaug.models.step_times import classifier_seconds, expected_seconds, image_seconds
from keras_medaug.models.training import train_generator
from keras_medaug.progress import Progress, Report, check_verbosity
from keras_medaug.provenance import (
    describe_images,
    describe_model,
    describe_source,
    provenance_record,
)
from keras_medaug.result import Result
from keras_medaug.seeds import derive_seed, resolve_seed

LABELS = ("conditional", "classifier")


@between_steps()
def augment(
    x: ArrayLike,
    y: ArrayLike,
    method: str = "flow",
    per_class: PerClass = "proportional",
    steps: int = 2000,
    batch_size: int = 64,
    labels: str = "conditional",
    fidelity: float | None = None,
    confidence: float = 0.8,
    held_out: ArrayLike | None = None,
    seed: int | None = None,
    verbose: int | str = "auto",
    save: str | os.PathLike | None = None,
    class_names: Sequence[str] | None = None,
    **settings: Any,
) -> tuple[NDArray[np.float32], NDArray[Any], dict[str, Any]]:
    """Train a generative model on a labelled set, and make images with labels.

    The provenance record says what was done and what the images are. It begins with `summary`: how
    well a simple classifier tells them from real images. Read it and `warnings` before you use the
    images. Whether the images help a classifier is another question: `keras_medaug.study.run`
    answers it.

    With `save` the trained model is kept. `keras.saving.load_model(path)` gives it back, for more
    images (`model.generate`) and for a page about it (`keras_medaug.model_card`).

    Args:
        x: Training images, `(n, h, w, c)`, floats in [0, 1] or `uint8`. Leave test images out.
        y: Their labels, integers or names of `class_names`, `(n,)` or `(n, 1)`: two classes or
            more, of which every one occurs.
        method: A name in `keras_medaug.models.generators()`; of the package's own `"flow"`,
            `"cvae"`, `"dcgan"` or `"vaegan"`. The how-to "Which model?" compares them.
        per_class: How many images each class gets; see `keras_medaug.labels.plan_labels`.
        steps: Training steps of the model, rounded up to whole epochs.
        batch_size: Images in a batch.
        labels: `"conditional"`: the model is told the class and makes images of it.
            `"classifier"`: it knows of none, and a classifier fitted on `x` says which class an
            image is of.
        fidelity: Minimum out-of-fold probability of the intended label. Images predicted as another
            class are discarded. `None` keeps all. See `keras_medaug.labels.OutOfFoldClassifier`.
        confidence: Minimum probability of the likeliest class, for labels by a classifier.
        held_out: Real images that the model does not see, for reference values, 20 or more; or
            `None`. Without them no number of the record has a reference value.
        seed: Integer seed of everything, or `None`.
        verbose: 0 or `False`: nothing is shown; 1, `True` or `"auto"`: progress, on standard error,
            with the time left; 2: also a line per epoch with the losses, as in `keras.Model.fit`.
        save: A file that does not exist yet, ending in `.keras`, for the trained model; or `None`.
        class_names: One distinct name per class, in the order of the labels; or `None`. Labels, and
            the classes of `per_class`, may then be names. A conditional model keeps the names.
        **settings: Further arguments of the model, such as `latent_dim`.

    Returns:
        `(x_new, y_new, record)`: images, `float32` in [0, 1]; their labels, in the order of the
        classes, names where `y` has names; and the record, a dictionary that JSON can hold and a
        notebook shows short (`dict(record)` shows all of it). Fewer images than were asked for come
        where too few pass the filter. The record has the keys of every provenance record, such as
        `notes` (sentences to read). The reference page "Provenance records" lists the keys. In
        addition, the record holds:

        - `summary`: the first sentence to read;
        - `two_sample`: a classifier that tells the images from training images, and its reference
          value (`metrics.two_sample_auc`);
        - `warnings`: sentences, the same as those of `model_card`;
        - `method`, `labels` (where they come from), `fidelity` (or null), `requested` by class and
          `generated` (how many images were made to get them);
        - `quality` (`metrics.sample_quality` in the space of pixels, or null) and `readings`
          (whether its numbers are worse than the reference values, and how small a difference would
          have been seen), `sharpness` (`metrics.spectral_distance`), `diversity`
          (`metrics.diversity`);
        - `label_fidelity`: what classifiers that were fitted out of fold see in the images, beside
          what they see in training images (`metrics.label_fidelity`), or null;
        - `model_file`: name, MD5 and bytes of what `save` wrote, or null.

    Raises:
        ValueError: If an argument is not as described; before any training. With `save` also after
            the training, where a file of that name appeared meanwhile: it is left as it is.
        RuntimeError: If no image at all passes the filter.
        OSError: If the model cannot be written to `save`, such as on a full disk; after the
            training, which is then lost.

    Example:

    >>> import keras_medaug as kma
    >>> x, y = kma.datasets.load("phantom", size=8).train
    >>> x_new, y_new, record = kma.augment(
    ...     x, y, method="cvae", per_class=3, steps=8, seed=0, verbose=0, latent_dim=4
    ... )
    >>> x_new.shape, y_new.tolist()[:6], record["images"]["counts"]
    ((12, 8, 8, 1), [0, 0, 0, 1, 1, 1], [3, 3, 3, 3])
    """
    images = check_images(x, "x")
    names = None if class_names is None else check_class_names(class_names)
    classes = check_labels(y, "y", len(images), every_class=True, class_names=names)
    check_several_classes(classes, "y")
    if held_out is not None:
        held_out = check_images(held_out, "held_out", images.shape[1:])
    wanted = plan_labels(classes, per_class, class_names=names)
    if not len(wanted):
        raise fail("per_class", repr(per_class), "a plan in which some class gets an image")
    check_verbosity(verbose)
    steps = check_positive(steps, "steps", integer=True)
    batch_size = check_positive(batch_size, "batch_size", integer=True)
    confidence = check_fraction(confidence, "confidence")
    fidelity = None if fidelity is None else check_fraction(fidelity, "fidelity")
    if labels not in LABELS:
        raise fail("labels", repr(labels), "'conditional' or 'classifier'")
    path = None if save is None else check_model_path(save, "save")
    seed = resolve_seed(seed)
    count = int(classes.max()) + 1
    conditional = labels == "conditional"
    model = new_generator(
        generator_class(method),
        images.shape[1:],
        count if conditional else None,
        derive_seed(seed, method),
        settings,
        class_names=names if conditional else None,
    )
    label_filter, fidelity_record = None, None
    unseen = images[:0] if held_out is None else held_out
    with Progress(f"augment with {method}", verbose=verbose not in (0, False)) as progress:
        _plan(progress, images, wanted, unseen, method, steps, batch_size, fidelity, conditional)
        if fidelity is not None:
            with progress.part("label filter") as report:
                label_filter, fidelity_record = fit_label_filter(
                    CheckedImages(images), classes, fidelity, batch_size, seed, report=report
                )
        with progress.part("training") as report:
            of_fit = 2 if verbose == 2 else 0
            x_fit = CheckedImages(images)
            train_generator(model, x_fit, classes, steps, batch_size, verbose=of_fit, report=report)
        model_file = None if path is None else save_model(model, path, "save")
        x_new, y_new, made = _new_images(
            progress, model, wanted, images, classes, batch_size, seed, confidence, label_filter
        )
        evaluation = Evaluation(x_new, images, unseen, y_new, classes, seed=seed, class_names=names)
        with progress.part("labels") as report:
            label_fidelity = see_labels(
                x_new, y_new, images, classes, batch_size, min(steps, LABEL_STEPS), seed,
                label_filter, report, names,
            )  # fmt: skip
        with progress.part("copies") as report:
            audit = evaluation.memorization(held_out, report)
        with progress.part("quality") as report:
            measured = evaluation.measure(report)
    described = describe_model(model)
    training_counts = np.bincount(classes).tolist()
    requested = np.bincount(wanted, minlength=count).tolist()
    numbers = {
        **measured,
        "copy_audit": audit,
        "counts": evaluation.counts,
        "steps": described["steps"],
        "rare": warn_of_rare(training_counts, requested, names),
    }
    record: dict[str, Any] = {
        "summary": measured.pop("summary"),
        "two_sample": measured.pop("two_sample"),
        **provenance_record(
            "augment",
            image_shape=images.shape[1:],
            class_names=names,
            model=described,
            seed=seed,
            images=describe_images(
                np.bincount(y_new, minlength=count),
                derive_seed(seed, "images"),
                content_md5({"train": (to_uint8(x_new), y_new.astype(np.int32))}),
            ),
            source=describe_source(
                None, content_md5({"train": (images, classes)}), {"train": training_counts}
            ),
            copy_audit=audit,
        ),
        "method": method,
        "labels": {"by": labels, "confidence": None if conditional else confidence},
        "requested": requested,
        "generated": made,
        "fidelity": fidelity_record,
        **measured,
        "label_fidelity": label_fidelity,
        "warnings": image_warnings(
            numbers, DRAWN, labels_warning(label_fidelity, training_counts, names)
        ),
        "model_file": model_file,
    }
    record["notes"] = augment_notes(record)
    return x_new, np.array(names)[y_new] if are_names(y) else y_new, Result(record)


def _new_images(
    progress: Progress,
    model: GenerativeModel,
    wanted: NDArray,
    images: NDArray,
    classes: NDArray,
    batch_size: int,
    seed: int,
    confidence: float,
    label_filter: LabelFilter | None,
) -> tuple[NDArray, NDArray, int]:
    """Return new images, their labels, and how many were made to get them."""
    images_seed = derive_seed(seed, "images")
    if model.num_classes is not None:
        with progress.part("images") as report:
            x_new, y_new, made = conditional_images(
                model, wanted, images_seed, label_filter, report
            )
    else:
        with progress.part("classifier") as report:
            classifier_seed = derive_seed(seed, "classifier")
            classifier = _classifier(images, classes, batch_size, classifier_seed, report)
        with progress.part("images") as report:
            x_new, y_new, made = classified_images(
                model, classifier, wanted, images_seed, confidence, label_filter, report
            )
    if not len(x_new):
        raise RuntimeError(
            f"none of {made} generated images passed the filter: the model has not learned the "
            "classes. Train it for more steps, or lower `fidelity` or `confidence`."
        )
    return x_new, y_new, made


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
    classifier = classifier_seconds(CLASSIFIER_STEPS, shape, batch_size)
    if fidelity is not None:
        folds = OutOfFoldClassifier().folds
        progress.plan("label filter", folds * classifier, label="fitting the label filter")
    training = expected_seconds(steps, shape, batch_size)
    progress.plan("training", training, label=f"training {method}")
    if not conditional:
        progress.plan("classifier", classifier, label="fitting the classifier")
    making = image_seconds(len(wanted), shape, generator_class(method).passes_per_image)
    progress.plan("images", making, label="making images")
    labels = 0.0
    if fidelity is None:
        label_steps = min(steps, LABEL_STEPS)
        labels = LABEL_FOLDS * classifier_seconds(label_steps, shape, batch_size)
    progress.plan("labels", labels, label="predicting the labels")
    audit = audit_seconds(len(wanted), len(images), len(unseen), shape)
    progress.plan("copies", audit, label="looking for copies of training images")
    quality = quality_seconds(len(wanted), len(images), len(unseen))
    progress.plan("quality", quality, label="comparing with real images")
    progress.announce()


# ---- labels by classifiers -------------------------------------------------------------------


def _classifier(x: NDArray, y: NDArray, batch_size: int, seed: int, report: Report) -> Classifier:
    model = Classifier(x.shape[1:], int(y.max()) + 1, seed=seed)
    model.compile()
    fit_steps(model, x, y, CLASSIFIER_STEPS, batch_size, seed, report=report)
    return model
