"""Which images are equal, by digests of their values."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from keras_medaug.metrics.forms import forms


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
    if images.dtype == np.uint8:
        return digests(images)
    found: list[bytes] = []
    for image in images:  # one at a time: a large set of floats has no copy
        found += digests(np.rint(image * 255).astype(np.uint8)[np.newaxis])
    return found


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
    """Return digests that are the same for images that are, to 8 bits, flipped or turned copies.

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
