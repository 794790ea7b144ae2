"""Principal components of pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive
from keras_medaug.images import check_images
from keras_medaug.seeds import derive_seed, resolve_seed

MOST_FITTED = 5000
MOST_VALUES = 2**27  # pixels fitted to: 1 GiB of them
CHUNK = 2**21  # pixels at a time


class PixelFeatures:
    """The first principal components of the pixels of training images.

    They see layout, brightness and large shapes, and need no training. Of fine detail, which varies
    little from pixel to pixel, they see nothing.

    Args:
        images: Training images, `(n, h, w, c)`, floats in [0, 1] or `uint8`; of more than 5,000,
            so many are drawn, and fewer of large ones (891 of 224 by 224 pixels in colour).
        components: How many, at most; fewer where there are fewer images or pixels.
        seed: Integer seed of the draw.

    Attributes:
        card: What these features are, for a record: `kind`, `components`, `images` (how many
            they were fitted to), `variance` (the fraction of the images' variance in them), `seed`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom", size=8)
    >>> features = kma.features.PixelFeatures(data.train[0], components=8)
    >>> features(data.test[0]).shape
    (192, 8)
    """

    takes_checked_images = True

    def __init__(self, images: ArrayLike, components: int = 32, seed: int = 0) -> None:
        checked = check_images(images, "images")
        components = int(check_positive(components, "components", integer=True))
        seed = resolve_seed(seed)
        self.image_shape = checked.shape[1:]
        most = min(MOST_FITTED, MOST_VALUES // math.prod(self.image_shape))
        if len(checked) > most:
            rng = np.random.default_rng(derive_seed(seed, "pixels"))
            checked = checked[np.sort(rng.permutation(len(checked))[:most])]
        rows = _rows(checked)
        self._mean = rows.mean(axis=0)
        rows -= self._mean
        self._axes, variance = _principal_axes(rows, components)
        self.card: dict[str, Any] = {
            "kind": "principal components of pixels",
            "components": self._axes.shape[1],
            "images": len(rows),
            "variance": variance,
            "seed": seed,
        }

    def __call__(self, images: ArrayLike) -> NDArray[np.float64]:
        """Return the components of images.

        Args:
            images: As those fitted to, of the same shape.

        Returns:
            Shape `(n, components)`.

        Raises:
            ValueError: If the images are not as described.
        """
        checked = check_images(images, "images", self.image_shape)
        step = max(CHUNK // math.prod(self.image_shape), 1)
        starts = range(0, len(checked), step)
        parts = [(_rows(checked[i : i + step]) - self._mean) @ self._axes for i in starts]
        return np.concatenate(parts)


def _rows(images: NDArray) -> NDArray[np.float64]:
    rows = images.reshape(len(images), -1).astype(np.float64)
    if images.dtype == np.uint8:
        rows /= 255
    return rows


def _principal_axes(centred: NDArray, components: int) -> tuple[NDArray, float]:
    """Return the axes as columns, and the fraction of the variance along them."""
    count, size = centred.shape
    components = max(min(components, count - 1, size), 1)
    if size <= count:
        values, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, ::-1][:, :components]
    else:  # fewer images than pixels: the same axes from the images' products
        values, vectors = np.linalg.eigh(centred @ centred.T)
        # Repeated images leave axes of rounding errors alone, which are none.
        rank = int(np.sum(values > values[-1] * count * np.finfo(float).eps))
        axes = centred.T @ vectors[:, ::-1][:, : max(min(components, rank), 1)]
        axes /= np.maximum(np.linalg.norm(axes, axis=0), np.finfo(float).tiny)
    # A sign is a matter of taste: the largest part of each is positive, on every machine.
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    total = np.maximum(values, 0).sum()
    fraction = float(np.maximum(values[::-1][:components], 0).sum() / total) if total else 1.0
    return axes * np.where(largest < 0, -1.0, 1.0), fraction
