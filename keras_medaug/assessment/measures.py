"""What is measured of synthetic images beside real ones."""

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import ArrayLike, NDArray

from keras_medaug.assessment.image_sets import ImageSets
from keras_medaug.metrics import diversity, sample_quality, spectral_distance, two_sample_auc
from keras_medaug.metrics.quality import FEWEST
from keras_medaug.metrics.spectral import FEWEST as FEWEST_SPECTRA
from keras_medaug.metrics.spectral import SPECTRAL
from keras_medaug.metrics.two_sample import FEWEST as FEWEST_TOLD_APART
from keras_medaug.progress import Report, ignore
from keras_medaug.seeds import derive_seed

Extractor = Callable[[NDArray], ArrayLike]


def measure_two_sample(sets: ImageSets, features: Extractor) -> dict[str, Any] | None:
    """Return how well a simple classifier tells synthetic images from training images.

    Args:
        sets: The images.
        features: What it sees beside simple statistics of the images.

    Returns:
        What `metrics.two_sample_auc` returns; its reference, held-out images against training
        images, is `None` where these are too few. `None` where others are.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.assessment.image_sets import ImageSets, in_8_bits
    >>> from keras_medaug.assessment.measures import measure_two_sample
    >>> data = kma.datasets.load("phantom", size=8)
    >>> train, val, test = (in_8_bits(getattr(data, name)[0]) for name in ("train", "val", "test"))
    >>> pixels = kma.features.PixelFeatures(train, components=8)
    >>> found = measure_two_sample(ImageSets(test, train, val), pixels)
    >>> abs(found["auc"] - 0.5) < 0.15, abs(found["reference"]["auc"] - 0.5) < 0.15
    (True, True)
    """
    if min(len(sets.images), len(sets.training)) < FEWEST_TOLD_APART:
        return None
    held_out = sets.held_out if len(sets.held_out) >= FEWEST_TOLD_APART else None
    seed = derive_seed(sets.seed, "two-sample")
    return two_sample_auc(sets.images, sets.training, features, seed=seed, held_out=held_out)


def measure_quality(
    sets: ImageSets, spaces: Mapping[str, Extractor], report: Report = ignore
) -> dict[str, Any] | None:
    """Return how far the images are from training images, beside held-out ones.

    Args:
        sets: The images; with labels of all three kinds classes are compared as well.
        spaces: Feature extractors by name.
        report: Called with how far the comparison is.

    Returns:
        What `metrics.sample_quality` returns, or `None` where images of a kind are too few.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.assessment.image_sets import ImageSets, in_8_bits
    >>> from keras_medaug.assessment.measures import measure_quality
    >>> x = in_8_bits(kma.datasets.load("phantom", size=8).train[0])
    >>> measure_quality(ImageSets(x, x, x[:10]), {}) is None
    True
    """
    if min(sets.counts.values()) < FEWEST:
        return None
    images = sets.images, sets.training, sets.held_out, spaces
    labels = sets.labels, sets.training_labels, sets.held_out_labels
    seed = derive_seed(sets.seed, "quality")
    if any(part is None for part in labels):
        return sample_quality(*images, seed=seed, verbose=report)
    return sample_quality(*images, *labels, seed=seed, verbose=report)


def measure_sharpness(
    sets: ImageSets, quality: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return how much power the images have at high frequencies, beside training images.

    Args:
        sets: The images.
        quality: What `measure_quality` returned for them, which holds these numbers. Without it
            they are measured.

    Returns:
        `high_frequency_ratio` (below 1 is blur, above 1 noise), `value` and `ci95` of
        `metrics.spectral_distance`, and `reference`, the same of held-out images or `None`.
        `None` where images are too few.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> from keras_medaug.assessment.image_sets import ImageSets, in_8_bits
    >>> from keras_medaug.assessment.measures import measure_sharpness
    >>> x = in_8_bits(np.random.default_rng(0).random((60, 8, 8, 1)))
    >>> blurred = in_8_bits((x[:20] / 255 + np.roll(x[:20] / 255, 1, axis=1)) / 2)
    >>> found = measure_sharpness(ImageSets(blurred, x[20:40], x[40:]))
    >>> found["high_frequency_ratio"] < 0.7, found["reference"]["high_frequency_ratio"] > 0.8
    (True, True)
    """
    if quality is not None:
        spectral = quality["spectral"]
        return {**{key: spectral[key] for key in SPECTRAL}, "reference": dict(spectral["floor"])}
    if min(len(sets.images), len(sets.training)) < FEWEST_SPECTRA:
        return None
    reference = None
    if len(sets.held_out) >= FEWEST_SPECTRA:
        reference = _spectral(sets.training, sets.held_out)
    return {**_spectral(sets.training, sets.images), "reference": reference}


def _spectral(training: NDArray, images: NDArray) -> dict[str, Any]:
    found = spectral_distance(training, images)
    return {key: found[key] for key in SPECTRAL}


def measure_diversity(sets: ImageSets) -> dict[str, Any]:
    """Return how far apart the images are, beside training images.

    Args:
        sets: The images.

    Returns:
        What `metrics.diversity` returns.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.assessment.image_sets import ImageSets, in_8_bits
    >>> from keras_medaug.assessment.measures import measure_diversity
    >>> x = in_8_bits(kma.datasets.load("phantom", size=8).train[0])
    >>> measure_diversity(ImageSets(x, x, x[:0]))["overall"]
    1.0
    """
    known = None if sets.labels is None else sets.training_labels
    seed = derive_seed(sets.seed, "diversity")
    return diversity(sets.images, sets.training, sets.labels, known, seed, sets.class_names)
