"""Warnings about a study: what would make its numbers mean something else than they seem to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.metrics.guards import (
    FEW_APART,
    LOST,
    collapsed_classifier,
    lost_share,
    prior_shift,
)

FALLING = 0.10  # drop of the training loss over the last quarter, as a share, that is still falling
LATE = 0.75  # share of the steps, after which the best weights came late

# Test AUC of a ResNet-18 on 28 x 28 pixels, whole training split: Yang et al., MedMNIST v2,
# Scientific Data 10, 2023, table 3.
PUBLISHED = {
    "pathmnist": 0.983, "dermamnist": 0.917, "octmnist": 0.943, "pneumoniamnist": 0.944,
    "retinamnist": 0.717, "breastmnist": 0.901, "bloodmnist": 0.998, "tissuemnist": 0.930,
    "organamnist": 0.997, "organcmnist": 0.992, "organsmnist": 0.972,
}  # fmt: skip
BELOW = 0.05  # by how much a baseline may be below it


def still_falling(losses: Sequence[float]) -> float | None:
    """Return by what share the training loss fell over the last quarter, if it still falls.

    Args:
        losses: Mean loss of each part of a training.

    Returns:
        The share, or `None`.

    Example:

    >>> from keras_medaug.study.guards import still_falling
    >>> still_falling([1.0] * 8), still_falling([8, 7, 6, 5, 4, 3, 2, 1])
    (None, 0.57...)
    """
    quarter = len(losses) // 4
    if not quarter:
        return None
    last, before = np.mean(losses[-quarter:]), np.mean(losses[-2 * quarter : -quarter])
    fall = float(1 - last / before) if before > 0 else 0.0
    return fall if fall > FALLING else None


def warn_of_data(audit: Mapping[str, Any], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the warnings that the audit of a data set gives rise to.

    Args:
        audit: Result of the audit's cell.
        class_names: Names of the classes.

    Returns:
        Warnings: dictionaries with `guard`, `message` and the numbers.

    Example:

    >>> from keras_medaug.study.guards import warn_of_data
    >>> counts = {"train": [9, 1], "test": [5, 5]}
    >>> audit = {"exact_duplicates": 0, "near_duplicates": [], "counts": counts}
    >>> [each["guard"] for each in warn_of_data(audit, ["a", "b"])]
    ['prior_shift']
    """
    found = []
    near = audit["near_duplicates"]
    if near:
        found.append({
            "guard": "duplicates",
            "exact": audit["exact_duplicates"],
            "near": len(near),
            "with_another_label": audit["with_another_label"],
            "message": f"{audit['exact_duplicates']} test images are in the training split, and "
            f"{len(near)} are in it or nearly so; scores are also given without them.",
        })  # fmt: skip
    train, test = (
        np.repeat(np.arange(len(class_names)), audit["counts"][split])
        for split in ("train", "test")
    )
    shift = prior_shift(train, test, len(class_names))
    if shift["warning"] is not None:
        worst = shift["class"]
        name, was, is_now = class_names[worst], shift["shares"][worst], shift["other_shares"][worst]
        found.append({
            "guard": "prior_shift",
            "class": name,
            "train": round(was, 4),
            "test": round(is_now, 4),
            "message": f"Class {name!r} is {was:.1%} of the training split and {is_now:.1%} of the "
            "test split: accuracies depend on that, areas under the curve do not.",
        })  # fmt: skip
    return found


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
        fraction: Share of the training split that was used.
        auc: Mean test area of the arm `none`.
        losses: Its training losses, for each seed.
        best: After what share of the steps it was best on the validation split, for each seed. A
            small training set is learned by heart, and its loss falls for ever: what counts is
            whether the validation split still gains.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.guards import warn_of_baseline
    >>> [each["published"] for each in warn_of_baseline("breastmnist", 1.0, 0.7, [])]
    [0.901]
    """
    found = []
    falls = [
        fall
        for each, share in zip(losses, best, strict=False)
        if share > LATE and (fall := still_falling(each)) is not None
    ]
    if 2 * len(falls) > len(losses):
        found.append({
            "guard": "undertrained_baseline",
            "seeds": len(falls),
            "fall": round(float(np.median(falls)), 4),
            "message": f"The training loss of 'none' still fell, by {np.median(falls):.0%} over "
            f"the last quarter of the steps, and validation gained, with {len(falls)} of "
            f"{len(losses)} seeds. More steps may do what augmentation seems to.",
        })  # fmt: skip
    published = PUBLISHED.get(name)
    if fraction == 1.0 and published is not None and auc < published - BELOW:
        found.append({
            "guard": "undertrained_baseline",
            "auc": round(auc, 4),
            "published": published,
            "message": f"The baseline's AUC is {auc:.3f}; a published ResNet-18 has "
            f"{published:.3f} (MedMNIST v2). What helps a weak baseline need not help a good one.",
        })  # fmt: skip
    return found


def warn_of_generator(arm: str, ratios: Sequence[Sequence[float | None]]) -> list[dict[str, Any]]:
    """Return a warning of a generator whose images of a class are all alike.

    Args:
        arm: The method.
        ratios: For each seed and class, how far its images are apart over how far real ones are.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.guards import warn_of_generator
    >>> len(warn_of_generator("dcgan", [[0.9, 0.2]]))
    1
    """
    lowest = [min((r for r in each if r is not None), default=1.0) for each in ratios]
    bad = [value for value in lowest if value < FEW_APART]
    if not bad:
        return []
    return [{
        "guard": "generator_collapse",
        "arm": arm,
        "seeds": len(bad),
        "ratio": round(min(bad), 4),
        "message": f"Images of one class by {arm} are as little as {min(bad):.2f} times as far "
        f"apart as real ones, with {len(bad)} of {len(ratios)} seeds.",
    }]  # fmt: skip


def warn_of_filter(
    arm: str, counts: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[dict[str, Any]]:
    """Return a warning of a filter that left fewer images than were asked for.

    Args:
        arm: The method.
        counts: For each seed, the images of each class that were asked for, and that there are.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.guards import warn_of_filter
    >>> warn_of_filter("cvae", [([10, 10], [10, 3])])[0]["least"]
    0.65
    """
    shares = [sum(there) / sum(asked) for asked, there in counts]
    short = [share for share in shares if share < 1]
    if not short:
        return []
    return [{
        "guard": "too_few_images",
        "arm": arm,
        "seeds": len(short),
        "least": round(min(short), 4),
        "message": f"Of the images by {arm} that were asked for, as few as {min(short):.0%} passed "
        f"the filter, with {len(short)} of {len(shares)} seeds short: the arm is nearer to 'none' "
        "than its name says.",
    }]  # fmt: skip


def warn_of_images(arm: str, surplus: int) -> list[dict[str, Any]]:
    """Return a warning of arms of one seed that did not train on the same synthetic images.

    Args:
        arm: The method.
        surplus: How many sets of images there were beyond one for each seed.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.guards import warn_of_images
    >>> warn_of_images("cvae", 0)
    []
    """
    if surplus <= 0:
        return []
    return [{
        "guard": "other_images",
        "arm": arm,
        "surplus": surplus,
        "message": f"Arms of one seed did not all train on the same images by {arm}: these were "
        "made anew in between, and came out otherwise. Delete the cells of these arms.",
    }]  # fmt: skip


def warn_of_policy(
    name: str, plain: Sequence[float], turned: Sequence[float], classes: int
) -> list[dict[str, Any]]:
    """Return a warning of a policy under which images no longer look like their class.

    Args:
        name: The policy's.
        plain: Balanced accuracy of the baseline on validation images, for each seed.
        turned: The same on transformed ones.
        classes: Number of classes.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.guards import warn_of_policy
    >>> len(warn_of_policy("geometric", [0.9], [0.5], 2))
    1
    """
    before, after = float(np.mean(plain)), float(np.mean(turned))
    lost = lost_share(before, after, classes)
    if lost is None or lost <= LOST:
        return []
    return [{
        "guard": "label_unsafe_geometry",
        "arm": name,
        "plain": round(before, 4),
        "transformed": round(after, 4),
        "message": f"Under the policy {name!r} the balanced accuracy of 'none' on validation "
        f"images falls from {before:.3f} to {after:.3f}: the transformed images may no longer "
        "show their class, or are merely new to it. Look at them.",
    }]  # fmt: skip


def warn_of_classifier(
    arm: str, labels: NDArray, probabilities: Sequence[NDArray]
) -> list[dict[str, Any]]:
    """Return a warning of a classifier that gives one answer, or is no better than that.

    Args:
        arm: The arm that it was trained in.
        labels: Classes of the test images, `(n,)`.
        probabilities: For each seed, its class probabilities, `(n, num_classes)`.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.guards import warn_of_classifier
    >>> always_one = np.tile([0.1, 0.9], (10, 1))
    >>> warn_of_classifier("none", np.arange(10) % 2, [always_one])[0]["never"]
    [0]
    """
    numbers = [collapsed_classifier(labels, each) for each in probabilities]
    found = {seed: each for seed, each in enumerate(numbers) if each["warning"] is not None}
    if not found:
        return []
    never = sorted({label for each in found.values() for label in each["never"]})
    worst = min(found.values(), key=lambda each: each["accuracy"])
    those = f"with {len(found)} of {len(numbers)} seeds"
    if never:
        what = f"The classifier of {arm!r} has collapsed {those}: some class is never its answer."
    else:
        what = f"The accuracy of {arm!r} cannot be told from that of the commonest class {those}."
    return [{
        "guard": "collapsed_classifier",
        "arm": arm,
        "seeds": list(found),
        "never": never,
        "accuracy": round(worst["accuracy"], 4),
        "majority": round(worst["majority"], 4),
        "message": f"{what} Lowest accuracy {worst['accuracy']:.3f}; the commonest class is "
        f"{worst['majority']:.3f} of the test images.",
    }]  # fmt: skip
