"""The distance of two sets of images by their power at each spatial frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checks import fail
from keras_medaug.images import check_images, to_float
from keras_medaug.metrics.metric import Metric
from keras_medaug.metrics.registry import register_metric
from keras_medaug.metrics.samples import Samples
from keras_medaug.result import returns_result

FEWEST = 2
MOST_BANDS = 16
VALUES = 2**21  # values of images that are transformed at a time
ROUNDING = 1 / 255**2 / 12  # variance of what 8 bits round off, whose power is the same everywhere
QUANTILE = 1.959964  # normal, 0.975
SPECTRAL = ("value", "ci95", "high_frequency_ratio")  # that `sample_quality` shows


@returns_result
def spectral_distance(real: ArrayLike, images: ArrayLike) -> dict[str, Any]:
    """Compare the power of two sets of images at each spatial frequency, unbiased.

    Blur takes away power at high frequencies, the commonest fault of generated images. Noise and
    checkerboards add some. Features see little of either. Shifts and flips change next to nothing.

    Each image has its mean removed, is multiplied by a Hann window and Fourier transformed. Let
    `P[i, b]` be the mean squared amplitude of image `i` in band `b` of radial frequency, averaged
    over channels, and `L[i, b] = 10 log10(P[i, b] + q)` the same in decibels, where `q` is the
    power of rounding to 8 bits. Of the means `M` and variances `V` of `L` over the `n` images of
    either set, the distance is

    `mean over b of (M_images[b] - M_real[b])^2 - V_images[b] / n_images - V_real[b] / n_real`

    so that it is 0 on average for two samples of one distribution, however few, and often a little
    below 0. Bands are equally wide, from 0 to half a cycle a pixel, the last one with all above: as
    many as half the pixels of the shorter side, an even number, at most 16.

    Args:
        real: Real images, shape `(n, h, w, c)`, floats in [0, 1] or `uint8`; two or more.
        images: The images in question, of the same image shape; two or more.

    Returns:
        A dictionary of plain numbers:

        - `value`: the distance, in squared decibels;
        - `ci95`: its 95% interval, from the covariance of the bands over the images of both sets.
          It holds what it should 88 to 99 times of 100, and is up to 1.7 times as wide as need be
          where the sets hardly differ;
        - `high_frequency_ratio`: the power of `images` over that of `real`, above a quarter of a
          cycle a pixel: the upper half of the bands. Below 1 is blur, above 1 noise or a
          checkerboard;
        - `bands`, `counts`: how many, and `[n_real, n_images]`.

    Raises:
        ValueError: If an argument is not as described.

    Example:

    >>> import numpy as np
    >>> import keras_medaug as kma
    >>> x = np.random.default_rng(0).random((40, 16, 16, 1))
    >>> blurred = (x[20:] + np.roll(x[20:], 1, axis=1)) / 2
    >>> same = kma.metrics.spectral_distance(x[:20], x[20:])
    >>> less = kma.metrics.spectral_distance(x[:20], blurred)
    >>> same["value"] < less["ci95"][0], less["high_frequency_ratio"] < 0.6
    (True, True)

    References:
        Durall, Keuper and Keuper, Watch your up-convolution: CNN based generative deep neural
        networks are failing to reproduce spectral distributions, CVPR 2020: the radial power
        spectrum of generated images. Welch, The use of fast Fourier transform for the estimation of
        power spectra, IEEE Transactions on Audio and Electroacoustics 15, 1967: windows.
    """
    first = check_images(real, "real")
    second = check_images(images, "images", first.shape[1:])
    for name, given in (("real", first), ("images", second)):
        if len(given) < FEWEST:
            raise fail(name, f"{len(given)} images", f"{FEWEST} or more")
    shape = first.shape[1:]
    return compare_powers(band_powers(first), band_powers(second), shape)


def band_powers(images: NDArray) -> NDArray[np.float64]:
    """Return the mean power of each image in each band of radial frequency.

    Args:
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.

    Returns:
        Shape `(n, bands)`, the power of rounding added: above 0.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.spectral import band_powers
    >>> band_powers(np.zeros((3, 8, 12, 1))).shape
    (3, 4)
    """
    band, sizes = _bands(images.shape[1:3])
    window = _window(images.shape[1:3])
    powers = np.empty((len(images), len(sizes)))
    count = max(VALUES // images[0].size, 1)
    for start in range(0, len(images), count):
        part = to_float(images[start : start + count])
        planes = np.moveaxis(part.astype(np.float64), 3, 1)
        centre = (planes * window).sum(axis=(2, 3), keepdims=True) / window.sum()
        spectrum = np.fft.fft2((planes - centre) * window, norm="ortho")
        power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
        for number in range(len(sizes)):
            powers[start : start + count, number] = power[:, band == number].mean(axis=1)
    return powers + ROUNDING


def compare_powers(real: NDArray, images: NDArray, shape: Sequence[int]) -> dict[str, Any]:
    """Return what `spectral_distance` does, from what `band_powers` returns.

    Args:
        real: Powers of the real images, shape `(n, bands)`.
        images: Powers of the images in question.
        shape: The images' `(h, w, c)`.

    Returns:
        The same dictionary.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.spectral import compare_powers
    >>> compare_powers(np.ones((2, 4)), np.full((2, 4), 10.0), (8, 8, 1))["value"]
    100.0
    """
    sets = [10 * np.log10(powers) for powers in (real, images)]
    difference = sets[1].mean(axis=0) - sets[0].mean(axis=0)
    # The covariance of the difference, whose trace is what chance adds to its square.
    first, second = (np.cov(levels, rowvar=False, ddof=1) / len(levels) for levels in sets)
    covariance = first + second
    bands = len(difference)
    value = float(difference @ difference - np.trace(covariance)) / bands
    sizes = _bands(shape[:2])[1]
    upper = slice(bands // 2, None)
    powers = [(rows[:, upper] @ sizes[upper]).mean() for rows in (real, images)]
    return {
        "value": value,
        "ci95": _interval(value, difference, covariance),
        "high_frequency_ratio": float(powers[1] / powers[0]),
        "bands": bands,
        "counts": [len(real), len(images)],
    }


def _interval(value: float, difference: NDArray, covariance: NDArray) -> list[float]:
    """Return the interval of the squared length of the mean of a normal vector.

    An estimate of `t` varies by `4 t w + 2 tr S^2`, where `w` is the variance along the mean. Both
    ends are moved up by `1.96^2 w`, as they are where the interval is that of the length, squared:
    the estimate is skewed, and the smaller it comes out, the smaller its error seems.
    """
    bands, length = len(difference), float(difference @ difference)
    along = float(difference @ covariance @ difference) / length / bands if length else 0.0
    by_chance = float(np.sum(covariance**2)) / bands**2
    variance = 2 * by_chance + 4 * along * max(value, 0.0)
    shift = QUANTILE**2 * along
    low = value + shift - QUANTILE * (variance + shift * along) ** 0.5
    return [min(low, value), value + shift + QUANTILE * variance**0.5]


def _bands(shape: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the band of each frequency, -1 for the mean, and how many frequencies each has."""
    count = int(min(2 * (min(shape) // 4), MOST_BANDS))
    band = radial_bands(shape, count)
    return band, np.bincount(band[band >= 0], minlength=count).astype(float)


def radial_bands(shape: Sequence[int], count: int) -> NDArray[np.intp]:
    """Return the band of radial frequency that each entry of a Fourier transform is in.

    Args:
        shape: Height and width.
        count: Number of bands, equally wide, from 0 to half a cycle a pixel; the last one has all
            above.

    Returns:
        Shape `(height, width)`, numbers in `[0, count)`; -1 for the mean.

    Example:

    >>> from keras_medaug.metrics.spectral import radial_bands
    >>> radial_bands((8, 8), 4)[0].tolist()
    [-1, 0, 1, 2, 3, 2, 1, 0]
    """
    rows, columns = (np.fft.fftfreq(size) for size in shape)
    # Rounded, so that a frequency on the edge of a band is on the same side for every size.
    edges = np.round(2 * count * np.hypot(rows[:, None], columns), 9)
    return np.minimum(np.ceil(edges).astype(int), count) - 1


def _window(shape: Sequence[int]) -> NDArray[np.float64]:
    """Return a Hann window with a mean square of 1: white noise keeps its power."""
    rows, columns = (np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 for size in shape)
    window = np.outer(rows, columns)
    return window / np.sqrt(np.mean(window**2))


def _measure(samples: Samples) -> dict[str, Any]:
    assert samples.image_shape is not None  # known wherever images are
    compared = compare_powers(samples.real, samples.synthetic, samples.image_shape)
    return {key: compared[key] for key in SPECTRAL}


register_metric(
    Metric(
        "spectral",
        "spectral distance",
        "less",
        "How far the power at each spatial frequency is apart. Blur, noise and checkerboard "
        "patterns raise it.",
        "images",
        measure=_measure,
        rows=band_powers,
        reference_keys=SPECTRAL,
    )
)
