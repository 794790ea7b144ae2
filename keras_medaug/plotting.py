"""Figures of images, losses and measures, drawn without a display and without global state.

Matplotlib is imported where it is used: install it with `pip install "keras-medaug[plot]"`.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from keras_medaug.checks import as_array, check_positive, fail, flat
from keras_medaug.files import replacing
from keras_medaug.images import check_images
from keras_medaug.mosaics import draw_mosaic, grid_size, with_difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "bars_with_intervals",
    "before_after",
    "image_grid",
    "loss_curves",
    "nearest_pairs",
    "save",
]

# Okabe and Ito's colours, which readers with any colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
DPI = 150
# Without the version of the program that drew it, a file depends on the figure alone.
NO_VERSION = {"Software": None}
TITLE, TEXT, SMALL = 12, 10, 9  # points
PAIR_KEYS = {"image", "training", "space", "distance", "relative"}


def image_grid(images: ArrayLike, columns: int = 10, title: str | None = None) -> Figure:
    """Draw images side by side, row by row.

    Args:
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`. Gray images are drawn from
            black, 0, to white, 1, whatever their own range.
        columns: Images in a row.
        title: What the images are, or `None`.

    Returns:
        A Matplotlib figure; see `save`.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import plotting
    >>> figure = plotting.image_grid(np.zeros((6, 8, 8, 1)), columns=3, title="Nothing")
    >>> len(figure.axes)
    1
    """
    checked = check_images(images, "images")
    columns = min(check_positive(columns, "columns", integer=True), len(checked))
    rows = math.ceil(len(checked) / columns)
    figure = new_figure(grid_size(checked, rows, columns, title))
    draw_mosaic(figure.add_subplot(), checked, rows, columns)
    set_title(figure, title)
    return figure


def before_after(
    before: ArrayLike,
    after: ArrayLike,
    labels: tuple[str, str] = ("before", "after"),
    title: str | None = None,
) -> Figure:
    """Draw images in a row, and under each what became of it.

    Args:
        before: Images, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        after: As many images of the same shape.
        labels: What the rows are.
        title: What the figure is about, or `None`.

    Returns:
        A Matplotlib figure; see `save`.

    Raises:
        ValueError: If an argument is not as described.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> import numpy as np
    >>> from keras_medaug import plotting
    >>> x = np.random.default_rng(0).random((5, 8, 8, 1))
    >>> figure = plotting.before_after(x, x[:, ::-1], ("original", "flipped"))
    >>> len(figure.axes)
    2
    """
    above = check_images(before, "before")
    below = check_images(after, "after", above.shape[1:])
    if len(above) != len(below):
        raise fail("after", f"{len(below)} images", f"{len(above)}, as in `before`")
    width, height = grid_size(above, 2, len(above), title)
    margin = 0.3 + 0.09 * max(map(len, labels))  # inches of the labels
    figure = new_figure((max(width + margin, 4.0), height + 0.1))
    # The layout makes room for a label of the axis as if it were not rotated: a little too little.
    figure.set_layout_engine("constrained", w_pad=0.15)
    for axes, images, label in zip(figure.subplots(2, 1), (above, below), labels, strict=True):
        draw_mosaic(axes, images, 1, len(images))
        axes.set_ylabel(label, fontsize=TEXT, rotation=0, ha="right", va="center", labelpad=8)
    set_title(figure, title)
    return figure


def loss_curves(
    history: Mapping[str, Sequence[float]],
    title: str | None = None,
    panels: Sequence[Sequence[str]] | None = None,
    ylabel: str | Sequence[str] = "loss",
) -> Figure:
    """Draw values by epoch.

    Args:
        history: Name to one value per epoch, as in `History.history` of Keras.
        title: What was trained, or `None`.
        panels: Names that share an axis, for each panel; by default one panel for all. Names
            that the history lacks are passed over.
        ylabel: What the values are: one for all, or one for each of `panels`.

    Returns:
        A Matplotlib figure; see `save`.

    Raises:
        ValueError: If no curve has a value to draw, or `ylabel` does not fit `panels`.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> from keras_medaug import plotting
    >>> figure = plotting.loss_curves({"loss": [3.0, 2.0], "kl": [0.5, 0.7]}, "CVAE")
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['loss', 'kl']
    """
    panels = [list(history)] if panels is None else panels
    labels = [ylabel] * len(panels) if isinstance(ylabel, str) else ylabel
    if len(labels) != len(panels):
        raise fail("ylabel", f"{len(labels)} of them", f"one, or {len(panels)}, one a panel")
    chosen = [
        (present, label)
        for names, label in zip(panels, labels, strict=True)
        if (present := [name for name in names if name in history])
    ]
    if not chosen:
        raise fail("history", f"the names {sorted(history)}", "at least one name to draw")
    figure = new_figure((max(4.6, 3.9 * len(chosen)), 3.4))
    all_axes = figure.subplots(1, len(chosen), squeeze=False)[0]
    for axes, (names, label) in zip(all_axes, chosen, strict=True):
        for number, name in enumerate(names):
            values = flat(as_array(history[name], f"history[{name!r}]")).astype("float64")
            axes.plot(
                np.arange(1, len(values) + 1),
                values,
                color=COLOURS[number % len(COLOURS)],
                linestyle=LINES[number % len(LINES)],
                linewidth=1.4,
                marker="o" if len(values) == 1 else None,
                label=name,
            )
        axes.set_xlabel("epoch", fontsize=TEXT)
        axes.set_ylabel(label, fontsize=TEXT)
        axes.legend(fontsize=SMALL, frameon=False)
        axes.locator_params(axis="x", integer=True)
        tidy(axes)
    set_title(figure, title)
    return figure


def bars_with_intervals(
    groups: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    intervals: Mapping[str, Sequence[tuple[float, float] | None] | None] | None = None,
    title: str | None = None,
    ylabel: str | None = None,
    lines: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw bars, one of each series in every group, each with its value and interval.

    Args:
        groups: Names of the groups, from left to right.
        series: Name to one value per group, `None` where there is none.
        intervals: Name of a series to one `(low, high)` per group, `None` where there is none.
        title: What the figure is about, or `None`.
        ylabel: What the values are.
        lines: Name to a value that is drawn as a line across.
        limits: Range of the axis of values, or `None` for the one that fits.

    Returns:
        A Matplotlib figure; see `save`.

    Raises:
        ValueError: If the number of values of a series is not the number of groups.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> from keras_medaug import plotting
    >>> figure = plotting.bars_with_intervals(
    ...     ["a", "b"], {"paper": [0.5, None], "here": [0.4, 0.6]}, {"here": [(0.3, 0.5), None]}
    ... )
    >>> len(figure.axes[0].patches)
    3
    """
    for name, values in series.items():
        if len(values) != len(groups):
            raise fail("series", f"{len(values)} values of {name!r}", f"{len(groups)}, one a group")
    figure = new_figure((max(5.6, 1.0 + 0.56 * len(groups) * max(len(series), 1)), 3.8))
    axes = figure.add_subplot()
    for number, (name, values) in enumerate(series.items()):
        given = (intervals or {}).get(name) or [None] * len(groups)
        places = [_place(series, group, name) for group in range(len(groups))]
        _draw_bars(
            axes, places, values, given, 0.8 / len(series), COLOURS[number % len(COLOURS)], name
        )
    for number, (name, value) in enumerate((lines or {}).items()):
        axes.axhline(value, color="black", linewidth=1, linestyle=LINES[1 + number % 3], label=name)
    axes.set_xticks(range(len(groups)), groups, fontsize=TEXT)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(ylabel or "", fontsize=TEXT)
    if limits is not None:
        axes.set_ylim(*limits)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda index: labels[index] in (lines or {}))
    axes.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        fontsize=SMALL,
        frameon=False,
        ncols=3,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
    )
    tidy(axes)
    set_title(figure, title)
    return figure


def nearest_pairs(
    images: ArrayLike,
    training: ArrayLike,
    audit: Mapping[str, Any],
    title: str | None = None,
) -> Figure:
    """Draw images beside the training images that they may be copies of.

    The suspects of a memorization check are drawn or, with fewer than its `pairs`, those.
    From left to right: the image, its nearest training image, and the difference of the two, gray
    where they are equal, brighter where the image is. A pair that was found in the space "aligned",
    "registered" or "smoothed" is flipped or rotated by quarters before the difference is taken, so
    that it fits, and gets the brightness and contrast of the training image. Small shifts and
    rotations are not undone: they show as edges in the difference.

    Args:
        images: What was audited, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: The training images that it was compared with, of the same shape.
        audit: What `keras_medaug.metrics.copy_audit` returned.
        title: What the figure is about, or `None`.

    Returns:
        A Matplotlib figure; see `save`.

    Raises:
        ValueError: If an argument is not as described, or the audit is of other images.
        ImportError: If Matplotlib is not installed.

    Example:

    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom", size=16)
    >>> images, training = data.val[0][:12], data.train[0]
    >>> audit = kma.metrics.copy_audit(images, training, data.test[0])
    >>> figure = kma.plotting.nearest_pairs(images, training, audit)
    >>> len(figure.axes), figure.axes[0].get_xlabel().split()[0]
    (8, 'image')
    """
    checked = check_images(images, "images")
    known = check_images(training, "training", checked.shape[1:])
    pairs = _check_audit(audit, len(checked), len(known))
    columns = min(2, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    height, width = checked.shape[1:3]
    cell = 1.1 / max(height, width)  # inches of a pixel
    size = (max(3.2 * cell * width, 2.6) + 0.3, cell * height + 0.55)
    figure = new_figure((columns * size[0], rows * size[1] + (0.4 if title is not None else 0.0)))
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, pair in zip(all_axes, pairs, strict=False):
        draw_mosaic(axes, with_difference(checked, known, pair), 1, 3)
        text = (
            f"image {pair['image']}, training {pair['training']}, difference\n"
            f"{pair['space']}: distance {pair['distance']:.3f}, relative {pair['relative']:.2f}"
        )
        axes.set_xlabel(text, fontsize=SMALL)
    for axes in all_axes[len(pairs) :]:
        axes.remove()
    set_title(figure, title)
    return figure


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure to a file; the same figure gives the same file, byte by byte.

    Args:
        figure: A Matplotlib figure.
        path: The file, such as `grid.png`; missing folders are made. What was there before is
            replaced in one step, when the new file is whole.

    Raises:
        OSError: If the folder cannot be written to.

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from keras_medaug import plotting
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plotting.save(plotting.image_grid(np.zeros((2, 8, 8, 1))), Path(folder, "grid.png"))
    ...     [path.name for path in Path(folder).iterdir()]
    ['grid.png']
    """
    with replacing(path) as partial:
        metadata = NO_VERSION if partial.suffix.lower() == ".png" else None
        figure.savefig(partial, dpi=DPI, metadata=metadata)


# ---- parts ----------------------------------------------------------------------------------


def png(figure: Figure) -> bytes:
    """Return a figure as the content of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata=NO_VERSION)
    return content.getvalue()


def new_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure that no window and no list of open figures knows of."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'keras_medaug.plotting needs Matplotlib: pip install "keras-medaug[plot]"'
        ) from error
    return Figure(figsize=size, layout="constrained")


def _check_audit(audit: Mapping[str, Any], count: int, known: int) -> list[Mapping[str, Any]]:
    """Return the pairs of an audit that are drawn."""
    expected = "what `metrics.copy_audit` returned for these images"
    if not isinstance(audit, Mapping) or not {"suspects", "pairs"} <= audit.keys():
        raise fail("audit", f"a {type(audit).__name__} without suspects and pairs", expected)
    pairs = max(audit["suspects"], audit["pairs"], key=len)
    if not pairs or not all(pair.keys() >= PAIR_KEYS for pair in pairs):
        raise fail("audit", "pairs without all that is to be drawn", expected)
    sizes = {"count": count, "training_count": known}
    for name, size in sizes.items():
        if audit.get(name) != size:
            raise fail("audit", f"{name} {audit.get(name)} with {size} images", expected)
    return list(pairs)


def _place(series: Mapping[str, Sequence[float | None]], group: int, name: str) -> float:
    """Return where the bar of a series stands: those that a group has are centred on it."""
    present = [other for other, values in series.items() if values[group] is not None]
    if name not in present:
        return float(group)
    return group + (present.index(name) - (len(present) - 1) / 2) * 0.8 / len(series)


def _draw_bars(
    axes: Axes,
    places: Sequence[float],
    values: Sequence[float | None],
    intervals: Sequence[tuple[float, float] | None],
    width: float,
    colour: str,
    label: str,
) -> None:
    """Draw one series: bars, values above them, intervals through their ends."""
    for at, value, interval in zip(places, values, intervals, strict=True):
        if value is None:
            continue
        axes.bar(at, value, 0.92 * width, color=colour, label=label, zorder=2)
        label = "_another bar of the same series"
        top = value
        if interval is not None:
            low, high = interval
            errors = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
            axes.errorbar(at, value, errors, color="black", capsize=4, linewidth=1.2, zorder=3)
            top = max(value, high)
        text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
        axes.annotate(
            text, (at, top), (0, 2), textcoords="offset points", ha="center", fontsize=SMALL
        )


def tidy(axes: Axes) -> None:
    """Take away what is not needed to read the values."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    axes.grid(axis="y", color="0.9", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)


def set_title(figure: Figure, title: str | None) -> None:
    if title is not None:
        # A letter is about half as wide as it is high; a small figure gets smaller ones.
        longest = max([1, *map(len, title.splitlines())])
        fitting = figure.get_figwidth() * 72 / (0.58 * longest)
        figure.suptitle(title, fontsize=min(TITLE, fitting))
