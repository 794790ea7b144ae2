"""Precision, recall, density and coverage of two sets of features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive, fail
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import register_metric
from keras_medaug.metrics.samples import Samples, check_pair
from keras_medaug.result import returns_result

TILE = 2048  # images compared at a time, on either side
TIED = 1e-12  # of the sums of squares: a squared distance is known to no more than this
QUANTILE = 1.959964  # normal, 0.975


@returns_result
def manifold_scores(real: ArrayLike, synthetic: ArrayLike, neighbours: int = 5) -> dict[str, Any]:
    """Tell how far synthetic images are among the real ones, and real ones among the synthetic.

    Each image has a ball, as wide as its distance to its k-th nearest image of the same set. Then

    - *precision* is the fraction of synthetic images in any real image's ball: do they look real?
    - *recall* is the fraction of real images in any synthetic image's ball: is everything there?
    - *density* is the mean number of real balls that a synthetic image is in, over k: as
      precision, but one real outlier with a huge ball does not count for all; it can be above 1;
    - *coverage* is the fraction of real images with a synthetic image in their ball: as recall, but
      wide balls of poor synthetic images do not count.

    A ball holds its edge: of equal images each is in the balls of the others, and a set compared
    with itself has a precision of 1. Distances that differ by less than a millionth of the length
    of the vectors are equal: this much may be rounding, also that of an extractor in `float32`.

    All depend on the numbers of images and on k: compare with what as many unseen real images get.
    Memory is about `2048 * 2048` distances, however many images there are.

    Args:
        real: Features of real images, shape `(n, d)`, more than `neighbours`.
        synthetic: Features of the images in question, shape `(m, d)`, more than `neighbours`.
        neighbours: k.

    Returns:
        `precision`, `recall`, `density` and `coverage`, each a dictionary of `value` and `ci95`;
        `neighbours`; and `counts`, `[n, m]`. The intervals are over both sets of images, whose
        balls keep their sizes. For fractions they are Wilson's, which does not shrink to nothing at
        0 and 1 as a bootstrap's does; those of density can be a fifth too narrow. No bootstrap
        draws an image twice here: the two would be each other's nearest.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).normal(size=(400, 2))
    >>> half = x[200:][x[200:, 0] > 0]
    >>> scores = kma.metrics.manifold_scores(x[:200], half)
    >>> scores["precision"]["value"] > 0.9 > 0.7 > scores["coverage"]["value"]
    True

    References:
        Kynkaanniemi et al., Improved precision and recall metric for assessing generative models,
        NeurIPS 2019. Naeem et al., Reliable fidelity and diversity metrics for generative models,
        ICML 2020.
    """
    ours, theirs = check_pair(real, synthetic)
    neighbours = int(check_positive(neighbours, "neighbours", integer=True))
    fewest = min(len(ours), len(theirs))
    if fewest <= neighbours:
        raise fail("neighbours", f"{neighbours} with {fewest} images", "fewer than images")
    centre = np.mean(ours, axis=0)  # near which sums of squares lose least
    ours, theirs = ours - centre, theirs - centre
    radii = [_radii(x, neighbours) for x in (ours, theirs)]
    in_real, in_synthetic, holding = _compare(ours, theirs, *radii)
    return {
        "precision": _fraction(in_real),
        "recall": _fraction(in_synthetic),
        "density": _density(in_real, holding, neighbours),
        "coverage": _fraction(holding),
        "neighbours": neighbours,
        "counts": [len(ours), len(theirs)],
    }


def _tiles(first: NDArray, second: NDArray, tied: float = 0.0) -> Iterator[tuple[slice, Iterator]]:
    """Yield parts of `first`, with the squared distances of each to parts of `second`.

    All are less by `tied` of both rows' sums of squares, and not below 0.
    """
    squares = [(1 - tied) * np.einsum("ij,ij->i", x, x) for x in (first, second)]

    def distances(rows: slice) -> Iterator[tuple[slice, NDArray]]:
        for start in range(0, len(second), TILE):
            columns = slice(start, start + TILE)
            products = first[rows] @ second[columns].T
            products *= -2
            products += squares[0][rows, None]
            products += squares[1][columns]
            yield columns, np.maximum(products, 0, out=products)

    for start in range(0, len(first), TILE):
        rows = slice(start, start + TILE)
        yield rows, distances(rows)


def _radii(features: NDArray, neighbours: int) -> NDArray:
    """Return the squared distance of each row to its k-th nearest other."""
    radii = np.empty(len(features))
    for rows, parts in _tiles(features, features):
        # Of each row the k + 1 nearest so far, itself among them at a distance of 0, the farthest
        # last; in a later part few rows have anything nearer.
        nearest = np.full((len(features[rows]), neighbours + 1), np.inf)
        for _, distances in parts:
            better = (distances < nearest[:, -1:]).any(axis=1)
            candidates = np.hstack([nearest[better], distances[better]])
            nearest[better] = np.partition(candidates, neighbours, axis=1)[:, : neighbours + 1]
        radii[rows] = nearest[:, -1]
    return radii


class _Hits:
    """How many balls hold each image, and which one it is where it is only one.

    Args:
        count: Number of images.
        others: Number of balls.
    """

    def __init__(self, count: int, others: int) -> None:
        self.counts, self.sums = np.zeros(count), np.zeros(count)
        self.others = others

    def add(self, rows: slice, columns: slice, within: NDArray[np.bool_]) -> None:
        """Count the balls of `columns`, of which `within` tells whether they hold `rows`."""
        places = np.arange(self.others, dtype=np.float32)[columns]
        hits = within.astype(np.float32)
        self.counts[rows] += hits.sum(axis=1)
        self.sums[rows] += hits @ places

    def any(self) -> NDArray[np.bool_]:
        """Tell which images are in any ball."""
        return self.counts > 0

    def only(self) -> NDArray[np.float64]:
        """Return of each ball how many images it alone holds, as a fraction of the images."""
        owners = self.sums[self.counts == 1].astype(np.intp)
        return np.bincount(owners, minlength=self.others) / len(self.counts)


def _compare(
    real: NDArray, synthetic: NDArray, real_radii: NDArray, synthetic_radii: NDArray
) -> tuple[_Hits, _Hits, _Hits]:
    """Return what each measure counts.

    Synthetic rows in real balls, real rows in synthetic balls, and real balls by what they hold.
    """
    in_real = _Hits(len(synthetic), len(real))
    in_synthetic = _Hits(len(real), len(synthetic))
    holding = _Hits(len(real), len(synthetic))
    for rows, parts in _tiles(real, synthetic, TIED):
        for columns, distances in parts:
            within = distances <= real_radii[rows, None]
            in_real.add(columns, rows, within.T)
            holding.add(rows, columns, within)
            in_synthetic.add(rows, columns, distances <= synthetic_radii[columns])
    return in_real, in_synthetic, holding


def _fraction(hits: _Hits) -> dict[str, Any]:
    """Return a fraction with Wilson's interval, for as many images as its variance is worth.

    The images counted vary, and so do those whose balls they are in. The second part is the
    jackknife's, of which a ball that goes takes along what it alone holds.
    """
    counted = hits.any()
    value, count = float(counted.mean()), float(min(len(counted), hits.others))
    spread = value * (1 - value)
    if spread:
        count = spread / (spread / len(counted) + _jackknife(hits.only()))
    scale = 1 + QUANTILE**2 / count
    centre = (value + QUANTILE**2 / (2 * count)) / scale
    half = QUANTILE * (spread / count + (QUANTILE / (2 * count)) ** 2) ** 0.5 / scale
    return {"value": value, "ci95": [max(centre - half, 0.0), min(centre + half, 1.0)]}


def _density(in_real: _Hits, holding: _Hits, neighbours: int) -> dict[str, Any]:
    """Return the mean number of balls over k, with the interval of both sets' variances."""
    values = in_real.counts / neighbours
    parts = holding.counts / (neighbours * len(values))
    half = QUANTILE * (float(values.var()) / len(values) + _jackknife(parts)) ** 0.5
    value = float(values.mean())
    return {"value": value, "ci95": [max(value - half, 0.0), value + half]}


def _jackknife(changes: NDArray[np.float64]) -> float:
    """Return the variance of a sum of which each image that goes takes a part along."""
    count = len(changes)
    return float((count - 1) * changes.var())


def _scores(samples: Samples) -> dict[str, Any]:
    return manifold_scores(samples.real, samples.drawn, samples.neighbours)


def _register(name: str, caption: str) -> None:
    """Register one of the scores, whose neighbours are found once for all four."""
    register_metric(
        Metric(name, name, "more", caption, measure=lambda samples: samples.once(_scores)[name])
    )


PLACE = "Whether images lie where real images do. Noise lowers it; blur need not."
NEAR = "Whether there is a synthetic image near each real image. Whatever is missing lowers it."
_register("precision", PLACE)
_register("recall", NEAR)
_register("density", PLACE)
_register("coverage", NEAR)
