"""What the memorization check says, in sentences for provenance records and model cards."""

from collections.abc import Mapping
from typing import Any

DRAWN = "the memorization check lists them, and `plotting.nearest_pairs` draws them"
NOT_ANONYMOUS = "A synthetic set is no anonymisation: it can give away what it was made from."
SCOPE = (
    "The memorization check sees most copies that are flipped, rotated by quarter turns or by up "
    "to 10 degrees, shifted by up to a tenth of the side, inverted, or of another brightness or "
    "contrast. It sees copies with noise, unless the set holds second views of one tissue. It does "
    "not see crops, scaled copies, copies of a part, or copies that are shifted or rotated further."
)
MANY_UNIFORM = 0.05  # fraction of the images, above which uniform ones are worth a warning
EXCESS = 4  # standard errors, beyond which more near copies than of held-out images are no chance
FEW_HELD_OUT = 100  # images, below which their 1% quantile is hardly more than the nearest one


def audit_notes(audit: Mapping[str, Any]) -> list[str]:
    """Return all that a reader of a memorization check has to know.

    Args:
        audit: What `copy_audit` returned.

    Returns:
        Sentences, warnings first.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.metrics.audit_sentences import audit_notes
    >>> x = kma.datasets.load("phantom", size=8).train[0]
    >>> audit_notes(kma.metrics.copy_audit(x[:2], x))[0]
    '2 of 2 images are exact copies of training images.'
    """
    return [*audit_warnings(audit), *audit_remarks(audit)]


def audit_warnings(audit: Mapping[str, Any], where: str = DRAWN) -> list[str]:
    """Return what a memorization check found that should not be.

    Args:
        audit: What `copy_audit` returned.
        where: Where suspected copies can be seen.

    Returns:
        Sentences.

    Example:

    >>> from keras_medaug.metrics.audit_sentences import audit_warnings
    >>> audit_warnings({
    ...     "suspect_count": 0, "exact_copies": 2, "uniform": 0, "count": 30,
    ...     "spaces": {"pixels": {"held_out": None}},
    ... })
    ['2 of 30 images are exact copies of training images.']
    """
    count, total = audit["suspect_count"], audit["count"]
    sentences = []
    if audit["exact_copies"]:
        sentences.append(
            f"{audit['exact_copies']} of {total} images are exact copies of training images."
        )
    if count:
        sentences.append(
            f"Suspected copies: {count} of {total} images, each much nearer to one training image "
            f"than to the next ones. Look at them: {where}."
        )
    if audit["uniform"] > MANY_UNIFORM * total:
        sentences.append(
            f"{audit['uniform']} of {total} images are uniform. The memorization check did not "
            "compare them with training images."
        )
    excess = _excess(audit)
    if excess is not None:
        sentences.append(excess)
    return sentences


def _excess(audit: Mapping[str, Any]) -> str | None:
    """Return a sentence where far more images than held-out ones are near copies."""
    held_out = audit["spaces"]["pixels"]["held_out"]
    if held_out is None:
        return None
    count, other_count = audit["count"], held_out["count"]
    relatives = [numbers["relative"] for numbers in audit["spaces"].values()]
    pairs = [
        (relative["near_copies"], relative["held_out"]["near_copies"])
        for relative in relatives
        if relative["near_copies"] is not None
    ]
    near, other = max(pairs, key=lambda pair: pair[0] / count - pair[1] / other_count)
    overall = (near + other) / (count + other_count)
    error = (overall * (1 - overall) * (1 / count + 1 / other_count)) ** 0.5
    if near / count - other / other_count <= EXCESS * error or near <= audit["suspect_count"]:
        return None
    return (
        f"{near} of {count} images are near copies of a training image, and {other} of "
        f"{other_count} held-out images: more than chance explains."
    )


def audit_remarks(audit: Mapping[str, Any]) -> list[str]:
    """Return what a reader of a memorization check has to know beside its warnings.

    Args:
        audit: What `copy_audit` returned.

    Returns:
        Sentences.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.metrics.audit_sentences import audit_remarks
    >>> x = kma.datasets.load("phantom", size=8).train[0]
    >>> audit_remarks(kma.metrics.copy_audit(x[:9], x[9:]))[-1]
    'There are no held-out images: how near is too near is not known.'
    """
    notes = []
    if audit["uniform"]:
        notes.append(f"{audit['uniform']} images are uniform: they were not compared.")
    if not audit["suspect_count"] and audit["uniform"] < audit["count"]:
        which = "No image" if not audit["uniform"] else "Of the others none"
        notes.append(f"{which} is so near to one training image that it stands out as a copy.")
    pixels = audit["spaces"]["pixels"]
    if pixels["held_out"] is None:
        notes.append("There are no held-out images: how near is too near is not known.")
        return notes
    count = pixels["held_out"]["count"]
    near_counts = [
        numbers["relative"]["held_out"]["near_copies"] for numbers in audit["spaces"].values()
    ]
    near = max(near_count for near_count in near_counts if near_count is not None)
    if near:
        notes.append(
            f"{near} of {count} held-out images are near copies of training images: fractions that "
            "are measured by them come out too low, and only what is nearer than these is suspect."
        )
    if count < FEW_HELD_OUT:
        notes.append(
            f"There are only {count} held-out images: how near is too near is hardly known."
        )
        return notes
    notes.append(
        f"{pixels['nearer_than_held_out_01']:.1%} of the images are nearer to a training image, "
        "pixel by pixel, than 99% of the held-out real images are; relative to the next nearest "
        f"ones it is {pixels['relative']['nearer_than_held_out_01']:.1%}. New real images would "
        "have about 1%; more can mean copies, or blur, which raises the first fraction most."
    )
    return notes
