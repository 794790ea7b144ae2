"""What a model card says, in numbers and sentences."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.cards.evaluation import Evaluation
from keras_medaug.cards.sentences import image_warnings
from keras_medaug.cards.subject import SPLIT_NAMES, Subject
from keras_medaug.checked_images import CheckedImages
from keras_medaug.datasets import Dataset
from keras_medaug.datasets.dataset import SPLITS, content_md5
from keras_medaug.features import ClassifierFeatures
from keras_medaug.labels.plan import warn_of_rare
from keras_medaug.metrics import near_duplicates, prior_shift
from keras_medaug.metrics.audit_sentences import NOT_ANONYMOUS, SCOPE, audit_remarks
from keras_medaug.progress import Progress, Report, portions
from keras_medaug.provenance import (
    describe_images,
    describe_model,
    describe_source,
    provenance_record,
)
from keras_medaug.seeds import derive_seed

DUPLICATES = ("exact", "near", "with_another_label", "warning", "in_place", "uniform")
NOTES = (
    NOT_ANONYMOUS,
    "Synthetic images are for training. Test on real images that the generator never saw.",
    "Whether synthetic images help a classifier is not said here: that takes a study.",
)

Extractors = dict[str, Callable[[NDArray], ArrayLike]]


def write_content(
    subject: Subject,
    curves: tuple[Mapping[str, list[float]], bool],
    features: Extractors,
    about: Mapping[str, str],
    classifier_steps: int,
    show_real: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Return all that a card says.

    Args:
        subject: What it is about.
        curves: Values per epoch of a training, by name; and whether a user said that they are those
            of the whole training.
        features: Extractors beside the card's own.
        about: The user's own words.
        classifier_steps: Training steps of the classifier.
        show_real: Whether the page shows real images.
        progress: Shows how far it is; its parts are planned by `stages.plan_stages`.

    Returns:
        A dictionary that JSON can hold; see `keras_medaug.model_card`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.content import write_content
    >>> from keras_medaug.cards.stages import plan_stages
    >>> from keras_medaug.cards.subject import Subject
    >>> from keras_medaug.progress import Progress
    >>> data = kma.datasets.load("phantom", size=8)
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> subject = Subject(model, data, data.val[0], None, 0, True)
    >>> progress = Progress("card", verbose=False)
    >>> plan_stages(progress, data, made=96, steps=5)
    >>> write_content(subject, ({}, False), {}, {}, 5, True, progress)["held_out"]["splits"]
    ['val']
    """
    with progress.part("duplicates") as report:
        duplicates = _duplicates(subject, report)
    with progress.part("features") as report:
        evaluation = _evaluation(subject, features, classifier_steps, report)
    with progress.part("quality") as report:
        measured = evaluation.measure(report)
    with progress.part("copies") as report:
        _, held_out, _ = subject.held_out(("val", "test"))
        audit = evaluation.memorization(held_out if len(held_out) else None, report)
    with progress.part("labels"):
        labels = evaluation.classified()
        checks = {
            "diversity": measured.pop("diversity"),
            "duplicates": duplicates,
            "prior_shift": _prior_shift(subject),
            "classifier": evaluation.collapsed(),
        }
    card: dict[str, Any] = {
        "summary": measured.pop("summary"),
        "two_sample": measured.pop("two_sample"),
        **_provenance(subject, audit),
        "about": dict(about),
        "features": evaluation.feature_cards,
        "held_out": _held_out(subject),
        **measured,
        "labels": labels,
        "training": _training(*curves),
        "checks": checks,
    }
    card["warnings"] = warnings_of(card, evaluation.counts, show_real)
    card["notes"] = [*NOTES, SCOPE, *audit_remarks(audit)]
    return card


def _evaluation(subject: Subject, features: Extractors, steps: int, report: Report) -> Evaluation:
    """Return the evaluation, its classifier fitted to the training split."""
    training, training_labels = subject.splits["train"]
    _, held_out, held_out_labels = subject.reference()
    classifier = None
    if subject.data.num_classes > 1:
        seed = derive_seed(subject.seed, "classifier")
        classifier = ClassifierFeatures(
            CheckedImages(training), training_labels, steps, seed=seed, verbose=report
        )
    return Evaluation(
        subject.images,
        training,
        held_out,
        subject.labels,
        training_labels,
        held_out_labels,
        subject.seed,
        subject.data.class_names,
        classifier,
        features,
    )


def _duplicates(subject: Subject, report: Report) -> dict[str, Any]:
    """Return how many images of each split are in the training split, or in it before."""
    images, labels = subject.splits["train"]
    training = CheckedImages(images)
    weights = [len(x) / (1 + (split == "train")) for split, (x, _) in subject.splits.items()]
    reports = dict(zip(subject.splits, portions(report, *weights), strict=True))
    by_split = {
        split: near_duplicates(training, labels=y, verbose=reports[split])
        if split == "train"
        else near_duplicates(CheckedImages(x), training, y, labels, verbose=reports[split])
        for split, (x, y) in subject.splits.items()
    }
    return {split: {key: numbers[key] for key in DUPLICATES} for split, numbers in by_split.items()}


