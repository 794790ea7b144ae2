"""A function of images that is asked once for each image."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checked_images import CheckedImages
from keras_medaug.checks import as_array
from keras_medaug.images import to_float


class Once:
    """Remember what a function of images returned for each image, and never ask it again.

    Images are told apart by the content of their pixels, as `float32`. So metrics that ask for the
    same images in another order, in other chunks, or with others among them share one computation.

    Args:
        function: From images, `float32` in [0, 1], to one row for each image.
        takes_checked: Whether the function takes `CheckedImages`, as those of the package do.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.cards.once import Once
    >>> asked = []
    >>> def brightness(images):
    ...     asked.append(len(images))
    ...     return images.mean(axis=(1, 2))
    >>> once = Once(brightness)
    >>> x = np.random.default_rng(0).random((3, 8, 8, 1), "float32")
    >>> len(once(x)), len(once(x[::-1])), asked
    (3, 3, [3])
    """

    def __init__(self, function: Callable[[Any], ArrayLike], takes_checked: bool = False) -> None:
        self._function, self._takes_checked = function, takes_checked
        self._rows: dict[bytes, NDArray[Any]] = {}

    def __call__(self, images: NDArray | CheckedImages) -> NDArray[Any]:
        """Return the rows of images."""
        given = images.array if isinstance(images, CheckedImages) else np.asarray(images)
        floats = to_float(given)
        keys = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in floats]
        new: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            if key not in self._rows:
                new.setdefault(key, place)
        if new:
            fresh = floats if len(new) == len(keys) else floats[list(new.values())]
            asked = CheckedImages(fresh) if self._takes_checked else fresh.copy()
            rows = as_array(self._function(asked), "features")
            if rows.ndim == 0 or len(rows) != len(fresh):
                return rows  # which is refused where it is used, by a message of its own
            self._rows.update(zip(new, rows, strict=True))
        return np.stack([self._rows[key] for key in keys])
