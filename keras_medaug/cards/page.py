"""A card as one HTML page that needs nothing else."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from keras_medaug.cards.drawing import MOST_CLASSES, MOST_CURVES, curve_names
from keras_medaug.cards.picture import Picture
from keras_medaug.cards.subject import SPLIT_NAMES, numbered

# Of each number: how it is called, and whether less or more of it is better.
MEASURES = {
    "kernel": ("kernel distance (KID)", "less"),
    "frechet": ("Fréchet distance (FID)", "less"),
    "precision": ("precision", "more"),
    "recall": ("recall", "more"),
    "density": ("density", "more"),
    "coverage": ("coverage", "more"),
}
MEANINGS = {
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
ARROWS = {"less": "\u2193", "more": "\u2191"}
READINGS = {
    "same": "no difference seen",
    "worse": "worse than unseen real images",
    "better": "better than unseen real images, which is no merit",
}
NONE = "-"

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
    root = _element("html", _head(title), _body(title, card, pictures, show_real), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def _head(title: str) -> ET.Element:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
    policy += "base-uri 'none'; form-action 'none'"
    return _element(
        "head",
        _element("meta", charset="utf-8"),
        _element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _element("title", title),
        _element("style", STYLE),
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
    return _element(
        "body",
        _element(
            "header",
            _element("h1", title),
            _element("p", subtitle),
        ),
        _element(
            "main",
            _first(card, show_real),
            *_about(card["about"]),
            _samples(card, pictures.get("samples", ())),
            _quality(card, pictures.get("quality", ())),
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
        headline = _element("p", _element("strong", count))
        warnings = _element("div", headline, _list(found), _class("warnings"))
    else:
        text = "No guard found what it looks for. That does not say that the images are good."
        warnings = _element("p", text)
    notes = [] if card["quality"] is None else [_summary(card["quality"])]
    if show_real:
        notes.append(
            "This page shows real images, those called training images: give it only to those who "
            "may see them."
        )
    return _section("Read this first", "first", warnings, _list([*notes, *card["notes"]]))


def _about(about: Mapping[str, str]) -> list[ET.Element]:
    if not about:
        return []
    rows = [part for name, text in about.items() for part in _pair(name, text)]
    return [_section("About", "about", _element("dl", *rows))]


def _samples(card: Mapping[str, Any], pictures: Sequence[Picture]) -> ET.Element:
    counts, names = card["images"]["counts"], numbered(card["data"]["class_names"])
    text = "Drawn at random, none picked by hand."
    if counts is not None and len(counts) > MOST_CLASSES:
        text += f" Of {len(counts)} classes, the first {MOST_CLASSES} are shown."
    lacking = [name for name, count in zip(names, counts or [], strict=False) if not count]
    if lacking:
        text += f" There is no synthetic image of: {'; '.join(lacking)}."
    return _section("Samples", "samples", _element("p", text), _pictures(pictures))


def _quality(card: Mapping[str, Any], pictures: Sequence[Picture]) -> ET.Element:
    quality = card["quality"]
    if quality is None:
        return _section("Beside real images", "quality", _element("p", "Not measured; see above."))
    splits = " and ".join(SPLIT_NAMES[split] for split in card["held_out"]["splits"])
    text = (
        f"{quality['count']} synthetic images, no more than there are held-out ones, against "
        f"{quality['training_count']} training images. "
        f"The floor is what as many real images of the {splits} split get, which training never "
        "saw. In brackets, 95% intervals. \u2193 less is better, \u2191 more is better."
    )
    tables = [
        _quality_table(name, measured, card["features"][name])
        for name, measured in quality["spaces"].items()
    ]
    return _section(
        "Beside real images", "quality", _element("p", text), *tables, _pictures(pictures),
        *_by_class(quality, card["data"]["class_names"]),
    )  # fmt: skip


def _quality_table(
    name: str, measured: Mapping[str, Any], extractor: Mapping[str, Any]
) -> ET.Element:
    rows = []
    for key, (title, better) in MEASURES.items():
        value = measured[key]
        rows.append([
            f"{title} {ARROWS[better]}", _with_interval(value), _with_interval(value["floor"]),
            READINGS[_reading(value, better)],
        ])  # fmt: skip
    return _table(
        f"In the space {name!r}: {extractor['kind']}",
        ["number", "synthetic", "unseen real (floor)", "reading"],
        rows,
        numbers={1, 2},
    )


def _reading(value: Mapping[str, Any], better: str) -> str:
    """Return how a number compares with its floor, by their intervals."""
    low, high = value["ci95"]
    floor_low, floor_high = value["floor"]["ci95"]
    if low <= floor_high and floor_low <= high:
        return "same"
    return "worse" if (low > floor_high) == (better == "less") else "better"


def _summary(quality: Mapping[str, Any]) -> str:
    """Return in a sentence how all numbers compare with their floors."""
    found = [
        _reading(measured[key], better)
        for measured in quality["spaces"].values()
        for key, (_, better) in MEASURES.items()
    ]
    return (
        f"Of {len(found)} numbers that compare synthetic images with real ones, worse than those "
        f"of unseen real images: {found.count('worse')}; no different: {found.count('same')}; "
        f"better: {found.count('better')}."
    )


def _by_class(quality: Mapping[str, Any], names: Sequence[str]) -> list[ET.Element]:
    if quality["classes"] is None:
        return []
    keys = ("kernel", "precision", "coverage")
    rows = []
    for number, name in enumerate(numbered(names)):
        found = quality["classes"].get(str(number))
        if found is None:
            rows.append([name, "", *["too few images"] * len(keys)])
            continue
        rows += [
            [
                name,
                space,
                *(f"{_number(m[k]['value'])} ({_number(m[k]['floor']['value'])})" for k in keys),
            ]
            for space, m in found["spaces"].items()
        ]
    heads = ["class", "space", *(MEASURES[key][0] for key in keys)]
    return [_table("By class, in brackets the floor", heads, rows, numbers={2, 3, 4})]


def _copies(audit: Mapping[str, Any], pictures: Sequence[Picture]) -> ET.Element:
    text = (
        f"{audit['count']} synthetic images, each compared with {audit['training_count']} training "
        f"images. Suspected copies: {audit['suspect_count']}, of these exact copies: "
        f"{audit['exact_copies']}."
    )
    rows = [
        [
            name,
            _number(found["nearest"]["median"]),
            _number(_inside(found["held_out"], "median")),
            _share(found["nearer_than_held_out_01"]),
            _number(found["relative"]["min"]),
            _number(found["relative"]["limit"]),
            _share(found["authentic"]),
            _share(_inside(found["held_out"], "authentic")),
        ]
        for name, found in audit["spaces"].items()
    ]
    heads = [
        "space", "median distance to the nearest training image", "the same of unseen real images",
        "nearer than 99% of these (1% expected)", "least relative distance",
        "limit, below which an image is suspect", "authentic", "the same of unseen real images",
    ]  # fmt: skip
    table = _table("Distances to training images", heads, rows, numbers=set(range(1, len(heads))))
    if not pictures:
        text += " The pairs are not shown, since the page is to show no real image."
    return _section("Copy audit", "copies", _element("p", text), table, _pictures(pictures))


def _labels(card: Mapping[str, Any]) -> list[ET.Element]:
    labels = card["labels"]
    if labels is None:
        return []
    text = (
        "A classifier fitted to the training split gives its answer a probability of "
        f"{_share(labels['confidence'])}, on average over the synthetic images"
    )
    if labels["held_out_confidence"] is not None:
        text += f", and of {_share(labels['held_out_confidence'])} over unseen real ones"
    text += ". That says nothing of images being good."
    apart = card["guards"]["diversity"]["by_class"]
    counts, fidelity = card["images"]["counts"], labels["fidelity"]
    rows = []
    for number, name in enumerate(numbered(card["data"]["class_names"])):
        rows.append([
            name,
            NONE if counts is None else str(counts[number]),
            str(labels["seen"][number]),
            NONE if fidelity is None else _share(fidelity["by_class"][number]),
            NONE if fidelity is None else _share(fidelity["held_out_by_class"][number]),
            NONE if apart is None else _number(apart[number] if number < len(apart) else None),
        ])  # fmt: skip
    heads = [
        "class", "synthetic images", "images that the classifier takes for it",
        "of its images, recognised", "of its unseen real images, recognised",
        "distance between two images, over that between two real ones",
    ]  # fmt: skip
    table = _table("Classes", heads, rows, numbers={1, 2, 3, 4, 5})
    return [_section("Labels", "labels", _element("p", text), table)]


def _training(training: Mapping[str, Any] | None, pictures: Sequence[Picture]) -> ET.Element:
    if training is None:
        text = "No history of the training is known."
        return _section("Training", "training", _element("p", text))
    text = f"{training['epochs']} epochs."
    if training["of"] == "the last fit":
        text += " They are those of the last call of fit; there may have been others before."
    if len(curve_names(training["history"])) > MOST_CURVES:
        text += " Not all curves are drawn; the JSON file has the others."
    return _section("Training", "training", _element("p", text), _pictures(pictures))


def _data(card: Mapping[str, Any]) -> ET.Element:
    data, guards = card["data"], card["guards"]
    names = numbered(data["class_names"])
    present = [split for split, counts in data["counts"].items() if sum(counts)]
    rows = [
        [name, *(str(data["counts"][split][number]) for split in present)]
        for number, name in enumerate(names)
    ]
    rows.append(["all", *(str(sum(data["counts"][split])) for split in present)])
    heads = ["class", *(SPLIT_NAMES[split] for split in present)]
    counts = _table("Images by class and split", heads, rows, numbers={1, 2, 3})
    found = [
        [SPLIT_NAMES[split], str(each["exact"]), str(each["near"]), str(each["with_another_label"])]
        for split, each in guards["duplicates"].items()
    ]
    heads = ["split", "exact", "exact or nearly so", "with another label"]
    caption = "Images that are in the training split as well, or come a second time in it"
    duplicates = _table(caption, heads, found, numbers={1, 2, 3})
    shifts = [
        [SPLIT_NAMES[split], names[each["class"]],
         _share(each["shares"][each["class"]]), _share(each["other_shares"][each["class"]])]
        for split, each in guards["prior_shift"].items()
    ]  # fmt: skip
    heads = ["split", "class that differs most", "share in training", "share in the split"]
    shift = _table("How common classes are", heads, shifts, numbers={2, 3})
    height, width, channels = data["image_shape"]
    text = f"{data['name']}: images of {height} by {width} pixels, {channels} channel"
    text += f"{'s' if channels > 1 else ''}. MD5 {data['md5']}."
    return _section("Data", "data", _element("p", text), counts, duplicates, shift)


def _made(card: Mapping[str, Any]) -> ET.Element:
    model, images = card["model"], card["images"]
    origin = "given to the card by its author"
    if images["generated"]:
        origin = f"made for this card with seed {images['seed']}"
    diversity = card["guards"]["diversity"]["overall"]
    pairs = {
        "Model": f"{model['class']}, {model['name']}",
        "Parameters": f"{model['parameters']:,}" if model["parameters"] is not None else NONE,
        "of these, by network": ", ".join(f"{k} {n:,}" for k, n in model["networks"].items()),
        "Steps of training": "not known" if model["steps"] is None else str(model["steps"]),
        "Images": f"{images['count']}, {origin}",
        "MD5 of images and labels, in 8 bits": images["md5"],
        "Distance between two images, over that between two real ones": _number(diversity),
        "Versions": ", ".join(f"{name} {value}" for name, value in card["versions"].items()),
    }
    rows = [part for name, text in pairs.items() if text for part in _pair(name, text)]
    settings = {"model": model["config"], "features": card["features"]}
    text = json.dumps(settings, indent=1, ensure_ascii=False)
    details = _element("details", _element("summary", "All settings"), _element("pre", text))
    return _section("How they were made", "made", _element("dl", *rows), details)


def _meanings() -> ET.Element:
    rows = [part for name, text in MEANINGS.items() for part in _pair(name, text)]
    return _section("What the numbers mean", "meanings", _element("dl", *rows))


# ---- elements -------------------------------------------------------------------------------


def _element(
    tag: str, *children: "ET.Element | str | dict[str, str]", **attributes: str
) -> ET.Element:
    """Return an element; strings among the children are text, a dictionary is attributes."""
    element = ET.Element(tag, attributes)
    for child in children:
        if isinstance(child, dict):
            element.attrib.update(child)
        elif isinstance(child, str):
            element.text = (element.text or "") + child
        else:
            element.append(child)
    return element


def _class(name: str) -> dict[str, str]:
    return {"class": name}


def _section(title: str, name: str, *parts: ET.Element) -> ET.Element:
    heading = _element("h2", title, id=f"{name}-title")
    labelled = {"class": name, "id": name, "aria-labelledby": f"{name}-title"}
    return _element("section", heading, *parts, labelled)


def _list(items: Iterable[str]) -> ET.Element:
    return _element("ul", *(_element("li", item) for item in items))


def _pair(name: str, text: str) -> tuple[ET.Element, ET.Element]:
    return _element("dt", name), _element("dd", text)


def _pictures(pictures: Sequence[Picture]) -> ET.Element:
    figures = [
        _element(
            "figure",
            _element("img", src=each.source, alt=each.text),
            _element("figcaption", each.caption),
        )
        for each in pictures
    ]
    return _element("div", *figures, _class("pictures"))


def _table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: set[int]
) -> ET.Element:
    """Return a table whose first column names the rows."""
    top = _element("tr", *(_element("th", head, scope="col") for head in heads))
    body = [
        _element(
            "tr",
            _element("th", row[0], scope="row"),
            *(
                _element("td", cell, _class("number") if place in numbers else {})
                for place, cell in enumerate(row[1:], 1)
            ),
        )
        for row in rows
    ]
    table = _element(
        "table", _element("caption", caption), _element("thead", top), _element("tbody", *body)
    )
    scrolled = {"class": "table", "tabindex": "0", "role": "region", "aria-label": caption}
    return _element("div", table, scrolled)


def _inside(found: Mapping[str, Any] | None, key: str) -> Any:
    return None if found is None else found[key]


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def _with_interval(value: Mapping[str, Any]) -> str:
    low, high = value["ci95"]
    return f"{_number(value['value'])} [{_number(low)}, {_number(high)}]"


def _kind(card: Mapping[str, Any]) -> str:
    return str(card["model"]["class"]).rpartition(">")[2]
