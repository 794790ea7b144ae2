"""Whether images are copies of training images, as far as distances tell."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import check_images, check_positive, fail
from keras_medaug.metrics.equality import digests, equal_images, first_of_equals
from keras_medaug.metrics.neighbours import Neighbours, find_neighbours
from keras_medaug.metrics.space import (
    ROUNDING,
    Space,
    aligned,
    compute_features,
    features_space,
    pixels,
)
from keras_medaug.progress import Report, portions, reporting

QUANTILE = 0.01
# Relative distances below which an image is a near copy, whatever others are, and above which no
# limit is: blur alone would make suspects.
NEAR_COPY, FARTHEST_LIMIT = 0.5, 0.7
# Features have fewer dimensions than pixels, and chance alone brings a new image much nearer to one
# training image than to the next.
NEAR_IN_FEATURES, FARTHEST_LIMIT_IN_FEATURES = 0.25, 0.3
SPACE_WEIGHTS = 1, 8, 1  # how long each space takes, in proportion
MOST_SUSPECTS = 20  # that are listed
PAIRS = 8

Features = Callable[[NDArray], Any]


def copy_audit(
    images: ArrayLike,
    training: ArrayLike,
    held_out: ArrayLike | None = None,
    features: Features | None = None,
    batch_size: int = 256,
    verbose: bool | Report = False,
) -> dict[str, Any]:
    """Compare images with the training images that they may be copies of.

    Images are compared in two spaces, or three. A distance is the root mean square of the
    difference of what is compared:

    - `"pixels"`: pixels in place, in [0, 1]. 0 for equal images, 1 between black and white;
    - `"aligned"`: each image has its mean removed and is divided by its standard deviation, and
      its nearest form counts, of the 8 that mirroring and quarter turns give (of 4 where images
      are not square). About 1.4 between images that have nothing in common;
    - `"features"`: what the callable of that name makes of them, where it is given.

    By themselves distances say little, as honest new images of a uniform kind are near to training
    images too. So the same is measured for `held_out`, real images that training never saw. And a
    blurred image is near to many training images without being a copy of any. So the *relative*
    distance is measured as well: that to the nearest training image over the mean distance to its
    next 10 nearest (fewer where there are fewer). It is near 1 where no training image stands out,
    and near 0 for a copy.

    An image is suspect if it is an exact copy, or its relative distance in any space is below the
    `limit` there. Without held-out images the limit is 0.5: twice as near to one training image as
    to the next ones. At 28 pixels no held-out image of the phantom is below 0.8; of BreastMNIST's
    39% are below 0.5, second views of the tissue in a training image, and hardly any is from 0.5 to
    0.7. With held-out images the limit is the least of theirs, so that they are no suspects; but
    those below 0.5 are near copies themselves, are counted (`near_copies`) and left out. Nor is the
    limit ever above 0.7, as blur alone, which lowers relative distances a little, brings images of
    the phantom down to that. With few held-out images the limit may be too high for some honest
    ones.

    In `"features"` relative distances spread more, the more so the fewer dimensions there are. The
    limit is the quantile 0.01 of the held-out images there, but 0.3 at most, and 0.25 without any:
    in the features of a classifier, new images of the phantom and of PneumoniaMNIST have 0.4 or
    more, and copies with 3% noise mostly less than 0.3. With fewer than about six dimensions and no
    held-out images, chance alone makes suspects.

    What this sees: copies in place, under noise, mirrored, turned by quarters, of another
    brightness or contrast, and several of these at once; with less certainty, and depending on the
    set, copies that are a little blurred or shifted by one pixel. What it does not see: copies that
    are shifted further, cropped, scaled or turned otherwise, and copies of a part of an image.
    `features` may see some of these, as far as what computes them does not change under them.
    Copies of an image of which there are ten near copies in the training set do not stand out. It
    says nothing of what a set gives away in other ways. A good result is no proof that the images
    may be shared.

    Training images that are there more than once count once. Memory is that of the features, if
    any, and about `8 * batch_size * (6 * h * w * c + 4 * batch_size)` bytes beside the sets.

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
          both are rounded to 8 bits, as when they are saved;
        - `spaces`: for each space, a dictionary of

          - `nearest`: `min` and `median` of the distances to the nearest training image;
          - `authentic`: the share of images that are farther from their nearest training image
            than that one is from its nearest other; `None` with one training image;
          - `held_out`: `count` of the held-out images, `min`, `median` and `quantile_01`, the
            quantile 0.01, of their distances, and `authentic` for them; or `None`;
          - `nearer_than_held_out_01`: the share of images that are nearer than that quantile:
            about 0.01 where images are as new as the held-out ones; or `None`;
          - `relative`: the same of relative distances: `min`, `median`, `held_out` (`min`,
            `median`, `quantile_01` and `near_copies`, how many are below 0.5, `None` in
            `"features"`; or `None`) and `nearer_than_held_out_01`; and `limit`, below which an
            image is suspect;

        - `suspect_count`: how many images are suspect;
        - `suspects`: up to 20 of them, exact copies first, then those that are farthest below the
          limit as a share of it: `image` and `training`, the indices of the two, the `space` where
          this is so, and `distance` and `relative` there;
        - `pairs`: the same of the 8 images that are first in that order, suspect or not.

        Where held-out images are near copies themselves, the quantiles are too small, and so are
        the shares: then look at the suspects.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom")
    >>> training, held_out = data.stored("train")[0], data.stored("test")[0]
    >>> images = data.stored("val")[0][:20].copy()
    >>> images[3], images[8] = training[50], training[60][:, ::-1]  # the second is mirrored
    >>> audit = kma.metrics.copy_audit(images, training, held_out)
    >>> audit["exact_copies"], audit["suspect_count"]
    (1, 2)
    >>> [(pair["image"], pair["training"], pair["space"]) for pair in audit["suspects"]]
    [(3, 50, 'pixels'), (8, 60, 'aligned')]

    References:
        Meehan, Chaudhuri and Dasgupta, A non-parametric test to detect data-copying in generative
        models, AISTATS 2020: held-out images as the yardstick. Carlini et al., Extracting training
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
    distinct = first_of_equals(digests(known))
    reference = known if len(distinct) == len(known) else known[distinct]
    copies = equal_images(checked, reference)
    sets = [checked, reference] + ([] if unseen is None else [unseen])
    spaces, found = {}, {}
    with reporting(verbose, "looking for copies of training images") as report:
        reports = iter(portions(report, *SPACE_WEIGHTS[: 2 if features is None else 3]))
        for name, space, members in _spaces(sets, features, batch_size):
            in_features = name == "features"
            spaces[name], found[name] = _measure(
                space, members, batch_size, in_features, next(reports)
            )
    first, where, suspects = _rank(spaces, found, copies)
    listed = [
        _pair(image, name, found[name], distinct) for image, name in zip(first, where, strict=True)
    ]
    return {
        "count": len(checked),
        "training_count": len(known),
        "exact_copies": int(copies.sum()),
        "spaces": spaces,
        "suspect_count": suspects,
        "suspects": listed[: min(suspects, MOST_SUSPECTS)],
        "pairs": listed[:PAIRS],
    }


