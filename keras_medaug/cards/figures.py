"""The pictures of a card."""

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug import plotting
from keras_medaug.cards.picture import Picture
from keras_medaug.cards.subject import Subject, numbered
from keras_medaug.checked_images import CheckedImages
from keras_medaug.metrics.equality import equal_in_any_form

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of the numbers beside real images, those that are fractions, and so have one scale.
FRACTIONS = ("precision", "recall", "coverage")
SHOWN = 20  # images of a class, or of a kind
COLUMNS = 10
MOST_CLASSES = 20
MOST_CURVES = 12


def draw(
    subject: Subject, card: Mapping[str, Any], show_real: bool = True
) -> dict[str, list[Picture]]:
    """Return the pictures of a card, by section.

    Args:
        subject: What it is about.
        card: What `write_content` returned.
        show_real: Whether training images may be seen.

    Returns:
        Pictures of `samples`, `quality`, `copies` and `training`.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.cards.content import write_content
    >>> from keras_medaug.cards.figures import draw
    >>> from keras_medaug.cards.stages import plan_stages
    >>> from keras_medaug.cards.subject import Subject
    >>> from keras_medaug.progress import Progress
    >>> data = kma.datasets.load("phantom", size=8)
    >>> model = kma.models.CVAE((8, 8, 1), latent_dim=4)
    >>> subject = Subject(model, data, data.val[0], None, 0, True)
    >>> progress = Progress("card", verbose=False)
    >>> plan_stages(progress, data, made=96, steps=5)
    >>> card = write_content(subject, ({}, False), {}, {}, 5, True, progress)
    >>> pictures = draw(subject, card)
    >>> [picture.caption for picture in pictures["samples"]]
    ['20 training images', '20 synthetic images']
    """
    return {
        "samples": _samples(subject, show_real),
        "quality": _quality(card["quality"]),
        "copies": [_pairs(subject, card["copy_audit"])] if show_real else [],
        "training": _curves(card["training"]),
    }


def _picture(figure: "Figure", text: str, caption: str) -> Picture:
    content = base64.b64encode(plotting.png(figure)).decode("ascii")
    return Picture(f"data:image/png;base64,{content}", text, caption)


def _samples(subject: Subject, show_real: bool) -> list[Picture]:
    """Return real images and synthetic ones in turn, class by class where these are known."""
    real, real_labels = subject.splits["train"]
    made, labels = subject.images, subject.labels
    shown = np.ones(len(made), bool)
    if not show_real:
        shown = ~equal_in_any_form(made, real)
    groups = [("", np.arange(len(real)), np.flatnonzero(shown))]
    if labels is not None:
        groups = [
            (
                f"{name}: ",
                np.flatnonzero(real_labels == label),
                np.flatnonzero(shown & (labels == label)),
            )
            for label, name in enumerate(numbered(subject.data.class_names[:MOST_CLASSES]))
        ]
    pictures = []
    for name, real_places, made_places in groups:
        kinds = [(made, made_places, "synthetic")]
        if show_real:
            kinds.insert(0, (real, real_places, "training"))
        for images, places, kind in kinds:
            if len(places):
                chosen = places[subject.drawn(len(places), SHOWN, "shown", kind, name)]
                pictures.append(_grid(images[chosen], f"{name}{len(chosen)} {kind} images"))
    return pictures


def _grid(images: NDArray, caption: str) -> Picture:
    figure = plotting.image_grid(CheckedImages(images), min(COLUMNS, len(images)))
    return _picture(figure, f"Grid of images, drawn at random. {caption}.", caption)


def _quality(quality: Mapping[str, Any] | None) -> list[Picture]:
    if quality is None:
        return []
    pictures = []
    for name, measured in quality["spaces"].items():
        fractions = [measured[fraction] for fraction in FRACTIONS]
        sets = {
            f"synthetic ({quality['count']})": fractions,
            f"unseen real ({quality['count']})": [fraction["floor"] for fraction in fractions],
        }
        figure = plotting.bars_with_intervals(
            FRACTIONS,
            {kind: [number["value"] for number in row] for kind, row in sets.items()},
            {kind: [tuple(number["ci95"]) for number in row] for kind, row in sets.items()},
            ylabel=f"fraction in the space {name!r}",
            limits=(0, 1.12),
        )
        text = f"Bars with intervals, of the numbers in the table above for the space {name!r}."
        pictures.append(_picture(figure, text, f"{name}: more is better; lines: 95% intervals"))
    return pictures


def _pairs(subject: Subject, audit: Mapping[str, Any]) -> Picture:
    training = CheckedImages(subject.splits["train"][0])
    figure = plotting.nearest_pairs(CheckedImages(subject.images), training, audit)
    count = max(len(audit["suspects"]), len(audit["pairs"]))
    caption = (
        f"The {count} images that come first: the image, its nearest training image, and their "
        "difference, gray where they are equal"
    )
    return _picture(figure, "Rows of three pictures each, most suspicious first.", caption)


def curve_names(history: Mapping[str, Any]) -> list[str]:
    """Return the names that have a picture of their own: values of validation go with others.

    Args:
        history: Values per epoch, by name.

    Returns:
        Names.

    Example:

    >>> from keras_medaug.cards.figures import curve_names
    >>> curve_names({"loss": [1.0], "val_loss": [2.0], "val_kl": [1.0]})
    ['loss', 'val_kl']
    """
    return [
        name
        for name in history
        if not (name.startswith("val_") and name.removeprefix("val_") in history)
    ]


def _curves(training: Mapping[str, Any] | None) -> list[Picture]:
    """Return a picture for each name, and its validation values with it."""
    if training is None:
        return []
    history = training["history"]
    pictures = []
    for name in curve_names(history)[:MOST_CURVES]:
        together = [curve for curve in (name, f"val_{name}") if curve in history]
        figure = plotting.loss_curves({curve: history[curve] for curve in together}, ylabel=name)
        pictures.append(_picture(figure, _course(history, together), name.replace("_", " ")))
    return pictures


def _course(history: Mapping[str, Sequence[float | None]], names: Sequence[str]) -> str:
    """Return in words where curves begin and end."""
    ends = [
        f"{name} is {_value(history[name][0])} in the first epoch, {_value(history[name][-1])} in "
        "the last"
        for name in names
    ]
    return f"Curve over epochs: {'; '.join(ends)}."


def _value(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
