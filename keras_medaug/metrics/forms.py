"""The forms of an image that flips and quarter turns give."""

from collections.abc import Iterator

from numpy.typing import NDArray


def forms(images: NDArray, square: bool | None = None) -> Iterator[NDArray]:
    """Yield images flipped and turned by quarters: 8 forms, or 4 where they are not square.

    Args:
        images: Shape `(n, h, w, ...)`.
        square: Whether quarter turns count; by default, whether the images are square. Images that
            were reduced may be square where the originals are not.

    Yields:
        Views of the images, of the same shape; the first are the images as they are.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.forms import forms
    >>> len(list(forms(np.zeros((2, 8, 8, 1))))), len(list(forms(np.zeros((2, 8, 9, 1)))))
    (8, 4)
    """
    if square is None:
        square = images.shape[1] == images.shape[2]
    for turned in [images, images.swapaxes(1, 2)] if square else [images]:
        for rowwise in (1, -1):
            for columnwise in (1, -1):
                yield turned[:, ::rowwise, ::columnwise]
