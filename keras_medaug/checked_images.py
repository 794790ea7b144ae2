"""Images that have been checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CheckedImages:
    """Images that were checked at the door of a public call, so that none is looked at again.

    Functions of the package take them where they take images. Users never get one.

    Attributes:
        array: What `images.check_images` returned, or what the package made itself: `float32` in
            [0, 1] or `uint8`, shape `(n, h, w, c)`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.checked_images import CheckedImages
    >>> from keras_medaug.images import check_images
    >>> x = np.zeros((2, 8, 8, 1), "float32")
    >>> check_images(CheckedImages(x)) is x, len(CheckedImages(x)[:1])
    (True, 1)
    """

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the array, as functions of NumPy ask for it."""
        return np.array(self.array, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.array)

    def __getitem__(self, rows: Any) -> "CheckedImages":
        """Return some of the images."""
        return CheckedImages(self.array[rows])


def is_of_package(value: Any, method: str) -> bool:
    """Tell whether a method of an object is the package's own, and no override of a user's.

    Args:
        value: The object.
        method: Name of the method.

    Returns:
        Whether a class of the package defines it.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.checked_images import CheckedImages, is_of_package
    >>> is_of_package(CheckedImages(np.zeros(3)), "__len__"), is_of_package("x", "upper")
    (True, False)
    """
    owner = _owner(value, method)
    return owner is not None and owner.__module__.partition(".")[0] == "keras_medaug"


def takes_checked_images(value: Any, method: str) -> bool:
    """Tell whether a method of an extractor or classifier takes `CheckedImages`.

    Args:
        value: The object.
        method: Name of the method.

    Returns:
        Whether the object has a true attribute `takes_checked_images`, and the method is the
        package's own or of the class that has this attribute.

    Example:

    >>> import keras_medaug as kma
    >>> from keras_medaug.checked_images import takes_checked_images
    >>> pixels = kma.features.PixelFeatures(kma.datasets.load("phantom", size=8).train[0])
    >>> takes_checked_images(pixels, "__call__")
    True
    """
    if not getattr(value, "takes_checked_images", False):
        return False
    declared = vars(_owner(value, method) or object).get("takes_checked_images", False)
    return bool(declared) or is_of_package(value, method)


def _owner(value: Any, method: str) -> type | None:
    """Return the class that defines a method; `None` where the object has one of its own."""
    if method in getattr(value, "__dict__", ()):
        return None
    return next((kind for kind in type(value).__mro__ if method in vars(kind)), None)
