"""A card as one HTML page that needs nothing else."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from keras_medaug.assessment.sentences import summarize_quality
from keras_medaug.cards import markup
from keras_medaug.cards.drawing import MOST_CLASSES, MOST_CURVES, curve_names
from keras_medaug.cards.picture import Picture
from keras_medaug.cards.quality_section import quality_section
from keras_medaug.cards.subject import SPLIT_NAMES, numbered

MEANINGS = {
    "AUC of a simple classifier": "The probability that a classifier, asked about a synthetic and "
    "a real image that are new to it, tells which is which: 0.5 is guessing, 1 is always. It sees "
    "statistics such as brightness, contrast and sharpness, and principal components of pixels. A "
    "better classifier may see more.",
    "no difference seen": "Not the same as no difference. With few images intervals are wide, and "
    "all but large differences stay unseen: the tables say how large.",
    "floor": "The same number for real images that training never saw, as many of them. More "
    "cannot be asked of new images. No number here can be compared with one from elsewhere.",
    "kernel distance": "How far means, variances and skews of the features are apart. 0 on average "
    "for images of the same kind, however few, so that it can be below 0.",
    "Fréchet distance": "How far means and covariances are apart. Always above 0, the more so with "
    "few images.",
    "precision, density": "Whether images lie where real ones do. Noise and nonsense lower them; "
    "blur and images that are all alike need not.",
    "recall, coverage": "Whether there is a synthetic image near each real one. Whatever is "
    "missing lowers them.",
    "relative distance": "That of an image to its nearest training image, over the mean of those "
    "to the next ten: near 0 where one training image stands out, near 1 where none does.",
    "suspected copy": "An exact copy, or an image that is much nearer to one training image than "
    "to its next ten, in pixels, after turns, mirrors, brightness and contrast, or in features: "
    "whose relative distance is below the limit in the table.",
    "authentic": "The share of images that are farther from their nearest training image than that "
    "one is from its nearest other. Compare it with that of unseen real images.",
}

STYLE = """
:root { color-scheme: light dark; --line: #bbb; --soft: #f2f2f2; --warn: #fff3d6; --edge: #b25d00 }
@media (prefers-color-scheme: dark) {
  :root { --line: #666; --soft: #2a2a2a; --warn: #3d2c08; --edge: #ffb454 }
}
body {
  font: 1rem/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem;
  overflow-wrap: anywhere
}
h1 { line-height: 1.2; margin-bottom: 0 }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem }
.table { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0 }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left }
th, td { overflow-wrap: break-word }
td.number { text-align: right; font-variant-numeric: tabular-nums }
@media (min-width: 45rem) { td.number { white-space: nowrap } }
thead th { background: var(--soft) }
.warnings { background: var(--warn); border-left: .35rem solid var(--edge); padding: .1rem 1rem }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: end }
figure { margin: 0; flex: 0 1 auto; min-width: 0; max-width: 100% }
.training figure { max-width: 20rem }
.copies figure { max-width: 40rem }
.samples figure, .quality figure { max-width: 30rem }
figcaption { font-size: .9rem }
img { background: white; max-width: 100%; height: auto; display: block }
pre { overflow-x: auto; background: var(--soft); padding: .6rem; font-size: .85rem }
dt { font-weight: 600 }
@media print { figure, tr { break-inside: avoid } body { max-width: none } }
"""


def render(
    card: Mapping[str, Any], pictures: Mapping[str, Sequence[Picture]], show_real: bool = True
) -> str:
    """Return a card as an HTML page.

    Whatever comes from data or users is text on the page, never markup, and the page forbids
    scripts and connections to browsers that read it.

    Args:
        card: What `measure` returned.
        pictures: What `draw` returned.
        show_real: Whether training images are among them.

    Returns:
        The page.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.measuring import measure, plan_stages
    >>> from keras_medaug.cards.page import render
    >>> from keras_medaug.cards.subject import Subject
    >>> from keras_medaug.progress import Progress
    >>> data = kma.datasets.load("phantom", size=8)
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> subject = Subject(model, data, data.val[0], None, 0, True)
    >>> progress = Progress("card", verbose=False)
    >>> plan_stages(progress, data, made=96, steps=5)
    >>> card = measure(subject, ({}, False), {}, {}, 5, True, progress)
    >>> page = render(card, {})
    >>> page.startswith("<!DOCTYPE html>"), "://" in page
    (True, False)
    """
    title = f"Model card: {_kind(card)} trained on {card['data']['name']}"
    root = markup.element("html", _head(title), _body(title, card, pictures, show_real), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def _head(title: str) -> ET.Element:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
    policy += "base-uri 'none'; form-action 'none'"
    return markup.element(
        "head",
        markup.element("meta", charset="utf-8"),
        markup.element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        markup.element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        markup.element("title", title),
        markup.element("style", STYLE),
    )


def _body(
    title: str,
    card: Mapping[str, Any],
    pictures: Mapping[str, Sequence[Picture]],
    show_real: bool,
) -> ET.Element:
    images = card["images"]
    version = card["versions"]["keras_medaug"]
    subtitle = f"{images['count']} synthetic images, looked at by keras-medaug {version}."
    return markup.element(
        "body",
        markup.element(
            "header",
            markup.element("h1", title),
            markup.element("p", subtitle),
        ),
        markup.element(
            "main",
            _first(card, show_real),
            *_about(card["about"]),
            _samples(card, pictures.get("samples", ())),
            quality_section(card, pictures.get("quality", ())),
            _copies(card["copy_audit"], pictures.get("copies", ())),
            *_labels(card),
            _training(card["training"], pictures.get("training", ())),
            _data(card),
            _made(card),
            _meanings(),
        ),
    )


# ---- sections -------------------------------------------------------------------------------


def _first(card: Mapping[str, Any], show_real: bool) -> ET.Element:
    """Return what is to be known before anything else."""
    found = card["warnings"]
    if found:
        count = "One warning" if len(found) == 1 else f"{len(found)} warnings"
        headline = markup.element("p", markup.element("strong", count))
        warnings = markup.element(
            "div", headline, markup.bullets(found), markup.of_class("warnings")
        )
    else:
        text = "No check found what it looks for. This does not show that the images are good."
        warnings = markup.element("p", text)
    summary = markup.element("p", markup.element("strong", card["summary"]))
    notes = []
    if card["quality"] is not None:
        notes = [summarize_quality(card["quality"], card["readings"])]
    if show_real:
        notes.append(
            "This page shows real images, those called training images: give it only to those who "
            "may see them."
        )
    notes += card["notes"]
    return markup.section("Read this first", "first", summary, warnings, markup.bullets(notes))


def _about(about: Mapping[str, str]) -> list[ET.Element]:
    if not about:
        return []
    rows = [part for name, text in about.items() for part in markup.term(name, text)]
    return [markup.section("About", "about", markup.element("dl", *rows))]


def _samples(card: Mapping[str, Any], pictures: Sequence[Picture]) -> ET.Element:
    counts, names = card["images"]["counts"], numbered(card["data"]["class_names"])
    text = "Drawn at random, none picked by hand."
    if counts is not None and len(counts) > MOST_CLASSES:
        text += f" Of {len(counts)} classes, the first {MOST_CLASSES} are shown."
    lacking = [name for name, count in zip(names, counts or [], strict=False) if not count]
    if lacking:
        text += f" There is no synthetic image of: {'; '.join(lacking)}."
    return markup.section("Samples", "samples", markup.element("p", text), markup.figures(pictures))


def _copies(audit: Mapping[str, Any], pictures: Sequence[Picture]) -> ET.Element:
    text = (
        f"{audit['count']} synthetic images, each compared with {audit['training_count']} training "
        f"images. Suspected copies: {audit['suspect_count']}, of these exact copies: "
        f"{audit['exact_copies']}."
    )
    rows = [
        [
            name,
            markup.number(found["nearest"]["median"]),
            markup.number(markup.inside(found["held_out"], "median")),
            markup.percent(found["nearer_than_held_out_01"]),
            markup.number(found["relative"]["min"]),
            markup.number(found["relative"]["limit"]),
            markup.percent(found["authentic"]),
            markup.percent(markup.inside(found["held_out"], "authentic")),
        ]
        for name, found in audit["spaces"].items()
    ]
    heads = [
        "space", "median distance to the nearest training image", "the same of unseen real images",
        "nearer than 99% of these (1% expected)", "least relative distance",
        "limit, below which an image is suspect", "authentic", "the same of unseen real images",
    ]  # fmt: skip
    table = markup.table(
        "Distances to training images", heads, rows, numbers=set(range(1, len(heads)))
    )
    if not pictures:
        text += " The pairs are not shown, since the page is to show no real image."
    return markup.section(
        "Memorization check", "copies", markup.element("p", text), table, markup.figures(pictures)
    )


def _labels(card: Mapping[str, Any]) -> list[ET.Element]:
    labels = card["labels"]
    if labels is None:
        return []
    text = (
        "A classifier fitted to the training split gives its answer a probability of "
        f"{markup.percent(labels['confidence'])}, on average over the synthetic images"
    )
    if labels["held_out_confidence"] is not None:
        text += f", and of {markup.percent(labels['held_out_confidence'])} over unseen real ones"
    text += ". That says nothing of images being good."
    apart = card["checks"]["diversity"]["by_class"]
    counts, fidelity = card["images"]["counts"], labels["fidelity"]
    rows = []
    for number, name in enumerate(numbered(card["data"]["class_names"])):
        rows.append([
            name,
            markup.NONE if counts is None else str(counts[number]),
            str(labels["seen"][number]),
            markup.percent(None if fidelity is None else fidelity["by_class"][number]),
            markup.percent(None if fidelity is None else fidelity["held_out_by_class"][number]),
            markup.number(None if apart is None or number >= len(apart) else apart[number]),
        ])  # fmt: skip
    heads = [
        "class", "synthetic images", "images that the classifier takes for it",
        "of its images, recognised", "of its unseen real images, recognised",
        "distance between two images, over that between two real ones",
    ]  # fmt: skip
    table = markup.table("Classes", heads, rows, numbers={1, 2, 3, 4, 5})
    return [markup.section("Labels", "labels", markup.element("p", text), table)]


def _training(training: Mapping[str, Any] | None, pictures: Sequence[Picture]) -> ET.Element:
    if training is None:
        text = "No history of the training is known."
        return markup.section("Training", "training", markup.element("p", text))
    text = f"{training['epochs']} epochs."
    if training["of"] == "the last fit":
        text += " They are those of the last call of fit; there may have been others before."
    if len(curve_names(training["history"])) > MOST_CURVES:
        text += " Not all curves are drawn; the JSON file has the others."
    return markup.section(
        "Training", "training", markup.element("p", text), markup.figures(pictures)
    )


def _data(card: Mapping[str, Any]) -> ET.Element:
    data, guards = card["data"], card["checks"]
    names = numbered(data["class_names"])
    present = [split for split, counts in data["counts"].items() if sum(counts)]
    rows = [
        [name, *(str(data["counts"][split][number]) for split in present)]
        for number, name in enumerate(names)
    ]
    rows.append(["all", *(str(sum(data["counts"][split])) for split in present)])
    heads = ["class", *(SPLIT_NAMES[split] for split in present)]
    counts = markup.table("Images by class and split", heads, rows, numbers={1, 2, 3})
    found = [
        [SPLIT_NAMES[split], str(each["exact"]), str(each["near"]), str(each["with_another_label"])]
        for split, each in guards["duplicates"].items()
    ]
    heads = ["split", "exact", "exact or nearly so", "with another label"]
    caption = "Images that are in the training split as well, or come a second time in it"
    duplicates = markup.table(caption, heads, found, numbers={1, 2, 3})
    shifts = [
        [
            SPLIT_NAMES[split],
            names[each["class"]],
            *(markup.percent(each[key][each["class"]]) for key in ("shares", "other_shares")),
        ]
        for split, each in guards["prior_shift"].items()
    ]
    heads = ["split", "class that differs most", "share in training", "share in the split"]
    shift = markup.table("How common classes are", heads, shifts, numbers={2, 3})
    height, width, channels = data["image_shape"]
    text = f"{data['name']}: images of {height} by {width} pixels, {channels} channel"
    text += f"{'s' if channels > 1 else ''}. MD5 {data['md5']}."
    return markup.section("Data", "data", markup.element("p", text), counts, duplicates, shift)


def _made(card: Mapping[str, Any]) -> ET.Element:
    model, images = card["model"], card["images"]
    origin = "given to the card by its author"
    if images["generated"]:
        origin = f"made for this card with seed {images['seed']}"
    diversity = card["checks"]["diversity"]["overall"]
    pairs = {
        "Model": f"{model['class']}, {model['name']}",
        "Parameters": f"{model['parameters']:,}"
        if model["parameters"] is not None
        else markup.NONE,
        "of these, by network": ", ".join(f"{k} {n:,}" for k, n in model["networks"].items()),
        "Steps of training": "not known" if model["steps"] is None else str(model["steps"]),
        "Images": f"{images['count']}, {origin}",
        "MD5 of images and labels, in 8 bits": images["md5"],
        "Distance between two images, over that between two real ones": markup.number(diversity),
        "Versions": ", ".join(f"{name} {value}" for name, value in card["versions"].items()),
    }
    rows = [part for name, text in pairs.items() if text for part in markup.term(name, text)]
    settings = {"model": model["config"], "features": card["features"]}
    text = json.dumps(settings, indent=1, ensure_ascii=False)
    details = markup.element(
        "details", markup.element("summary", "All settings"), markup.element("pre", text)
    )
    return markup.section("How they were made", "made", markup.element("dl", *rows), details)


def _meanings() -> ET.Element:
    rows = [part for name, text in MEANINGS.items() for part in markup.term(name, text)]
    return markup.section("What the numbers mean", "meanings", markup.element("dl", *rows))


def _kind(card: Mapping[str, Any]) -> str:
    return str(card["model"]["class"]).rpartition(">")[2]
