"""A card as one HTML page that needs nothing else: what the template is filled with."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_medaug.cards.figures import MOST_CLASSES, MOST_CURVES, curve_names
from keras_medaug.cards.picture import Picture
from keras_medaug.cards.sentences import summarize_quality
from keras_medaug.cards.subject import SPLIT_NAMES, numbered
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.quality import FEWEST
from keras_medaug.metrics.registry import metrics

TEMPLATE = "page.html.jinja"
NONE = "-"
ARROWS = {"less": "\u2193", "more": "\u2191"}
READINGS = {
    "same": "no difference seen",
    "worse": "worse than unseen real images",
    "better": "better than unseen real images, which is no merit",
}
BY_CLASS = ("kernel", "precision", "coverage")  # what the table of classes has room for
BEFORE_METRICS = {
    "AUC of a simple classifier": "The probability that a classifier, asked about a synthetic and "
    "a real image that are new to it, tells which is which: 0.5 is guessing, 1 is always. It sees "
    "statistics such as brightness, contrast and sharpness, and principal components of pixels. A "
    "better classifier may see more.",
    "no difference seen": "Not the same as no difference. With few images intervals are wide, and "
    "all but large differences stay unseen: the tables say how large.",
    "reference value": "The same number for real images that training never saw, as many of them. "
    "More cannot be asked of new images. No number here can be compared with one from elsewhere.",
}
AFTER_METRICS = {
    "relative distance": "That of an image to its nearest training image, over the mean of those "
    "to the next ten: near 0 where one training image stands out, near 1 where none does.",
    "suspected copy": "An exact copy, or an image that is much nearer to one training image than "
    "to its next ten, in pixels, after rotations, flips, brightness and contrast, or in features: "
    "whose relative distance is below the limit in the table.",
    "authentic": "The fraction of images that are farther from their nearest training image than "
    "that one is from its nearest other. Compare it with that of unseen real images.",
}

Row = list[str]


def render(
    card: Mapping[str, Any], pictures: Mapping[str, Sequence[Picture]], show_real: bool = True
) -> str:
    """Return a card as an HTML page.

    Whatever comes from data or users is text on the page, never markup, and the page forbids
    scripts and connections to browsers that read it.

    Args:
        card: What `write_content` returned.
        pictures: What `draw` returned.
        show_real: Whether training images are among them.

    Returns:
        The page.

    Raises:
        ImportError: If Jinja2 is not installed.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.content import write_content
    >>> from keras_medaug.cards.page import render
    >>> from keras_medaug.cards.stages import plan_stages
    >>> from keras_medaug.cards.subject import Subject
    >>> from keras_medaug.progress import Progress
    >>> data = kma.datasets.load("phantom", size=8)
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> subject = Subject(model, data, data.val[0], None, 0, True)
    >>> progress = Progress("card", verbose=False)
    >>> plan_stages(progress, data, made=96, steps=5)
    >>> card = write_content(subject, ({}, False), {}, {}, 5, True, progress)
    >>> page = render(card, {})
    >>> page.startswith("<!DOCTYPE html>"), "://" in page
    (True, False)
    """
    quality, names = card["quality"], numbered(card["class_names"])
    known = metrics()
    by_class, few_classes = _by_class(quality, names)
    return template().render(
        card=card,
        pictures={
            name: pictures.get(name, ()) for name in ("samples", "quality", "copies", "training")
        },
        show_real=show_real,
        kind=str(card["model"]["class"]).rpartition(">")[2],
        quality_summary=quality and summarize_quality(quality, card["readings"]),
        lacking=[
            name
            for name, count in zip(names, card["images"]["counts"] or [], strict=False)
            if not count
        ],
        most_classes=MOST_CLASSES,
        held_out_splits=_held_out_splits(card),
        splits=[SPLIT_NAMES[split] for split in _present(card)],
        tables={
            "two_sample": _two_sample(card),
            "spaces": _spaces(card, known),
            "by_class": by_class,
            "copies": _copies(card["copy_audit"]),
            "labels": _labels(card, names),
            "counts": _counts(card, names),
            "duplicates": _duplicates(card["checks"]["duplicates"]),
            "shifts": _shifts(card["checks"]["prior_shift"], names),
        },
        by_class_titles=[known[name].title for name in BY_CLASS],
        few_classes=few_classes,
        fewest=FEWEST,
        more_curves=_curves(card["training"]) > MOST_CURVES,
        origins=list(_origins(card)),
        settings=json.dumps(
            {"model": card["model"]["config"], "features": card["features"]},
            indent=1, ensure_ascii=False,
        ),
        meanings=meanings(known),
    )  # fmt: skip


def template() -> Any:
    """Return the template of the page, in which a name that is lacking is an error.

    Returns:
        A template of Jinja2.

    Raises:
        ImportError: If Jinja2 is not installed.

    Example:

    >>> from keras_medaug.cards.page import template
    >>> template().name
    'page.html.jinja'
    """
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            'keras_medaug.model_card needs Jinja2: pip install "keras-medaug[study]"'
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_medaug", "cards"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "quoted": repr, "sha256": _sha256}
    return environment.get_template(TEMPLATE)


def meanings(known: Mapping[str, Metric]) -> list[tuple[str, str]]:
    """Return what the numbers mean, metrics of one meaning together.

    Args:
        known: The registered metrics.

    Returns:
        Terms and descriptions.

    Example:

    >>> from keras_medaug.cards.page import meanings
    >>> from keras_medaug.metrics.registry import metrics
    >>> [term for term, _ in meanings(metrics())][3:6]
    ['kernel distance (KID)', 'Fréchet distance (FID)', 'precision, density']
    """
    titles: dict[str, list[str]] = {}
    for metric in known.values():
        if metric.space == "features":
            titles.setdefault(metric.caption, []).append(metric.title)
    of_metrics = [(", ".join(named), caption) for caption, named in titles.items()]
    return [*BEFORE_METRICS.items(), *of_metrics, *AFTER_METRICS.items()]


# ---- tables ---------------------------------------------------------------------------------


def _two_sample(card: Mapping[str, Any]) -> list[Row]:
    test = card["two_sample"]
    if test is None:
        return []
    sides = {"synthetic images from training images": test}
    if test["reference"] is not None:
        name = f"held-out images ({_held_out_splits(card)} split) from training images"
        sides[name] = test["reference"]
    return [
        [
            name,
            str(side["count"]),
            f"{side['auc']:.2f} [{side['ci95'][0]:.2f}, {side['ci95'][1]:.2f}]",
            f"{side['detectable']:.2f}",
        ]
        for name, side in sides.items()
    ]


def _spaces(card: Mapping[str, Any], known: Mapping[str, Metric]) -> dict[str, list[Row]]:
    """Return, for each space, a row for each registered metric that was measured in it."""
    if card["quality"] is None:
        return {}
    return {
        space: [
            [
                f"{known[name].title} {ARROWS[known[name].direction]}",
                with_interval(measured[name]),
                with_interval(measured[name]["floor"]),
                READINGS[reading["reading"]],
                _worse_from(reading, known[name].direction),
            ]
            for name, reading in card["readings"][space].items()
        ]
        for space, measured in card["quality"]["spaces"].items()
    }


def _worse_from(reading: Mapping[str, Any], direction: str) -> str:
    """Return from which value on a number would be called worse, and how far that is."""
    side = "above" if direction == "less" else "below"
    value = "at no value"
    if reading["worse_from"] is not None:
        value = f"{side} {number(reading['worse_from'])}"
    return f"{value} (a difference of {number(reading['smallest_difference'])})"


def _by_class(quality: Mapping[str, Any] | None, names: Sequence[str]) -> tuple[list[Row], str]:
    """Return rows of the classes that have enough images, and which ones have not."""
    if quality is None or quality["classes"] is None:
        return [], ""
    rows, few = [], []
    for label, name in enumerate(names):
        of_class = quality["classes"].get(str(label))
        if of_class is None:
            few.append(name)
            continue
        rows += [
            [name, space, *(_beside_reference(measured[key]) for key in BY_CLASS)]
            for space, measured in of_class["spaces"].items()
        ]
    if not few:
        return rows, ""
    if not rows:
        return rows, "any class"
    return rows, f"class {few[0]}" if len(few) == 1 else f"{len(few)} classes ({'; '.join(few)})"


def _beside_reference(value: Mapping[str, Any]) -> str:
    return f"{number(value['value'])} ({number(value['floor']['value'])})"


def _copies(audit: Mapping[str, Any]) -> list[Row]:
    rows = []
    for name, space in audit["spaces"].items():
        held_out = space["held_out"] or {"median": None, "authentic": None}
        rows.append([
            name,
            number(space["nearest"]["median"]),
            number(held_out["median"]),
            percent(space["nearer_than_held_out_01"]),
            number(space["relative"]["min"]),
            number(space["relative"]["limit"]),
            percent(space["authentic"]),
            percent(held_out["authentic"]),
        ])  # fmt: skip
    return rows


def _labels(card: Mapping[str, Any], names: Sequence[str]) -> list[Row]:
    labels, counts = card["labels"], card["images"]["counts"]
    if labels is None:
        return []
    fidelity, apart = labels["fidelity"], card["checks"]["diversity"]["by_class"]
    return [
        [
            name,
            NONE if counts is None else str(counts[label]),
            str(labels["seen"][label]),
            percent(None if fidelity is None else fidelity["by_class"][label]),
            percent(None if fidelity is None else fidelity["held_out_by_class"][label]),
            number(None if apart is None or label >= len(apart) else apart[label]),
        ]
        for label, name in enumerate(names)
    ]


def _counts(card: Mapping[str, Any], names: Sequence[str]) -> list[Row]:
    counts, present = card["source"]["counts"], _present(card)
    rows = [
        [name, *(str(counts[split][label]) for split in present)]
        for label, name in enumerate(names)
    ]
    return [*rows, ["all", *(str(sum(counts[split])) for split in present)]]


def _duplicates(duplicates: Mapping[str, Any]) -> list[Row]:
    return [
        [SPLIT_NAMES[split], *(str(check[key]) for key in ("exact", "near", "with_another_label"))]
        for split, check in duplicates.items()
    ]


def _shifts(shifts: Mapping[str, Any], names: Sequence[str]) -> list[Row]:
    return [
        [
            SPLIT_NAMES[split],
            names[shift["class"]],
            *(percent(shift[key][shift["class"]]) for key in ("shares", "other_shares")),
        ]
        for split, shift in shifts.items()
    ]


def _origins(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what the model, its images and the card were made with."""
    model, images = card["model"], card["images"]
    origin = "given to the card by its author"
    if images["generated"]:
        origin = f"made for this card with seed {images['seed']}"
    yield "Model", f"{model['class']}, {model['name']}"
    yield "Parameters", NONE if model["parameters"] is None else f"{model['parameters']:,}"
    if model["networks"]:
        sizes = [f"{name} {count:,}" for name, count in model["networks"].items()]
        yield "of these, by network", ", ".join(sizes)
    yield "Steps of training", "not known" if model["steps"] is None else str(model["steps"])
    yield "Images", f"{images['count']}, {origin}"
    yield "MD5 of images and labels, in 8 bits", images["md5"]
    apart = card["checks"]["diversity"]["overall"]
    yield "Distance between two images, over that between two real ones", number(apart)
    versions = {**card["versions"], "device": card["device"], "dtype": card["dtype"]}
    yield "Versions", ", ".join(f"{name} {value}" for name, value in versions.items())


