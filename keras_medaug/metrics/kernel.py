"""The kernel distance of two sets of features."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_flag, check_positive, fail
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import register_metric
from keras_medaug.metrics.samples import Samples, check_pair
from keras_medaug.result import returns_result

# t quantiles 0.975 by degrees of freedom; from 30 on 1.96 + 2.4 / f is right to 0.003.
T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045,
)  # fmt: skip
BINOMIAL = (1, 3, 3, 1)  # of (t + 1)^3
ROWS = 2048  # features at a time
VALUES = 2**23  # products at a time
KEPT = 2**26  # sums of products that are kept at a time, 512 MiB
LARGEST = 2**25  # of one set, twice: up to 322 dimensions, of which some eight are alive at a time
MOST_BLOCKS = 10  # that `sample_quality` deals images into, of two images or more

Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
Moments = tuple[NDArray[np.float64], ...]


@returns_result
def kernel_distance(
    real: ArrayLike, synthetic: ArrayLike, blocks: int = 10, seed: int = 0, scaled: bool = True
) -> dict[str, Any]:
    """Compare two sets of features by the squared maximum mean discrepancy, unbiased.

    The kernel is `(x . y / (d s^2) + 1)^3`, so that means, variances and third moments count. The
    scale `s` is the root mean square of the real features, `s^2 = mean over x of |x|^2 / d`: the
    distance is the same in whatever unit features are. Two samples of one distribution are at a
    distance of 0 on average, be they few or many, and often a little below 0: unlike a Frechet
    distance it can be compared between sets of different sizes.

    Where all real features are 0, `s` is that of the synthetic ones; where these are 0 as well, the
    distance is 0.

    Images are never compared pair by pair where there are many: the sums of the kernel over all
    pairs follow from the first three moments, in a time that grows with `n`, not with `n^2`.

    Args:
        real: Features of real images, shape `(n, d)`.
        synthetic: Features of the images in question, shape `(m, d)`.
        blocks: Parts into which both sets are dealt for the interval; each has to get two images.
        seed: Integer seed of the dealing.
        scaled: Whether to divide features by `s` (default). Without it `s` is 1, and with the
            features of an Inception network the distance is the KID as published. Where features
            are small then, the kernel is nearly linear, and sees little but their means.

    Returns:
        A dictionary of plain numbers:

        - `value`: the squared discrepancy, over all pairs;
        - `ci95`: the t interval about it, by the jackknife that leaves out one block of both sets
          at a time. It holds what it should 92 to 99 times of 100, but less often where images are
          few and features skewed (with 20 images of log-normal features 3 times of 4); where the
          sets hardly differ it is up to 1.5 times as wide as need be;
        - `blocks`, `counts`: how many, and `[n, m]`.

    Raises:
        ValueError: If an argument is not as described, or a block would have fewer than two images.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).normal(size=(500, 4))
    >>> same = kma.metrics.kernel_distance(x[:250], x[250:])
    >>> far = kma.metrics.kernel_distance(x[:250], x[250:] + 1)
    >>> same["ci95"][0] < 0 < same["ci95"][1] < far["ci95"][0]
    True

    References:
        Gretton et al., A kernel two-sample test, JMLR 13, 2012, lemma 6. Binkowski et al.,
        Demystifying MMD GANs, ICLR 2018: the kernel. Shao and Wu, A general theory for jackknife
        variance estimation, Annals of Statistics 17, 1989: leaving out several at a time.
    """
    real, synthetic = check_pair(real, synthetic)
    blocks = int(check_positive(blocks, "blocks", integer=True))
    fewest = min(len(real), len(synthetic))
    if blocks < 2 or fewest < 2 * blocks:
        got = f"{blocks} for {fewest} images"
        raise fail("blocks", got, "two blocks or more, of two images or more")
    if check_flag(scaled, "scaled"):
        scale = _scale(real) or _scale(synthetic) or 1.0
        real, synthetic = real / scale, synthetic / scale
    rng = np.random.default_rng(seed)
    ours, theirs = (_dealt(x, blocks, rng) for x in (real, synthetic))
    value, *without = _discrepancies(ours, theirs, scaled)
    variance = (blocks - 1) * float(np.var(without))
    half = _t_quantile(blocks - 1) * variance**0.5
    return {
        "value": value,
        "ci95": [value - half, value + half],
        "blocks": blocks,
        "counts": [len(real), len(synthetic)],
    }


def _scale(features: NDArray) -> float:
    """Return the root mean square, without overflow or underflow on the way."""
    largest = float(np.abs(features).max())
    return largest * float(np.sqrt(np.mean((features / largest) ** 2))) if largest else 0.0


def _dealt(features: NDArray, blocks: int, rng: np.random.Generator) -> list[NDArray]:
    parts = np.array_split(rng.permutation(len(features)), blocks)
    return [features[np.sort(chosen)] for chosen in parts]


def _discrepancies(real: list[NDArray], synthetic: list[NDArray], scaled: bool) -> list[float]:
    """Return the unbiased squared maximum mean discrepancy of all, and without each block.

    It is the mean of the kernel over pairs of different rows of one set, of both sets, less twice
    that over pairs of one row of each. With `scaled`, each value is divided by
    the scale of its own real rows. So the interval includes the uncertainty of the scale.
    """
    n, m, d = sum(map(len, real)), sum(map(len, synthetic)), real[0].shape[1]
    # Work in multiplications: of all pairs, or of the third moments of either set.
    fewer = (n + m) * d**2 / 2 < n * n + m * m + n * m
    sums = _by_moments if fewer and d**3 <= LARGEST else _by_pairs
    within, other, between = sums(real, synthetic)
    within -= _each_left_out([_of_itself(part) for part in real])
    other -= _each_left_out([_of_itself(part) for part in synthetic])
    a, b = (_each_left_out([_count(part) for part in parts]) for parts in (real, synthetic))
    powers = within / (a * (a - 1)) + other / (b * (b - 1)) - 2 * between / (a * b)
    squares = np.ones((len(powers), 1))
    if scaled:
        squares = _each_left_out([np.sum(part**2, keepdims=True)[0] for part in real]) / (a * d)
        squares[squares == 0] = 1.0
    return list(map(float, np.sum(BINOMIAL * powers / (d * squares) ** np.arange(4), axis=1)))


def _each_left_out(values: list[NDArray]) -> NDArray[np.float64]:
    """Return the sum of some rows, and that of all but the first, but the second, and so on."""
    return np.sum(values, axis=0) - np.stack([np.zeros_like(values[0]), *values])


def _count(features: NDArray) -> NDArray[np.float64]:
    return np.array([float(len(features))])


def _of_itself(features: NDArray) -> NDArray[np.float64]:
    """Return the sums of the powers 0 to 3 of the product of each row with itself."""
    squares = np.einsum("ij,ij->i", features, features)
    return np.array([np.sum(squares**power) for power in range(4)])


def _by_pairs(real: list[NDArray], synthetic: list[NDArray]) -> Sums:
    """Return sums over all pairs within each set, and between them.

    A row of each has the sums of the powers 0 to 3 of the product of two rows of features. The
    first row is of all, the next without the first block of both sets, and so on.
    """

    def table(ours: list[NDArray], theirs: list[NDArray]) -> NDArray:
        sums = np.zeros((len(ours), len(theirs), 4))
        for i, j in np.ndindex(sums.shape[:2]):
            symmetric = ours is theirs and j < i
            sums[i, j] = sums[j, i] if symmetric else _of_pairs(ours[i], theirs[j])
        return sums

    def without(sums: NDArray) -> NDArray:
        left_out = sums.sum(axis=0) + sums.sum(axis=1) - sums.diagonal().T
        return sums.sum(axis=(0, 1)) - np.concatenate([np.zeros((1, 4)), left_out])

    within, other = without(table(real, real)), without(table(synthetic, synthetic))
    return within, other, without(table(real, synthetic))


def _of_pairs(ours: NDArray, theirs: NDArray) -> NDArray[np.float64]:
    second = third = 0.0
    rows = max(VALUES // len(theirs), 1)
    for start in range(0, len(ours), rows):
        products = ours[start : start + rows] @ theirs.T
        second += float(np.vdot(products, products))
        third += float(np.einsum("ij,ij,ij->", products, products, products))
    first = float(ours.sum(axis=0) @ theirs.sum(axis=0))
    return np.array([float(len(ours) * len(theirs)), first, second, third])


def _by_moments(real: list[NDArray], synthetic: list[NDArray]) -> Sums:
    """Return the same from the moments of the blocks.

    `sum_ij (x_i . y_j)^k` is the inner product of the tensors `sum_i x_i^(k)` and `sum_j y_j^(k)`
    of k-fold products.
    """
    size = real[0].shape[1]
    few = len(real) * size**3 <= KEPT
    sets: list[Iterable[Moments]] = [
        [_moments(part) for part in parts] if few else _ComputedAnew(parts)
        for parts in (real, synthetic)
    ]
    ours, theirs = (functools.reduce(_added, moments) for moments in sets)
    sums = [[_product(*pair, size) for pair in ((ours, ours), (theirs, theirs), (ours, theirs))]]
    for block, other_block in zip(*sets, strict=True):
        a, b = _without(ours, block), _without(theirs, other_block)
        sums.append([_product(*pair, size) for pair in ((a, a), (b, b), (a, b))])
    within, other_within, between = np.moveaxis(np.array(sums), 1, 0)
    return within, other_within, between


class _ComputedAnew:
    """The moments of blocks that are too many to be kept, each time that they are asked for."""

    def __init__(self, parts: list[NDArray]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[Moments]:
        return map(_moments, self._parts)


def _added(ours: Moments, theirs: Moments) -> Moments:
    return tuple(a + b for a, b in zip(ours, theirs, strict=True))


def _without(ours: Moments, theirs: Moments) -> Moments:
    return tuple(a - b for a, b in zip(ours, theirs, strict=True))


def _moments(features: NDArray) -> Moments:
    """Return the sums of the powers 0 to 3 of the rows: a number, `(d,)`, `(p,)`, `(d, p)`.

    Of the products of two dimensions there are `p = d (d + 1) / 2` different ones.
    """
    size = features.shape[1]
    first, second = np.triu_indices(size)
    squares, cubes = np.zeros(len(first)), np.zeros((size, len(first)))
    for rows in _parts(features, len(first)):
        products = rows[:, first] * rows[:, second]
        squares += products.sum(axis=0)
        cubes += rows.T @ products
    return np.array(float(len(features))), features.sum(axis=0), squares, cubes


def _parts(features: NDArray, width: int) -> Iterator[NDArray]:
    rows = max(min(ROWS, VALUES // width), 1)
    for start in range(0, len(features), rows):
        yield features[start : start + rows]


def _product(ours: Moments, theirs: Moments, size: int) -> tuple[float, ...]:
    first, second = np.triu_indices(size)
    times = np.where(first == second, 1.0, 2.0)  # that a product is in the whole square
    return (
        float(ours[0] * theirs[0]),
        float(ours[1] @ theirs[1]),
        float((times * ours[2]) @ theirs[2]),
        float(np.einsum("ij,ij,j->", ours[3], theirs[3], times)),
    )


def _t_quantile(degrees: int) -> float:
    if degrees <= len(T_QUANTILES):
        return T_QUANTILES[degrees - 1]
    return 1.96 + 2.4 / degrees


def _measure(samples: Samples) -> dict[str, Any]:
    real, synthetic = samples.real, samples.synthetic
    blocks = min(MOST_BLOCKS, len(synthetic) // 2, len(real) // 2)
    distance = kernel_distance(real, synthetic, blocks, samples.seed)
    return {key: distance[key] for key in ("value", "ci95")}


register_metric(
    Metric(
        "kernel",
        "kernel distance (KID)",
        "less",
        "How far means, variances and skews of the features are apart. It is 0 on average for "
        "images of the same kind, however few, so that it can be below 0.",
        measure=_measure,
    )
)
