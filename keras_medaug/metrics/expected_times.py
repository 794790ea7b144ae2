"""About how long the metrics take on 2 CPU cores, for a plan before any of it has been measured."""

import math
from collections.abc import Sequence

# Seconds at least, and seconds for each product of counts; measured on BreastMNIST, RetinaMNIST and
# PneumoniaMNIST. What matters is the proportions.
AUDIT = 0.3, 0.7e-9
DUPLICATES = 0.05, 0.06e-9
QUALITY = 0.7, 5.8e-7


def audit_seconds(count: int, training: int, held_out: int, image_shape: Sequence[int]) -> float:
    """Return about how many seconds `copy_audit` takes.

    Args:
        count: Images in question.
        training: Training images.
        held_out: Held-out images.
        image_shape: `(height, width, channels)`.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.metrics.expected_times import audit_seconds
    >>> round(audit_seconds(546, 546, 234, (28, 28, 1)), 1)
    0.6
    """
    return AUDIT[0] + AUDIT[1] * (count + 2 * held_out) * training * math.prod(image_shape)


def duplicates_seconds(pairs: float, image_shape: Sequence[int]) -> float:
    """Return about how many seconds `near_duplicates` takes.

    Args:
        pairs: Pairs of images that are compared.
        image_shape: `(height, width, channels)`.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.metrics.expected_times import duplicates_seconds
    >>> round(duplicates_seconds(1e6, (28, 28, 1)), 2)
    0.1
    """
    return DUPLICATES[0] + DUPLICATES[1] * pairs * math.prod(image_shape)


def quality_seconds(count: int, training: int, held_out: int) -> float:
    """Return about how many seconds `sample_quality` takes in two spaces of features.

    Args:
        count: Synthetic images.
        training: Training images.
        held_out: Held-out images.

    Returns:
        The seconds.

    Example:

    >>> from keras_medaug.metrics.expected_times import quality_seconds
    >>> round(quality_seconds(546, 546, 78), 1)
    0.9
    """
    return QUALITY[0] + QUALITY[1] * training * (count + held_out)
