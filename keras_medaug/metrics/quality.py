"""How good synthetic images are, beside what real ones would get."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import as_array, check_labels, check_positive, fail
from keras_medaug.images import check_images, to_float
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import metrics
from keras_medaug.metrics.samples import Samples, as_argument_of, check_features
from keras_medaug.progress import Report, ignore, portion, portions, reporting
from keras_medaug.result import returns_result
from keras_medaug.seeds import derive_seed

FEWEST = 20  # images of a class, below which it is passed over
CHUNK = 4096
# At least, and for each pair; measured on 2 CPU cores. What matters is the proportion.
SECONDS = 0.7, 5.8e-7

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
    """Compare synthetic images with training images, beside held-out real images.

    The `floor` of a number is its reference value: what as many held-out real images get, which
    training never saw. More cannot be asked of new images. Better than the floor is no merit:
    blurred images can be, images of few kinds, and copies of training images; `copy_audit` and
    `diversity` tell.

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
          same three as `floor`; likewise any other registered metric of images;
        - `spaces`: for each extractor a dictionary of `kernel` and `frechet` distance, `precision`,
          `recall`, `density` and `coverage`, each with `value`, `ci95` and `floor`, itself
          `{value, ci95}`; of `frechet` also `bias` and `components`; likewise any other registered
          metric of features;
        - `classes`: the same but for `classes`, for each class by number; `None` where there
          are fewer than 20 images of any kind; or `None` without labels.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import keras_medaug as kma
    >>> data = kma.datasets.load("phantom", size=8)
    >>> pixels = kma.features.PixelFeatures(data.train[0], components=8)
    >>> noisy = (data.test[0] + data.test[0][:, ::-1]) / 2
    >>> quality = kma.metrics.sample_quality(
    ...     noisy, data.train[0], data.val[0], {"pixels": pixels},
    ... )
    >>> coverage = quality["spaces"]["pixels"]["coverage"]
    >>> coverage["value"] < coverage["floor"]["value"]
    True
    """
    x = check_images(images, "images")
    real = check_images(training, "training", x.shape[1:])
    unseen = check_images(held_out, "held_out", x.shape[1:])
    if not features or not all(callable(extractor) for extractor in features.values()):
        raise fail("features", repr(features), "functions from images to features, by name")
    neighbours = int(check_positive(neighbours, "neighbours", integer=True))
    sets = [x, real, unseen]
    classes = _check_classes((labels, training_labels, held_out_labels), list(map(len, sets)))
    fewest = max(FEWEST, neighbours + 1)
    for name, of_set in zip(("images", "training", "held_out"), sets, strict=True):
        if len(of_set) < fewest:
            raise fail(name, f"{len(of_set)} images", f"{fewest} or more")
    with reporting(verbose, "comparing with real images") as report:
        extracting, comparing = portions(report, 1, 4 if classes is None else 7)
        vectors = {
            name: [extract(extractor, of_set, name) for of_set in sets]
            for name, extractor in features.items()
        }
        extracting(1, 1)
        return compare_sets(sets, vectors, classes, neighbours, seed, comparing)


def compare_sets(
    sets: Sequence[NDArray],
    vectors: Mapping[str, Sequence[NDArray]],
    classes: Sequence[NDArray] | None = None,
    neighbours: int = 5,
    seed: int = 0,
    report: Report = ignore,
) -> dict[str, Any]:
    """Return what `sample_quality` does of images whose features are known.

    Args:
        sets: Checked images: synthetic ones, training images and held-out ones; 20 or more of each,
            and more than `neighbours`.
        vectors: Of each feature space the features of the three sets, as `extract` returns them.
        classes: Labels of the three sets, or `None`.
        neighbours: As in `sample_quality`.
        seed: As in `sample_quality`.
        report: Called with how far the comparison is.

    Returns:
        The same dictionary.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.quality import compare_sets
    >>> x = np.random.default_rng(0).random((60, 8, 8, 1), "float32")
    >>> sets = [x[:20], x[20:40], x[40:]]
    >>> quality = compare_sets(sets, {"rows": [rows.mean(axis=(2, 3)) for rows in sets]})
    >>> list(quality["spaces"]["rows"])[:3]
    ['kernel', 'frechet', 'precision']
    """
    whole, by_class = portions(report, 4, 0 if classes is None else 3)
    of_images = {
        metric.name: [metric.rows_of(images) for images in sets]
        for metric in metrics().values()
        if metric.space == "images"
    }
    settings = _Settings(sets[0].shape[1:], neighbours, max(FEWEST, neighbours + 1))
    counts = [len(images) for images in sets]
    return {
        **_compared(vectors, of_images, counts, settings, seed, whole),
        "classes": None
        if classes is None
        else _by_class(vectors, of_images, classes, settings, seed, by_class),
    }


def quality_seconds(count: int, training: int, held_out: int) -> float:
    """Return about how many seconds `sample_quality` takes in two spaces of features.

    Args:
        count: Synthetic images.
        training: Training images.
        held_out: Held-out images.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.metrics.quality import quality_seconds
    >>> round(quality_seconds(546, 546, 78), 1)
    0.9
    """
    return SECONDS[0] + SECONDS[1] * training * (count + held_out)


def extract(extractor: Extractor, images: NDArray, name: str) -> NDArray[np.float64]:
    """Return the features of images, a few thousand at a time.

    Args:
        extractor: From images, `float32` in [0, 1], to `(n, d)`.
        images: Checked images.
        name: Name of the extractor, for errors.

    Returns:
        Shape `(n, d)`.

    Raises:
        ValueError: If the extractor returns anything but one row of finite numbers for each image.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.quality import extract
    >>> extract(lambda x: x.mean(axis=(2, 3)), np.zeros((3, 8, 8, 1), "uint8"), "rows").shape
    (3, 8)
    """
    argument, parts = f"features[{name!r}]", []
    for start in range(0, len(images), CHUNK):
        part = as_argument_of(extractor, to_float(images[start : start + CHUNK]))
        parts.append(as_array(extractor(part), argument))
    vectors = check_features(np.concatenate(parts), argument)
    if len(vectors) != len(images):
        raise fail(argument, f"{len(vectors)} rows for {len(images)} images", "one for each image")
    return vectors


class _Settings(NamedTuple):
    shape: tuple[int, ...]  # of an image
    neighbours: int
    fewest: int  # images of a class that is looked at


def _check_classes(
    given: tuple[ArrayLike | None, ...], counts: list[int]
) -> list[NDArray[np.integer]] | None:
    names = ("labels", "training_labels", "held_out_labels")
    missing = [name for name, labels in zip(names, given, strict=True) if labels is None]
    if missing:
        if len(missing) < len(names):
            raise fail(missing[0], "None", "labels of all three kinds of image, or of none")
        return None
    return [
        check_labels(labels, name, count)
        for labels, name, count in zip(given, names, counts, strict=True)
        if labels is not None
    ]


def _by_class(
    vectors: Mapping[str, Sequence[NDArray]],
    of_images: Mapping[str, Sequence[NDArray]],
    classes: Sequence[NDArray],
    settings: _Settings,
    seed: int,
    report: Report,
) -> dict[str, Any]:
    records: dict[str, Any] = {}
    count = max(int(labels.max()) for labels in classes) + 1
    for label in range(count):
        members = [labels == label for labels in classes]
        counts = [int(chosen.sum()) for chosen in members]
        if min(counts) < settings.fewest:
            records[str(label)] = None
            continue
        own, own_of_images = (
            {
                name: [rows[chosen] for rows, chosen in zip(sets, members, strict=True)]
                for name, sets in by_name.items()
            }
            for by_name in (vectors, of_images)
        )
        records[str(label)] = _compared(
            own, own_of_images, counts, settings, derive_seed(seed, label),
            portion(report, label / count, (label + 1) / count),
        )  # fmt: skip
    return records


def _compared(
    vectors: Mapping[str, Sequence[NDArray]],
    of_images: Mapping[str, Sequence[NDArray]],
    counts: Sequence[int],
    settings: _Settings,
    seed: int,
    report: Report,
) -> dict[str, Any]:
    """Return how synthetic and held-out images compare with training images."""
    made, real, unseen = counts
    count = min(made, unseen)
    rng = np.random.default_rng(derive_seed(seed, "drawn"))
    drawn = [np.sort(rng.permutation(number)[:count]) for number in (made, unseen)]

    def samples(sets: Sequence[NDArray]) -> list[Samples]:
        ours, reference, theirs = sets
        return [
            Samples(reference, rows, chosen, settings.neighbours, seed, settings.shape)
            for rows, chosen in zip((ours, theirs), drawn, strict=True)
        ]

    known = metrics().values()
    of_features = [metric for metric in known if metric.space == "features"]
    reports = portions(report, *[1] * len(vectors))
    spaces = {
        name: _measured(of_features, samples(sets), of_space)
        for (name, sets), of_space in zip(vectors.items(), reports, strict=True)
    }
    return {
        "count": count,
        "counts": [made, unseen],
        "training_count": real,
        **{
            metric.name: _measured([metric], samples(of_images[metric.name]))[metric.name]
            for metric in known
            if metric.space == "images"
        },
        "spaces": spaces,
    }


def _measured(
    chosen: Sequence[Metric], samples: Sequence[Samples], report: Report = ignore
) -> dict[str, Any]:
    """Return each metric of the synthetic images, with that of held-out ones as its floor."""
    records = {}
    for done, metric in enumerate(chosen, start=1):
        ours, floor = (_checked_record(metric, metric.measure(of_set)) for of_set in samples)
        records[metric.name] = {**ours, "floor": {key: floor[key] for key in metric.reference_keys}}
        report(done, len(chosen))
    return records


def _checked_record(metric: Metric, record: Any) -> dict[str, Any]:
    """Refuse what a metric of a user's own returned, if it lacks numbers that are read."""
    wanted = {"value", "ci95", *metric.reference_keys}
    if not isinstance(record, dict) or not wanted <= set(record):
        got = sorted(record) if isinstance(record, dict) else type(record).__name__
        raise fail(f"measure of the metric {metric.name!r}", got, f"{sorted(wanted)}")
    return record
