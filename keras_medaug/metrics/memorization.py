"""Whether images are copies of training images, as far as distances tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_positive, fail
from keras_medaug.images import check_images
from keras_medaug.metrics.equality import (
    digests,
    equal_images,
    equal_in_any_form,
    first_of_equals,
    uniform_images,
    uniformity_limit,
)
from keras_medaug.metrics.neighbours import Neighbours, find_neighbours
from keras_medaug.metrics.registration import NAMES, Registration
from keras_medaug.metrics.samples import compute_features
from keras_medaug.metrics.space import ROUNDING, Space, aligned, features_space, pixels_of
from keras_medaug.progress import Report, check_verbose, ignore, portions, reporting
from keras_medaug.result import returns_result

QUANTILE = 0.01
# Of unseen real images so many may be suspect, as a fraction, in each space: with four of them, 2%.
SUSPECTED = 0.005
MARGIN = 0.9  # by which the limit is lowered where held-out images are too few for that quantile
# Relative distances below which an image is a near copy, and between which the limit lies: once
# registered, a copy without noise is below the least, and blur alone brings images to the most.
NEAR_COPY = 0.5
LEAST_LIMIT, FARTHEST_LIMIT = 0.03, 0.7
# Once registered and smoothed, unseen images of sets without second views have 0.43 or more.
LIMIT_REGISTERED = 0.4  # also without held-out images
# Features have fewer dimensions than pixels, and chance alone brings a new image much nearer to one
# training image than to the next.
NEAR_IN_FEATURES, FARTHEST_LIMIT_IN_FEATURES = 0.25, 0.3
SPACE_WEIGHTS = 1, 8, 40, 1  # how long each space takes, in proportion
MOST_SUSPECTS = 20  # that are listed
PAIRS = 8

# At least, and for each pair and pixel; measured on 2 CPU cores. What matters is the proportion.
SECONDS = 0.3, 0.7e-9

Features = Callable[[NDArray], Any]
# The neighbours of images and held-out ones, and the fraction of each that is authentic.
Searched = tuple[list[Neighbours], list[float | None]]


@returns_result
def copy_audit(
    images: ArrayLike,
    training: ArrayLike,
    held_out: ArrayLike | None = None,
    features: Features | None = None,
    batch_size: int = 256,
    verbose: bool | Report = False,
) -> dict[str, Any]:
    """Compare images with the training images that they may be copies of.

    Images are compared in four spaces, or five. A distance is the root mean square of the
    difference of what is compared:

    - `"pixels"`: pixels in place, in [0, 1]. 0 for equal images, 1 between black and white;
    - `"aligned"`: each image has its mean removed and is divided by its standard deviation, and
      its nearest form counts, of the 8 that flips and quarter turns give (of 4 where images are
      not square). About 1.4 between images that have nothing in common;
    - `"registered"`: the same, but training images are rotated by up to 12 degrees and shifted by
      up to 15% of the side to fit the image, and contrast may be inverted. Only the pixels that
      both images have are compared, and 12 training images that a coarse search finds. Images of
      more than 32 pixels are reduced to 32;
    - `"smoothed"`: as `"registered"`, but smoothed by the weights 1, 2, 1 before the distance is
      taken, so that noise counts less;
    - `"features"`: what the callable of that name makes of them, where it is given.

    A blurred image is near to many training images without being a copy of any. So the *relative*
    distance is measured as well: the distance to the nearest training image over the mean distance
    to its next 10 nearest (fewer where there are fewer). It is near 1 where no training image
    stands out, and near 0 for a copy.

    An image is suspect if it is an exact copy, or its relative distance in any space is below the
    `limit` there. With 200 held-out images or more, real ones that training never saw, the limit is
    their quantile 0.005: about 2% of new real images are suspected over all spaces. As blur alone
    lowers relative distances, the limit is 0.7 at most, and 0.4 in `"registered"` and `"smoothed"`.
    With fewer held-out images it is 0.9 of the least, or of these. In `"registered"` it is 0.03 at
    least. Held-out images that equal a training image, flipped and rotated ones included, set
    no limit. Without held-out images the limit is 0.5, and 0.4 in `"registered"` and `"smoothed"`.

    Where unseen images are second views of training images, as 39% of BreastMNIST's are, the limit
    is low: an image must be nearer than a second view to be suspect. Copies with noise are not, and
    are not suspected. `near_copies` counts the images below 0.5, and the same of held-out images:
    many more among the images than among held-out ones is a sign of copies, whatever the suspects.

    In `"features"` relative distances spread more, the more so the fewer dimensions there are. The
    limit is the quantile 0.01 of the held-out images there, but 0.3 at most, and 0.25 without any.
    With fewer than about six dimensions and no held-out images, chance alone makes suspects.

    Images that show nothing, with a standard deviation below 0.02 within channels (less where all
    training images have little contrast), are never suspects nor exact copies, and set no limit;
    `uniform` counts them.

    What this sees: most copies in place, with 3% noise (but where there are second views, see
    above), flipped, rotated by quarter turns or by up to 10
    degrees, shifted by up to a tenth of the side, inverted, of another brightness or contrast, and
    several of these at once. On MedNIST, by which none of its settings was chosen, it finds 76 to
    100 of 100 of each of these kinds, and 72 with noise. What it does not see: copies that are
    shifted or rotated further, scaled, cropped or bent, and copies of a part of an image.
    `features` may see some of these.
    Copies of an image of which there are ten near copies in the training set do not stand out. It
    says nothing of what a set gives away in other ways. A good result is no proof that the images
    may be shared.

    Training images that are there more than once count once. Memory is that of the features, if
    any, about `8 * batch_size * (20 * h * w * c + 4 * batch_size + 6000)` bytes, and 160 bytes for
    each training image, beside the sets.

    Args:
        images: The images in question, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: What the generator was trained on, of the same image shape.
        held_out: Real images that it was not trained on, or `None` where there are none.
        features: A callable from images `(n, h, w, c)`, `float32` in [0, 1], to an array `(n, d)`,
            or `None`.
        batch_size: Images compared at a time, on either side; also what `features` gets.
        verbose: Whether to show progress on standard error; or a function `(done, total)` that is
            called instead.

    Returns:
        A dictionary of plain numbers:

        - `count`, `training_count`: how many images there are;
        - `exact_copies`: how many of them equal a training image in every pixel and channel once
          both are rounded to 8 bits, as when they are saved; uniform ones do not count;
        - `uniform`: how many of the images are uniform;
        - `spaces`: for each space, a dictionary of

          - `nearest`: `min` and `median` of the distances to the nearest training image;
          - `authentic`: the fraction of images that are farther from their nearest training image
            than that one is from its nearest other; `None` with one training image, and in
            `"registered"` and `"smoothed"`;
          - `held_out`: `count` of the held-out images, `min`, `median` and `quantile_01`, the
            quantile 0.01, of their distances, and `authentic` for them; or `None`;
          - `nearer_than_held_out_01`: the fraction of images that are nearer than that quantile:
            about 0.01 where images are as new as the held-out ones; or `None`;
          - `relative`: the same of relative distances: `min`, `median`, `near_copies` (how many are
            below 0.5; `None` in `"features"`), `held_out` (`min`, `median`, `quantile_01` and
            `near_copies`; or `None`) and `nearer_than_held_out_01`; and `limit`, below which an
            image is suspect;

        - `suspect_count`: how many images are suspect;
        - `suspect_images`: the indices of all of them, in order;
        - `suspects`: up to 20 of them, exact copies first, then those that are farthest below the
          limit as a fraction of it: `image` and `training`, the indices of the two, the `space`
          where this is so, and `distance` and `relative` there;
        - `pairs`: the same of the 8 images that are first in that order, suspect or not.

        Where held-out images are near copies themselves, the quantiles are too small, and so are
        the fractions: then look at the suspects.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom")
    >>> training, held_out = data.stored("train")[0], data.stored("test")[0]
    >>> images = data.stored("val")[0][:20].copy()
    >>> images[3], images[8] = training[50], training[60][:, ::-1]  # the second is flipped
    >>> audit = kma.metrics.copy_audit(images, training, held_out)
    >>> audit["exact_copies"], audit["suspect_count"]
    (1, 2)
    >>> [(pair["image"], pair["training"], pair["space"]) for pair in audit["suspects"]]
    [(3, 50, 'pixels'), (8, 60, 'aligned')]

    References:
        Meehan, Chaudhuri and Dasgupta, A non-parametric test to detect data-copying in generative
        models, AISTATS 2020: held-out images as the reference. Carlini et al., Extracting training
        data from diffusion models, USENIX Security 2023: distances relative to the next nearest.
        Alaa et al., How faithful is your synthetic data?, ICML 2022: authenticity.
    """
    checked = check_images(images, "images")
    known = check_images(training, "training", checked.shape[1:])
    unseen = None if held_out is None else check_images(held_out, "held_out", checked.shape[1:])
    if features is not None and not callable(features):
        got = f"a {type(features).__name__}"
        raise fail("features", got, "a callable from images to an array (n, d), or None")
    batch_size = check_positive(batch_size, "batch_size", integer=True)
    check_verbose(verbose)
    sets = [checked, known] if unseen is None else [checked, known, unseen]
    with reporting(verbose, "looking for copies of training images") as report:
        return audit_sets(sets, features, batch_size=batch_size, report=report)


def audit_sets(
    sets: Sequence[NDArray],
    features: Features | None = None,
    vectors: Sequence[NDArray] | None = None,
    batch_size: int = 256,
    report: Report = ignore,
) -> dict[str, Any]:
    """Return what `copy_audit` does of checked images.

    Args:
        sets: The images in question, the training images and, if there are any, held-out ones.
        features: As in `copy_audit`.
        vectors: Features of all images of each set, instead of `features`, where they are known.
        batch_size: As in `copy_audit`.
        report: Called with how far the comparison is.

    Returns:
        The same dictionary.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.memorization import audit_sets
    >>> x = np.random.default_rng(0).random((20, 8, 8, 1), "float32")
    >>> audit_sets([x[:3], x[2:]])["suspect_images"]
    [2]
    """
    checked, known, *held_out = sets
    distinct = first_of_equals(digests(known))
    reference = known if len(distinct) == len(known) else known[distinct]
    copies = equal_images(checked, reference)
    uniformity = uniformity_limit(reference)
    uniform = uniform_images(checked, uniformity)
    copies &= ~uniform
    compared = [checked, reference, *held_out]
    if vectors is not None:
        vectors = [vectors[0], vectors[1][distinct], *vectors[2:]]
    elif features is not None:
        vectors = compute_features(features, compared, batch_size)
    searched = _search_all(compared, vectors, batch_size, report)
    calibrating = None
    shows_nothing = [uniform]
    for unseen in held_out:
        shows_nothing.append(uniform_images(unseen, uniformity))
        calibrating = ~(shows_nothing[1] | equal_in_any_form(unseen, reference))
    spaces = {}
    for name, (nearest, fractions) in searched.items():
        for neighbours, left_out in zip(nearest, shows_nothing, strict=True):
            neighbours.relative[left_out] = 1
        spaces[name] = _record(name, nearest, fractions, calibrating)
    relative = {name: nearest[0].relative for name, (nearest, _) in searched.items()}
    first, where, suspects = _rank(spaces, relative, copies)
    listed = [
        _pair(image, name, searched[name][0][0], distinct)
        for image, name in zip(first, where, strict=True)
    ]
    return {
        "count": len(checked),
        "training_count": len(known),
        "exact_copies": int(copies.sum()),
        "uniform": int(uniform.sum()),
        "spaces": spaces,
        "suspect_count": len(suspects),
        "suspect_images": suspects,
        "suspects": listed[: min(len(suspects), MOST_SUSPECTS)],
        "pairs": listed[:PAIRS],
    }


def audit_seconds(count: int, training: int, held_out: int, image_shape: Sequence[int]) -> float:
    """Return about how many seconds `copy_audit` takes.

    Args:
        count: Images in question.
        training: Training images.
        held_out: Held-out images.
        image_shape: `(height, width, channels)`.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.metrics.memorization import audit_seconds
    >>> round(audit_seconds(546, 546, 234, (28, 28, 1)), 1)
    0.6
    """
    return SECONDS[0] + SECONDS[1] * (count + 2 * held_out) * training * math.prod(image_shape)


# ---- parts of the audit ---------------------------------------------------------------------


def _search_all(
    sets: Sequence[NDArray], vectors: Sequence[NDArray] | None, batch_size: int, report: Report
) -> dict[str, Searched]:
    """Return, for each space, the neighbours of the images and of any held-out ones in it."""
    alignment = aligned(sets[0].shape[1:])
    weights = SPACE_WEIGHTS if vectors is not None else SPACE_WEIGHTS[:3]
    in_place, in_forms, when_registered, *in_features = portions(report, *weights)
    searched = {
        "pixels": _search(sets, pixels_of, batch_size, in_place),
        "aligned": _search(sets, lambda *_: alignment, batch_size, in_forms),
    }
    compared = (sets[0], *sets[2:])
    reports = portions(when_registered, *map(len, compared))
    registration = Registration(sets[1], batch_size)
    registered = [
        registration.nearest(images, of_set)
        for images, of_set in zip(compared, reports, strict=True)
    ]
    for name in NAMES:
        searched[name] = [of_set[name] for of_set in registered], [None] * len(registered)
    if vectors is not None:
        space = features_space(vectors[1])
        searched["features"] = _search(vectors, lambda *_: space, batch_size, *in_features)
    return searched


def _search(
    sets: Sequence[NDArray],
    space: Callable[[NDArray, NDArray], Space],
    batch_size: int,
    report: Report,
) -> Searched:
    images, training, *held_out = sets
    *reports, of_training = portions(report, *map(len, (images, *held_out)), len(training))
    nearest = [
        find_neighbours(rows, training, space(rows, training), batch_size, report=of_set)
        for rows, of_set in zip((images, *held_out), reports, strict=True)
    ]
    apart = space(training, training)
    return nearest, _authentic(nearest, training, apart, batch_size, of_training)


def _record(
    name: str,
    nearest: list[Neighbours],
    fractions: list[float | None],
    calibrating: NDArray[np.bool_] | None,
) -> dict[str, Any]:
    """Return what the audit says of a space."""
    ours = nearest[0]
    in_features = name == "features"
    without = {"features": NEAR_IN_FEATURES} | dict.fromkeys(NAMES, LIMIT_REGISTERED)
    record: dict[str, Any] = {
        "nearest": _summary(ours.distances),
        "authentic": fractions[0],
        "held_out": None,
        "nearer_than_held_out_01": None,
        "relative": {
            **_summary(ours.relative),
            "near_copies": None if in_features else _near_copies(ours.relative),
            "held_out": None,
            "nearer_than_held_out_01": None,
            "limit": without.get(name, NEAR_COPY),
        },
    }
    if calibrating is not None:
        _calibrate(record, ours, nearest[1], fractions[1])
        _set_limit(record["relative"], nearest[1].relative, calibrating, name)
    return record


def _near_copies(relative: NDArray[np.float64]) -> int:
    return int((relative < NEAR_COPY).sum())


def _calibrate(
    record: dict[str, Any], nearest: Neighbours, expected: Neighbours, authentic: float | None
) -> None:
    """Add to a space's record what held-out images say."""
    relative = record["relative"]
    for part, ours, theirs in (
        (record, nearest.distances, expected.distances),
        (relative, nearest.relative, expected.relative),
    ):
        quantile = float(np.quantile(theirs, QUANTILE))
        part["held_out"] = {**_summary(theirs), "quantile_01": quantile}
        part["nearer_than_held_out_01"] = float((ours < quantile).mean())
    record["held_out"] |= {"count": len(expected.distances), "authentic": authentic}


