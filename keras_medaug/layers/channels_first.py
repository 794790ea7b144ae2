"""Convolution of images through a view of them whose channels come first.

On PyTorch, Keras's convolutions of channels-last images copy them to channels-first memory and,
most of them, back again, before every pass. PyTorch needs neither: it convolves a transposed view
of channels-last images as they lie, and gives channels-last memory back.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

# Backends on which the stock layers copy; elsewhere a transposition costs as much or more.
_COPYING = ("torch",)


def copies() -> bool:
    """Return whether the stock layers of this backend copy channels-last images."""
    return keras.config.backend() in _COPYING


def through_view(operation: Callable[[Any], Any], images: Any) -> Any:
    """Return what a channels-first operation makes of channels-last images, channels last."""
    return ops.transpose(operation(ops.transpose(images, (0, 3, 1, 2))), (0, 2, 3, 1))
