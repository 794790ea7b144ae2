"""About how long training takes in proportion to other work, before any of it has been measured."""

import math
from collections.abc import Sequence

# Seconds of a step of 64 images of 28 x 28 pixels on 2 CPU cores: of a generative model, whichever
# it is, and of a classifier. Only the proportion to other work counts, until a step was measured.
# Compilation is not in it: it is measured apart, and some backends have none.
SECONDS_PER_STEP = 0.2
OF_CLASSIFIER = 0.04
PER_PASS = 1.2e-3  # of an image through the network of a generative model


def expected_seconds(steps: int, image_shape: Sequence[int], batch_size: int = 64) -> float:
    """Return how many seconds the training of a generative model may take.

    Args:
        steps: Training steps.
        image_shape: `(height, width, channels)`.
        batch_size: Images in a batch.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.models.step_times import expected_seconds
    >>> expected_seconds(2000, (28, 28, 1))
    400.0
    """
    return SECONDS_PER_STEP * steps * math.prod(image_shape[:2]) / 28**2 * batch_size / 64


def image_seconds(count: float, image_shape: Sequence[int], passes: int = 1) -> float:
    """Return how many seconds a generative model may take to make images.

    Args:
        count: Images.
        image_shape: `(height, width, channels)`.
        passes: Passes through a network that an image takes: the model's `passes_per_image`.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.models.step_times import image_seconds
    >>> round(image_seconds(1000, (28, 28, 1), passes=39))
    47
    """
    return PER_PASS * count * passes * math.prod(image_shape[:2]) / 28**2


def classifier_seconds(steps: int, image_shape: Sequence[int], batch_size: int = 64) -> float:
    """Return how many seconds the training of a classifier may take.

    Args:
        steps: Training steps.
        image_shape: `(height, width, channels)`.
        batch_size: Images in a batch.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.models.step_times import classifier_seconds
    >>> classifier_seconds(2000, (28, 28, 1))
    80.0
    """
    factor = OF_CLASSIFIER / SECONDS_PER_STEP
    return factor * expected_seconds(steps, image_shape, batch_size)
