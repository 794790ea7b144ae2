"""The elements of the card's page, and how numbers are written on it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from keras_medaug.cards.picture import Picture

NONE = "-"


def element(
    tag: str, *children: "ET.Element | str | dict[str, str]", **attributes: str
) -> ET.Element:
    """Return an element; strings among the children are text, a dictionary is attributes.

    Example:

    >>> from xml.etree import ElementTree as ET
    >>> from keras_medaug.cards.markup import element
    >>> ET.tostring(element("p", "a < b", element("b", "c"), id="d"), encoding="unicode")
    '<p id="d">a &lt; b<b>c</b></p>'
    """
    made = ET.Element(tag, attributes)
    for child in children:
        if isinstance(child, dict):
            made.attrib.update(child)
        elif isinstance(child, str):
            made.text = (made.text or "") + child
        else:
            made.append(child)
    return made


def of_class(name: str) -> dict[str, str]:
    """Return the attributes that put an element into a class of the style."""
    return {"class": name}


def section(title: str, name: str, *parts: ET.Element) -> ET.Element:
    """Return a section with its heading."""
    heading = element("h2", title, id=f"{name}-title")
    labelled = {"class": name, "id": name, "aria-labelledby": f"{name}-title"}
    return element("section", heading, *parts, labelled)


def bullets(items: Iterable[str]) -> ET.Element:
    """Return a list of sentences."""
    return element("ul", *(element("li", item) for item in items))


def term(name: str, text: str) -> tuple[ET.Element, ET.Element]:
    """Return a term and its description, for a list of descriptions."""
    return element("dt", name), element("dd", text)


def figures(pictures: Sequence[Picture]) -> ET.Element:
    """Return pictures with their captions, side by side."""
    shown = [
        element(
            "figure",
            element("img", src=picture.source, alt=picture.text),
            element("figcaption", picture.caption),
        )
        for picture in pictures
    ]
    return element("div", *shown, of_class("pictures"))


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: set[int]
) -> ET.Element:
    """Return a table whose first column names the rows; `numbers` are columns of numbers."""
    top = element("tr", *(element("th", head, scope="col") for head in heads))
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(
                element("td", cell, of_class("number") if place in numbers else {})
                for place, cell in enumerate(row[1:], 1)
            ),
        )
        for row in rows
    ]
    whole = element(
        "table", element("caption", caption), element("thead", top), element("tbody", *body)
    )
    scrolled = {"class": "table", "tabindex": "0", "role": "region", "aria-label": caption}
    return element("div", whole, scrolled)


# ---- numbers --------------------------------------------------------------------------------


def inside(values: Mapping[str, Any] | None, key: str) -> Any:
    """Return a value of a dictionary, `None` where there is no dictionary."""
    return None if values is None else values[key]


def number(value: float | None) -> str:
    """Return a number with three digits."""
    return NONE if value is None else f"{value:.3g}"


def percent(value: float | None) -> str:
    """Return a fraction in percent."""
    return NONE if value is None else f"{value:.1%}"


def with_interval(value: Mapping[str, Any]) -> str:
    """Return a value and its interval."""
    low, high = value["ci95"]
    return f"{number(value['value'])} [{number(low)}, {number(high)}]"
