"""About how long training takes, before any of it has been measured."""

import math
from collections.abc import Sequence

# Seconds of a step of 64 images of 28 x 28 pixels on 2 CPU cores. What matters is the proportion to
# other work: progress goes by what it measures as soon as it can.
SECONDS_PER_STEP = 0.2
COMPILATION = 5.0  # seconds


def expected_seconds(steps: int, image_shape: Sequence[int], batch_size: int = 64) -> float:
    """Return how many seconds a training may take.

    Args:
        steps: Training steps.
        image_shape: `(height, width, channels)`.
        batch_size: Images in a batch.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.models.step_times import expected_seconds
    >>> expected_seconds(2000, (28, 28, 1))
    405.0
    """
    size = math.prod(image_shape[:2]) / 28**2 * batch_size / 64
    return COMPILATION + SECONDS_PER_STEP * steps * size
