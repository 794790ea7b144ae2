"""Images side by side as one picture, and an image beside the one that it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.images import to_float, to_uint8

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = 0.62  # inches of an image in a grid
FITTED = ("aligned", "registered", "smoothed")  # spaces of which pairs are flipped and rotated


def grid_size(images: NDArray, rows: int, columns: int, title: str | None) -> tuple[float, float]:
    """Return width and height in inches that show the images without distortion."""
    height, width = images.shape[1:3]
    pixel = max(CELL, 1.6 / columns) / max(height, width)
    for_title = 0.0 if title is None else 0.2 + 0.2 * len(title.splitlines())
    return max(pixel * width * columns, 3.0), pixel * height * rows + for_title


def draw_mosaic(axes: Axes, images: NDArray, rows: int, columns: int) -> None:
    """Draw all images as one, with white gaps; what is missing in the last row stays white."""
    axes.imshow(_mosaic(images, rows, columns), vmin=0, vmax=255, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _mosaic(images: NDArray, rows: int, columns: int) -> NDArray[np.uint8]:
    """Return the images on a white RGB ground, enlarged so that a gap is thin beside a pixel."""
    factor = max(1, math.ceil(96 / max(images.shape[1:3])))
    large = to_uint8(images).repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, _ = large.shape
    gap = max(2, round(0.04 * max(height, width)))
    ground = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8
    )
    for index in range(count):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        ground[top : top + height, left : left + width] = large[index]
    return ground


def with_difference(images: NDArray, training: NDArray, pair: Mapping[str, Any]) -> NDArray:
    """Return an image, a training image and their difference, floats in [0, 1]."""
    image = to_float(images[pair["image"]]).astype(np.float64)
    other = to_float(training[pair["training"]]).astype(np.float64)
    fitted = _fitted(image, other) if pair["space"] in FITTED else image
    difference = 0.5 + (fitted - other) / 2
    return np.clip([image, other, difference], 0, 1)


def _fitted(image: NDArray, other: NDArray) -> NDArray:
    """Return an image flipped, rotated and inverted to fit another, in its brightness."""
    contrast = (image - image.mean()) * (other.std() / max(image.std(), 1e-6))
    levels = [other.mean() + sign * contrast for sign in (1, -1)]
    flipped = [form for level in levels for form in (level, level[:, ::-1])]
    forms = [np.rot90(form, quarters) for form in flipped for quarters in range(4)]
    return min(
        (form for form in forms if form.shape == other.shape),
        key=lambda form: float(np.square(form - other).sum()),
    )
