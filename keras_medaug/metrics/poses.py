"""Where images lie when they are turned and shifted a little."""

from dataclasses import dataclass

from numpy.typing import NDArray


@dataclass(frozen=True)
class Poses:
    """Where each of some images lies: turned about its centre, then shifted.

    Attributes:
        turns: Radians, `(n,)`.
        down: Pixels, `(n,)`.
        across: Pixels, `(n,)`.

    Example:

    >>> import numpy as np
    >>> from keras_medaug.metrics.poses import Poses
    >>> Poses(np.zeros(2), np.ones(2), np.ones(2)).turns.tolist()
    [0.0, 0.0]
    """

    turns: NDArray
    down: NDArray
    across: NDArray
