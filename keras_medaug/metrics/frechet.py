"""The Frechet distance of two sets of features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive, fail
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import register_metric
from keras_medaug.metrics.samples import LEVELS, Samples, check_pair
from keras_medaug.result import returns_result

PER_COMPONENT = 10  # samples for each dimension, fewer of which are few
FEW_COMPONENTS = 32
GROUPS = 500
LARGEST_GROUPS = 2**26  # values that the second moments of all groups may have
SIMULATED = (10, 500)  # at least, and over the dimensions: the more of these, the less noise


@returns_result
def frechet_distance(
    real: ArrayLike,
    synthetic: ArrayLike,
    components: int | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the means and covariances of two sets of features.

    The squared Frechet (2-Wasserstein) distance of two normal distributions,
    `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`, with the sets' means and covariances. With the
    features of an Inception network this is the FID; with others it is in their units, and only
    distances of the same extractor, size and number of components can be compared.

    It is biased: two samples of one distribution are at a distance above 0, the more so the fewer
    they are and the more dimensions they have. `bias` says how far. Where either set has fewer than
    ten samples for a dimension, features are reduced to their first 32 principal components, of
    the real ones.

    Args:
        real: Features of real images, shape `(n, d)`.
        synthetic: Features of the images in question, shape `(m, d)`.
        components: Dimensions to keep, of `d`; `None` is the rule above.
        resamples: Bootstrap samples.
        seed: Integer seed of these.

    Returns:
        A dictionary of plain numbers:

        - `value`: the distance;
        - `ci95`: where it would lie, 95 times of 100, with other images, so many: the bootstrap's
          quantiles, shifted by its own bias; too wide where the sets hardly differ;
        - `bias`: the mean distance of two normal samples of these sizes with one covariance, that
          of the real features;
        - `components`: the dimensions that were compared;
        - `counts`: `[n, m]`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).normal(size=(500, 4))
    >>> far = kma.metrics.frechet_distance(x[:250], x[250:] + [3, 0, 0, 0])
    >>> far["ci95"][0] < 9 + far["bias"] < far["ci95"][1], far["components"]
    (True, 4)

    References:
        Heusel et al., GANs trained by a two time-scale update rule, NeurIPS 2017. Chong and
        Forsyth, Effectively unbiased FID and Inception Score, CVPR 2020: the bias.
    """
    real, synthetic = check_pair(real, synthetic)
    count = _components(components, real, synthetic)
    real, synthetic = _reduced(real, synthetic, count)
    resamples = check_positive(resamples, "resamples", integer=True)
    rng = np.random.default_rng(seed)
    value = _distance(*_moments(real), *_moments(synthetic))
    values = _bootstrap(real, synthetic, resamples, rng)
    low, high = value + np.quantile(values, LEVELS) - values.mean()
    return {
        "value": value,
        "ci95": [max(float(low), 0.0), float(high)],
        "bias": _bias(real, len(synthetic), rng),
        "components": count,
        "counts": [len(real), len(synthetic)],
    }


def _components(given: int | None, real: NDArray, synthetic: NDArray) -> int:
    size = real.shape[1]
    if given is None:
        few = min(len(real), len(synthetic)) < PER_COMPONENT * size
        return min(size, FEW_COMPONENTS) if few else size
    count = check_positive(given, "components", integer=True)
    if count > size:
        raise fail("components", count, f"at most {size}, the dimensions of the features")
    return int(count)


def _reduced(real: NDArray, synthetic: NDArray, components: int) -> tuple[NDArray, NDArray]:
    """Return both sets in the first principal components of the real one."""
    if components == real.shape[1]:
        return real, synthetic
    mean, covariance = _moments(real)
    axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :components]
    return (real - mean) @ axes, (synthetic - mean) @ axes


