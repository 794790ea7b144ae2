"""What a card says, in numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug._version import __version__
from keras_medaug.assessment.image_sets import ImageSets
from keras_medaug.assessment.measures import (
    measure_diversity,
    measure_quality,
    measure_sharpness,
    measure_two_sample,
)
from keras_medaug.assessment.readings import read_quality
from keras_medaug.assessment.sentences import image_warnings, summarize_two_sample
from keras_medaug.cards.subject import MOST, SPLIT_NAMES, Subject
from keras_medaug.datasets import Dataset
from keras_medaug.datasets.dataset import SPLITS, content_md5
from keras_medaug.datasets.export import (
    NOT_ANONYMOUS,
    SCOPE,
    audit_remarks,
)
from keras_medaug.features import ClassifierFeatures, PixelFeatures
from keras_medaug.labels.plan import warn_of_rare
from keras_medaug.metrics import (
    collapsed_classifier,
    copy_audit,
    label_fidelity,
    mean_confidence,
    near_duplicates,
    prior_shift,
)
from keras_medaug.metrics.duplicates import duplicates_seconds
from keras_medaug.metrics.memorization import audit_seconds
from keras_medaug.metrics.predictions import predicted
from keras_medaug.metrics.quality import quality_seconds
from keras_medaug.models.step_times import expected_seconds
from keras_medaug.progress import Progress, Report, portions
from keras_medaug.provenance import describe_model, environment
from keras_medaug.seeds import derive_seed

FORMAT = 1
DUPLICATES = ("exact", "near", "with_another_label", "warning", "in_place", "uniform")
NOTES = (
    NOT_ANONYMOUS,
    "Synthetic images are for training. Test on real images that the generator never saw.",
    "Whether synthetic images help a classifier is not said here: that takes a study.",
)

Extractors = dict[str, Callable[[NDArray], ArrayLike]]


def measure(
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
        progress: Shows how far it is; its parts are planned by `plan_stages`.

    Returns:
        A dictionary that JSON can hold; see `keras_medaug.model_card`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.measuring import measure, plan_stages
    >>> from keras_medaug.cards.subject import Subject
    >>> from keras_medaug.progress import Progress
    >>> data = kma.datasets.load("phantom", size=8)
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> subject = Subject(model, data, data.val[0], None, 0, True)
    >>> progress = Progress("card", verbose=False)
    >>> plan_stages(progress, data, made=96, steps=5)
    >>> measure(subject, ({}, False), {}, {}, 5, True, progress)["held_out"]["splits"]
    ['val']
    """
    with progress.part("duplicates") as report:
        duplicates = _duplicates(subject, report)
    with progress.part("features") as report:
        spaces, cards = _spaces(subject, features, classifier_steps, report)
    sets = _sets(subject)
    with progress.part("quality") as report:
        two_sample = measure_two_sample(sets, spaces["pixels"])
        quality = measure_quality(sets, spaces, report)
    with progress.part("copies") as report:
        audit = _audit(subject, spaces.get("classifier"), report)
    with progress.part("labels"):
        labels = _labels(subject, spaces.get("classifier"))
        guards = _guards(sets, subject, duplicates, spaces.get("classifier"))
    card: dict[str, Any] = {
        "summary": summarize_two_sample(two_sample),
        "two_sample": two_sample,
        "made_by": "keras_medaug",
        "format": FORMAT,
        "about": dict(about),
        "model": _model(subject.model),
        "data": _data(subject.data),
        "images": _images(subject),
        "features": cards,
        "held_out": _held_out(subject),
        "quality": quality,
        "readings": read_quality(quality),
        "sharpness": measure_sharpness(sets, quality),
        "copy_audit": audit,
        "labels": labels,
        "training": _training(*curves),
        "checks": guards,
        "versions": _versions(),
    }
    card["warnings"] = _warnings(card, sets.counts, show_real)
    card["notes"] = [*NOTES, SCOPE, *audit_remarks(audit)]
    return card


STAGES = {
    "images": "making images",
    "duplicates": "looking for duplicates between the splits",
    "features": "fitting the features",
    "quality": "comparing with real images",
    "copies": "looking for copies of training images",
    "labels": "asking the classifier",
    "drawing": "drawing the page",
}


