"""Two arms of a study side by side: the difference, its uncertainty, and what it would take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_labels, check_positive, fail
from keras_medaug.study.scores import auc_influence

LEVEL = 0.05
POWER = 0.8
SEEDS_FOR_A_VERDICT = 10
# Beyond so many seeds in all nobody will go.
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Comparison:
    """How an arm differs from another in the area under the ROC curve, paired by seed and image.

    Two questions have an answer each. What would other seeds give on this test set: `ci95`, `p`.
    What would other seeds give on other test images of the same kind: `ci95_images`, `p_images`.
    A verdict needs both.

    Args:
        seeds: Number of seeds.
        mean_difference: Mean over seeds of the arm's area less the other's, in [-1, 1].
        ci95: 95% interval of that mean, over seeds.
        ci95_images: Likewise, over seeds and test images.
        standard_error: Of the mean difference, over seeds and test images.
        p: Paired t test over seeds.
        p_permutation: Sign-flip permutation test over seeds.
        p_images: t test over seeds and test images.
        p_holm: The larger of `p` and `p_images`, with Holm's correction for all comparisons.
        mde: The difference that such a study finds 80% of the time; with its 95% interval, since
            the standard error is an estimate.
        mde_ci95: That interval.
        seeds_needed: Seeds, in all, with which the `mde` would be `margin`; `None` where the test
            set is too small for that with any number of seeds.
        margin: The smallest difference that is of interest.
        equivalent: Whether `ci95_images` lies within `margin` of 0.
        verdict: `"HELPS"`, `"HURTS"` or `"INCONCLUSIVE"`: the former two where `p_holm` is below
            0.05 and both intervals are on one side of 0, with ten seeds or more.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> labels = np.arange(40) % 2
    >>> score = np.random.default_rng(0).random((10, 40))
    >>> against, arm = (np.stack([1 - s, s], axis=-1) for s in (score, score + labels))
    >>> comparison = kma.study.compare(labels, arm, against)
    >>> comparison.seeds, comparison.verdict
    (10, 'HELPS')
    """

    seeds: int
    mean_difference: float
    ci95: tuple[float, float]
    ci95_images: tuple[float, float]
    standard_error: float
    p: float
    p_permutation: float
    p_images: float
    p_holm: float
    mde: float
    mde_ci95: tuple[float, float]
    seeds_needed: int | None
    margin: float
    equivalent: bool
    verdict: str

    def __repr__(self) -> str:
        low, high = self.ci95_images
        return (
            f"<Comparison: {self.verdict}, AUC {self.mean_difference:+.3f}, 95% interval over "
            f"seeds and images {low:+.3f} to {high:+.3f}, {self.seeds} seeds>"
        )


@dataclass(frozen=True)
class _Spread:
    """The variance of a mean difference, apart by where it comes from.

    Seeds and images are crossed: each seed's classifier sees each image. A variance over seeds
    holds that of seeds and of how seeds differ from image to image; so does one over images; their
    sum has the latter twice, from which it is taken once. A bootstrap over both, which the
    literature has for this, has it three times, and covers too much.
    """

    seeds: int
    of_seeds: float
    of_images: float
    of_both: float
    images: int

    @property
    def total(self) -> float:
        both = self.of_seeds + self.of_images - self.of_both
        return max(both, self.of_seeds, self.of_images)

    def freedom(self) -> float:
        """Return the degrees of freedom of the total, by Satterthwaite."""
        seeds = self.of_seeds**2 / (self.seeds - 1)
        images = self.of_images**2 / self.images
        return self.total**2 / (seeds + images) if seeds + images else self.seeds - 1

    def with_seeds(self, seeds: int) -> _Spread:
        """Return what it would be with another number of seeds."""
        fraction = self.seeds / seeds
        alone = max(self.of_images - self.of_both, 0.0)
        both = self.of_both * fraction
        return _Spread(seeds, self.of_seeds * fraction, alone + both, both, self.images)


def compare(
    labels: ArrayLike,
    arm: ArrayLike,
    against: ArrayLike,
    comparisons: int = 1,
    margin: float = 0.01,
) -> Comparison:
    """Compare two arms by their predictions for the images of a test set.

    Args:
        labels: Classes of the test images, integers `(n,)` or `(n, 1)`.
        arm: Logits, or class probabilities, shape `(seeds, n, num_classes)`; two seeds or more.
            Where all are in [0, 1] and all rows sum to 1, to 1e-3, they are probabilities, else
            logits, of which the log-odds are ranked. Logits are to be preferred: probabilities of
            float32 near 1 are exactly 1.0, and tie.
        against: Those of the other arm, in either form, for the same seeds and images.
        comparisons: How many comparisons the study makes; the minimum detectable effect is that of
            the smallest level that Holm's correction may ask for.
        margin: The smallest difference of interest, in area under the ROC curve.

    Returns:
        The comparison as if it were the only one; `holm_correct` makes it one of several.

    Raises:
        ValueError: If labels are not as described, a class has no image, a prediction is not a
            number, shapes do not fit, or `comparisons` or `margin` is not above 0.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> labels = np.arange(40) % 2
    >>> score = labels * 0.2 + np.random.default_rng(0).random((2, 10, 40))
    >>> arm, against = np.stack([1 - score, score], axis=-1)
    >>> kma.study.compare(labels, arm, against).verdict
    'INCONCLUSIVE'

    References:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007, for seeds crossed
        with images. Satterthwaite, Biometrics Bulletin 2, 1946.
    """
    comparisons = check_positive(comparisons, "comparisons", integer=True)
    margin = check_positive(margin, "margin")
    truth, ours = check_labels(labels, "labels"), as_array(arm, "arm")
    theirs = as_array(against, "against")
    _check_predictions(truth, ours, theirs)
    truth = check_labels(truth, "labels", num_classes=ours.shape[2])
    (area, influence), (other_area, other_influence) = (
        auc_influence(truth, predictions) for predictions in (ours, theirs)
    )
    differences = area - other_area
    spread = _spread(truth, differences, influence - other_influence)
    return holm_correct([_described(differences, spread, comparisons, margin)])[0]


def holm_correct(comparisons: list[Comparison]) -> list[Comparison]:
    """Correct the p values of a study's comparisons for their number, and give the verdicts.

    Args:
        comparisons: All of a study's.

    Returns:
        The same with `p_holm` and `verdict`.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> labels = np.arange(40) % 2
    >>> score = labels + np.random.default_rng(0).random((3, 10, 40))
    >>> arm, other, against = np.stack([1 - score, score], axis=-1)
    >>> alone = [kma.study.compare(labels, rows, against, comparisons=2) for rows in (arm, other)]
    >>> [comparison.verdict for comparison in kma.study.holm_correct(alone)]
    ['INCONCLUSIVE', 'INCONCLUSIVE']

    References:
        Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
        Statistics 6, 1979.
    """
    values = np.array([max(comparison.p, comparison.p_images) for comparison in comparisons])
    with_p = [
        replace(comparison, p_holm=float(p))
        for comparison, p in zip(comparisons, holm(values), strict=True)
    ]
    return [replace(comparison, verdict=_verdict(comparison)) for comparison in with_p]


def holm(values: ArrayLike) -> NDArray[np.float64]:
    """Correct p values for their number by Holm's procedure.

    Args:
        values: p values, shape `(n,)`.

    Returns:
        Those that may be compared with the level of all, in the same order, 1 at most.

    Example:

    >>> from keras_medaug.study.comparison import holm
    >>> holm([0.25, 0.125, 0.5]).tolist()
    [0.5, 0.375, 0.5]
    """
    given = np.asarray(values, np.float64)
    order = np.argsort(given, kind="stable")
    stepped = given[order] * np.arange(len(given), 0, -1)
    corrected = np.empty(len(given))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected


def _verdict(comparison: Comparison) -> str:
    if comparison.seeds < SEEDS_FOR_A_VERDICT or comparison.p_holm >= LEVEL:
        return "INCONCLUSIVE"
    if min(comparison.ci95[0], comparison.ci95_images[0]) > 0:
        return "HELPS"
    if max(comparison.ci95[1], comparison.ci95_images[1]) < 0:
        return "HURTS"
    return "INCONCLUSIVE"


# ---- parts ----------------------------------------------------------------------------------


def _check_predictions(labels: NDArray, arm: NDArray, against: NDArray) -> None:
    expected = f"shape (seeds, {len(labels)}, num_classes), two seeds or more, alike for both arms"
    for name, rows in (("arm", arm), ("against", against)):
        fits = rows.ndim == 3 and rows.shape[0] >= 2 and rows.shape[1] == len(labels)
        if not fits or rows.shape != arm.shape:
            raise fail(name, f"shape {rows.shape}", expected)
        if rows.shape[2] < 2:
            raise fail(name, f"shape {rows.shape}", f"{expected}; two classes or more")
        if rows.dtype.kind not in "fiub":
            raise fail(name, f"dtype {rows.dtype}", "numbers: logits or probabilities")
        if not np.isfinite(rows).all():
            raise fail(name, "values that are not finite numbers", "logits or probabilities")
    counts = np.bincount(labels)
    if 0 < counts.max() < 2:
        raise fail("labels", "one image of each class", "two images or more of some class")


def _spread(labels: NDArray, differences: NDArray, influence: NDArray) -> _Spread:
    seeds, images = influence.shape
    mean = influence.mean(axis=0)
    apart = _over_images(labels, influence - mean).sum() / (seeds - 1)
    return _Spread(
        seeds=seeds,
        of_seeds=float(differences.var(ddof=1)) / seeds,
        of_images=float(_over_images(labels, mean)),
        of_both=float(apart) / seeds,
        images=images - len(np.unique(labels)),
    )


def _over_images(labels: NDArray, influence: NDArray) -> Any:
    """Return the variance that drawing the images of each class anew gives a mean influence."""
    total = 0.0
    for label in np.unique(labels):
        of_class = influence[..., labels == label]
        if of_class.shape[-1] > 1:
            total = total + of_class.var(axis=-1, ddof=1) / of_class.shape[-1]
    return np.asarray(total)


def _described(
    differences: NDArray, spread: _Spread, comparisons: int, margin: float
) -> Comparison:
    from scipy import stats

    mean = float(differences.mean())
    freedom = spread.freedom()
    seeds_error, error = np.sqrt(spread.of_seeds), np.sqrt(spread.total)
    images = _interval(mean, error, freedom)
    level = LEVEL / comparisons
    factor = float(_detectable(freedom, level))
    ends = np.sqrt(freedom / stats.chi2.ppf([0.975, 0.025], freedom))
    return Comparison(
        seeds=spread.seeds,
        mean_difference=mean,
        ci95=_interval(mean, seeds_error, spread.seeds - 1),
        ci95_images=images,
        standard_error=float(error),
        p=_two_sided(mean, seeds_error, spread.seeds - 1),
        p_permutation=_sign_flip(differences),
        p_images=_two_sided(mean, error, freedom),
        p_holm=1.0,
        mde=factor * float(error),
        mde_ci95=(factor * float(error * ends[0]), factor * float(error * ends[1])),
        seeds_needed=_seeds_needed(spread, level, margin),
        margin=margin,
        equivalent=bool(-margin < images[0] and images[1] < margin),
        verdict="INCONCLUSIVE",
    )


def _interval(mean: float, error: float, freedom: float) -> tuple[float, float]:
    from scipy import stats

    half = float(stats.t.ppf(1 - LEVEL / 2, freedom) * error)
    return mean - half, mean + half


def _two_sided(mean: float, error: float, freedom: float) -> float:
    """Return the p value of a mean; 1 for a difference of 0 that never varies."""
    from scipy import stats

    if error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, freedom))


def _sign_flip(differences: NDArray) -> float:
    from scipy import stats

    test = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=2**12,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def _detectable(freedom: float, level: float) -> float:
    """Return the effect, in standard errors, that a two-sided t test finds 80% of the time."""
    from scipy import optimize, stats

    critical = stats.t.ppf(1 - level / 2, freedom)
    return optimize.brentq(
        lambda effect: stats.nct.sf(critical, freedom, effect) - POWER, 0.0, critical + 50.0
    )


def _seeds_needed(spread: _Spread, level: float, margin: float) -> int | None:
    """Return the fewest seeds with which a difference of `margin` is found 80% of the time."""

    def enough(seeds: int) -> bool:
        there = spread.with_seeds(seeds)
        return _detectable(there.freedom(), level) * np.sqrt(there.total) <= margin

    if not enough(MOST_SEEDS):
        return None
    low, high = SEEDS_FOR_A_VERDICT - 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
