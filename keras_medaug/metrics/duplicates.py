"""Images of one split that are in another, or twice in one: as they are, flipped or rotated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive, fail
from keras_medaug.images import check_images, to_float
from keras_medaug.metrics.checking import check_label_pair
from keras_medaug.metrics.equality import (
    digests_of_forms,
    first_of_equals,
    forms,
    uniform_images,
    uniformity_limit,
)
from keras_medaug.progress import Report, check_verbose, reporting
from keras_medaug.result import returns_result

NEAR = 0.02  # root mean square of the difference, below which two images are near-duplicates
ROUNDED = 1.01 / 255  # images that are equal to 8 bits are nearer
SLACK = 1e-6  # for rounding of floats, in the squares of values in [0, 1]
BATCH = 256  # images compared at a time, on either side
# At least, and for each pair and pixel; measured on 2 CPU cores. What matters is the proportion.
SECONDS = 0.05, 0.06e-9


@returns_result
def near_duplicates(
    images: ArrayLike,
    training: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    training_labels: ArrayLike | None = None,
    threshold: float = NEAR,
    verbose: bool | Report = False,
) -> dict[str, Any]:
    """Find images of one split that are in another, or nearly so; or twice in the same.

    Each image is compared as it is, flipped, and rotated by quarter turns: in 8 forms, or in 4
    where images are not square. The distance is the root mean square of the difference over
    pixels and channels, as in `nearest_images`, of the form that is nearest. Sets of `uint8` are
    compared in whole numbers, so that the result is the same on every machine.

    Uniform images, with a standard deviation below 0.02 within channels (less where all images have
    little contrast), are left out on both sides: two tiles of empty background are alike, but no
    duplicates. Images of the same patient
    that differ in more than noise are not found, nor shifted ones.

    Args:
        images: Images in question, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: Images to look among, of the same image shape; or `None` to look for each among
            the images before it.
        labels: Class of each image, `(n,)` or `(n, 1)`, or `None`.
        training_labels: Those of the training images; given where both `labels` and `training`
            are.
        threshold: Distance below which two images are nearly equal; 0 finds only equal ones.
        verbose: Whether to show progress on standard error; or a function `(done, total)` that is
            called instead.

    Returns:
        A dictionary of plain numbers:

        - `count`, `training_count`: how many images there are;
        - `uniform`: how many of the images are uniform, and left out;
        - `exact`: how many equal another one, as they are, flipped or rotated, in every pixel and
          channel, once both are rounded to 8 bits;
        - `near`: how many do so, or are nearer than `threshold` to another one;
        - `in_place`: how many of these are as near to their partner without a flip or rotation;
        - `indices`: which ones are near, in order;
        - `partners`, `distances`: of each of these, its nearest image (the first of equally near
          ones), and how far that is;
        - `with_another_label`: how many have another label than their partner, or `None`;
        - `warning`: a sentence where there is any, or `None`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics import near_duplicates
    >>> training = np.random.default_rng(0).random((9, 8, 8, 1))
    >>> images = np.stack([training[5, ::-1], training[7] * 0.99, 1 - training[8]])
    >>> record = near_duplicates(images, training)
    >>> record["exact"], record["near"], record["in_place"], record["partners"]
    (1, 2, 1, [5, 7])

    References:
        Barz and Denzler, Do we train on test data? Purging CIFAR of near-duplicates, Journal of
        Imaging 6, 2020.
    """
    checked = check_images(images, "images")
    others = checked
    if training is not None:
        others = check_images(training, "training", checked.shape[1:])
    elif training_labels is not None:
        raise fail("training_labels", "labels without `training`", "None")
    elif labels is not None:
        training_labels = labels
    pair = check_label_pair(labels, training_labels, "training_labels", len(checked), len(others))
    threshold = check_positive(threshold, "threshold", zero=True)
    check_verbose(verbose)
    within = training is None
    limit = uniformity_limit(others)
    kept = np.flatnonzero(~uniform_images(checked, limit))
    known = kept if within else np.flatnonzero(~uniform_images(others, limit))
    compared = _Compared(checked[kept], others[known], within)
    with reporting(verbose, "looking for duplicates") as report:
        distances, nearest, in_place = _nearest(compared, max(threshold, ROUNDED), report)
        exact = _exact(compared)
    near = np.flatnonzero(exact | (distances < threshold))
    indices, partners = kept[near], known[nearest[near]]
    other_label = None if pair is None else int((pair[0][indices] != pair[1][partners]).sum())
    record = {
        "count": len(checked),
        "training_count": len(others),
        "uniform": len(checked) - len(kept),
        "exact": int(exact.sum()),
        "near": len(near),
        "in_place": int(in_place[near].sum()),
        "indices": indices.tolist(),
        "partners": partners.tolist(),
        "distances": distances[near].tolist(),
        "with_another_label": other_label,
    }
    return record | {"warning": _message(record, within)}


def duplicates_seconds(pairs: float, image_shape: Sequence[int]) -> float:
    """Return about how many seconds `near_duplicates` takes.

    Args:
        pairs: Pairs of images that are compared.
        image_shape: `(height, width, channels)`.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.metrics.duplicates import duplicates_seconds
    >>> round(duplicates_seconds(1e6, (28, 28, 1)), 2)
    0.1
    """
    return SECONDS[0] + SECONDS[1] * pairs * math.prod(image_shape)


@dataclass(frozen=True)
class _Compared:
    """Two sets of images, `within` if they are one, in which each is compared with earlier ones."""

    images: NDArray
    others: NDArray
    within: bool

    @property
    def unit(self) -> int:
        """What a difference of 1 is in the rows: 255 where all are whole numbers."""
        return 255 if self.images.dtype == self.others.dtype == np.uint8 else 1

    def rows(self, images: NDArray) -> NDArray[np.float64]:
        """Return images as rows of values in [0, unit]."""
        values = images if self.unit == 255 else to_float(images)
        return values.reshape(len(images), -1).astype(np.float64)

    def chunks(self) -> Iterator[tuple[slice, slice]]:
        """Yield the parts of both sets that are compared with each other."""
        for start in range(0, len(self.images), BATCH):
            stop = min(start + BATCH, len(self.images)) if self.within else len(self.others)
            for other in range(0, stop, BATCH):
                yield slice(start, start + BATCH), slice(other, other + BATCH)


def _exact(compared: _Compared) -> NDArray[np.bool_]:
    """Tell which images equal another one, or an earlier one of the same set, in any form."""
    keys = digests_of_forms(compared.images)
    if compared.within:
        repeats = np.ones(len(keys), bool)
        repeats[first_of_equals(keys)] = False
        return repeats
    known = set(digests_of_forms(compared.others))
    return np.array([key in known for key in keys], bool)


def _nearest(
    compared: _Compared, limit: float, report: Report
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """Return how far the nearest image is, which, and whether it is so in place.

    Distances of the limit and more are infinite. What is left of an image when the sum of all its
    forms is taken is the same for each form, and a lower bound of the distance: few pairs are below
    the limit there, and only these are compared in all forms.
    """
    count = len(compared.images)
    distances, nearest = np.full(count, np.inf), np.zeros(count, np.intp)
    in_place = np.zeros(count, bool)
    chunks = list(compared.chunks())
    ours = np.empty((0, 0))
    for done, (rows, columns) in enumerate(chunks):
        report(done, len(chunks))
        if columns.start == 0:
            ours = _invariants(compared, compared.images[rows])
        close = _bounded_pairs(compared, ours, compared.others[columns], limit)
        if compared.within:
            later = np.arange(columns.start, columns.start + close.shape[1])
            close &= later < np.arange(rows.start, rows.start + len(close))[:, None]
        first, second = np.nonzero(close)
        for start in range(0, len(first), BATCH):
            part = slice(start, start + BATCH)
            pair = rows.start + first[part], columns.start + second[part]
            of_pairs, same = _pair_distances(compared, *pair)
            _keep_nearest((distances, nearest, in_place), *pair, of_pairs, same)
    report(1, 1)
    distances[distances >= limit] = np.inf
    return distances, nearest, in_place


def _invariants(compared: _Compared, images: NDArray) -> NDArray[np.float64]:
    """Return what is the same for all forms of an image: the sum of these, a quarter of it."""
    values = images if compared.unit == 255 else to_float(images)
    total = np.sum([form.astype(np.float64) for form in forms(values)], axis=0)
    height, width = images.shape[1:3]
    quarter = total[:, : (height + 1) // 2, : (width + 1) // 2]
    return quarter.reshape(len(images), -1)


def _bounded_pairs(
    compared: _Compared, ours: NDArray[np.float64], others: NDArray, limit: float
) -> NDArray[np.bool_]:
    """Tell which pairs may be nearer than the limit, by what all forms have in common."""
    theirs = _invariants(compared, others)
    height, width, channels = others.shape[1:]
    # How often each of these pixels is in the whole: those of a middle row or column less often.
    rows = np.where(np.arange((height + 1) // 2) == height - 1 - np.arange((height + 1) // 2), 1, 2)
    columns = np.where(np.arange((width + 1) // 2) == width - 1 - np.arange((width + 1) // 2), 1, 2)
    times = np.repeat(np.outer(rows, columns).ravel(), channels).astype(np.float64)
    number = 8 if height == width else 4
    weighted = theirs * times
    squares = -2 * (ours @ weighted.T)
    squares += np.einsum("ij,ij,j->i", ours, ours, times)[:, None]
    squares += np.einsum("ij,ij->i", theirs, weighted)
    pixels = height * width * channels
    most = (limit**2 + SLACK) * pixels * (compared.unit * number) ** 2
    return squares <= most


def _pair_distances(
    compared: _Compared, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the distances of pairs, the nearest form of each, and whether that is in place."""
    others = compared.rows(compared.others[second])
    squares = []
    for form in forms(compared.images[first]):
        difference = compared.rows(form) - others
        squares.append(np.einsum("ij,ij->i", difference, difference))
    least = np.min(squares, axis=0)
    return np.sqrt(least / others.shape[1]) / compared.unit, squares[0] <= least


