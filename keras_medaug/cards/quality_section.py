"""The section of the card's page that compares the images with real ones."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from keras_medaug.assessment.readings import BETTER
from keras_medaug.cards import markup
from keras_medaug.cards.picture import Picture
from keras_medaug.cards.subject import SPLIT_NAMES, numbered
from keras_medaug.metrics.quality import FEWEST

TITLES = {
    "kernel": "kernel distance (KID)",
    "frechet": "Fréchet distance (FID)",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
}
ARROWS = {"less": "\u2193", "more": "\u2191"}
READINGS = {
    "same": "no difference seen",
    "worse": "worse than unseen real images",
    "better": "better than unseen real images, which is no merit",
}
BY_CLASS = ("kernel", "precision", "coverage")


def quality_section(card: Mapping[str, Any], pictures: Sequence[Picture]) -> ET.Element:
    """Return the section.

    Args:
        card: What `measure` returned.
        pictures: The charts.

    Returns:
        The element.

    Example:

    >>> from xml.etree import ElementTree as ET
    >>> from keras_medaug.cards.quality_section import quality_section
    >>> card = {"quality": None, "two_sample": None, "summary": "So.", "sharpness": None}
    >>> section = quality_section(card, [])
    >>> [part.text for part in section]
    ['Beside real images', 'So.', 'Distances were not measured; see above.']
    """
    told_apart = _two_sample_table(card) or [markup.element("p", card["summary"])]
    told_apart += _sharpness(card["sharpness"])
    quality = card["quality"]
    if quality is None:
        unmeasured = markup.element("p", "Distances were not measured; see above.")
        return markup.section("Beside real images", "quality", *told_apart, unmeasured)
    text = (
        f"{quality['count']} synthetic images, no more than there are held-out ones (the kernel "
        f"distance takes all {quality['counts'][0]}), against {quality['training_count']} training "
        f"images. The floor is what real images of the {_splits(card)} split get, which training "
        "never saw. In brackets, 95% intervals. \u2193 less is better, \u2191 more is better. A "
        "number is called worse once the two intervals part: the last column says from which value "
        "on that would have been."
    )
    tables = [
        _table(name, measured, card["readings"][name], card["features"][name])
        for name, measured in quality["spaces"].items()
    ]
    return markup.section(
        "Beside real images", "quality", *told_apart, markup.element("p", text), *tables,
        markup.figures(pictures), *_by_class(quality, card["data"]["class_names"]),
    )  # fmt: skip


def _splits(card: Mapping[str, Any]) -> str:
    return " and ".join(SPLIT_NAMES[split] for split in card["held_out"]["splits"])


def _two_sample_table(card: Mapping[str, Any]) -> list[ET.Element]:
    found = card["two_sample"]
    if found is None:
        return []
    sides = {"synthetic images from training images": found}
    if found["reference"] is not None:
        sides[f"held-out images ({_splits(card)} split) from training images"] = found["reference"]
    rows = [
        [
            name,
            str(side["count"]),
            f"{side['auc']:.2f} [{side['ci95'][0]:.2f}, {side['ci95'][1]:.2f}]",
            f"{side['detectable']:.2f}",
        ]
        for name, side in sides.items()
    ]
    heads = ["a classifier tells", "images of each kind", "AUC", "smallest AUC that would show"]
    return [markup.table("Classifier two-sample test", heads, rows, numbers={1, 2, 3})]


def _sharpness(sharpness: Mapping[str, Any] | None) -> list[ET.Element]:
    if sharpness is None:
        return []
    text = (
        "Sharpness: at high spatial frequencies the synthetic images have "
        f"{sharpness['high_frequency_ratio']:.2f} times the power of training images"
    )
    if sharpness["reference"] is not None:
        ratio = sharpness["reference"]["high_frequency_ratio"]
        text += f"; unseen real images have {ratio:.2f} times that power"
    return [markup.element("p", f"{text}. Below 1 is blur, above 1 is noise.")]


def _table(
    name: str,
    measured: Mapping[str, Any],
    readings: Mapping[str, Mapping[str, Any]],
    extractor: Mapping[str, Any],
) -> ET.Element:
    rows = [
        [
            f"{TITLES[key]} {ARROWS[BETTER[key]]}",
            markup.with_interval(measured[key]),
            markup.with_interval(measured[key]["floor"]),
            READINGS[read["reading"]],
            _worse_from(read, BETTER[key]),
        ]
        for key, read in readings.items()
    ]
    heads = ["number", "synthetic", "unseen real (floor)", "reading", "would be called worse"]
    caption = f"In the space {name!r}: {extractor['kind']}"
    return markup.table(caption, heads, rows, numbers={1, 2})


def _worse_from(read: Mapping[str, Any], better: str) -> str:
    """Return from which value on a number would be called worse, and how far that is."""
    side = "above" if better == "less" else "below"
    value = "at no value"
    if read["worse_from"] is not None:
        value = f"{side} {markup.number(read['worse_from'])}"
    return f"{value} (a difference of {markup.number(read['smallest_difference'])})"


def _by_class(quality: Mapping[str, Any], names: Sequence[str]) -> list[ET.Element]:
    """Return a table of the classes that have enough images, and one line for all others."""
    if quality["classes"] is None:
        return []
    rows, few = [], []
    for label, name in enumerate(numbered(names)):
        found = quality["classes"].get(str(label))
        if found is None:
            few.append(name)
            continue
        rows += [
            [name, space, *(_beside_floor(measured[key]) for key in BY_CLASS)]
            for space, measured in found["spaces"].items()
        ]
    parts = []
    if rows:
        heads = ["class", "space", *(TITLES[key] for key in BY_CLASS)]
        caption = "By class, in brackets the floor"
        parts.append(markup.table(caption, heads, rows, numbers={2, 3, 4}))
    if few:
        which = "any class" if not rows else f"class {few[0]}"
        if rows and len(few) > 1:
            which = f"{len(few)} classes ({'; '.join(few)})"
        text = (
            f"Too few images to compare {which} alone: that takes {FEWEST} synthetic, training "
            "and held-out images of the class."
        )
        parts.append(markup.element("p", text))
    return parts


def _beside_floor(value: Mapping[str, Any]) -> str:
    return f"{markup.number(value['value'])} ({markup.number(value['floor']['value'])})"