def _curves(training: Mapping[str, Any] | None) -> int:
    return 0 if training is None else len(curve_names(training["history"]))


def _present(card: Mapping[str, Any]) -> list[str]:
    """Return the splits that there are."""
    return [split for split, counts in card["source"]["counts"].items() if sum(counts)]


def _held_out_splits(card: Mapping[str, Any]) -> str:
    return " and ".join(SPLIT_NAMES[split] for split in card["held_out"]["splits"])


# ---- numbers --------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Return a number with three digits.

    Example:

    >>> from keras_medaug.cards.page import number
    >>> number(0.12345), number(None)
    ('0.123', '-')
    """
    return NONE if value is None else f"{value:.3g}"


def percent(value: float | None) -> str:
    """Return a fraction in percent.

    Example:

    >>> from keras_medaug.cards.page import percent
    >>> percent(0.5)
    '50.0%'
    """
    return NONE if value is None else f"{value:.1%}"


def with_interval(value: Mapping[str, Any]) -> str:
    """Return a value and its interval.

    Example:

    >>> from keras_medaug.cards.page import with_interval
    >>> with_interval({"value": 0.5, "ci95": [0.4, 0.6]})
    '0.5 [0.4, 0.6]'
    """
    low, high = value["ci95"]
    return f"{number(value['value'])} [{number(low)}, {number(high)}]"


def _sha256(text: str) -> str:
    """Return the hash by which a page's policy lets a style through."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
