"""How good synthetic images are, beside what real ones would get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_labels, check_positive, fail
from keras_medaug.images import check_images
from keras_medaug.metrics.frechet import frechet_distance
from keras_medaug.metrics.kernel import kernel_distance
from keras_medaug.metrics.manifold import manifold_scores
from keras_medaug.metrics.samples import check_features
from keras_medaug.metrics.space import as_floats
from keras_medaug.metrics.spectral import band_powers, compare_powers
from keras_medaug.progress import Report, portion, portions, reporting
from keras_medaug.result import returns_result
from keras_medaug.seeds import derive_seed

BLOCKS = 10
FEWEST = 20  # images of a class, below which it is passed over
CHUNK = 4096
SHARES = ("precision", "recall", "density", "coverage")
SPECTRAL = ("value", "ci95", "high_frequency_ratio")

Extractor = Callable[[NDArray], ArrayLike]


@returns_result
def sample_quality(
    images: ArrayLike,
    training: ArrayLike,
    held_out: ArrayLike,
    features: Mapping[str, Extractor],
    labels: ArrayLike | None = None,
    training_labels: ArrayLike | None = None,
    held_out_labels: ArrayLike | None = None,
    neighbours: int = 5,
    seed: int = 0,
    verbose: bool | Report = False,
) -> dict[str, Any]:
    """Compare synthetic images with training images, in each feature space, beside a floor.

    The floor is what real images get that training never saw, as many of them: more cannot be asked
    of new images. Better than the floor is no merit: blurred images can be, images of few kinds,
    and copies of training images; `copy_audit` and `diversity` tell.

    Unbiased distances (`kernel`, `spectral`) take all synthetic and all held-out images: their
    values do not depend on the numbers, and more images make the interval narrower. All others do
    depend on them, and take as many synthetic as held-out images.

    All numbers depend on the space and on the number of images, and none can be compared with one
    from elsewhere. What each sees and misses is told in the explanation "How good are the images?".

    Args:
        images: Synthetic images, `(n, h, w, c)`, floats in [0, 1] or `uint8`.
        training: What the generator was trained on.
        held_out: Real images that it was not trained on, such as the validation split.
        features: Extractors by name, two or more if possible: functions from images, `float32` in
            [0, 1], to `(n, d)`; see `keras_medaug.features`.
        labels: Classes of the images, integers, or `None`. With all three, the classes are also
            compared one by one.
        training_labels: Classes of the training images.
        held_out_labels: Classes of the held-out images.
        neighbours: As in `manifold_scores`.
        seed: Integer seed of draws and intervals.
        verbose: Whether to show progress on standard error; or a function `(done, total)` that is
            called instead.

    Returns:
        A dictionary of plain numbers:

        - `count`: the images compared, of the synthetic ones and of the held-out ones alike: as
          many as there are of the fewer, the others drawn;
        - `counts`: `[synthetic, held_out]`, the images that unbiased distances compare;
        - `training_count`;
        - `spectral`: `value`, `ci95` and `high_frequency_ratio` of `spectral_distance`, and the
          same three as `floor`;
        - `spaces`: for each extractor a dictionary of `kernel` and `frechet` distance, `precision`,
          `recall`, `density` and `coverage`, each with `value`, `ci95` and `floor`, itself
          `{value, ci95}`; of `frechet` also `bias` and `components`;
        - `classes`: the same but for `classes`, for each class by number; `None` where there
          are fewer than 20 images of any kind; or `None` without labels.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom", size=8)
    >>> pixels = kma.features.PixelFeatures(data.train[0], components=8)
    >>> noisy = (data.test[0] + data.test[0][:, ::-1]) / 2
    >>> found = kma.metrics.sample_quality(
    ...     noisy, data.train[0], data.val[0], {"pixels": pixels},
    ... )
    >>> coverage = found["spaces"]["pixels"]["coverage"]
    >>> coverage["value"] < coverage["floor"]["value"]
    True
    """
    x = check_images(images, "images")
    real = check_images(training, "training", x.shape[1:])
    unseen = check_images(held_out, "held_out", x.shape[1:])
    if not features or not all(callable(each) for each in features.values()):
        raise fail("features", repr(features), "functions from images to features, by name")
    neighbours = int(check_positive(neighbours, "neighbours", integer=True))
    classes = _check_classes(
        (labels, training_labels, held_out_labels), [len(each) for each in (x, real, unseen)]
    )
    fewest = max(FEWEST, neighbours + 1)
    for name, each in (("images", x), ("training", real), ("held_out", unseen)):
        if len(each) < fewest:
            raise fail(name, f"{len(each)} images", f"{fewest} or more")
    with reporting(verbose, "comparing with real images") as report:
        extracting, comparing, by_class = portions(report, 1, 4, 0 if classes is None else 3)
        vectors = {
            name: [_extract(extractor, each, name) for each in (x, real, unseen)]
            for name, extractor in features.items()
        }
        powers = [band_powers(each) for each in (x, real, unseen)]
        extracting(1, 1)
        settings = _Settings(x.shape[1:], neighbours, fewest)
        return {
            **_compared(vectors, powers, settings, seed, comparing),
            "classes": None
            if classes is None
            else _by_class(vectors, powers, classes, settings, seed, by_class),
        }


class _Settings(NamedTuple):
    shape: tuple[int, ...]  # of an image
    neighbours: int
    fewest: int  # images of a class that is looked at


def _check_classes(
    given: tuple[ArrayLike | None, ...], counts: list[int]
) -> list[NDArray[np.integer]] | None:
    names = ("labels", "training_labels", "held_out_labels")
    missing = [name for name, each in zip(names, given, strict=True) if each is None]
    if missing:
        if len(missing) < len(names):
            raise fail(missing[0], "None", "labels of all three kinds of image, or of none")
        return None
    return [
        check_labels(each, name, count)
        for each, name, count in zip(given, names, counts, strict=True)
        if each is not None
    ]


def _extract(extractor: Extractor, images: NDArray, name: str) -> NDArray[np.float64]:
    parts = []
    for start in range(0, len(images), CHUNK):
        part = as_floats(images[start : start + CHUNK])
        parts.append(as_array(extractor(part), f"features[{name!r}]"))
    vectors = check_features(np.concatenate(parts), f"features[{name!r}]")
    if len(vectors) != len(images):
        got = f"{len(vectors)} rows for {len(images)} images"
        raise fail(f"features[{name!r}]", got, "one for each image")
    return vectors


def _by_class(
    vectors: Mapping[str, list[NDArray]],
    powers: list[NDArray],
    classes: list[NDArray],
    settings: _Settings,
    seed: int,
    report: Report,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    count = max(int(each.max()) for each in classes) + 1
    for label in range(count):
        members = [each == label for each in classes]
        if min(int(each.sum()) for each in members) < settings.fewest:
            found[str(label)] = None
            continue
        own = {
            name: [x[chosen] for x, chosen in zip(sets, members, strict=True)]
            for name, sets in vectors.items()
        }
        own_powers = [x[chosen] for x, chosen in zip(powers, members, strict=True)]
        found[str(label)] = _compared(
            own, own_powers, settings, derive_seed(seed, label),
            portion(report, label / count, (label + 1) / count),
        )  # fmt: skip
    return found


def _compared(
    vectors: Mapping[str, list[NDArray]],
    powers: list[NDArray],
    settings: _Settings,
    seed: int,
    report: Report,
) -> dict[str, Any]:
    """Return how synthetic and unseen images compare with training images."""
    made, real, unseen = powers
    count = min(len(made), len(unseen))
    rng = np.random.default_rng(derive_seed(seed, "drawn"))
    drawn = [np.sort(rng.permutation(len(each))[:count]) for each in (made, unseen)]
    spaces = {}
    reports = iter(portions(report, *[1] * 2 * len(vectors)))
    for name, (ours, reference, theirs) in vectors.items():
        measured, floor = (
            _measured(reference, rows, chosen, settings.neighbours, seed, next(reports))
            for rows, chosen in zip((ours, theirs), drawn, strict=True)
        )
        for measure, value in measured.items():
            value["floor"] = {key: floor[measure][key] for key in ("value", "ci95")}
        spaces[name] = measured
    spectral, floor = (compare_powers(real, rows, settings.shape) for rows in (made, unseen))
    return {
        "count": count,
        "counts": [len(made), len(unseen)],
        "training_count": len(real),
        "spectral": {
            **{key: spectral[key] for key in SPECTRAL},
            "floor": {key: floor[key] for key in SPECTRAL},
        },
        "spaces": spaces,
    }


def _measured(
    real: NDArray, images: NDArray, drawn: NDArray, neighbours: int, seed: int, report: Report
) -> dict[str, Any]:
    """Return the kernel distance of all images, and the biased measures of those drawn."""
    kernel = kernel_distance(real, images, min(BLOCKS, len(images) // 2, len(real) // 2), seed)
    report(1, 3)
    frechet = frechet_distance(real, images[drawn], seed=seed)
    report(2, 3)
    shares = manifold_scores(real, images[drawn], neighbours)
    report(3, 3)
    return {
        "kernel": {key: kernel[key] for key in ("value", "ci95")},
        "frechet": {key: frechet[key] for key in ("value", "ci95", "bias", "components")},
        **{name: shares[name] for name in SHARES},
    }
