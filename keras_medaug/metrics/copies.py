"""Whether images are copies of training images, as far as their pixels tell."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_images, check_positive

QUANTILE = 0.05


def copy_audit(
    images: ArrayLike,
    training: ArrayLike,
    held_out: ArrayLike | None = None,
    batch_size: int = 256,
) -> dict[str, Any]:
    """Compare images with the training images that they may be copies of.

    Distances are the root mean square of the difference over pixels and channels, with images in
    [0, 1]: 0 for equal images, 1 between black and white. By themselves they say little, as
    honest new images of a uniform kind are near to training images too. So the same is measured
    for `held_out`, real images that training never saw: the generator copies where its images are
    nearer to the training set than those.

    This version compares pixels in place. It sees copies and copies under noise. It does not see
    a copy that is flipped, turned, shifted or of another brightness, nor one of a part of an
    image; and it says nothing of what a set gives away in other ways. A good result is no proof
    that the images may be shared.

    Args:
        images: The images in question, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: What the generator was trained on, of the same image shape.
        held_out: Real images that it was not trained on, or `None` where there are none.
        batch_size: Images compared at a time, on either side; see `nearest_images`.

    Returns:
        A dictionary of plain numbers:

        - `space`: `"pixels"`;
        - `count`, `training_count`: how many images there are;
        - `exact_copies`: how many of them equal a training image in every pixel and channel once
          both are rounded to 8 bits, as when they are saved;
        - `nearest`: `min` and `median` of the distances to the nearest training image;
        - `held_out`: `count` of the held-out images and `min`, `median` and `quantile_05`, the
          quantile 0.05, of their distances; or `None`;
        - `nearer_than_held_out_05`: the share of images that are nearer than that quantile,
          about 0.05 where images are as new as the held-out ones; or `None`. Where held-out
          images are copies themselves, that quantile may be 0, and so is this share: then only
          `exact_copies` counts.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom")
    >>> training, held_out = data.stored("train")[0], data.stored("test")[0]
    >>> images = np.concatenate([training[:3], data.stored("val")[0][:17]])
    >>> audit = kma.metrics.copy_audit(images, training, held_out)
    >>> audit["exact_copies"], audit["nearest"]["min"], audit["nearer_than_held_out_05"]
    (3, 0.0, 0.2)

    References:
        Meehan, Chaudhuri and Dasgupta, A non-parametric test to detect data-copying in generative
        models, AISTATS 2020: held-out images as the yardstick.
    """
    checked = check_images(images, "images")
    training = check_images(training, "training", checked.shape[1:])
    if held_out is not None:
        held_out = check_images(held_out, "held_out", checked.shape[1:])
    nearest, _ = nearest_images(checked, training, batch_size)
    audit = {
        "space": "pixels",
        "count": len(checked),
        "training_count": len(training),
        "exact_copies": _count_copies(checked, training),
        "nearest": {"min": float(nearest.min()), "median": float(np.median(nearest))},
        "held_out": None,
        "nearer_than_held_out_05": None,
    }
    if held_out is None:
        return audit
    expected, _ = nearest_images(held_out, training, batch_size)
    quantile = float(np.quantile(expected, QUANTILE))
    audit["held_out"] = {
        "count": len(expected),
        "min": float(expected.min()),
        "median": float(np.median(expected)),
        "quantile_05": quantile,
    }
    audit["nearer_than_held_out_05"] = float((nearest < quantile).mean())
    return audit


def nearest_images(
    images: ArrayLike, training: ArrayLike, batch_size: int = 256
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return, for each image, how far the nearest training image is and which one it is.

    The distance is the root mean square of the difference over pixels and channels, with images
    in [0, 1]. Two sets of `uint8` are compared in whole numbers, without any rounding: the result
    is the same on every machine, and of several training images that are equally near it is the
    first. With floats the nearest is found among distances that are exact to about 1e-7, and its
    own distance is then taken from the difference, so that it is 0 for equal images.

    Args:
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: What to look among, of the same image shape.
        batch_size: Images compared at a time, on either side. Memory is about
            `8 * batch_size * (4 * h * w * c + batch_size)` bytes, whatever the sets' sizes are.

    Returns:
        The distances, `float64`, shape `(n,)`, and the indices into `training`, shape `(n,)`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> training = np.zeros((3, 8, 8, 1)) + np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1)
    >>> distances, indices = kma.metrics.nearest_images(training[::-1] * 0.9, training)
    >>> distances.round(3).tolist(), indices.tolist()
    ([0.1, 0.05, 0.0], [2, 1, 0])
    """
    checked = check_images(images, "images")
    training = check_images(training, "training", checked.shape[1:])
    batch_size = check_positive(batch_size, "batch_size", integer=True)
    unit = 255 if checked.dtype == training.dtype == np.uint8 else 1
    distances = np.empty(len(checked))
    indices = np.empty(len(checked), np.intp)
    for start in range(0, len(checked), batch_size):
        chunk = slice(start, start + batch_size)
        rows = _rows(checked[chunk], unit)
        indices[chunk] = _find_nearest(rows, training, unit, batch_size)
        # By differences: in the expanded square, equal images would not be at distance 0.
        difference = rows - _rows(training[indices[chunk]], unit)
        distances[chunk] = np.sqrt(_squares(difference) / rows.shape[1]) / unit
    return distances, indices


def _find_nearest(
    rows: NDArray[np.float64], training: NDArray, unit: int, batch_size: int
) -> NDArray[np.intp]:
    """Return the index of the training image nearest to each of `rows`."""
    best = np.full(len(rows), np.inf)
    indices = np.zeros(len(rows), np.intp)
    for start in range(0, len(training), batch_size):
        others = _rows(training[start : start + batch_size], unit)
        # |a - b|^2 = |a|^2 - 2ab + |b|^2, without |a|^2, which is the same for every b. In whole
        # numbers of at most 255 all of it stays far below 2^53, and so is exact.
        values = _squares(others) - 2 * (rows @ others.T)
        nearest = values.argmin(axis=1)
        value = np.take_along_axis(values, nearest[:, None], axis=1)[:, 0]
        better = value < best
        best[better] = value[better]
        indices[better] = start + nearest[better]
    return indices


def _rows(images: NDArray, unit: int) -> NDArray[np.float64]:
    """Return images as rows of values in [0, unit]."""
    if images.dtype == np.uint8 and unit == 1:
        # As `Dataset` makes floats of bytes, so that the two forms of an image are equal here.
        images = images.astype(np.float32) / np.float32(255)
    return images.reshape(len(images), -1).astype(np.float64)


def _squares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of squares of each row."""
    return np.einsum("ij,ij->i", rows, rows)


def _count_copies(images: NDArray, training: NDArray) -> int:
    known = {_fingerprint(image) for image in training}
    return sum(_fingerprint(image) in known for image in images)


def _fingerprint(image: NDArray) -> bytes:
    """Return a digest of an image as it is in 8 bits."""
    if image.dtype != np.uint8:
        image = np.rint(image * 255).astype(np.uint8)
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
