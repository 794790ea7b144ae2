"""A few plain numbers of each image, for classifiers that look at nothing else."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.images import check_images, to_float
from keras_medaug.metrics.spectral import ROUNDING, radial_bands

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
BANDS = 4  # of the frequencies up to half a cycle a pixel: none is empty from 8 pixels on
NAMES = (
    "mean", "deviation",
    *(f"quantile {level}" for level in QUANTILES),
    "horizontal gradient", "vertical gradient",
    "local contrast", "variation of local contrast",
    *(f"power in band {band}" for band in range(1, BANDS + 1)),
    "horizontal symmetry", "vertical symmetry",
    "centre", "horizontal position", "vertical position",
)  # fmt: skip
COLOUR_NAMES = tuple(
    f"{what} of {colour}" for what in ("mean", "deviation") for colour in ("red", "green", "blue")
)
VALUES = 2**22  # values of images that are worked on at a time


def image_statistics(images: ArrayLike) -> NDArray[np.float64]:
    """Compute a few simple statistics of each image.

    A classifier that needs no more than these has not looked at anatomy. So they are a baseline for
    classifiers of real classes, and the first things by which synthetic images differ from real
    ones: brightness, contrast, sharpness, symmetry. All but the last six are those of the mean over
    channels. `statistic_names` names them, in this order:

    - mean and standard deviation of the pixels (2);
    - their quantiles 0, 0.05, 0.25, 0.5, 0.75, 0.95 and 1 (7);
    - logarithm of the mean squared difference of pixels side by side, and one above the other (2);
    - mean and standard deviation of the standard deviations within windows of 3 by 3 pixels (2);
    - logarithm of the mean power of the Fourier transform in four bands of spatial frequency, 1/8
      cycle a pixel wide each, the last with all above (4);
    - correlation of the image with itself flipped left to right, and upside down (2);
    - mean of the middle half of rows and columns, less the mean of the image (1);
    - centre of brightness in columns and in rows, from -1 to 1 (2);
    - where there are three channels, the mean and the standard deviation of each (6).

    Args:
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.

    Returns:
        Shape `(n, 22)`, or `(n, 28)` with three channels. All are finite, of blank images as well.

    Raises:
        ValueError: If the images are not as described.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.image_statistics import image_statistics
    >>> image_statistics(np.full((5, 8, 8, 1), 0.25))[:, 0].tolist()
    [0.25, 0.25, 0.25, 0.25, 0.25]
    """
    return statistics_of(check_images(images, "images"))


def statistics_of(images: NDArray) -> NDArray[np.float64]:
    """Return `image_statistics` of images that are checked.

    Args:
        images: Shape `(n, h, w, c)`, floats in [0, 1] or `uint8`.

    Returns:
        The same array.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.image_statistics import statistics_of
    >>> statistics_of(np.zeros((2, 8, 8, 3), "uint8")).shape
    (2, 28)
    """
    count = max(VALUES // images[0].size, 1)
    parts = [_statistics(images[start : start + count]) for start in range(0, len(images), count)]
    return np.concatenate(parts)


def statistic_names(channels: int) -> tuple[str, ...]:
    """Name the columns of `image_statistics`.

    Args:
        channels: Channels of the images, 1 or 3.

    Returns:
        A name for each column.

    Example:

    >>> from keras_medaug.metrics.image_statistics import statistic_names
    >>> len(statistic_names(1)), statistic_names(3)[-1]
    (22, 'deviation of blue')
    """
    return NAMES + (COLOUR_NAMES if channels == 3 else ())


def _statistics(images: NDArray) -> NDArray[np.float64]:
    scaled = to_float(images).astype(np.float64)
    gray = scaled.mean(axis=3)
    columns = [*_histogram(gray), *_sharpness(gray), *_power(gray), *_layout(gray)]
    if images.shape[3] == 3:
        columns += [*scaled.mean(axis=(1, 2)).T, *scaled.std(axis=(1, 2)).T]
    return np.stack(columns, axis=1)


def _histogram(gray: NDArray) -> list[NDArray]:
    pixels = gray.reshape(len(gray), -1)
    return [pixels.mean(axis=1), pixels.std(axis=1), *np.quantile(pixels, QUANTILES, axis=1)]


def _sharpness(gray: NDArray) -> list[NDArray]:
    gradients = [_log((np.diff(gray, axis=axis) ** 2).mean(axis=(1, 2))) for axis in (2, 1)]
    height, width = gray.shape[1] - 2, gray.shape[2] - 2
    windows = [
        gray[:, row : row + height, column : column + width]
        for row in range(3)
        for column in range(3)
    ]
    mean = np.mean(windows, axis=0)
    contrast = np.sqrt(np.mean([(window - mean) ** 2 for window in windows], axis=0))
    return [*gradients, contrast.mean(axis=(1, 2)), contrast.std(axis=(1, 2))]


def _power(gray: NDArray) -> list[NDArray]:
    centred = gray - gray.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.fft2(centred, norm="ortho")) ** 2
    band = radial_bands(gray.shape[1:], BANDS)
    return [_log(power[:, band == number].mean(axis=1)) for number in range(BANDS)]


def _layout(gray: NDArray) -> list[NDArray]:
    centred = gray - gray.mean(axis=(1, 2), keepdims=True)
    variance = (centred**2).mean(axis=(1, 2)) + ROUNDING
    symmetry = [(centred * np.flip(centred, axis)).mean(axis=(1, 2)) / variance for axis in (2, 1)]
    height, width = gray.shape[1:]
    inner = centred[:, height // 4 : -(height // 4), width // 4 : -(width // 4)]
    total = gray.mean(axis=(1, 2)) + ROUNDING
    positions = [
        (gray.mean(axis=other) * np.linspace(-1, 1, size)).mean(axis=1) / total
        for other, size in ((1, width), (2, height))
    ]
    return [*symmetry, inner.mean(axis=(1, 2)), *positions]


def _log(power: NDArray) -> NDArray:
    return np.log(power + ROUNDING)  # finite, of blank images as well
