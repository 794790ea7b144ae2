"""Warnings about a study: what would make its numbers mean something else than they seem to."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_medaug.labels.plan import FEW, warn_of_rare
from keras_medaug.metrics import collapsed_classifier, prior_shift
from keras_medaug.metrics.checking import class_word, class_words
from keras_medaug.metrics.diversity import ALIKE, FEW_APART
from keras_medaug.metrics.predictions import LOST, lost_fraction

LEVEL = 0.05  # p value, below which a difference is no chance


def warn_of_data(audit: Mapping[str, Any], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the warnings that the audit of a data set gives rise to.

    Args:
        audit: Result of the audit's task.
        class_names: Names of the classes.

    Returns:
        Warnings: dictionaries with `check`, `message` and the numbers.

    Example:

    >>> from keras_medaug.study.checks import warn_of_data
    >>> counts = {"train": [90, 10], "test": [50, 50]}
    >>> audit = {"exact_duplicates": 0, "near_duplicates": [], "counts": counts}
    >>> [warning["check"] for warning in warn_of_data(audit, ["a", "b"])]
    ['prior_shift']
    """
    warnings = []
    near = audit["near_duplicates"]
    if near:
        warnings.append({
            "check": "duplicates",
            "split": "test",
            "exact": audit["exact_duplicates"],
            "near": len(near),
            "with_another_label": audit["with_another_label"],
            "turned": audit["turned"],
            "uniform": audit["uniform"],
            "message": _duplicates_message(audit),
        })  # fmt: skip
    warnings += _of_validation(audit.get("validation"), sum(audit["counts"].get("val", [])))
    train, test = (
        np.repeat(np.arange(len(class_names)), audit["counts"][split])
        for split in ("train", "test")
    )
    shift = prior_shift(train, test, len(class_names))
    if shift["warning"] is not None:
        worst = shift["class"]
        name, was, is_now = class_names[worst], shift["shares"][worst], shift["other_shares"][worst]
        word = class_word(worst, class_names)
        warnings.append({
            "check": "prior_shift",
            "class": name,
            "train": round(was, 4),
            "test": round(is_now, 4),
            "message": f"Class {word} is {was:.1%} of the training split and {is_now:.1%} of the "
            "test split: accuracies depend on that, areas under the curve do not.",
        })  # fmt: skip
    return warnings


def _duplicates_message(audit: Mapping[str, Any]) -> str:
    exact, near = audit["exact_duplicates"], len(audit["near_duplicates"])
    what = f"{exact} test images are in the training split, and {near} are in it or nearly so"
    return (
        f"{what}{_transformed(audit)}; scores are also given without them.{_uniform(audit, 'test')}"
    )


def _transformed(audit: Mapping[str, Any]) -> str:
    count = audit["turned"]
    return f", {count} of them flipped or turned by quarters" if count else ""


def _uniform(audit: Mapping[str, Any], split: str) -> str:
    uniform = audit["uniform"]
    return f" {uniform} uniform {split} images were not compared." if uniform else ""


def _of_validation(audit: Mapping[str, Any] | None, count: int) -> list[dict[str, Any]]:
    """Return a warning of validation images that are in the training split."""
    if audit is None or not audit["near_duplicates"]:
        return []
    near = len(audit["near_duplicates"])
    return [{
        "check": "duplicates",
        "split": "val",
        "exact": audit["exact_duplicates"],
        "near": near,
        "with_another_label": audit["with_another_label"],
        "turned": audit["turned"],
        "uniform": audit["uniform"],
        "message": f"{near} of {count} validation images are in the training split or nearly so, "
        f"{audit['exact_duplicates']} of them exactly{_transformed(audit)}. Validation chooses the "
        "weights of each training and the arm of the headline: it favours those that learn "
        f"training images by heart.{_uniform(audit, 'validation')}",
    }]  # fmt: skip


