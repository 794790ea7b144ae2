"""Nearest training images, found part by part: memory does not grow with the sets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_medaug.metrics.space import Rows, Space
from keras_medaug.progress import Report, ignore, portion

FOLLOWING = 10  # next nearest images that a distance is relative to


@dataclass(frozen=True)
class Neighbours:
    """What is nearest to each of some images.

    Attributes:
        distances: To the nearest, `(n,)`.
        indices: Which one it is, `(n,)`.
        relative: `distances` over the mean distance to the next nearest ones, `(n,)`; 1 where
            there is no next one, or the next ones are as near as rounding can tell.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.neighbours import find_neighbours
    >>> from keras_medaug.metrics.space import pixels
    >>> training = np.zeros((3, 8, 8, 1)) + np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1)
    >>> nearest = find_neighbours(training[:1] + 0.1, training, pixels(1))
    >>> nearest.distances.round(2).tolist(), nearest.relative.round(3).tolist()
    ([0.1], [0.154])
    """

    distances: NDArray[np.float64]
    indices: NDArray[np.intp]
    relative: NDArray[np.float64]


def find_neighbours(
    images: NDArray,
    training: NDArray,
    space: Space,
    batch_size: int = 256,
    itself: NDArray[np.intp] | None = None,
    following: int = FOLLOWING,
    report: Report = ignore,
) -> Neighbours:
    """Return what is nearest to each image.

    The nearest one is found among sums of squares in their expanded form; its distance is then
    taken from the difference, so that it is 0 for equal rows. Of several that are equally near it
    is the first, where sums are exact.

    Args:
        images: What the space makes rows of.
        training: What to look among; likewise.
        space: Where to compare them.
        batch_size: Images compared at a time, on either side.
        itself: Indices into `training`: its images, not `images`, are compared with all others.
        following: How many next nearest ones the relative distance takes, if there are as many.
        report: Called with the pairs compared so far and their number.

    Returns:
        The neighbours. Distances are infinite where there is nothing to compare with.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.neighbours import find_neighbours
    >>> from keras_medaug.metrics.space import pixels
    >>> training = np.zeros((3, 8, 8, 1)) + np.array([0.0, 0.4, 1.0]).reshape(3, 1, 1, 1)
    >>> others = find_neighbours(training, training, pixels(1), itself=np.array([2, 0]))
    >>> others.distances.round(2).tolist(), others.indices.tolist()
    ([0.6, 0.4], [1, 1])
    """
    count = len(images) if itself is None else len(itself)
    distances, relative = np.full(count, np.inf), np.ones(count)
    indices = np.zeros(count, np.intp)
    most = min(following + 1, len(training) - (itself is not None))
    for start in range(0, count if most else 0, batch_size):
        of_chunk = portion(report, start / count, min(start + batch_size, count) / count)
        chunk = slice(start, start + batch_size)
        skipped = None if itself is None else itself[chunk]
        rows = space.rows(images[chunk] if skipped is None else training[skipped])
        indices[chunk], nearest = _search(
            rows, training, space, batch_size, skipped, most, of_chunk
        )
        distances[chunk] = _distances(rows, space.rows(training[indices[chunk]]), space)
        if most > 1:
            squares = np.maximum(nearest[:, 1:] + _squares(rows)[:, None], 0)
            next_ones = np.sqrt(squares / rows.shape[1]).mean(axis=1) / space.unit
            apart = next_ones > space.rounding
            np.divide(distances[chunk], next_ones, out=relative[chunk], where=apart)
    return Neighbours(distances, indices, relative)


def _search(
    rows: Rows,
    training: NDArray,
    space: Space,
    batch_size: int,
    skipped: NDArray[np.intp] | None,
    most: int,
    report: Report,
) -> tuple[NDArray[np.intp], Rows]:
    """Return the index of what is nearest to each row, and its `most` smallest values, sorted.

    A value is a squared distance without the row's own sum of squares.
    """
    best = np.full(len(rows), np.inf)
    indices = np.zeros(len(rows), np.intp)
    smallest = np.full((len(rows), most), np.inf)
    for start in range(0, len(training), batch_size):
        report(start, len(training))
        values = _values(rows, space.rows(training[start : start + batch_size]), space)
        if skipped is not None:
            columns = skipped - start
            inside = np.flatnonzero((columns >= 0) & (columns < values.shape[1]))
            values[inside, columns[inside]] = np.inf
        nearest = values.argmin(axis=1)
        value = np.take_along_axis(values, nearest[:, None], axis=1)[:, 0]
        better = value < best
        best[better] = value[better]
        indices[better] = start + nearest[better]
        # Few rows have anything among their smallest in a later part.
        changed = np.flatnonzero((values < smallest[:, -1:]).any(axis=1))
        candidates = np.hstack([smallest[changed], values[changed]])
        smallest[changed] = np.partition(candidates, most - 1, axis=1)[:, :most]
    return indices, np.sort(smallest, axis=1)


def _values(rows: Rows, others: Rows, space: Space) -> Rows:
    # |a - b|^2 = |a|^2 - 2ab + |b|^2, without |a|^2, which is the same for every b and every form
    # of a. In whole numbers of at most 255 all of it stays far below 2^53, and so is exact.
    products = None
    for form in space.forms(rows):
        of_form = form @ others.T
        products = of_form if products is None else np.maximum(products, of_form, out=products)
    assert products is not None  # a space has one form or more
    products *= -2
    products += _squares(others)
    return products


def _distances(rows: Rows, nearest: Rows, space: Space) -> NDArray[np.float64]:
    """Return how far each row is from the one at the same place; the nearest form counts."""
    squares = [_squares(form - nearest) for form in space.forms(rows)]
    return np.sqrt(np.min(squares, axis=0) / rows.shape[1]) / space.unit


def _squares(rows: Rows) -> NDArray[np.float64]:
    """Return the sum of squares of each row."""
    return np.einsum("ij,ij->i", rows, rows)
