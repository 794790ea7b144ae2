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