def plan_stages(progress: Progress, data: Dataset, made: int, steps: int) -> None:
    """Tell a progress what making a card consists of.

    Args:
        progress: The progress.
        data: The set.
        made: Synthetic images.
        steps: Training steps of the classifier.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.measuring import plan_stages
    >>> from keras_medaug.progress import Progress
    >>> progress = Progress("card", verbose=False)
    >>> plan_stages(progress, kma.datasets.load("phantom", size=8), made=100, steps=500)
    >>> progress.planned < 60
    True
    """
    for stage, seconds in seconds_of_stages(data.counts, data.image_shape, made, steps).items():
        progress.plan(stage, seconds, label=STAGES[stage])


def seconds_of_stages(
    counts: Mapping[str, int], image_shape: Sequence[int], made: int, steps: int
) -> dict[str, float]:
    """Return about how many seconds each stage of a card takes.

    Args:
        counts: Images of each split.
        image_shape: `(height, width, channels)`.
        made: Synthetic images.
        steps: Training steps of the classifier.

    Returns:
        The seconds by stage, in the order of the stages.

    Example:

    >>> from keras_medaug.cards.measuring import seconds_of_stages
    >>> counts = {"train": 546, "val": 78, "test": 156}
    >>> seconds = seconds_of_stages(counts, (28, 28, 1), made=546, steps=500)
    >>> max(seconds, key=seconds.get)
    'features'
    """
    train, others = counts["train"], counts["val"] + counts["test"]
    pairs = train * (train / 2 + others)
    held_out = min(counts["val"] or counts["test"], MOST)
    return {
        "images": 0.2 + 1e-3 * made * math.prod(image_shape) / 28**2,
        "duplicates": duplicates_seconds(pairs, image_shape),
        "features": expected_seconds(steps, image_shape),
        "quality": quality_seconds(made, train, held_out),
        "copies": audit_seconds(made, train, min(others, MOST), image_shape),
        "labels": 0.5 + 1e-4 * (made + held_out),
        "drawing": 1.5,
    }


# ---- what is compared -----------------------------------------------------------------------


