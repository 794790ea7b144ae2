"""Which images are equal, as they are or in another form, and which show nothing."""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from keras_medaug.images import to_uint8

UNIFORM = 0.02  # standard deviation within the channels, below which an image is uniform
# So is, in a set of low contrast, only what is below this fraction of what its clearest tenth has.
FRACTION, CLEAREST = 0.25, 0.9
LEAST = 0.01  # two and a half steps of 8 bits: below it there is nothing but noise
CHUNK = 256


def forms(images: NDArray, square: bool | None = None) -> Iterator[NDArray]:
    """Yield images flipped and rotated by quarter turns: 8 forms, or 4 where they are not square.

    Args:
        images: Shape `(n, h, w, ...)`.
        square: Whether quarter turns count; by default, whether the images are square. Images that
            were reduced may be square where the originals are not.

    Yields:
        Views of the images, of the same shape; the first are the images as they are.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import forms
    >>> len(list(forms(np.zeros((2, 8, 8, 1))))), len(list(forms(np.zeros((2, 8, 9, 1)))))
    (8, 4)
    """
    if square is None:
        square = images.shape[1] == images.shape[2]
    for transposed in [images, images.swapaxes(1, 2)] if square else [images]:
        for rowwise in (1, -1):
            for columnwise in (1, -1):
                yield transposed[:, ::rowwise, ::columnwise]


# ---- equal images ---------------------------------------------------------------------------


def digests(images: NDArray) -> list[bytes]:
    """Return 16 bytes for each image, the same for two of them where all their values are.

    Args:
        images: Images of one type, shape `(n, h, w, c)`.

    Returns:
        A digest of each.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import digests
    >>> len(set(digests(np.zeros((3, 8, 8, 1), "uint8"))))
    1
    """
    return [
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        for image in images
    ]


def digests_in_8_bits(images: NDArray) -> list[bytes]:
    """Return the same of the images as they are once saved, rounded to 8 bits.

    Args:
        images: Floats in [0, 1] or `uint8`, shape `(n, h, w, c)`.

    Returns:
        A digest of each.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import digests_in_8_bits
    >>> len(set(digests_in_8_bits(np.reshape([0, 1e-3, 1.0], (3, 1, 1, 1)))))
    2
    """
    # One image at a time: a large set of floats has no copy.
    return [digest for image in images for digest in digests(to_uint8(image)[np.newaxis])]


def equal_images(images: NDArray, others: NDArray) -> NDArray[np.bool_]:
    """Tell which images are, to 8 bits, among others.

    Args:
        images: Images, floats in [0, 1] or `uint8`.
        others: What to look among.

    Returns:
        A flag of each image.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import equal_images
    >>> x = np.random.default_rng(0).random((4, 8, 8, 1))
    >>> equal_images(x[2:], x[:3]).tolist()
    [True, False]
    """
    known = set(digests_in_8_bits(others))
    return np.array([digest in known for digest in digests_in_8_bits(images)], bool)


def digests_of_forms(images: NDArray) -> list[bytes]:
    """Return digests that are the same for images that are, to 8 bits, flipped or rotated copies.

    Args:
        images: Images, floats in [0, 1] or `uint8`.

    Returns:
        A digest of each.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import digests_of_forms
    >>> x = np.random.default_rng(0).random((1, 8, 8, 1))
    >>> digests_of_forms(x) == digests_of_forms(np.rot90(x, axes=(1, 2)))
    True
    """
    return [
        min(digests_in_8_bits(form)[0] for form in forms(image[np.newaxis])) for image in images
    ]


def equal_in_any_form(images: NDArray, others: NDArray) -> NDArray[np.bool_]:
    """Tell which images are, to 8 bits, among others or their flips and quarter turns.

    Args:
        images: Images, floats in [0, 1] or `uint8`.
        others: What to look among.

    Returns:
        A flag of each image.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import equal_in_any_form
    >>> x = np.random.default_rng(0).random((4, 8, 8, 1))
    >>> equal_in_any_form(x[2:, ::-1], x[:3]).tolist()
    [True, False]
    """
    known = set(digests_of_forms(others))
    return np.array([digest in known for digest in digests_of_forms(images)], bool)


def first_of_equals(keys: list[bytes]) -> NDArray[np.intp]:
    """Return the places of keys that equal no earlier one, in order.

    Args:
        keys: Digests.

    Returns:
        Indices.

    Example:

    >>> from keras_medaug.metrics.equality import first_of_equals
    >>> first_of_equals([b"a", b"b", b"a"]).tolist()
    [0, 1]
    """
    first: dict[bytes, int] = {}
    for index, key in enumerate(keys):
        first.setdefault(key, index)
    return np.fromiter(first.values(), np.intp)


# ---- uniform images: of these any two are alike, and none is a copy --------------------------


def uniform_images(images: NDArray, limit: float = UNIFORM) -> NDArray[np.bool_]:
    """Tell which images show nothing: their pixels hardly deviate within channels.

    Args:
        images: Floats in [0, 1] or `uint8`, shape `(n, h, w, c)`.
        limit: Standard deviation, with pixels in [0, 1], below which an image shows nothing.

    Returns:
        A flag of each image.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import uniform_images
    >>> pink = np.zeros((1, 8, 8, 3)) + [0.9, 0.7, 0.8]
    >>> textured = np.random.default_rng(0).random((1, 8, 8, 3))
    >>> uniform_images(np.concatenate([pink, textured])).tolist()
    [True, False]
    """
    return _deviations(images) < limit


def uniformity_limit(images: NDArray) -> float:
    """Return the standard deviation below which an image of a set is uniform.

    It is 0.02. Where a whole set has little contrast, as 12-bit scans in 16-bit files have, it is a
    quarter of what the tenth of the images with the most contrast exceeds, but 0.01 at least.

    Args:
        images: The set, floats in [0, 1] or `uint8`, shape `(n, h, w, c)`.

    Returns:
        The limit.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.equality import uniformity_limit
    >>> x = np.random.default_rng(0).random((9, 8, 8, 1))
    >>> uniformity_limit(x), uniformity_limit(x / 16)
    (0.02, 0.01)
    """
    clearest = float(np.quantile(_deviations(images), CLEAREST))
    return min(UNIFORM, max(LEAST, FRACTION * clearest))


def _deviations(images: NDArray) -> NDArray[np.float64]:
    """Return the standard deviation of each image within channels, with pixels in [0, 1]."""
    unit = 255.0 if images.dtype == np.uint8 else 1.0
    deviations = np.zeros(len(images))
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].astype(np.float64)
        deviations[start : start + CHUNK] = np.sqrt(chunk.var(axis=(1, 2)).mean(axis=1)) / unit
    return deviations
