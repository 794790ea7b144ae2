"""The images that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageSets:
    """Synthetic images, and the real ones that they are compared with, all as saved in 8 bits.

    Attributes:
        images: Synthetic images, `uint8`.
        training: What the generator was trained on.
        held_out: Real images that it was not trained on; possibly none.
        labels: Classes of the synthetic images, or `None`.
        training_labels: Classes of the training images, or `None`.
        held_out_labels: Classes of the held-out images, or `None`.
        seed: Integer seed of all that is drawn.
        class_names: Names of the classes, or `None` for their numbers.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.assessment.image_sets import ImageSets
    >>> images = np.zeros((3, 8, 8, 1), "uint8")
    >>> ImageSets(images, images, images[:0]).counts
    {'synthetic': 3, 'training': 3, 'held-out': 0}
    """

    images: NDArray[np.uint8]
    training: NDArray[np.uint8]
    held_out: NDArray[np.uint8]
    labels: NDArray[np.integer] | None = None
    training_labels: NDArray[np.integer] | None = None
    held_out_labels: NDArray[np.integer] | None = None
    seed: int = 0
    class_names: Sequence[str] | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many images there are of each kind."""
        kinds = {"synthetic": self.images, "training": self.training, "held-out": self.held_out}
        return {kind: len(images) for kind, images in kinds.items()}


def in_8_bits(images: NDArray) -> NDArray[np.uint8]:
    """Return images as they are once saved.

    Args:
        images: Floats in [0, 1], or `uint8`.

    Returns:
        `uint8`; the same array if it is so already.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.assessment.image_sets import in_8_bits
    >>> in_8_bits(np.array([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    return images if images.dtype == np.uint8 else np.rint(images * 255).astype(np.uint8)