def _spaces(
    subject: Subject, features: Extractors, steps: int, report: Report
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return extractors and, by the same names, what is to be recorded of them."""
    images, labels = subject.splits["train"]
    spaces: dict[str, Any] = {}
    if subject.data.num_classes > 1:
        seed = derive_seed(subject.seed, "classifier")
        spaces["classifier"] = ClassifierFeatures(images, labels, steps, seed=seed, verbose=report)
    spaces["pixels"] = PixelFeatures(images, seed=derive_seed(subject.seed, "pixels"))
    spaces |= features
    cards = {name: _extractor_card(each) for name, each in spaces.items()}
    return spaces, cards


def _extractor_card(extractor: Any) -> dict[str, Any]:
    card = getattr(extractor, "card", None)
    kind = getattr(extractor, "__name__", type(extractor).__name__)
    return {"kind": kind} | (card if isinstance(card, dict) else {})


def _sets(subject: Subject) -> ImageSets:
    training, training_labels = subject.splits["train"]
    _, held_out, held_out_labels = subject.yardstick()
    return ImageSets(
        subject.images,
        training,
        held_out,
        subject.labels,
        training_labels,
        held_out_labels,
        subject.seed,
        subject.data.class_names,
    )


def _audit(
    subject: Subject, classifier: ClassifierFeatures | None, report: Report
) -> dict[str, Any]:
    _, held_out, _ = subject.held_out(("val", "test"))
    yardstick = held_out if len(held_out) else None
    training, _ = subject.splits["train"]
    return copy_audit(subject.images, training, yardstick, classifier, verbose=report)


def _labels(subject: Subject, features: ClassifierFeatures | None) -> dict[str, Any] | None:
    """Return what a classifier of the training images sees."""
    if features is None:
        return None
    classifier, classes = features.classifier, subject.data.num_classes
    answers = predicted(classifier, subject.images).argmax(axis=1)
    _, held_out, held_out_labels = subject.yardstick()
    fidelity = None
    known, seen = subject.labels, set(held_out_labels.tolist())
    if known is not None and len(seen) > 1 and seen & set(known.tolist()):
        fidelity = label_fidelity(
            classifier, subject.images, known, held_out, held_out_labels, subject.data.class_names
        )
    return {
        "seen": np.bincount(answers, minlength=classes).tolist(),
        "confidence": mean_confidence(classifier, subject.images),
        "held_out_confidence": mean_confidence(classifier, held_out) if len(held_out) else None,
        "fidelity": fidelity,
    }


def _guards(
    sets: ImageSets,
    subject: Subject,
    duplicates: dict[str, Any],
    features: ClassifierFeatures | None,
) -> dict[str, Any]:
    data = subject.data
    _, training_labels = subject.splits["train"]
    _, held_out, held_out_labels = subject.yardstick()
    collapsed = None
    if features is not None and len(held_out):
        collapsed = collapsed_classifier(
            held_out_labels, features.classifier.logits(held_out), data.class_names
        )
    return {
        "diversity": measure_diversity(sets),
        "duplicates": duplicates,
        "prior_shift": {
            split: prior_shift(training_labels, labels, data.num_classes, data.class_names)
            for split, (_, labels) in subject.splits.items()
            if split != "train"
        },
        "classifier": collapsed,
    }


def _duplicates(subject: Subject, report: Report) -> dict[str, Any]:
    """Return how many images of each split are in the training split, or in it before."""
    images, labels = subject.splits["train"]
    weights = [len(x) / (1 + (split == "train")) for split, (x, _) in subject.splits.items()]
    reports = dict(zip(subject.splits, portions(report, *weights), strict=True))
    found = {
        split: near_duplicates(x, labels=y, verbose=reports[split])
        if split == "train"
        else near_duplicates(x, images, y, labels, verbose=reports[split])
        for split, (x, y) in subject.splits.items()
    }
    return {split: {key: each[key] for key in DUPLICATES} for split, each in found.items()}


# ---- what they are --------------------------------------------------------------------------


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


def _data(data: Dataset) -> dict[str, Any]:
    return {
        "name": data.name,
        "md5": data.md5,
        "image_shape": list(data.image_shape),
        "class_names": list(data.class_names),
        "counts": {split: _counts(data, split) for split in SPLITS},
    }


def _counts(data: Dataset, split: str) -> list[int]:
    if not data.counts[split]:
        return [0] * data.num_classes
    return np.bincount(data.stored(split)[1], minlength=data.num_classes).tolist()


def _images(subject: Subject) -> dict[str, Any]:
    made, labels = subject.images, subject.labels
    known = np.zeros(len(made), np.int32) if labels is None else labels
    counts = None
    if labels is not None:
        counts = np.bincount(labels, minlength=subject.data.num_classes).tolist()
    return {
        "count": len(made),
        "counts": counts,
        "generated": subject.generated,
        "seed": subject.seed if subject.generated else None,
        "md5": content_md5({"train": (made, known)}),
    }


def _held_out(subject: Subject) -> dict[str, Any]:
    splits, images, _ = subject.yardstick()
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


def _versions() -> dict[str, Any]:
    here = environment()
    named = ("backend", here["backend"], "keras", "numpy", "device", "dtype")
    return {"keras_medaug": __version__} | {name: here[name] for name in named if name in here}


# ---- what to know first ---------------------------------------------------------------------


def _warnings(card: Mapping[str, Any], counts: Mapping[str, int], show_real: bool) -> list[str]:
    guards = card["checks"]
    pairs = 'those that come first are under "Memorization check"'
    figures = {
        "steps": card["model"]["steps"],
        "counts": counts,
        "quality": card["quality"],
        "copy_audit": card["copy_audit"],
        "sharpness": card["sharpness"],
        "diversity": guards["diversity"],
        "rare": _rare(card),
    }
    where = pairs if show_real else "the JSON file lists them"
    of_data = [
        _named(f"{SPLIT_NAMES[split].capitalize()} split", each)
        for split, each in guards["duplicates"].items()
    ]
    of_data += [
        _named(f"Training and {SPLIT_NAMES[split]} split", each)
        for split, each in guards["prior_shift"].items()
    ]
    of_data.append(_named("The classifier of the features", guards["classifier"]))
    of_images = image_warnings(figures, where, _labels_warning(card))
    return [*of_images, *(each for each in of_data if each)]


def _rare(card: Mapping[str, Any]) -> str | None:
    counts, data = card["images"]["counts"], card["data"]
    if counts is None:
        return None
    return warn_of_rare(data["counts"]["train"], counts, data["class_names"])


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


def _named(what: str, guard: Mapping[str, Any] | None) -> str | None:
    return f"{what}: {guard['warning']}" if guard is not None and guard["warning"] else None