def _moments(features: NDArray) -> tuple[NDArray, NDArray]:
    """Return mean and unbiased covariance."""
    mean = features.mean(axis=0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def _distance(
    mean: NDArray, covariance: NDArray, other_mean: NDArray, other_covariance: NDArray
) -> float:
    # The trace of the root of a product of covariances is that of the root of a symmetric matrix
    # with the same eigenvalues, none of which can be negative but by rounding.
    root = _root(covariance)
    product = np.linalg.eigvalsh(root.T @ other_covariance @ root)
    shift = np.sum((mean - other_mean) ** 2)
    spread = np.trace(covariance) + np.trace(other_covariance)
    return max(float(shift + spread - 2 * np.sqrt(np.maximum(product, 0)).sum()), 0.0)


def _root(covariance: NDArray) -> NDArray:
    """Return a matrix whose product with its transpose is the covariance."""
    try:
        return np.linalg.cholesky(covariance)  # a tenth of the time of eigenvalues
    except np.linalg.LinAlgError:  # singular
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0))


def _bootstrap(
    real: NDArray, synthetic: NDArray, resamples: int, rng: np.random.Generator
) -> NDArray:
    """Return the distance of bootstrap samples of both sets."""
    # About one centre, which no distance depends on, or the moments would cancel.
    centre = real.mean(axis=0)
    sums = [_GroupedMoments(x - centre, rng) for x in (real, synthetic)]
    return np.array(
        [_distance(*sums[0].resampled(rng), *sums[1].resampled(rng)) for _ in range(resamples)]
    )


class _GroupedMoments:
    """Moments of groups of samples, from which those of a bootstrap sample are cheap.

    A sample is drawn group by group: few samples are a group each; of many, groups at random
    are as independent as the samples are.
    """

    def __init__(self, features: NDArray, rng: np.random.Generator) -> None:
        count, size = features.shape
        groups = min(count, GROUPS, max(LARGEST_GROUPS // size**2, FEW_COMPONENTS))
        order = rng.permutation(count)
        parts = np.array_split(order, groups)
        self.counts = np.array([len(part) for part in parts], float)
        self.sums = np.array([features[part].sum(axis=0) for part in parts])
        self.squares = np.array([_square(features[part]) for part in parts])

    def resampled(self, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        """Return mean and covariance of a bootstrap sample."""
        groups = len(self.counts)
        drawn = rng.multinomial(groups, np.full(groups, 1 / groups)).astype(float)
        count = drawn @ self.counts
        mean = drawn @ self.sums / count
        size = len(mean)
        square = (drawn @ self.squares.reshape(groups, -1)).reshape(size, size)
        return mean, (square - count * np.outer(mean, mean)) / (count - 1)


def _square(features: NDArray) -> NDArray:
    return features.T @ features


def _bias(real: NDArray, other_count: int, rng: np.random.Generator) -> float:
    """Return the mean distance of normal samples that differ by chance alone."""
    root = _root(_moments(real)[1]).T
    least, most = SIMULATED
    distances = [
        _distance(*_normal_moments(root, len(real), rng), *_normal_moments(root, other_count, rng))
        for _ in range(max(most // len(root), least))
    ]
    return float(np.mean(distances))


def _normal_moments(root: NDArray, count: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Return mean and covariance of a normal sample, without drawing all of it.

    Bartlett's decomposition: a covariance's triangular factor has normal values, and roots of
    chi-squared ones on its diagonal.
    """
    size = len(root)
    mean = rng.normal(size=size) @ root / np.sqrt(count)
    degrees = count - 1 - np.arange(size)
    if degrees[-1] < 1:  # a singular covariance
        sample = rng.normal(size=(count, size)) @ root
        return mean, _moments(sample)[1]
    factor = np.tril(rng.normal(size=(size, size)), -1)
    factor[np.diag_indices(size)] = np.sqrt(rng.chisquare(degrees))
    scaled = factor.T @ root
    return mean, scaled.T @ scaled / (count - 1)


def _measure(samples: Samples) -> dict[str, Any]:
    distance = frechet_distance(samples.real, samples.drawn, seed=samples.seed)
    return {key: distance[key] for key in ("value", "ci95", "bias", "components")}


def _watch(samples: Samples) -> float:
    return frechet_distance(samples.real, samples.drawn, resamples=1)["value"]


register_metric(
    Metric(
        "frechet",
        "Fréchet distance (FID)",
        "less",
        "How far means and covariances of the features are apart. It is always above 0, the more "
        "so with few images.",
        measure=_measure,
        watch=_watch,
    )
)
