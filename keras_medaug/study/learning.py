"""Whether the classifiers of a study learned enough: long enough, and more than a linear model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.study.comparison import compare, holm
from keras_medaug.study.scores import auc_influence

FALLING = (
    0.10  # drop of the training loss over the last quarter, as a fraction, that is still falling
)
LATE = 0.75  # fraction of the steps, after which the best weights came late
GAINING = 0.002  # gain in validation AUC over the last quarter that is of interest
LEVEL = 0.05  # p value, below which a gain is no chance

# Test AUC of a ResNet-18 on 28 x 28 pixels, whole training split: Yang et al., MedMNIST v2,
# Scientific Data 10, 2023, table 3.
PUBLISHED = {
    "pathmnist": 0.983, "dermamnist": 0.917, "octmnist": 0.943, "pneumoniamnist": 0.944,
    "retinamnist": 0.717, "breastmnist": 0.901, "bloodmnist": 0.998, "tissuemnist": 0.930,
    "organamnist": 0.997, "organcmnist": 0.992, "organsmnist": 0.972,
}  # fmt: skip
BELOW = 0.05  # by how much a baseline may be below it


def still_falling(losses: Sequence[float]) -> float | None:
    """Return by what fraction the training loss fell over the last quarter, if it still falls.

    Args:
        losses: Mean loss of each part of a training.

    Returns:
        The fraction, or `None`.

    Example:

    >>> from keras_medaug.study.learning import still_falling
    >>> still_falling([1.0] * 8), still_falling([8, 7, 6, 5, 4, 3, 2, 1])
    (None, 0.57...)
    """
    quarter = len(losses) // 4
    if not quarter:
        return None
    last, before = np.mean(losses[-quarter:]), np.mean(losses[-2 * quarter : -quarter])
    fall = float(1 - last / before) if before > 0 else 0.0
    return fall if fall > FALLING else None


def warn_of_baseline(
    name: str,
    fraction: float,
    auc: float,
    losses: Sequence[Sequence[float]],
    best: Sequence[float] = (),
) -> list[dict[str, Any]]:
    """Return warnings of a baseline that augmentation would merely repair.

    Args:
        name: The data set's.
        fraction: Fraction of the training split that was used.
        auc: Mean test AUC of the arm `none`.
        losses: Its training losses, for each seed.
        best: After what fraction of the steps it was best on the validation split, for each seed. A
            small training set is learned by heart, and its loss falls for ever: what counts is
            whether the validation split still gains.

    Returns:
        Warnings: dictionaries with `check`, `message` and the numbers.

    Example:

    >>> from keras_medaug.study.learning import warn_of_baseline
    >>> [warning["published"] for warning in warn_of_baseline("breastmnist", 1.0, 0.7, [])]
    [0.901]
    """
    warnings = []
    falls = [
        fall
        for of_seed, fraction_of_steps in zip(losses, best, strict=False)
        if fraction_of_steps > LATE and (fall := still_falling(of_seed)) is not None
    ]
    if 2 * len(falls) > len(losses):
        warnings.append({
            "check": "undertrained_baseline",
            "seeds": len(falls),
            "fall": round(float(np.median(falls)), 4),
            "message": f"The training loss of 'none' still fell, by {np.median(falls):.0%} over "
            f"the last quarter of the steps, and validation gained, with {len(falls)} of "
            f"{len(losses)} seeds. More steps may do what augmentation seems to.",
        })  # fmt: skip
    published = PUBLISHED.get(name)
    if fraction == 1.0 and published is not None and auc < published - BELOW:
        warnings.append({
            "check": "undertrained_baseline",
            "auc": round(auc, 4),
            "published": published,
            "message": f"The baseline's AUC is {auc:.3f}; a published ResNet-18 has "
            f"{published:.3f} (MedMNIST v2). What helps a weak baseline need not help a good one.",
        })  # fmt: skip
    return warnings


def warn_of_learning(
    histories: Mapping[str, Sequence[Sequence[float]]],
) -> list[dict[str, Any]]:
    """Return a warning of each arm whose training was cut off while validation still gained.

    The gain is the mean validation AUC over the last quarter of the training less that over the
    quarter before. It has to be above 0.002 on average over seeds, and above 0 in a one-sided t
    test over seeds, at 5% with Holm's correction for all arms. So a study whose arms have all
    stopped learning warns in one case of twenty at most. One seed gives no warning.

    Args:
        histories: Of every arm of the study by name, for each seed, the validation AUC at regular
            points of the training.

    Returns:
        Warnings: dictionaries with `check`, `message` and the numbers.

    Example:

    >>> from keras_medaug.study.learning import warn_of_learning
    >>> rising = [0.7, 0.75, 0.8, 0.85]
    >>> warnings = warn_of_learning({"cvae": [rising, [0.7, 0.74, 0.79, 0.85]]})
    >>> [(warning["check"], warning["gain"]) for warning in warnings]
    [('still_learning', 0.055)]
    """
    tested = {
        arm: gained for arm, seeds in histories.items() if (gained := _gain(seeds)) is not None
    }
    corrected = holm([p for _, p, _ in tested.values()])
    warnings = []
    for (arm, (gain, p, level)), p_holm in zip(tested.items(), corrected, strict=True):
        if gain <= GAINING or p_holm >= LEVEL:
            continue
        warnings.append({
            "check": "still_learning",
            "arm": arm,
            "gain": round(gain, 4),
            "p": float(f"{p:.3g}"),
            "p_holm": float(f"{p_holm:.3g}"),
            "message": f"The validation AUC of {arm!r} still rose at the end of the training, by "
            f"{gain:.3f} from the third to the last quarter of the steps, to {level:.3f} "
            f"(p = {p_holm:.2g}, corrected for {len(tested)} arms). With more steps it may "
            "overtake arms that have stopped learning.",
        })  # fmt: skip
    return warnings


def _gain(seeds: Sequence[Sequence[float]]) -> tuple[float, float, float] | None:
    """Return an arm's gain over the last quarter, its p value, and the level it came to."""
    from scipy import stats

    quarter = min(len(history) for history in seeds) // 4
    if len(seeds) < 2 or not quarter:
        return None
    last, before = (
        np.array([np.mean(history[part]) for history in seeds])
        for part in (slice(-quarter, None), slice(-2 * quarter, -quarter))
    )
    gains = last - before
    gain = float(gains.mean())
    error = float(gains.std(ddof=1)) / len(gains) ** 0.5
    if error > 1e-12:
        return gain, float(stats.t.sf(gain / error, len(gains) - 1)), float(last.mean())
    return gain, float(gain <= 0), float(last.mean())


