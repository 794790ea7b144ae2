"""Random numbers that are the same on every machine and with every release of NumPy."""

import hashlib

import numpy as np
from numpy.typing import NDArray


class Draws:
    """A stream of random numbers that its key alone decides.

    NumPy promises the raw output of a bit generator, but not what `Generator` makes of it: so the
    two distributions needed here are made from the raw output.

    Args:
        *key: Integers and strings; another key gives an independent stream.
    """

    def __init__(self, *key: int | str):
        digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
        self._bits = np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "little")))

    def uniform(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return numbers in [0, 1)."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        return (raw >> np.uint64(11)).reshape(shape).astype(np.float64) * 2.0**-53

    def normal(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return numbers of the standard normal distribution (Box-Muller)."""
        count = int(np.prod(shape))
        pairs = self.uniform(((count + 1) // 2, 2))
        radius = np.sqrt(-2.0 * np.log1p(-pairs[:, 0]))
        angle = 2.0 * np.pi * pairs[:, 1]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return both.reshape(-1)[:count].reshape(shape)
