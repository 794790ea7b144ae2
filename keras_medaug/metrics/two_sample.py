"""The classifier two-sample test: can a simple model tell synthetic from real images?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import check_images, check_positive, fail
from keras_medaug.metrics.image_statistics import image_statistics, statistic_names
from keras_medaug.metrics.space import compute_features
from keras_medaug.result import returns_result
from keras_medaug.seeds import derive_seed, resolve_seed

FEWEST = 10  # images of either kind
MOST = 2000  # of either kind that are compared: the standard error of the AUC is 0.009 then
CHUNK = 1024  # images of which features are computed at a time
PERMUTATIONS = 999
RIDGE = 1.0
NORMAL = 1.959964  # quantile 0.975
POWER = 0.841621  # quantile 0.8
HALVINGS = 50

Extractor = Callable[[NDArray], ArrayLike]


@returns_result
def two_sample_auc(
    images: ArrayLike,
    real: ArrayLike,
    features: Extractor | None = None,
    folds: int = 5,
    seed: int = 0,
    held_out: ArrayLike | None = None,
) -> dict[str, Any]:
    """Measure how well a linear classifier tells synthetic from real images.

    This is the classifier two-sample test. A ridge classifier is trained to tell the two kinds
    apart, and tested on images that it has not seen, by cross-validation. It sees simple statistics
    of each image (`keras_medaug.metrics.image_statistics`: brightness, contrast, sharpness,
    symmetry) and, where they are given, features. An AUC of 0.5 means that this classifier sees no
    difference; 1 means that it tells every image. A better classifier may see more. An AUC well
    below 0.5 happens where synthetic images are copies of real ones: a copy in the training folds
    gives its original the wrong label.

    Both kinds are compared in equal number: as many as there are of the fewer, at most 2,000, the
    others drawn by the seed.

    Args:
        images: Synthetic images, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`; 10 or more.
        real: Real images of the same image shape, such as the training images; 10 or more.
        features: A function from images, `float32` in [0, 1], to features `(n, d)`, used beside the
            statistics; or `None` (default) for the statistics alone. See `keras_medaug.features`.
            Standardised features are divided by the root of their number.
        folds: Parts for the cross-validation, from 2 to the number of images of one kind.
        seed: Integer seed of the folds, the images drawn and the permutations.
        held_out: Real images that are not in `real`, 10 or more, or `None`. With them the result
            has a `reference`: how well the classifier tells these from `real`.

    Returns:
        A dictionary of plain numbers:

        - `auc`: within each fold the probability that a synthetic image gets a higher score than a
          real one, ties counted by half; the mean over folds;
        - `ci95`: its 95% interval (Newcombe's method 5), widened where permutations vary more than
          independent scores would;
        - `count`: images of each kind that were compared;
        - `p`: p value of an AUC above 0.5, from 999 permutations of the labels within folds; 0.001
          is the least;
        - `detectable`: the smallest AUC that a test at 5% finds in 80% of experiments of this size:
          `0.5 + (1.96 + 0.84) * se`, at most 1; where `p` is above 0.05, differences up to here may
          have been missed;
        - `reference`: the same five for `held_out` against `real`, in equal number, at most
          `count`; or `None`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((120, 8, 8, 1))
    >>> blurred = (x + np.roll(x, 1, axis=1)) / 2
    >>> result = kma.metrics.two_sample_auc(blurred[:40], x[40:80], held_out=x[80:])
    >>> result["auc"] > 0.95, result["p"], result["reference"]["ci95"][0] < 0.5
    (True, 0.001, True)

    References:
        Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR 2017. Newcombe, Confidence
        intervals for an effect size measure based on the Mann-Whitney statistic, part 2,
        Statistics in Medicine 25, 2006: method 5.
    """
    synthetic = _check_enough(images, "images")
    training = _check_enough(real, "real", synthetic.shape[1:])
    unseen = None if held_out is None else _check_enough(held_out, "held_out", training.shape[1:])
    if features is not None and not callable(features):
        raise fail("features", repr(features), "a function from images to features, or None")
    folds = int(check_positive(folds, "folds", integer=True))
    seed = resolve_seed(seed)
    others = [synthetic] if unseen is None else [synthetic, unseen]
    least = min(MOST, len(training), *map(len, others))
    if not 2 <= folds <= least:
        raise fail("folds", folds, f"2 to {least}, the fewest images of a kind")
    count = min(len(synthetic), len(training), MOST)
    counts = [min(count, len(other)) for other in others]
    drawn = [
        _drawn(kind, number, derive_seed(seed, name))
        for kind, number, name in zip(
            [training, *others], [count, *counts], ("real", "images", "held_out"), strict=False
        )
    ]
    real_columns, *columns = _columns(drawn, features)
    statistics = len(statistic_names(training.shape[3]))
    folds_seed = derive_seed(seed, "folds")
    results = [
        _compared(rows, real_columns[: len(rows)], statistics, folds, folds_seed)
        for rows in columns
    ]
    return {**results[0], "reference": results[1] if len(results) > 1 else None}


def _check_enough(images: ArrayLike, name: str, shape: tuple[int, ...] | None = None) -> NDArray:
    checked = check_images(images, name, shape)
    if len(checked) < FEWEST:
        raise fail(name, f"{len(checked)} images", f"{FEWEST} or more")
    return checked


def _drawn(images: NDArray, count: int, seed: int) -> NDArray:
    """Return so many of the images, in random order: any first part is a random sample as well."""
    return images[np.random.default_rng(seed).permutation(len(images))[:count]]


def _columns(sets: Sequence[NDArray], features: Extractor | None) -> list[NDArray[np.float64]]:
    """Return what the classifier sees of each image of each set."""
    statistics = [image_statistics(CheckedImages(images)) for images in sets]
    if features is None:
        return statistics
    vectors = compute_features(features, sets, CHUNK)
    return [np.hstack(pair) for pair in zip(statistics, vectors, strict=True)]


def _compared(
    synthetic: NDArray, real: NDArray, statistics: int, folds: int, seed: int
) -> dict[str, Any]:
    """Return the test of two equally many rows, so many statistics and then features."""
    rng = np.random.default_rng(seed)
    count = len(synthetic)
    columns = np.concatenate([synthetic, real])
    labels = np.repeat([1.0, -1.0], count)
    fold = np.concatenate([rng.permutation(np.arange(count) % folds) for _ in range(2)])
    permuted = _permuted(labels, fold, rng)
    tried = np.column_stack([labels, permuted])
    auc, *chance = _cross_validated(columns, tried, fold, statistics)
    independent = (2 * count + 1) / (12 * count**2)  # variance of the AUC of independent scores
    variance = max(float(np.mean((np.array(chance) - 0.5) ** 2)), independent)
    reached = int(np.sum(np.array(chance) >= auc - 1e-12))
    return {
        "auc": float(auc),
        "ci95": _interval(float(auc), count, variance / independent),
        "count": count,
        "p": (1 + reached) / (1 + len(chance)),
        "detectable": min(0.5 + (NORMAL + POWER) * variance**0.5, 1.0),
    }


def _permuted(labels: NDArray, fold: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the labels in random orders, a column each, as many of either kind in each fold."""
    permuted = np.repeat(labels[:, None], PERMUTATIONS, axis=1)
    for number in range(int(fold.max()) + 1):
        rows = np.flatnonzero(fold == number)
        permuted[rows] = rng.permuted(permuted[rows], axis=0)
    return permuted


def _cross_validated(
    columns: NDArray, labels: NDArray, fold: NDArray, statistics: int
) -> NDArray[np.float64]:
    """Return the mean AUC over folds for each column of labels, of which each has a model."""
    folds = int(fold.max()) + 1
    total = np.zeros(labels.shape[1])
    for number in range(folds):
        tested = fold == number
        scores = _ridge_scores(columns[~tested], labels[~tested], columns[tested], statistics)
        total += _areas(scores, labels[tested] > 0)
    return total / folds


def _ridge_scores(
    known: NDArray, labels: NDArray, tested: NDArray, statistics: int
) -> NDArray[np.float64]:
    """Return scores of the tested rows, from a ridge regression of each column of labels."""
    spread = known.std(axis=0)
    varied = spread > 1e-9 * (np.abs(known).max(axis=0) + 1e-9)  # the rest is rounding
    mean = known[:, varied].mean(axis=0)
    if not varied.any():
        return np.zeros((len(tested), labels.shape[1]))
    scales = _weights(known.shape[1], statistics)[varied] / spread[varied]
    known, tested = ((rows[:, varied] - mean) * scales for rows in (known, tested))
    # Labels are in balance in each fold, so that their mean is 0 and no constant is needed.
    left, singular, right = np.linalg.svd(known, full_matrices=False)
    shrunk = (singular / (singular**2 + RIDGE))[:, None] * (left.T @ labels)
    return (tested @ right.T) @ shrunk


def _weights(columns: int, statistics: int) -> NDArray[np.float64]:
    """Return the weight of each standardised column.

    All features together vary as much as one statistic: else many that tell nothing drown the
    statistics where images are few.
    """
    features = columns - statistics
    return np.repeat([1.0, max(features, 1) ** -0.5], [statistics, features])


def _areas(scores: NDArray, positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the area under the ROC curve of each column, ties counted by half."""
    count, columns = scores.shape
    ranks = np.empty(scores.shape)
    order = np.argsort(scores, axis=0, kind="stable")
    ordered = np.take_along_axis(scores, order, axis=0)
    # Scores that differ by rounding alone are tied: equal images have equal scores.
    apart = np.diff(ordered, axis=0) > 1e-9 * np.abs(ordered).max(axis=0, initial=1e-300)
    for column in range(columns):
        starts = np.concatenate([[0], np.flatnonzero(apart[:, column]) + 1, [count]])
        middle = (starts[:-1] + starts[1:] + 1) / 2
        ranks[order[:, column], column] = np.repeat(middle, np.diff(starts))
    many = positive.sum(axis=0)
    return ((ranks * positive).sum(axis=0) - many * (many + 1) / 2) / (many * (count - many))


def _interval(auc: float, count: int, inflation: float) -> list[float]:
    """Return the areas that are less than 1.96 of their own standard errors from this one."""
    return [_bound(auc, 0.0, count, inflation), _bound(auc, 1.0, count, inflation)]


def _bound(auc: float, end: float, count: int, inflation: float) -> float:
    inside, outside = auc, end
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        wide = (count - 1) * ((1 - middle) / (2 - middle) + middle / (1 + middle))
        variance = inflation * middle * (1 - middle) * (1 + wide) / count**2
        if (middle - auc) ** 2 <= NORMAL**2 * variance:
            inside = middle
        else:
            outside = middle
    return inside if abs(inside - end) > 1e-9 else end