def nearest_images(
    images: ArrayLike, training: ArrayLike, batch_size: int = 256, verbose: bool | Report = False
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return, for each image, how far the nearest training image is and which one it is.

    The distance is the root mean square of the difference over pixels and channels, with images
    in [0, 1]. Two sets of `uint8` are compared in whole numbers, without any rounding: the result
    is the same on every machine, and of several training images that are equally near it is the
    first. With floats the nearest is found among distances that are exact to about 1e-7, and its
    own distance is then taken from the difference, so that it is 0 for equal images.

    Args:
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: What to look among, of the same image shape.
        batch_size: Images compared at a time, on either side. Memory is about
            `8 * batch_size * (4 * h * w * c + 3 * batch_size)` bytes, whatever the sets' sizes are.
        verbose: As in `copy_audit`.

    Returns:
        The distances, `float64`, shape `(n,)`, and the indices into `training`, shape `(n,)`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> training = np.zeros((3, 8, 8, 1)) + np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1)
    >>> distances, indices = kma.metrics.nearest_images(training[::-1] * 0.9, training)
    >>> distances.round(3).tolist(), indices.tolist()
    ([0.1, 0.05, 0.0], [2, 1, 0])
    """
    checked = check_images(images, "images")
    training = check_images(training, "training", checked.shape[1:])
    batch_size = check_positive(batch_size, "batch_size", integer=True)
    space = _pixels(checked, training)
    with reporting(verbose, "looking for the nearest images") as report:
        found = find_neighbours(checked, training, space, batch_size, following=0, report=report)
    return found.distances, found.indices


def _pixels(images: NDArray, training: NDArray) -> Space:
    """Return the space of pixels: two sets of `uint8` are compared in whole numbers."""
    return pixels(255 if images.dtype == training.dtype == np.uint8 else 1)


# ---- parts of the audit ---------------------------------------------------------------------


def _spaces(
    sets: list[NDArray], features: Features | None, batch_size: int
) -> Iterator[tuple[str, Callable[[NDArray, NDArray], Space], list[NDArray]]]:
    """Yield, for each space, its name, what gives it for two sets, and the sets in it.

    The sets are the images, the training images and, where there are any, held-out ones.
    """
    yield "pixels", _pixels, sets
    alignment = aligned(sets[0].shape[1:])
    yield "aligned", lambda *_: alignment, sets
    if features is not None:
        found = compute_features(features, sets, batch_size)
        space = features_space(found[1])
        yield "features", lambda *_: space, found


def _measure(
    space: Callable[[NDArray, NDArray], Space],
    sets: list[NDArray],
    batch_size: int,
    in_features: bool,
    report: Report,
) -> tuple[dict[str, Any], Neighbours]:
    """Return what the audit says of a space, and the neighbours of the images in it."""
    images, training, *held_out = sets
    *reports, of_training = portions(report, *map(len, (images, *held_out)), len(training))
    nearest = [
        find_neighbours(each, training, space(each, training), batch_size, report=of_set)
        for each, of_set in zip((images, *held_out), reports, strict=True)
    ]
    shares = _authentic(nearest, training, space(training, training), batch_size, of_training)
    found = nearest[0]
    record: dict[str, Any] = {
        "nearest": _summary(found.distances),
        "authentic": shares[0],
        "held_out": None,
        "nearer_than_held_out_01": None,
        "relative": {
            **_summary(found.relative),
            "held_out": None,
            "nearer_than_held_out_01": None,
            "limit": NEAR_IN_FEATURES if in_features else NEAR_COPY,
        },
    }
    if held_out:
        _calibrate(record, found, nearest[1], shares[1])
        _set_limit(record["relative"], nearest[1].relative, in_features)
    return record, found


def _calibrate(
    record: dict[str, Any], found: Neighbours, expected: Neighbours, authentic: float | None
) -> None:
    """Add to a space's record what held-out images say."""
    relative = record["relative"]
    for part, ours, theirs in (
        (record, found.distances, expected.distances),
        (relative, found.relative, expected.relative),
    ):
        quantile = float(np.quantile(theirs, QUANTILE))
        part["held_out"] = {**_summary(theirs), "quantile_01": quantile}
        part["nearer_than_held_out_01"] = float((ours < quantile).mean())
    record["held_out"] |= {"count": len(expected.distances), "authentic": authentic}