def _prior_shift(subject: Subject) -> dict[str, Any]:
    data, (_, training_labels) = subject.data, subject.splits["train"]
    return {
        split: prior_shift(training_labels, labels, data.num_classes, data.class_names)
        for split, (_, labels) in subject.splits.items()
        if split != "train"
    }


# ---- what they are --------------------------------------------------------------------------


def _provenance(subject: Subject, audit: Mapping[str, Any]) -> dict[str, Any]:
    data, images, labels = subject.data, subject.images, subject.labels
    known = np.zeros(len(images), np.int32) if labels is None else labels
    described = describe_images(
        None if labels is None else np.bincount(labels, minlength=data.num_classes),
        subject.seed if subject.generated else None,
        content_md5({"train": (images, known)}),
        len(images),
    )
    counts = {split: _counts(data, split) for split in SPLITS}
    return provenance_record(
        "model_card",
        image_shape=data.image_shape,
        class_names=data.class_names,
        model=_model(subject.model),
        seed=subject.seed,
        images={**described, "generated": subject.generated},
        source=describe_source(data.name, data.md5, counts),
        copy_audit=audit,
    )


def _model(model: Any) -> dict[str, Any]:
    networks = getattr(model, "networks", None)
    if not isinstance(networks, Mapping):
        networks = {}
    return {
        "name": model.name,
        **describe_model(model),
        "parameters": model.count_params() if model.built else None,
        "networks": {name: network.count_params() for name, network in networks.items()},
    }


def _counts(data: Dataset, split: str) -> NDArray[np.integer]:
    labels = data.stored(split)[1] if data.counts[split] else np.empty(0, np.int32)
    return np.bincount(labels, minlength=data.num_classes)


def _held_out(subject: Subject) -> dict[str, Any]:
    splits, images, _ = subject.reference()
    audited, others, _ = subject.held_out(("val", "test"))
    return {
        "splits": list(splits),
        "count": len(images),
        "audit_splits": list(audited),
        "audit_count": len(others),
    }


def _training(curves: Mapping[str, list[float]], given: bool) -> dict[str, Any] | None:
    if not curves:
        return None
    return {
        "of": "the training" if given else "the last fit",
        "epochs": max(len(values) for values in curves.values()),
        "history": {
            name: [value if math.isfinite(value) else None for value in values]
            for name, values in curves.items()
        },
    }


# ---- what to know first ---------------------------------------------------------------------


def warnings_of(card: Mapping[str, Any], counts: Mapping[str, int], show_real: bool) -> list[str]:
    """Return what to know of images, model and data before the images are used.

    Args:
        card: The card, with all but the warnings and the notes.
        counts: Synthetic, training and held-out images.
        show_real: Whether the page shows real images.

    Returns:
        Sentences.

    Example:

    >>> from keras_medaug.cards.content import warnings_of
    >>> audit = {"suspect_count": 0, "exact_copies": 0, "uniform": 0, "count": 30,
    ...          "spaces": {"pixels": {"held_out": None}}}
    >>> card = {
    ...     "model": {"steps": 0}, "quality": {"spaces": {}}, "copy_audit": audit,
    ...     "sharpness": None, "images": {"counts": None}, "labels": None, "checks": {
    ...         "diversity": {"warning": None}, "duplicates": {}, "prior_shift": {},
    ...         "classifier": None,
    ...     },
    ... }
    >>> warnings_of(card, {"synthetic": 30, "training": 30, "held-out": 30}, show_real=True)
    ['The model has taken no step of training, as far as its optimizer knows.']
    """
    checks = card["checks"]
    numbers = {
        "steps": card["model"]["steps"],
        "counts": counts,
        "quality": card["quality"],
        "copy_audit": card["copy_audit"],
        "sharpness": card["sharpness"],
        "diversity": checks["diversity"],
        "rare": _rare(card),
    }
    where = "the JSON file lists them"
    if show_real:
        where = 'those that come first are under "Memorization check"'
    of_data = [
        *(
            _named(f"{SPLIT_NAMES[split].capitalize()} split", check)
            for split, check in checks["duplicates"].items()
        ),
        *(
            _named(f"Training and {SPLIT_NAMES[split]} split", check)
            for split, check in checks["prior_shift"].items()
        ),
        _named("The classifier of the features", checks["classifier"]),
    ]
    of_images = image_warnings(numbers, where, _labels_warning(card))
    return [*of_images, *(warning for warning in of_data if warning)]


def _rare(card: Mapping[str, Any]) -> str | None:
    counts = card["images"]["counts"]
    if counts is None:
        return None
    return warn_of_rare(card["source"]["counts"]["train"], counts, card["class_names"])


def _labels_warning(card: Mapping[str, Any]) -> str | None:
    labels = card["labels"]
    if labels is None or card["images"]["counts"] is None:
        return None
    if labels["fidelity"] is not None:
        return labels["fidelity"]["warning"]
    return (
        "Whether images show their classes was not looked at: that takes held-out images of two "
        "classes or more, and of those of the synthetic ones."
    )


def _named(what: str, check: Mapping[str, Any] | None) -> str | None:
    return f"{what}: {check['warning']}" if check is not None and check["warning"] else None