def _keep_nearest(
    best: tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    of_pairs: NDArray[np.float64],
    same: NDArray[np.bool_],
) -> None:
    """Put what is nearer than before into `best`: the first of equally near ones stays."""
    distances, nearest, in_place = best
    order = np.lexsort((second, of_pairs, first))
    least = order[np.r_[True, first[order][1:] != first[order][:-1]]]
    better = least[of_pairs[least] < distances[first[least]]]
    distances[first[better]] = of_pairs[better]
    nearest[first[better]] = second[better]
    in_place[first[better]] = same[better]


def _message(record: dict[str, Any], within: bool) -> str | None:
    if record["uniform"] == record["count"]:
        return f"All {record['count']} images are uniform: none was compared."
    if not record["near"]:
        return None
    exact, near = record["exact"], record["near"]
    where = "another image of the set" if within else "a training image"
    what = (
        f"{near} of {record['count']} images are near-duplicates of {where} ({exact} of them exact)"
    )
    moved = near - record["in_place"]
    if moved:
        what += f", {moved} of them flipped or turned"
    if record["with_another_label"]:
        what += f", {record['with_another_label']} of them with another label"
    effect = (
        "such images count more than once" if within else "scores on them say little of new images"
    )
    left_out = ""
    if record["uniform"]:
        left_out = f" Uniform images, of which there are {record['uniform']}, were not compared."
    return f"{what}: {effect}.{left_out}"