def _set_limit(relative: dict[str, Any], expected: NDArray, in_features: bool) -> None:
    """Set the relative distance below which an image is suspect, by those of held-out images."""
    if in_features:
        relative["held_out"]["near_copies"] = None
        quantile = max(relative["held_out"]["quantile_01"], ROUNDING)  # which is 0 among copies
        relative["limit"] = min(quantile, FARTHEST_LIMIT_IN_FEATURES)
        return
    honest = expected[expected >= NEAR_COPY]
    relative["held_out"]["near_copies"] = len(expected) - len(honest)
    if len(honest):
        relative["limit"] = min(float(honest.min()), FARTHEST_LIMIT)


def _authentic(
    nearest: list[Neighbours], training: NDArray, space: Space, batch_size: int, report: Report
) -> list[float | None]:
    """Return the share, of each set, that is farther from training images than those are apart."""
    if len(training) == 1:
        return [None] * len(nearest)
    used = np.unique(np.concatenate([each.indices for each in nearest]))
    others = find_neighbours(training, training, space, batch_size, used, 0, report)
    apart = [others.distances[np.searchsorted(used, each.indices)] for each in nearest]
    return [
        float((each.distances > limit).mean()) for each, limit in zip(nearest, apart, strict=True)
    ]


def _summary(values: NDArray[np.float64]) -> dict[str, float]:
    return {"min": float(values.min()), "median": float(np.median(values))}


def _rank(
    spaces: dict[str, Any], found: dict[str, Neighbours], copies: NDArray[np.bool_]
) -> tuple[list[int], list[str], int]:
    """Return the most suspicious images, the space that makes each so, and how many are suspect."""
    names = list(spaces)
    scores = np.array([found[name].relative / spaces[name]["relative"]["limit"] for name in names])
    scores[0, copies] = -1  # before all others, and a matter of pixels
    least = scores.min(axis=0)
    first = np.argsort(least, kind="stable")[: max(MOST_SUSPECTS, PAIRS)]
    where = [names[index] for index in scores[:, first].argmin(axis=0)]
    return first.tolist(), where, int((least < 1).sum())


def _pair(image: int, space: str, found: Neighbours, distinct: NDArray[np.intp]) -> dict[str, Any]:
    return {
        "image": image,
        "training": int(distinct[found.indices[image]]),
        "space": space,
        "distance": float(found.distances[image]),
        "relative": float(found.relative[image]),
    }
