"""The classifier two-sample test: can a simple model tell synthetic from real images?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive, fail
from keras_medaug.images import check_images
from keras_medaug.metrics.image_statistics import statistic_names, statistics_of
from keras_medaug.metrics.samples import compute_features
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
    sets = [training, synthetic] if unseen is None else [training, synthetic, unseen]
    least = min(MOST, *map(len, sets))
    if not 2 <= folds <= least:
        raise fail("folds", folds, f"2 to {least}, the fewest images of a kind")
    drawn = [images[rows] for images, rows in zip(sets, _drawn(sets, seed), strict=True)]
    vectors = None if features is None else compute_features(features, drawn, CHUNK)
    return _compare_drawn(drawn, vectors, folds, seed)


def _check_enough(images: ArrayLike, name: str, shape: tuple[int, ...] | None = None) -> NDArray:
    checked = check_images(images, name, shape)
    if len(checked) < FEWEST:
        raise fail(name, f"{len(checked)} images", f"{FEWEST} or more")
    return checked


def _drawn(sets: Sequence[NDArray], seed: int) -> list[NDArray[np.intp]]:
    """Return which images of each set are compared, in random order.

    Any first part of them is a random sample as well.
    """
    most = min(MOST, len(sets[0]), len(sets[1]))
    orders = [
        np.random.default_rng(derive_seed(seed, name)).permutation(len(images))
        for name, images in zip(("real", "images", "held_out"), sets, strict=False)
    ]
    return [order[:most] for order in orders]


def _compare_drawn(
    drawn: Sequence[NDArray], vectors: Sequence[NDArray] | None, folds: int, seed: int
) -> dict[str, Any]:
    """Return the test of the images drawn, real ones first."""
    columns = [statistics_of(images) for images in drawn]
    if vectors is not None:
        columns = [np.hstack(pair) for pair in zip(columns, vectors, strict=True)]
    statistics = len(statistic_names(drawn[0].shape[3]))
    real, *others = columns
    results = [
        _compared(rows, real[: len(rows)], statistics, folds, derive_seed(seed, "folds"))
        for rows in others
    ]
    return {**results[0], "reference": results[1] if len(results) > 1 else None}


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
        tested = fold == number  # labels are in balance in each fold: their mean is 0
        weights = _weights(columns.shape[1], statistics)
        scores = ridge_scores(columns[~tested], labels[~tested], columns[tested], weights)
        total += _areas(scores, labels[tested] > 0)
    return total / folds


def ridge_scores(
    known: NDArray, targets: NDArray, tested: NDArray, weights: NDArray | None = None
) -> NDArray[np.float64]:
    """Return scores of rows, from a ridge regression of each column of targets.

    Columns are standardised by the rows that are fitted to. The penalty is 1.

    Args:
        known: Rows to fit to, shape `(n, columns)`.
        targets: What their scores are to be, `(n, k)`, of mean 0.
        tested: Rows in question, `(m, columns)`.
        weights: Factor of each standardised column, or `None` for 1.

    Returns:
        Shape `(m, k)`; zeros where all columns are constant.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.two_sample import ridge_scores
    >>> known, targets = np.array([[0.0], [1.0]]), np.array([[-1.0], [1.0]])
    >>> ridge_scores(known, targets, known).round(3).tolist()
    [[-0.667], [0.667]]
    """
    spread = known.std(axis=0)
    varied = spread > 1e-9 * (np.abs(known).max(axis=0) + 1e-9)  # the rest is rounding
    mean = known[:, varied].mean(axis=0)
    if not varied.any():
        return np.zeros((len(tested), targets.shape[1]))
    scales = (1.0 if weights is None else weights[varied]) / spread[varied]
    known, tested = ((rows[:, varied] - mean) * scales for rows in (known, tested))
    left, singular, right = np.linalg.svd(known, full_matrices=False)
    shrunk = (singular / (singular**2 + RIDGE))[:, None] * (left.T @ targets)
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