def warn_of_rare_classes(
    arm: str, real: Sequence[int], planned: Sequence[int], class_names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a warning of synthetic images of classes with very few real ones.

    Args:
        arm: The method.
        real: Training images of each class.
        planned: Synthetic images of each class that were asked for.
        class_names: Names of the classes.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.checks import warn_of_rare_classes
    >>> warn_of_rare_classes("cvae", [40, 1], [0, 144], ["a", "b"])[0]["classes"]
    ['b']
    """
    sentence = warn_of_rare(real, planned, class_names)
    if sentence is None:
        return []
    rare = [label for label, count in enumerate(real) if count < FEW and planned[label]]
    return [{
        "check": "rare_class",
        "arm": arm,
        "classes": [class_names[label] for label in rare],
        "real": [int(real[label]) for label in rare],
        "planned": [int(planned[label]) for label in rare],
        "message": f"{arm}: {sentence}",
    }]  # fmt: skip


def warn_of_generator(arm: str, made: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a warning of a generator whose images of a class are all alike.

    Args:
        arm: The method.
        made: Results of its tasks. `coarse_diversity` has, for each class, how far its images are
            apart over how far real ones are, both averaged over blocks, and `correlation` how much
            its images depart from the mean of the real ones in the same way.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.checks import warn_of_generator
    >>> made = [{"coarse_diversity": [0.9, 0.2], "correlation": [0.1, 0.1]}]
    >>> len(warn_of_generator("dcgan", made))
    1
    """
    ratios = [_known(result["coarse_diversity"]) for result in made]
    correlations = [_known(result["correlation"]) for result in made]
    lowest = [min(values, default=1.0) for values in ratios]
    highest = [max(values, default=0.0) for values in correlations]
    bad = [
        seed
        for seed, (ratio, correlation) in enumerate(zip(lowest, highest, strict=True))
        if ratio < FEW_APART or correlation > ALIKE
    ]
    if not bad:
        return []
    ratio, correlation = min(lowest[seed] for seed in bad), max(highest[seed] for seed in bad)
    seeds = f"with {len(bad)} of {len(made)} seeds"
    if ratio < FEW_APART:
        what = f"are as little as {ratio:.2f} times as far apart as real ones, {seeds}."
    else:
        what = (
            f"all depart from the mean of the real ones in the same way (correlation "
            f"{correlation:.2f}), {seeds}: they may be one image with noise."
        )
    warning = {
        "check": "generator_collapse",
        "arm": arm,
        "seeds": len(bad),
        "ratio": round(ratio, 4),
        "message": f"Images of one class by {arm} {what}",
    }
    return [warning | {"correlation": round(correlation, 4)} if any(correlations) else warning]


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


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

    >>> from keras_medaug.study.checks import warn_of_filter
    >>> warn_of_filter("cvae", [([10, 10], [10, 3])])[0]["least"]
    0.65
    """
    fractions = [sum(there) / sum(asked) for asked, there in counts]
    short = [fraction for fraction in fractions if fraction < 1]
    if not short:
        return []
    seeds = f"{len(short)} of {len(fractions)} seeds short"
    return [{
        "check": "too_few_images",
        "arm": arm,
        "seeds": len(short),
        "least": round(min(short), 4),
        "message": f"Of the images by {arm} that were asked for, as few as {min(short):.0%} passed "
        f"the filter, with {seeds}: the arm is nearer to 'none' than its name says.",
    }]  # fmt: skip


def warn_of_images(arm: str, surplus: int) -> list[dict[str, Any]]:
    """Return a warning of arms of one seed that did not train on the same synthetic images.

    Args:
        arm: The method.
        surplus: How many sets of images there were beyond one for each seed.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.checks import warn_of_images
    >>> warn_of_images("cvae", 0)
    []
    """
    if surplus <= 0:
        return []
    return [{
        "check": "other_images",
        "arm": arm,
        "surplus": surplus,
        "message": f"Arms of one seed did not all train on the same images by {arm}: these were "
        "made anew in between, and came out otherwise. Delete the tasks of these arms.",
    }]  # fmt: skip


def warn_of_policy(
    name: str, plain: Sequence[float], transformed: Sequence[float], classes: int
) -> list[dict[str, Any]]:
    """Return a warning of a policy under which images no longer look like their class.

    Args:
        name: The policy's.
        plain: Balanced accuracy of the baseline on validation images, for each seed.
        transformed: The same on transformed ones.
        classes: Number of classes.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> from keras_medaug.study.checks import warn_of_policy
    >>> len(warn_of_policy("geometric", [0.9], [0.5], 2))
    1
    """
    before, after = float(np.mean(plain)), float(np.mean(transformed))
    lost = lost_fraction(before, after, classes)
    if lost is None or lost <= LOST or not _falls(plain, transformed):
        return []
    return [{
        "check": "label_unsafe_geometry",
        "arm": name,
        "plain": round(before, 4),
        "transformed": round(after, 4),
        "message": f"Under the policy {name!r} the balanced accuracy of 'none' on validation "
        f"images falls from {before:.3f} to {after:.3f}: the transformed images may no longer "
        "show their class, or are merely new to it. Look at them.",
    }]  # fmt: skip


def _falls(plain: Sequence[float], transformed: Sequence[float]) -> bool:
    """Tell whether a score falls by more than seeds vary: a t test. One seed cannot tell."""
    from scipy import stats

    falls = np.subtract(plain, transformed)
    if len(falls) < 2:
        return True
    error = float(falls.std(ddof=1)) / len(falls) ** 0.5
    if error < 1e-12:
        return bool(falls.mean() > 0)
    return bool(stats.t.sf(falls.mean() / error, len(falls) - 1) < LEVEL)


def warn_of_classifier(
    arm: str,
    labels: NDArray,
    predictions: Sequence[NDArray],
    class_names: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Return a warning of a classifier that never gives a class, or knows no more than chance.

    Args:
        arm: The arm that it was trained in.
        labels: Classes of the test images, `(n,)`.
        predictions: For each seed, its logits or class probabilities, `(n, num_classes)`.
        class_names: Names of the classes, or `None` for their numbers.

    Returns:
        Warnings, as `warn_of_data`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.study.checks import warn_of_classifier
    >>> always_one = np.tile([0.1, 0.9], (10, 1))
    >>> warn_of_classifier("none", np.arange(10) % 2, [always_one])[0]["never"]
    [0]
    """
    by_seed = [collapsed_classifier(labels, of_seed) for of_seed in predictions]
    warned = {seed: said for seed, said in enumerate(by_seed) if said["warning"] is not None}
    if not warned:
        return []
    never = sorted({label for said in warned.values() for label in said["never"]})
    # Test images of one class have no AUC, with any seed.
    worst = min(warned.values(), key=lambda said: 0.0 if said["auc"] is None else said["auc"])
    auc, p_rank = worst["auc"], worst["p_rank"]
    seeds = f"with {len(warned)} of {len(by_seed)} seeds"
    if never:
        words = class_words(never, class_names)
        verb = "is" if len(never) == 1 else "are"
        what = f"The classifier of {arm!r} has collapsed {seeds}: {words} {verb} never predicted."
    elif auc is None:
        what = (
            f"The test images are of one class: what the classifier of {arm!r} knows is not seen."
        )
    else:
        what = f"The classifier of {arm!r} ranks test images no better than by chance, {seeds}."
    lowest = min(said["accuracy"] for said in warned.values())
    ranked = "" if auc is None else f" Lowest AUC {auc:.3f} (p = {p_rank:.2g});"
    return [{
        "check": "collapsed_classifier",
        "arm": arm,
        "seeds": list(warned),
        "never": never,
        "accuracy": round(lowest, 4),
        "majority": round(worst["majority"], 4),
        "auc": None if auc is None else round(auc, 4),
        "p_rank": None if p_rank is None else float(f"{p_rank:.3g}"),
        "message": f"{what}{ranked} {'Lowest' if auc is None else 'lowest'} accuracy {lowest:.3f}, "
        f"where the most common class is {worst['majority']:.3f} of the test images.",
    }]  # fmt: skip
