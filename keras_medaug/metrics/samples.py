"""Two samples of vectors that a metric compares, and how vectors are made and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_medaug.checked_images import CheckedImages, takes_checked_images
from keras_medaug.checks import as_array, fail
from keras_medaug.images import to_float

LEVELS = (0.025, 0.975)
FEWEST = 2

Value = TypeVar("Value")


class Samples:
    """What a metric compares: vectors of real and of synthetic images.

    Args:
        real: Vectors of real images, shape `(n, d)`.
        synthetic: Vectors of the images in question, `(m, d)`.
        drawn: Which of these a biased metric takes, indices; or `None` (default) for all. Then
            synthetic and held-out images are equally many.
        neighbours: Nearest neighbours that make the ball about an image; see `manifold_scores`.
        seed: Integer seed of draws and intervals.
        image_shape: Height, width and channels of the images, or `None` where nobody knows them.

    Attributes:
        real: As given.
        synthetic: All vectors of the images in question; for unbiased metrics.
        drawn: Those that biased metrics take.
        neighbours: As given.
        seed: As given.
        image_shape: As given.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.samples import Samples
    >>> samples = Samples(np.zeros((4, 2)), np.ones((5, 2)), drawn=np.array([0, 3]))
    >>> samples.synthetic.shape, samples.drawn.shape
    ((5, 2), (2, 2))
    """

    def __init__(
        self,
        real: NDArray,
        synthetic: NDArray,
        drawn: NDArray[np.intp] | None = None,
        neighbours: int = 5,
        seed: int = 0,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.real, self.synthetic = real, synthetic
        self.drawn = synthetic if drawn is None else synthetic[drawn]
        self.neighbours, self.seed, self.image_shape = neighbours, seed, image_shape
        self._values: dict[Any, Any] = {}

    def once(self, function: Callable[[Samples], Value]) -> Value:
        """Return what a function makes of these samples, computed at the first call.

        Args:
            function: What several metrics have in common, such as the neighbours of all vectors.

        Returns:
            The same object each time.
        """
        if function not in self._values:
            self._values[function] = function(self)
        return self._values[function]


def as_argument_of(function: Any, images: NDArray, method: str = "__call__") -> Any:
    """Return checked images as a function takes them, so that ours do not check them again.

    Args:
        function: An extractor of features or a classifier.
        images: Checked images.
        method: Name of the method that is to get them.

    Returns:
        `CheckedImages`, if `checked_images.takes_checked_images` says so; else a copy of the array.
        A function that writes into the copy changes no image that other functions get.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.samples import as_argument_of
    >>> as_argument_of(len, np.zeros((3, 8, 8, 1))).shape
    (3, 8, 8, 1)
    """
    return CheckedImages(images) if takes_checked_images(function, method) else images.copy()


def check_features(features: ArrayLike, argument: str) -> NDArray[np.float64]:
    """Return features as an array of `float64`.

    Args:
        features: Shape `(n, d)`, two rows or more, finite.
        argument: Name under which they are reported.

    Returns:
        The array.

    Raises:
        ValueError: If `features` is not as described.

    Example:

    >>> from keras_medaug.metrics.samples import check_features
    >>> check_features([[1, 2], [3, 4]], "real").dtype
    dtype('float64')
    """
    array = as_array(features, argument)
    if array.ndim != 2 or len(array) < FEWEST or not array.shape[1]:
        raise fail(argument, f"shape {array.shape}", "features (n, d), two images or more")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise fail(argument, f"dtype {array.dtype}", "numbers")
    array = np.ascontiguousarray(array, dtype=np.float64)
    if not np.isfinite(array).all():
        raise fail(argument, "NaN or infinity", "finite features")
    return array


def check_pair(
    real: ArrayLike, synthetic: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two sets of features of one length.

    Args:
        real: Shape `(n, d)`.
        synthetic: Shape `(m, d)`.

    Returns:
        Both, as `check_features` returns them.

    Raises:
        ValueError: If one of the two is not a set of features, or their rows differ in length.

    Example:

    >>> from keras_medaug.metrics.samples import check_pair
    >>> check_pair([[1, 2], [3, 4]], [[0], [0]])
    Traceback (most recent call last):
    ValueError: `synthetic`: got features of length 1; expected length 2, as `real`.
    """
    first, second = check_features(real, "real"), check_features(synthetic, "synthetic")
    if first.shape[1] != second.shape[1]:
        got = f"features of length {second.shape[1]}"
        raise fail("synthetic", got, f"length {first.shape[1]}, as `real`")
    return first, second


def compute_features(
    features: Callable[[NDArray], Any], sets: Sequence[NDArray], batch_size: int
) -> list[NDArray]:
    """Return the features of all images of some sets.

    Args:
        features: From images `(n, h, w, c)`, `float32` in [0, 1], to features `(n, d)`.
        sets: Images, `float32` in [0, 1] or `uint8`.
        batch_size: Images that it gets at a time.

    Returns:
        Numbers, shape `(n, d)`, for each set.

    Raises:
        ValueError: If the extractor returns anything but an array of finite numbers, or rows of
            different lengths.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.samples import compute_features
    >>> compute_features(lambda x: x.mean(axis=(1, 2)), [np.ones((5, 8, 8, 3))], 2)[0].shape
    (5, 3)
    """
    batches = [
        [
            _checked_batch(features(as_argument_of(features, to_float(images[i : i + batch_size]))))
            for i in range(0, len(images), batch_size)
        ]
        for images in sets
    ]
    lengths = sorted({batch.shape[1] for parts in batches for batch in parts})
    if len(lengths) > 1:
        got = f"features of {lengths[0]} and of {lengths[-1]} numbers"
        raise fail("features", got, "one length for all images")
    joined = [np.concatenate(parts) for parts in batches]
    for images, array in zip(sets, joined, strict=True):
        if len(array) != len(images):
            raise fail(
                "features", f"{len(array)} rows for {len(images)} images", "one row an image"
            )
    return joined


def _checked_batch(values: Any) -> NDArray:
    array = as_array(values, "features")
    if array.ndim != 2 or not array.shape[1]:
        raise fail("features", f"shape {array.shape} from it", "an array (n, d) for n images")
    if array.dtype.kind not in "fiu":
        raise fail("features", f"dtype {array.dtype} from it", "numbers")
    if not np.isfinite(array).all():
        raise fail("features", "NaN or infinity from it", "finite features")
    return array