def _set_limit(
    relative: dict[str, Any], expected: NDArray, calibrating: NDArray[np.bool_], name: str
) -> None:
    """Set the relative distance below which an image is suspect, by those of held-out images."""
    if name == "features":
        relative["held_out"]["near_copies"] = None
        if calibrating.any():
            quantile = max(float(np.quantile(expected[calibrating], QUANTILE)), ROUNDING)
            relative["limit"] = min(quantile, FARTHEST_LIMIT_IN_FEATURES)
        return
    relative["held_out"]["near_copies"] = _near_copies(expected)
    if calibrating.any():
        most = LIMIT_REGISTERED if name in NAMES else FARTHEST_LIMIT
        least = LEAST_LIMIT if name == NAMES[0] else ROUNDING
        quantile = float(np.quantile(expected[calibrating], SUSPECTED, method="lower"))
        margin = MARGIN if calibrating.sum() * SUSPECTED < 1 else 1
        relative["limit"] = max(margin * min(quantile, most), least)


def _authentic(
    nearest: list[Neighbours], training: NDArray, space: Space, batch_size: int, report: Report
) -> list[float | None]:
    """Return the fraction of each set that is farther from training images than those are apart."""
    if len(training) == 1:
        return [None] * len(nearest)
    used = np.unique(np.concatenate([of_set.indices for of_set in nearest]))
    others = find_neighbours(training, training, space, batch_size, used, 0, report)
    apart = [others.distances[np.searchsorted(used, of_set.indices)] for of_set in nearest]
    return [
        float((of_set.distances > limits).mean())
        for of_set, limits in zip(nearest, apart, strict=True)
    ]


def _summary(values: NDArray[np.float64]) -> dict[str, float]:
    return {"min": float(values.min()), "median": float(np.median(values))}


def _rank(
    spaces: dict[str, Any], relative: dict[str, NDArray], copies: NDArray[np.bool_]
) -> tuple[list[int], list[str], list[int]]:
    """Return the most suspicious images, the space that makes each so, and all suspects."""
    names = list(spaces)
    scores = np.array([relative[name] / spaces[name]["relative"]["limit"] for name in names])
    scores[0, copies] = -1  # before all others, and a matter of pixels
    least = scores.min(axis=0)
    first = np.argsort(least, kind="stable")[: max(MOST_SUSPECTS, PAIRS)]
    where = [names[index] for index in scores[:, first].argmin(axis=0)]
    return first.tolist(), where, np.flatnonzero(least < 1).tolist()


def _pair(
    image: int, space: str, nearest: Neighbours, distinct: NDArray[np.intp]
) -> dict[str, Any]:
    return {
        "image": image,
        "training": int(distinct[nearest.indices[image]]),
        "space": space,
        "distance": float(nearest.distances[image]),
        "relative": float(nearest.relative[image]),
    }
