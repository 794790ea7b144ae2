"""What the measured numbers of synthetic images say, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_medaug.metrics.audit_sentences import NOT_ANONYMOUS, audit_notes, audit_warnings
from keras_medaug.metrics.checking import class_word, class_words, listed
from keras_medaug.metrics.quality import FEWEST
from keras_medaug.metrics.two_sample import FEWEST as FEWEST_TOLD_APART
from keras_medaug.provenance import UNTRAINED

LEVEL = 0.05
BLURRED = 0.5  # of the power at high frequencies
FRACTIONS = ("coverage", "precision", "recall")  # of which an example is given, the strictest first
FAR_BELOW = {
    "precision": "only {:.0%} of the synthetic images lie where training images do; of unseen real "
    "images it is {:.0%}.",
    "coverage": "only {:.0%} of the training images have a synthetic image near them; with as many "
    "unseen real images it is {:.0%}.",
}


def summarize_two_sample(two_sample: Mapping[str, Any] | None) -> str:
    """Say whether the images can be told from real ones: the sentence that stands first.

    Args:
        two_sample: What `Evaluation.two_sample` returned.

    Returns:
        One sentence or more.

    Example:

    >>> from keras_medaug.cards.sentences import summarize_two_sample
    >>> told = {"auc": 0.95, "ci95": [0.9, 0.98], "p": 0.001, "count": 60, "detectable": 0.64}
    >>> print(summarize_two_sample({**told, "reference": {"auc": 0.51, "ci95": [0.41, 0.61]}}))
    A simple classifier tells real from synthetic images with AUC 0.95 [0.90, 0.98] (real from other
    real images: 0.51 [0.41, 0.61]). At 0.5 they cannot be told apart.
    """
    if two_sample is None:
        return (
            "Whether a simple classifier tells real from synthetic images is not known: that takes "
            f"{FEWEST_TOLD_APART} images or more of each kind."
        )
    reference = two_sample["reference"]
    other = "no reference value, as there are too few held-out images"
    if reference is not None:
        other = f"real from other real images: {_auc(reference)}"
    text = (
        f"A simple classifier tells real from synthetic images with AUC {_auc(two_sample)} "
        f"({other}). At 0.5 they cannot be told apart."
    )
    if two_sample["ci95"][1] < 0.5:
        return f"{text} An AUC below 0.5 is what copies of training images bring about."
    if two_sample["p"] >= LEVEL:
        text += (
            f" No difference is seen, but with {two_sample['count']} images of each kind an AUC "
            f"below {two_sample['detectable']:.2f} is easily missed."
        )
    return text


def _auc(value: Mapping[str, Any]) -> str:
    low, high = value["ci95"]
    return f"{value['auc']:.2f} [{low:.2f}, {high:.2f}]"


def summarize_quality(
    quality: Mapping[str, Any], readings: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> str:
    """Return how all numbers compare with their reference values, and what was too small to see.

    Args:
        quality: What `Evaluation.quality` returned.
        readings: What `read_quality` returned.

    Returns:
        Two sentences at most.

    Example:

    >>> from keras_medaug.cards.sentences import summarize_quality
    >>> floor = {"value": 0.5, "ci95": [0.375, 0.625]}
    >>> coverage = {"value": 0.25, "ci95": [0.0, 0.5], "floor": floor}
    >>> read = {"reading": "same", "smallest_difference": 0.375, "worse_from": 0.125}
    >>> print(summarize_quality(
    ...     {"counts": [25, 20], "spaces": {"a": {"coverage": coverage}}}, {"a": {"coverage": read}}
    ... ))
    Of 1 number that compares synthetic images with real ones, worse than that of unseen real
    images: 0; no difference seen: 1; better: 0. With 25 synthetic and 20 held-out images a
    difference can be too small to see: a coverage anywhere between 0.125 and the 0.5 of unseen real
    images is not called worse (space 'a').
    """
    words = [read["reading"] for numbers in readings.values() for read in numbers.values()]
    single = len(words) == 1
    what, whose = ("number that compares", "that") if single else ("numbers that compare", "those")
    text = (
        f"Of {len(words)} {what} synthetic images with real ones, worse than {whose} of unseen "
        f"real images: {words.count('worse')}; no difference seen: {words.count('same')}; better: "
        f"{words.count('better')}."
    )
    unseen = _least_sensitive(readings)
    if unseen is None:
        return text
    space, name = unseen
    floor = quality["spaces"][space][name]["floor"]["value"]
    worse_from = readings[space][name]["worse_from"]
    of_real = f"the {floor:.3g} of unseen real images"
    missed = f"not even a {name} of 0 is called worse than {of_real}"
    if worse_from is not None:
        missed = f"a {name} anywhere between {worse_from:.3g} and {of_real} is not called worse"
    synthetic, held_out = quality["counts"]
    return (
        f"{text} With {synthetic} synthetic and {held_out} held-out images a difference can be too "
        f"small to see: {missed} (space {space!r})."
    )


def _least_sensitive(
    readings: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> tuple[str, str] | None:
    """Return space and name of a fraction of which the largest difference went unseen, if any."""
    for name in FRACTIONS:
        same = {
            space: numbers[name]["smallest_difference"]
            for space, numbers in readings.items()
            if name in numbers and numbers[name]["reading"] == "same"
        }
        if same:
            return max(same, key=lambda space: same[space]), name
    return None


def image_warnings(
    figures: Mapping[str, Any], where: str, labels_warning: str | None = None
) -> list[str]:
    """Return what to know of the images before they are used.

    Args:
        figures: `steps` of the model (or `None`), `counts` of synthetic, training and held-out
            images, what was measured: `copy_audit`, `quality`, `sharpness` (or `None`) and
            `diversity`, and `rare`, what `warn_of_rare` said of the classes' images (or `None`).
        where: Where suspected copies can be seen.
        labels_warning: What is to be said of the images' classes, if anything.

    Returns:
        Sentences.

    Example:

    >>> from keras_medaug.cards.sentences import image_warnings
    >>> audit = {
    ...     "suspect_count": 0, "exact_copies": 2, "uniform": 0, "count": 30,
    ...     "spaces": {"pixels": {"held_out": None}},
    ... }
    >>> image_warnings({
    ...     "steps": 5, "counts": {"synthetic": 30, "training": 30, "held-out": 9},
    ...     "copy_audit": audit, "quality": None, "diversity": {"warning": None},
    ...     "sharpness": None, "rare": None,
    ... }, "there")[1]
    '2 of 30 images are exact copies of training images.'
    """
    sentences = [
        _untrained(figures["steps"]),
        None if figures["quality"] is not None else _too_few(figures["counts"]),
        *audit_warnings(figures["copy_audit"], where),
        *far_below(figures["quality"]),
        figures["diversity"]["warning"],
        unlike_in_sharpness(figures["sharpness"]),
        labels_warning,
        figures["rare"],
    ]
    return [sentence for sentence in sentences if sentence]


def unlike_in_sharpness(sharpness: Mapping[str, Any] | None) -> str | None:
    """Return a sentence where images are clearly less sharp than real ones, or have more noise.

    Args:
        sharpness: What `Evaluation.sharpness` returned.

    Returns:
        The sentence, where the power at high frequencies is below half or above twice that of
        held-out images (or of training images, without these); or `None`.

    Example:

    >>> from keras_medaug.cards.sentences import unlike_in_sharpness
    >>> blurred = {"high_frequency_ratio": 0.2, "ci95": [9.0, 12.0], "reference": None}
    >>> unlike_in_sharpness(blurred)
    'The images have 0.20 times the power of training images at high frequencies: they are blurred.'
    """
    if sharpness is None or sharpness["ci95"][0] <= 0:
        return None
    ratio, reference = sharpness["high_frequency_ratio"], sharpness["reference"]
    usual = 1.0 if reference is None else reference["high_frequency_ratio"]
    if BLURRED <= ratio / usual <= 1 / BLURRED:
        return None
    beside = "" if reference is None else f" (held-out real images: {usual:.2f} times)"
    what = "are blurred" if ratio < usual else "have noise or a checkerboard pattern"
    return (
        f"The images have {ratio:.2f} times the power of training images at high "
        f"frequencies{beside}: they {what}."
    )


def labels_warning(
    label_fidelity: Mapping[str, Any] | None,
    training_counts: Sequence[int],
    class_names: Sequence[str] | None,
) -> str | None:
    """Return what is to be said of the classes of images that `augment` made.

    Args:
        label_fidelity: What `see_labels` returned.
        training_counts: Training images of each class.
        class_names: Names of the classes, or `None` for their numbers.

    Returns:
        A sentence, or `None`.

    Example:

    >>> from keras_medaug.cards.sentences import labels_warning
    >>> labels_warning(None, [9, 1], ["benign", "malignant"])
    "Whether images show their classes was not looked at: ... of class 'malignant' there is one."
    """
    if label_fidelity is not None:
        return label_fidelity["warning"]
    if len(training_counts) < 2:
        return None
    rarest = int(np.argmin(training_counts))
    return (
        "Whether images show their classes was not looked at: that takes two training images of "
        f"each class, and of {class_words([rarest], class_names)} there is one."
    )


def augment_notes(record: Mapping[str, Any]) -> list[str]:
    """Return what else the record of `augment` has to say of its images.

    Args:
        record: The record, with all but these notes.

    Returns:
        Sentences.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.sentences import augment_notes
    >>> x = kma.datasets.load("phantom", size=8).train[0]
    >>> augment_notes({
    ...     "copy_audit": kma.metrics.copy_audit(x[:9], x[9:]), "fidelity": None,
    ...     "labels": {"by": "conditional"}, "requested": [9, 4], "images": {"counts": [9, 1]},
    ...     "class_names": ["benign", "malignant"],
    ... })[-1]
    "Too few images passed the filter: 1 of 4 of class 'malignant'."
    """
    notes = [NOT_ANONYMOUS, *audit_notes(record["copy_audit"])]
    if record["labels"]["by"] == "classifier":
        notes.append(
            "The labels are a classifier's, fitted on the same images: where it errs, they do."
        )
    pairs = zip(record["images"]["counts"], record["requested"], strict=True)
    passed = [
        f"{count} of {wanted} of class {class_word(label, record['class_names'])}"
        for label, (count, wanted) in enumerate(pairs)
        if count != wanted
    ]
    if passed:
        notes.append(f"Too few images passed the filter: {listed(passed)}.")
    if record["fidelity"] is not None:
        notes.append(
            f"Classifiers out of fold agree with {record['fidelity']['real_agreement']:.1%} of the "
            "real labels: the filter also leaves out images that are right."
        )
    return notes


def _untrained(steps: int | None) -> str | None:
    if steps is None:
        return "The model is not compiled: for how many steps it was trained is not known."
    return None if steps else UNTRAINED


def _too_few(counts: Mapping[str, int]) -> str:
    """Return why distances to real images were not measured."""
    few = [f"{count} {name}" for name, count in counts.items() if count < FEWEST]
    return (
        f"Not compared with held-out real images: that takes {FEWEST} synthetic, training and "
        f"held-out images each, and of these there are {', '.join(few)}."
    )


def far_below(quality: Mapping[str, Any] | None) -> list[str]:
    """Return where images are unlike real ones, or leave most of these out.

    Args:
        quality: What `Evaluation.quality` returned.

    Returns:
        Sentences.

    Example:

    >>> from keras_medaug.cards.sentences import far_below
    >>> floor = {"value": 0.7, "ci95": [0.6, 0.8]}
    >>> low, same = ({"value": v, "ci95": [v, v], "floor": floor} for v in (0.1, 0.7))
    >>> far_below({"spaces": {"pixels": {"precision": low, "coverage": same}}})
    ["In the space 'pixels', only 10% of the synthetic images lie where training images do; ...]
    """
    if quality is None:
        return []
    sentences = []
    for space, measured in quality["spaces"].items():
        for name, text in FAR_BELOW.items():
            value, floor = measured[name], measured[name]["floor"]
            if value["ci95"][1] < floor["ci95"][0] / 2:
                sentences.append(
                    f"In the space {space!r}, {text.format(value['value'], floor['value'])}"
                )
    return sentences
