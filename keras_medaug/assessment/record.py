"""What the provenance record of `augment` says of the images."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.assessment.image_sets import ImageSets
from keras_medaug.assessment.measures import (
    measure_diversity,
    measure_quality,
    measure_sharpness,
    measure_two_sample,
)
from keras_medaug.assessment.readings import read_quality
from keras_medaug.assessment.sentences import image_warnings, summarize_two_sample
from keras_medaug.datasets import Dataset
from keras_medaug.datasets.export import DRAWN, NOT_ANONYMOUS, audit_notes
from keras_medaug.features import PixelFeatures
from keras_medaug.metrics.checking import class_word, class_words, listed
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed


def measure_record(
    sets: ImageSets,
    audit: Mapping[str, Any],
    shown: Mapping[str, Any] | None,
    steps: int | None,
    rare: str | None = None,
    report: Report = ignore,
) -> dict[str, Any]:
    """Return what was measured of images, and what to know of them first.

    Args:
        sets: The images.
        audit: What `metrics.copy_audit` returned.
        shown: What `see_labels` returned.
        steps: Training steps of the model.
        rare: What `labels.plan.warn_of_rare` said of the plan.
        report: Called with how far the comparison with real images is.

    Returns:
        A dictionary: `summary`, `two_sample`, `quality`, `readings`, `sharpness`, `diversity`,
        `label_fidelity` and `warnings`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.assessment.image_sets import ImageSets, in_8_bits
    >>> from keras_medaug.assessment.record import measure_record
    >>> x = in_8_bits(kma.datasets.load("phantom", size=8).train[0])
    >>> audit = kma.metrics.copy_audit(x[:9], x[9:])
    >>> measure_record(ImageSets(x[:9], x[9:], x[:0]), audit, None, 100)["summary"]
    'Whether a simple classifier tells real from synthetic images is not known: ...'
    """
    pixels = PixelFeatures(sets.training, seed=derive_seed(sets.seed, "pixels"))
    two_sample = measure_two_sample(sets, pixels)
    quality = measure_quality(sets, {"pixels": pixels}, report)
    measured: dict[str, Any] = {
        "summary": summarize_two_sample(two_sample),
        "two_sample": two_sample,
        "quality": quality,
        "readings": read_quality(quality),
        "sharpness": measure_sharpness(sets, quality),
        "diversity": measure_diversity(sets),
        "label_fidelity": shown,
    }
    figures = {**measured, "copy_audit": audit, "counts": sets.counts, "steps": steps, "rare": rare}
    measured["warnings"] = image_warnings(figures, DRAWN, _labels_warning(sets, shown))
    return measured


def _labels_warning(sets: ImageSets, shown: Mapping[str, Any] | None) -> str | None:
    if shown is not None:
        return shown["warning"]
    counts = np.bincount(sets.training_labels) if sets.training_labels is not None else np.zeros(1)
    if len(counts) < 2:
        return None
    return (
        "Whether images show their classes was not looked at: that takes two training images of "
        f"each class, and of {class_words([int(counts.argmin())], sets.class_names)} there is one."
    )


def describe_set(x: NDArray, y: NDArray) -> dict[str, Any]:
    """Return MD5 and counts of a training set.

    Args:
        x: Its images.
        y: Their labels.

    Returns:
        `md5` (see `Dataset.md5`) and `counts` by class.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.assessment.record import describe_set
    >>> describe_set(np.zeros((3, 8, 8, 1), "uint8"), np.array([0, 1, 1]))["counts"]
    [1, 2]
    """
    return {"md5": Dataset("training", (x, y)).md5, "counts": np.bincount(y).tolist()}


def notes_of(record: Mapping[str, Any]) -> list[str]:
    """Return what else there is to say of the images.

    Args:
        record: The record, with all but these notes.

    Returns:
        Sentences.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.assessment.record import notes_of
    >>> x = kma.datasets.load("phantom", size=8).train[0]
    >>> audit = kma.metrics.copy_audit(x[:9], x[9:])
    >>> notes_of({
    ...     "copy_audit": audit, "labels": {"by": "conditional"}, "fidelity": None,
    ...     "requested": [9, 4], "counts": [9, 1], "class_names": ["benign", "malignant"],
    ... })[-1]
    "Too few images passed the filter: 1 of 4 of class 'malignant'."
    """
    notes = [NOT_ANONYMOUS, *audit_notes(record["copy_audit"])]
    if record["labels"]["by"] == "classifier":
        notes.append(
            "The labels are a classifier's, fitted on the same images: where it errs, they do."
        )
    lacking = np.flatnonzero(np.subtract(record["requested"], record["counts"])).tolist()
    if lacking:
        names = record.get("class_names")
        passed = [
            f"{record['counts'][label]} of {record['requested'][label]} of "
            f"class {class_word(label, names)}"
            for label in lacking
        ]
        notes.append(f"Too few images passed the filter: {listed(passed)}.")
    if record["fidelity"] is not None:
        notes.append(
            f"Classifiers out of fold agree with {record['fidelity']['real_agreement']:.1%} of the "
            "real labels: the filter also leaves out images that are right."
        )
    return notes