def linear_against(labels: NDArray, linear: NDArray, predictions: NDArray) -> dict[str, Any]:
    """Compare the linear model with the classifiers of an arm.

    The linear model's AUC ranks the score of each class itself, one class against the rest. That of
    the arm ranks log-odds.

    Args:
        labels: Classes of the test images, `(n,)`.
        linear: Scores of the linear model, whose rows sum to 0, shape
            `(seeds, n, num_classes)`, or `(1, ...)` where it is the same for all seeds.
        predictions: Predictions of the arm, shape `(seeds, n, num_classes)`.

    Returns:
        A dictionary of plain numbers: `auc` of the linear model and `difference`, its AUC less the
        arm's, means over seeds; and `ci95_images`, the 95% interval of the difference over seeds
        and test images (with one seed, over test images).

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.learning import linear_against
    >>> labels = np.arange(20) % 2
    >>> right = np.stack([1.0 - labels, labels], axis=1)[None]
    >>> linear_against(labels, right, right)["auc"]
    1.0
    """
    linear = _ranked_by_class(linear)
    seeds = max(len(predictions), 2)
    ours = np.resize(linear, (seeds, *linear.shape[1:]))
    theirs = np.resize(predictions, (seeds, *predictions.shape[1:]))
    comparison = compare(labels, ours, theirs)
    return {
        "auc": float(auc_influence(labels, linear)[0].mean()),
        "difference": comparison.mean_difference,
        "ci95_images": list(comparison.ci95_images),
    }


def _ranked_by_class(scores: NDArray) -> NDArray[np.float64]:
    """Return scores in the same order within [0, 1], with rows that sum to 1.

    Predictions of this form are ranked as they are. Others are taken for logits, whose log-odds mix
    the classes: of regression scores, which have no natural scale, that would be arbitrary.
    """
    exact = np.asarray(scores, np.float64)
    classes, largest = exact.shape[-1], np.abs(exact).max()
    return 1 / classes + exact * (0.5 / classes / largest if largest else 0.0)


def warn_of_linear(linear: Mapping[str, Any], auc: float) -> list[dict[str, Any]]:
    """Return a warning of classifiers that a linear model of simple statistics surpasses.

    Args:
        linear: What `linear_against` returned for the arm `none`.
        auc: Mean test AUC of `none`.

    Returns:
        Warnings: dictionaries with `check`, `message` and the numbers.

    Example:

    >>> from keras_medaug.study.learning import warn_of_linear
    >>> linear = {"auc": 0.957, "difference": 0.065, "ci95_images": [0.05, 0.08]}
    >>> [warning["check"] for warning in warn_of_linear(linear, 0.892)]
    ['linear_baseline']
    """
    low, high = linear["ci95_images"]
    if low <= 0:
        return []
    return [{
        "check": "linear_baseline",
        "auc": round(linear["auc"], 4),
        "none": round(auc, 4),
        "ci95_images": [round(low, 4), round(high, 4)],
        "message": f"A linear model of simple image statistics (brightness, contrast, sharpness, "
        f"symmetry) has a test AUC of {linear['auc']:.3f}, and the classifier of 'none' "
        f"{auc:.3f}: {linear['difference']:+.3f}, 95% interval {low:+.3f} to {high:+.3f}. The "
        "classifier is too weak, or too little trained, to tell which augmentation helps.",
    }]  # fmt: skip
